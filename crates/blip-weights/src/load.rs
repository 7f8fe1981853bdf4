//! From a checkpoint into a module.
//!
//! ```text
//! headers ─ fit ─▶ plan ─┬─ thread: read, widen, transpose ─┐
//!                        ├─ thread:          …              ├─ in the module's order ─▶ Param
//!                        └─ thread:          …              ┘
//! ```
//!
//! Every buffer is read, widened and transposed straight into what becomes the parameter, so the memory that
//! loading needs beside the model is one stored tensor per thread for a PyTorch file, and none for a mapped one.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::Scope;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{DType as BurnDType, Device, Tensor, TensorData};

use crate::fit::{Fit, LoadReport, fit};
use crate::layout::place;
use crate::slot::{FieldPath, Slot, slots};
use crate::{Checkpoint, KeyMap, WeightsError};

/// More threads than this do not read faster: memory is the limit.
const MOST_THREADS: usize = 8;

/// Loads every float parameter of a module from a checkpoint, as `f32`, on `device`.
///
/// Names, shapes and element types are checked first, all of them, from the headers; then nothing but reading
/// can fail. Loading is strict: see [`Mismatch`](crate::Mismatch). Lazy parameters are filled without being
/// initialised. A parameter keeps its id and whether it requires gradients; on a device with autodiff it is a
/// leaf.
///
/// The `weight` of a struct named `Linear` or `PatchProjection` is expected with the output axis last, and is
/// transposed from the checkpoint, which has it first. Every other parameter has the checkpoint's shape.
///
/// # Errors
///
/// [`WeightsError::Mismatch`] for missing, unexpected and misshapen tensors and for integers;
/// [`WeightsError::Untied`]; [`WeightsError::Parameter`] and [`WeightsError::Fused`] for a module that no
/// checkpoint fits; and what reading gives.
pub fn load_module<M: Module>(
    checkpoint: &Checkpoint,
    module: M,
    keys: &KeyMap,
    device: &Device,
) -> Result<(M, LoadReport), WeightsError> {
    let slots = slots(&module, keys)?;
    let Fit { sources, report } = fit(checkpoint, &slots, keys)?;
    for (name, other) in &report.tied {
        if checkpoint.read_bytes(name)? != checkpoint.read_bytes(other)? {
            return Err(WeightsError::Untied {
                name: name.clone(),
                other: other.clone(),
            });
        }
    }

    // Lazy parameters are only told where they will be: nothing is initialised or moved.
    let module = module.to_device(device);
    let read = |index: usize| read_slot(checkpoint, &slots[index], &sources[index]);
    let module = std::thread::scope(|scope| {
        let mut filler = Filler {
            path: FieldPath::default(),
            index: slots
                .iter()
                .enumerate()
                .map(|(index, slot)| (slot.path.as_str(), index))
                .collect(),
            values: ReadAhead::start(scope, &read, slots.len()),
            error: None,
        };
        let module = module.map(&mut filler);
        match filler.error {
            None => Ok(module),
            Some(error) => Err(error),
        }
    })?;
    Ok((module, report))
}

/// The values of a parameter, in its order of axes.
fn read_slot(checkpoint: &Checkpoint, slot: &Slot, sources: &[String]) -> Result<Vec<f32>, WeightsError> {
    let mut values = vec![0.0; slot.elements()];
    for (part, name) in sources.iter().enumerate() {
        let (info, bytes) = checkpoint.read(name)?;
        if !place(&mut values, slot.placement(part), info.dtype, &bytes) {
            return Err(WeightsError::NotFloat {
                name: info.name.clone(),
                dtype: info.dtype,
            });
        }
    }
    Ok(values)
}

type Values = Result<Vec<f32>, WeightsError>;

/// Reads parameters on several threads ahead of the one that takes them, in any order.
struct ReadAhead<'scope, 'env, F> {
    read: &'env F,
    /// `None` on a machine with one thread (or none, as in a browser): reading happens when taking.
    receiver: Option<Receiver<(usize, Values)>>,
    /// Read before their turn.
    early: HashMap<usize, Values>,
    scope: std::marker::PhantomData<&'scope ()>,
}

impl<'scope, 'env, F: Fn(usize) -> Values + Sync> ReadAhead<'scope, 'env, F> {
    fn start(scope: &'scope Scope<'scope, 'env>, read: &'env F, count: usize) -> Self {
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_THREADS)
            .min(count);
        let next = std::sync::Arc::new(AtomicUsize::new(0));
        // Without a buffer, a reader waits for the taker. Parameters overtake one another only while one of them is
        // still being read.
        let (sender, receiver) = sync_channel(0);
        if threads > 1 {
            for _ in 0..threads {
                let (sender, next) = (sender.clone(), next.clone());
                scope.spawn(move || {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        // The taker hangs up when it has failed.
                        if index >= count || sender.send((index, read(index))).is_err() {
                            return;
                        }
                    }
                });
            }
        }
        Self {
            read,
            receiver: (threads > 1).then_some(receiver),
            early: HashMap::new(),
            scope: std::marker::PhantomData,
        }
    }

    fn take(&mut self, wanted: usize) -> Values {
        let Some(receiver) = &self.receiver else {
            return (self.read)(wanted);
        };
        loop {
            if let Some(values) = self.early.remove(&wanted) {
                return values;
            }
            match receiver.recv() {
                Ok((index, values)) => self.early.insert(index, values),
                // Every index is sent once; a second walk over the same field would ask again.
                Err(_) => return (self.read)(wanted),
            };
        }
    }
}

/// Puts the values into the parameters.
struct Filler<'a, 'scope, 'env, F> {
    path: FieldPath,
    index: HashMap<&'a str, usize>,
    values: ReadAhead<'scope, 'env, F>,
    error: Option<WeightsError>,
}

impl<F: Fn(usize) -> Values + Sync> ModuleMapper for Filler<'_, '_, '_, F> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if self.error.is_some() {
            return param;
        }
        let index = *self
            .index
            .get(self.path.join().as_str())
            .expect("a module is mapped as it is visited");
        let values = match self.values.take(index) {
            Ok(values) => values,
            Err(error) => {
                self.error = Some(error);
                return param;
            }
        };
        let (id, shape, device) = (param.id, param.lazy_shape(), param.lazy_device());
        let tensor = device.memory_persistent_allocations(TensorData::new(values, shape), |data| {
            Tensor::from_data(data, (&device, BurnDType::F32))
        });
        param.transform_for_load(tensor, id)
    }
}
