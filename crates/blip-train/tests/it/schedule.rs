//! Schedules against the original's.

use blip_train::{AlphaRamp, Moment, Schedule};
use serde_json::Value;

fn recorded() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/schedule.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn moment(epoch: usize, step: usize, steps_per_epoch: usize) -> Moment {
    Moment {
        epoch,
        step,
        steps_per_epoch,
        seed: 0,
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|number| number.as_f64().unwrap())
        .collect()
}

fn assert_equal(got: f64, want: f64) {
    assert!(
        (got - want).abs() <= 1e-12 * want.abs().max(1e-9),
        "{got} is not {want}"
    );
}

#[test]
fn cosine() {
    let recorded = recorded();
    let cases = recorded["cosine"].as_array().unwrap();
    assert!(cases.len() > 4);
    for case in cases {
        let schedule = Schedule::Cosine {
            init_lr: case["init_lr"].as_f64().unwrap(),
            min_lr: case["min_lr"].as_f64().unwrap(),
            max_epoch: case["max_epoch"].as_u64().unwrap() as usize,
        };
        for (epoch, want) in numbers(&case["rates"]).into_iter().enumerate() {
            assert_equal(schedule.learning_rate(&moment(epoch, 3, 10)), want);
        }
    }
}

#[test]
fn step_decay_and_its_floor() {
    let recorded = recorded();
    for case in recorded["step"].as_array().unwrap() {
        let schedule = Schedule::StepDecay {
            init_lr: case["init_lr"].as_f64().unwrap(),
            min_lr: case["min_lr"].as_f64().unwrap(),
            lr_decay_rate: case["lr_decay_rate"].as_f64().unwrap(),
            warmup_lr: 1e-6,
            warmup_steps: 1,
        };
        for (epoch, want) in numbers(&case["rates"]).into_iter().enumerate().skip(1) {
            assert_equal(schedule.learning_rate(&moment(epoch, 0, 10)), want);
        }
    }
}

fn pretraining(warmup_steps: usize) -> Schedule {
    Schedule::StepDecay {
        init_lr: 3e-4,
        min_lr: 1e-6,
        lr_decay_rate: 0.9,
        warmup_lr: 1e-6,
        warmup_steps,
    }
}

#[test]
fn warm_up() {
    let recorded = recorded();
    for case in recorded["warmup"].as_array().unwrap() {
        let schedule = pretraining(case["warmup_steps"].as_u64().unwrap() as usize);
        for (step, want) in numbers(&case["steps"]).into_iter().zip(numbers(&case["rates"])) {
            assert_equal(schedule.learning_rate(&moment(0, step as usize, 1 << 20)), want);
        }
    }
}

#[test]
fn whole_epochs_as_the_original_loops_run_them() {
    let recorded = recorded();
    for (name, ramp) in [
        ("pretrain", AlphaRamp::TwoEpochs(0.4)),
        ("retrieval", AlphaRamp::OneEpoch(0.4)),
    ] {
        for case in recorded[name].as_array().unwrap() {
            let number = |field: &str| case[field].as_u64().map(|number| number as usize);
            let (epoch, batches) = (number("epoch").unwrap(), number("batches").unwrap());
            for (step, want) in numbers(&case["alphas"]).into_iter().enumerate() {
                assert_equal(ramp.alpha(&moment(epoch, step, batches)), want);
            }
            if let Some(warmup_steps) = number("warmup_steps") {
                let schedule = pretraining(warmup_steps);
                for (step, want) in numbers(&case["rates"]).into_iter().enumerate() {
                    assert_equal(schedule.learning_rate(&moment(epoch, step, batches)), want);
                }
            }
        }
    }
}
