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
