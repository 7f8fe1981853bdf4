//! Does a checkpoint fit a module? Answered from the headers, before any data is read.
//!
//! An unused tensor is an error like a missing one: it is how a wrong key map, a wrong task or a momentum copy
//! shows. What is known and not wanted is named in the key map, with the reason.

use std::collections::HashSet;

use burn::module::Module;

use crate::mismatch::{LISTED, Mismatch, Misshapen, Missing};
use crate::nearest::nearest;
use crate::slot::{Slot, slots};
use crate::{Checkpoint, KeyMap, WeightsError};

/// What was loaded, or would be, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadReport {
    /// The tensors that are read, in the module's order. One that fills two parameters is listed twice.
    pub loaded: Vec<String>,
    /// Names that the checkpoint lacks, and the tensor that was read for each.
    pub fallbacks: Vec<(String, String)>,
    /// Tensors that no parameter wants, each with the one to which it is tied and equal.
    pub tied: Vec<(String, String)>,
    /// Tensors that were left out, and why.
    pub left_out: Vec<(String, &'static str)>,
    /// The module's number of float parameters, counted by element.
    pub elements: usize,
}

/// Says whether a checkpoint fits a module, from the headers alone.
///
/// # Errors
///
/// As [`load_module`](crate::load_module), but for what only the data shows.
pub fn check<M: Module>(
    checkpoint: &Checkpoint,
    module: &M,
    keys: &KeyMap,
) -> Result<LoadReport, WeightsError> {
    let slots = slots(module, keys)?;
    fit(checkpoint, &slots, keys).map(|fit| fit.report)
}

/// A checkpoint that fits.
pub(crate) struct Fit {
    /// Per slot, the tensors to read: the slot's names, or their fallbacks.
    pub(crate) sources: Vec<Vec<String>>,
    pub(crate) report: LoadReport,
}

pub(crate) fn fit(checkpoint: &Checkpoint, slots: &[Slot], keys: &KeyMap) -> Result<Fit, WeightsError> {
    let mut mismatch = Mismatch::default();
    let mut report = LoadReport::default();
    let mut sources = Vec::with_capacity(slots.len());
    for slot in slots {
        report.elements += slot.elements();
        let shape = slot.stored_shape();
        let mut names = Vec::with_capacity(slot.names.len());
        for name in &slot.names {
            let present = std::iter::once(name.as_str())
                .chain(keys.fallbacks(name))
                .find_map(|name| checkpoint.tensor(name));
            let Some(info) = present else {
                mismatch.missing.push(Missing {
                    name: name.clone(),
                    shape: shape.clone(),
                    nearest: None,
                });
                continue;
            };
            if info.name != *name {
                report.fallbacks.push((name.clone(), info.name.clone()));
            }
            // A scalar of torch has no axis; Burn's tensors have at least one.
            let scalar = info.shape.is_empty() && shape == [1];
            if info.shape != shape && !scalar {
                mismatch.misshapen.push(Misshapen {
                    name: info.name.clone(),
                    expected: shape.clone(),
                    got: info.shape.clone(),
                });
            }
            if !info.dtype.is_float() {
                mismatch.not_float.push(info.clone());
            }
            report.loaded.push(info.name.clone());
            names.push(info.name.clone());
        }
        sources.push(names);
    }

    let used: HashSet<&str> = report.loaded.iter().map(String::as_str).collect();
    for info in checkpoint
        .tensors()
        .iter()
        .filter(|info| !used.contains(info.name.as_str()))
    {
        let name = &info.name;
        if let Some(other) = keys.ties(name).find(|&other| used.contains(other)) {
            report.tied.push((name.clone(), other.to_owned()));
        } else if let Some(why) = keys.why_left_out(name) {
            report.left_out.push((name.clone(), why));
        } else {
            mismatch.unexpected.push(name.clone());
        }
    }
    if mismatch.is_empty() {
        return Ok(Fit { sources, report });
    }

    let unexpected = &mismatch.unexpected;
    for missing in mismatch.missing.iter_mut().take(LISTED) {
        // A name that nobody asked for was more likely meant than one that has its place.
        missing.nearest = nearest(&missing.name, unexpected.iter().map(String::as_str))
            .or_else(|| checkpoint.nearest(&missing.name))
            .map(str::to_owned);
    }
    Err(WeightsError::Mismatch(Box::new(mismatch)))
}
