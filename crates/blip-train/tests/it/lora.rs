//! Low-rank adapters.

use std::sync::PoisonError;

use blip_core::{BlipModel, Part, Task};
use blip_train::{Captioning, Objective, Regularization, Run, RunOptions, Schedule, Trainee};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::run::TURN;
use crate::tiny::{Shades, trainee};

const SCHEDULE: Schedule = Schedule::WarmupCosine {
    init_lr: 1e-2,
    min_lr: 0.0,
    warmup_steps: 3,
    max_steps: 60,
};

fn adapted() -> Trainee {
    trainee(&[Part::TextDecoder], &Regularization::NONE)
        .with_lora(2, 4.0)
        .unwrap()
}

/// What is adapted or stays, and the adapters.
fn parameters(model: &BlipModel) -> [Vec<Vec<f32>>; 2] {
    #[derive(Default)]
    struct Read {
        inside: bool,
        bases: Vec<Vec<f32>>,
        adapters: Vec<Vec<f32>>,
    }
    impl ModuleVisitor for Read {
        fn enter_module(&mut self, _name: &str, container_type: &str) {
            self.inside |= container_type == "Reparameterization";
        }
        fn exit_module(&mut self, _name: &str, container_type: &str) {
            self.inside &= container_type != "Reparameterization";
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let values = param.val().without_autodiff().try_into_vec_as().unwrap();
            match self.inside {
                true => self.adapters.push(values),
                false => self.bases.push(values),
            }
        }
    }
    let mut read = Read::default();
    model.visit(&mut read);
    [read.bases, read.adapters]
}

#[test]
fn adapters_learn_and_the_rest_stays() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = tempfile::tempdir().unwrap();
    let options = RunOptions {
        folder: Some(folder.path().to_owned()),
        checkpoint_every: 10,
        ..RunOptions::new(10, SCHEDULE)
    };
    let [before, adapters] = parameters(&adapted().model);
    assert_eq!(adapters.len(), 2 * 15);
    let mut losses = Vec::new();
    // Stopped once on the way: the adapters come back out of the checkpoint.
    for stop in [25, 100] {
        let objective = Captioning::new(adapted(), 38, 1).unwrap();
        let mut run = Run::new(objective, options.clone()).unwrap();
        run.train(&Shades, |report| {
            losses.push(report.loss);
            report.step != stop
        })
        .unwrap();
        if stop == 100 {
            let trainee = run.objective().trainee();
            let [bases, _] = parameters(&trainee.model);
            assert!(bases == before, "what is adapted changed");
            let finished = trainee.finished();
            let [merged, left] = parameters(&finished);
            assert!(left.is_empty() && merged != before, "adapters are added in");
            assert_eq!(finished.parts(), Task::Captioning.parts());
        }
    }
    assert_eq!(losses.len(), 60);
    assert!(losses[59] < 0.8 * losses[0], "{losses:?}");
    assert!(
        (losses[25] - losses[24]).abs() < 0.5,
        "it goes on where it stopped: {losses:?}"
    );
}

#[test]
fn a_rank_of_0_is_refused() {
    let trainee = trainee(&[Part::TextDecoder], &Regularization::NONE);
    let error = trainee.with_lora(0, 1.0).unwrap_err().to_string();
    assert_eq!(error, "the rank of LoRA: expected at least 1, got 0");
}
