//! From a module back to a checkpoint: the inverse of loading.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::layout::take;
use crate::slot::{FieldPath, slots};
use crate::{CheckpointWriter, DType, KeyMap, TensorInfo, WeightsError};

/// The tensors that a module maps to, in the checkpoint's shapes and in the module's order, as `F32`. Without
/// data: lazy parameters stay lazy.
///
/// # Errors
///
/// [`WeightsError::Parameter`] and [`WeightsError::Fused`], for a module that no checkpoint fits.
pub fn module_tensors<M: Module>(module: &M, keys: &KeyMap) -> Result<Vec<TensorInfo>, WeightsError> {
    Ok(slots(module, keys)?
        .iter()
        .flat_map(|slot| slot.infos())
        .collect())
}

/// Hands every tensor of a module to `entry`, with its values in the checkpoint's order of axes: fused
/// parameters are split, and the output axis is first again. One parameter is in memory at a time.
///
/// # Errors
///
/// As [`module_tensors`], and what `entry` returns, which ends the walk.
pub fn module_entries<M: Module>(
    module: &M,
    keys: &KeyMap,
    entry: impl FnMut(TensorInfo, Vec<f32>) -> Result<(), WeightsError>,
) -> Result<(), WeightsError> {
    let slots = slots(module, keys)?;
    let mut walk = Walk {
        path: FieldPath::default(),
        slots: slots.into_iter().map(|slot| (slot.path.clone(), slot)).collect(),
        entry,
        result: Ok(()),
    };
    module.visit(&mut walk);
    walk.result
}

/// Writes a module as safetensors, in `dtype` (a float).
///
/// # Errors
///
/// As [`module_entries`] and [`CheckpointWriter`].
pub fn save_module<M: Module>(
    module: &M,
    keys: &KeyMap,
    dtype: DType,
    path: impl AsRef<Path>,
) -> Result<(), WeightsError> {
    let tensors: Vec<TensorInfo> = module_tensors(module, keys)?
        .into_iter()
        .map(|info| TensorInfo { dtype, ..info })
        .collect();
    // `format` is what transformers asks of a file before it loads it.
    let mut writer = CheckpointWriter::safetensors(path, &tensors, &[("format", "pt")])?;
    module_entries(module, keys, |info, values| writer.write_f32(&info.name, &values))?;
    writer.finish()
}

struct Walk<F> {
    path: FieldPath,
    slots: std::collections::HashMap<String, crate::slot::Slot>,
    entry: F,
    result: Result<(), WeightsError>,
}

impl<F: FnMut(TensorInfo, Vec<f32>) -> Result<(), WeightsError>> ModuleVisitor for Walk<F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.result.is_err() {
            return;
        }
        let slot = self
            .slots
            .get(&self.path.join())
            .expect("a module is visited twice alike");
        let data = param.transform_for_save().val().into_data();
        let values: Vec<f32> = data
            .convert::<f32>()
            .try_into_vec()
            .expect("the data was converted to f32");
        for (part, info) in slot.infos().enumerate() {
            self.result = (self.entry)(info, take(&values, slot.placement(part)));
            if self.result.is_err() {
                return;
            }
        }
    }
}
