//! Runs that are stopped, killed and resumed.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use blip_train::{Objective, Regularization, Run, RunOptions, Schedule, StepReport, Trainee};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::tiny::{Shades, pretraining};

const SCHEDULE: Schedule = Schedule::WarmupCosine {
    init_lr: 3e-3,
    min_lr: 0.0,
    warmup_steps: 3,
    max_steps: 24,
};

/// Dropout draws from the device's one stream: runs in one process take turns.
pub(crate) static TURN: Mutex<()> = Mutex::new(());

fn options(folder: Option<&Path>) -> RunOptions {
    RunOptions {
        folder: folder.map(Path::to_owned),
        checkpoint_every: 4,
        log_every: 1,
        ..RunOptions::new(4, SCHEDULE)
    }
}

fn parameters(trainee: &Trainee) -> Vec<Vec<f32>> {
    struct Read(Vec<Vec<f32>>);
    impl ModuleVisitor for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0
                .push(param.val().without_autodiff().try_into_vec_as().unwrap());
        }
    }
    let mut read = Read(Vec::new());
    trainee.visit(&mut read);
    read.0
}

#[test]
fn losses_fall() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let schedule = Schedule::WarmupCosine {
        init_lr: 3e-3,
        min_lr: 0.0,
        warmup_steps: 10,
        max_steps: 120,
    };
    let options = RunOptions::new(20, schedule);
    let mut run = Run::new(pretraining(&Regularization::NONE), options).unwrap();
    let mut reports: Vec<StepReport> = Vec::new();
    run.train(&Shades, |report| {
        reports.push(report.clone());
        true
    })
    .unwrap();
    assert_eq!(reports.len(), 120);
    let (first, last) = (&reports[0], &reports[119]);
    let lm = |report: &StepReport| {
        report
            .parts
            .iter()
            .find(|(name, _)| *name == "loss_lm")
            .unwrap()
            .1
    };
    assert!(lm(last) < 0.6 * lm(first), "{first:?} {last:?}");
}

#[test]
fn a_run_that_was_stopped_twice_ends_where_an_unbroken_one_does_bit_for_bit() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let dropout = Regularization::original(0.1);
    let whole = tempfile::tempdir().unwrap();
    let mut unbroken = Run::new(pretraining(&dropout), options(Some(whole.path()))).unwrap();
    unbroken.train(&Shades, |_| true).unwrap();

    let parts = tempfile::tempdir().unwrap();
    for stop in [7, 16, 100] {
        let mut run = Run::new(pretraining(&dropout), options(Some(parts.path()))).unwrap();
        run.train(&Shades, |report| report.step != stop).unwrap();
    }
    let broken = Run::new(pretraining(&dropout), options(Some(parts.path()))).unwrap();
    assert_eq!(broken.step(), 24);
    let (want, got) = (
        parameters(unbroken.objective().trainee()),
        parameters(broken.objective().trainee()),
    );
    assert!(want == got, "parameters differ");
    let log = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("log.jsonl")).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        lines
            .iter()
            .map(|line| (line["step"].clone(), line["loss"].clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(log(whole.path()), log(parts.path()));
}

/// The values of the projection of patches, and all others.
fn patch_embedding_and_others(trainee: &Trainee) -> [Vec<f32>; 2] {
    #[derive(Default)]
    struct Read(Vec<String>, [Vec<f32>; 2]);
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, name: &str, _container_type: &str) {
            self.0.push(name.to_owned());
        }

        fn exit_module(&mut self, _name: &str, _container_type: &str) {
            self.0.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let others = usize::from(!self.0.iter().any(|name| name == "patch_embed"));
            let values = param.val().without_autodiff().try_into_vec_as::<f32>();
            self.1[others].extend(values.unwrap());
        }
    }
    let mut read = Read::default();
    trainee.model.visit(&mut read);
    read.1
}

#[test]
fn the_projection_of_patches_takes_steps_of_its_own_length() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    // AdamW's first step is of the learning rate for every parameter, whatever its gradient.
    let farthest = |scale: f64| {
        let schedule = Schedule::Cosine {
            init_lr: 1e-3,
            min_lr: 1e-3,
            max_epoch: 1,
        };
        let mut options = RunOptions::new(1, schedule);
        options.optimizer.weight_decay = 0.0;
        options.optimizer.patch_embedding_lr_scale = scale;
        let mut run = Run::new(pretraining(&Regularization::NONE), options).unwrap();
        let before = patch_embedding_and_others(run.objective().trainee());
        run.train(&Shades, |_| false).unwrap();
        let after = patch_embedding_and_others(run.objective().trainee());
        [0, 1].map(|part| {
            let moved = before[part].iter().zip(&after[part]);
            moved.fold(0.0, |most: f32, (before, after)| most.max((after - before).abs()))
        })
    };
    for scale in [1.0, 0.25, 0.0] {
        let [patches, others] = farthest(scale);
        assert!((patches - 1e-3 * scale as f32).abs() < 1e-5, "{scale}: {patches}");
        assert!((others - 1e-3).abs() < 1e-5, "{scale}: {others}");
    }
}
