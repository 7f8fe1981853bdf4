//! From a checkpoint into a module.
//!
//! ```text
//! headers ─ fit ─▶ plan ─┬─ thread: read, widen, transpose ─┐
//!                        ├─ thread:          …              ├─ in the module's order ─▶ Param
//!                        └─ thread:          …              ┘
//! ```
//!
//! Every buffer is read, widened and transposed straight into what becomes the parameter, so the memory that loading
//! needs beside the model is one stored tensor per thread. A module that is packed while it is loaded is never whole in
//! memory as `f32`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
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
    let (values, report) = open(checkpoint, &module, keys)?;
    // Lazy parameters are only told where they will be: nothing is initialised or moved.
    let mut filler = Filler {
        path: FieldPath::default(),
        values,
    };
    let module = module.to_device(device).map(&mut filler);
    match filler.values.into_error() {
        None => Ok((module, report)),
        Some(error) => Err(error),
    }
}

/// Loads as [`load_module`] does, and turns the module into another form on the way: each parameter is read when `pack`
/// first asks for it, or after `pack` if it did not. One that `pack` replaces by something smaller leaves memory at once.
///
/// `pack` gives back the same tree of fields. It is for inference: parameters are leaves on no device.
///
/// # Errors
///
/// As [`load_module`].
pub fn load_module_packed<M: Module>(
    checkpoint: &Checkpoint,
    module: M,
    keys: &KeyMap,
    device: &Device,
    pack: impl FnOnce(M) -> M,
) -> Result<(M, LoadReport), WeightsError> {
    let (values, report) = open(checkpoint, &module, keys)?;
    let mut promiser = Promiser {
        path: FieldPath::default(),
        values: Arc::new(values),
    };
    let module = pack(module.to_device(device).map(&mut promiser));
    module.visit(&mut Reminder {
        path: FieldPath::default(),
        values: &promiser.values,
    });
    match promiser.values.error().take() {
        None => Ok((module, report)),
        Some(error) => Err(error),
    }
}

/// Everything that can be checked before values are read.
fn open<M: Module>(
    checkpoint: &Checkpoint,
    module: &M,
    keys: &KeyMap,
) -> Result<(Parameters, LoadReport), WeightsError> {
    let slots = slots(module, keys)?;
    let Fit { sources, report } = fit(checkpoint, &slots, keys)?;
    for (name, other) in &report.tied {
        if checkpoint.read_bytes(name)? != checkpoint.read_bytes(other)? {
            return Err(WeightsError::Untied {
                name: name.clone(),
                other: other.clone(),
            });
        }
    }
    Ok((Parameters::new(checkpoint.clone(), slots, sources), report))
}

/// The values of a parameter, in its order of axes.
fn read_slot(checkpoint: &Checkpoint, slot: &Slot, sources: &[String]) -> Values {
    let mut values = vec![0.0; slot.elements()];
    for (part, name) in sources.iter().enumerate() {
        let stored = checkpoint.read(name)?;
        if !place(&mut values, slot.placement(part), &stored) {
            return Err(WeightsError::NotFloat {
                name: stored.info.name,
                dtype: stored.info.dtype,
            });
        }
    }
    Ok(values)
}

type Values = Result<Vec<f32>, WeightsError>;

/// The parameters of a module by their paths, read ahead.
struct Parameters {
    index: HashMap<String, usize>,
    /// Which of them somebody has.
    taken: Vec<AtomicBool>,
    values: Mutex<ReadAhead>,
    /// The first thing that went wrong.
    error: Mutex<Option<WeightsError>>,
}

impl Parameters {
    fn new(checkpoint: Checkpoint, slots: Vec<Slot>, sources: Vec<Vec<String>>) -> Self {
        let paths = slots.iter().map(|slot| slot.path.clone()).enumerate();
        let index = paths.map(|(index, path)| (path, index)).collect();
        let count = slots.len();
        let read = move |index: usize| read_slot(&checkpoint, &slots[index], &sources[index]);
        Self {
            index,
            taken: std::iter::repeat_with(AtomicBool::default).take(count).collect(),
            values: Mutex::new(ReadAhead::start(Arc::new(read), count)),
            error: Mutex::new(None),
        }
    }

    fn index(&self, path: &FieldPath) -> usize {
        *self
            .index
            .get(path.join().as_str())
            .expect("a module is mapped as it is visited")
    }

    /// The values of a parameter; `None` if they, or any before them, could not be read.
    fn take(&self, index: usize) -> Option<Vec<f32>> {
        if self.error().is_some() {
            return None;
        }
        self.taken[index].store(true, Ordering::Relaxed);
        let values = self
            .values
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take(index);
        values.map_err(|error| *self.error() = Some(error)).ok()
    }

    fn error(&self) -> MutexGuard<'_, Option<WeightsError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn into_error(self) -> Option<WeightsError> {
        self.error.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

type Read = Arc<dyn Fn(usize) -> Values + Send + Sync>;

/// Reads parameters on several threads ahead of the one that takes them, in any order.
struct ReadAhead {
    read: Read,
    /// `None` on a machine with one thread (or none, as in a browser): reading happens when taking.
    receiver: Option<Receiver<(usize, Values)>>,
    /// Read before their turn.
    early: HashMap<usize, Values>,
}

impl ReadAhead {
    fn start(read: Read, count: usize) -> Self {
        let threads = std::thread::available_parallelism()
            .map_or(1, usize::from)
            .min(MOST_THREADS)
            .min(count);
        let next = Arc::new(AtomicUsize::new(0));
        // Without a buffer, a reader waits for the taker. Parameters overtake one another only while one of them is
        // still being read, or where the taker leaves some for later.
        let (sender, receiver) = sync_channel(0);
        if threads > 1 {
            for _ in 0..threads {
                let (read, sender, next) = (read.clone(), sender.clone(), next.clone());
                std::thread::spawn(move || {
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
struct Filler {
    path: FieldPath,
    values: Parameters,
}

impl ModuleMapper for Filler {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.values.take(self.values.index(&self.path)) else {
            return param;
        };
        let (id, shape, device) = (param.id, param.lazy_shape(), param.lazy_device());
        let tensor = device.memory_persistent_allocations(TensorData::new(values, shape), |data| {
            Tensor::from_data(data, (&device, BurnDType::F32))
        });
        param.transform_for_load(tensor, id)
    }
}

/// Puts promises of the values into the parameters.
struct Promiser {
    path: FieldPath,
    values: Arc<Parameters>,
}

impl ModuleMapper for Promiser {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (index, values) = (self.values.index(&self.path), self.values.clone());
        let (id, shape, device) = (param.id, param.lazy_shape(), param.lazy_device());
        let promised = shape.clone();
        let read = move |device: &Device, _: bool| match values.take(index) {
            Some(values) => {
                let data = TensorData::new(values, promised.clone());
                Tensor::from_data(data, (device, BurnDType::F32))
            }
            // Nobody sees it: loading ends with what went wrong.
            None => Tensor::zeros(promised.clone(), device),
        };
        Param::uninitialized(id, read, device, true, shape)
    }
}

/// Reads what is still only promised.
struct Reminder<'a> {
    path: FieldPath,
    values: &'a Parameters,
}

impl ModuleVisitor for Reminder<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !self.values.taken[self.values.index(&self.path)].load(Ordering::Relaxed) {
            // What was not packed is read now.
            let _ = param.val();
        }
    }
}
