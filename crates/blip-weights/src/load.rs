//! From a checkpoint into a module.
//!
//! ```text
//! headers ─ fit ─▶ plan ─┬─ thread: read, widen, transpose ─┐
//!                        ├─ thread:          …              ├─ in the module's order ─▶ Param
//!                        └─ thread:          …              ┘
//! ```
//!
//! Every tensor is read piece by piece, widened and transposed straight into what becomes the parameter, so that loading
//! needs little memory beside the model. A module that is packed while it is loaded is not read ahead: who packs a weight
//! opens it and reads it as it is packed, some outputs at a time, on all threads.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{DType as BurnDType, Device, Tensor, TensorData};

use crate::checkpoint::Stored;
use crate::fit::{Fit, LoadReport, fit};
use crate::layout::{Placement, place, place_all};
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
    let (stored, report) = open(checkpoint, &module, keys)?;
    let (index, count) = (stored.index(), stored.slots.len());
    // Lazy parameters are only told where they will be: nothing is initialised or moved.
    let mut filler = Filler {
        path: FieldPath::default(),
        index,
        values: ReadAhead::start(Arc::new(move |index| stored.read(index)), count),
        error: None,
    };
    let module = module.to_device(device).map(&mut filler);
    match filler.error {
        None => Ok((module, report)),
        Some(error) => Err(error),
    }
}

/// Loads as [`load_module`] does, and turns the module into another form on the way: each parameter is read when `pack`
/// first asks for it, or after `pack` if it did not. One that `pack` replaces by something smaller leaves memory at once,
/// and one that it [opens](Promises::open) is never whole in memory.
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
    pack: impl FnOnce(M, &Promises) -> M,
) -> Result<(M, LoadReport), WeightsError> {
    let (stored, report) = open(checkpoint, &module, keys)?;
    let count = stored.slots.len();
    let promises = Arc::new(Promises {
        index: stored.index(),
        stored,
        ids: OnceLock::new(),
        taken: std::iter::repeat_with(AtomicBool::default).take(count).collect(),
        error: Mutex::new(None),
    });
    let mut promiser = Promiser {
        path: FieldPath::default(),
        promises: promises.clone(),
        ids: HashMap::new(),
    };
    let module = module.to_device(device).map(&mut promiser);
    promises.ids.get_or_init(|| promiser.ids);
    let module = pack(module, &promises);
    module.visit(&mut Reminder {
        path: FieldPath::default(),
        promises: &promises,
    });
    match promises.error().take() {
        None => Ok((module, report)),
        Some(error) => Err(error),
    }
}

/// Everything that can be checked before values are read.
fn open<M: Module>(
    checkpoint: &Checkpoint,
    module: &M,
    keys: &KeyMap,
) -> Result<(StoredSlots, LoadReport), WeightsError> {
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
    let stored = StoredSlots {
        checkpoint: checkpoint.clone(),
        slots,
        sources,
    };
    Ok((stored, report))
}

/// A module's parameters, and the tensors of a checkpoint that fill them.
struct StoredSlots {
    checkpoint: Checkpoint,
    slots: Vec<Slot>,
    /// For each slot, the tensors that make it up.
    sources: Vec<Vec<String>>,
}

impl StoredSlots {
    /// Which parameter is at a path.
    fn index(&self) -> HashMap<String, usize> {
        let paths = self.slots.iter().map(|slot| slot.path.clone());
        paths.zip(0..).collect()
    }

    /// The tensors that make up a parameter.
    fn tensors(&self, index: usize) -> Result<Vec<Stored<'_>>, WeightsError> {
        let names = self.sources[index].iter();
        names.map(|name| self.checkpoint.stored(name)).collect()
    }

    /// The values of a parameter, in its order of axes.
    fn read(&self, index: usize) -> Values {
        let slot = &self.slots[index];
        let mut values = vec![0.0; slot.elements()];
        for (part, stored) in self.tensors(index)?.iter().enumerate() {
            place_all(&mut values, slot.placement(part), stored)?;
        }
        Ok(values)
    }
}

type Values = Result<Vec<f32>, WeightsError>;

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

/// Which parameter is at a path.
fn index_of(index: &HashMap<String, usize>, path: &FieldPath) -> usize {
    *index
        .get(path.join().as_str())
        .expect("a module is mapped as it is visited")
}

/// Puts the values into the parameters.
struct Filler {
    path: FieldPath,
    index: HashMap<String, usize>,
    values: ReadAhead,
    /// The first thing that went wrong.
    error: Option<WeightsError>,
}

impl ModuleMapper for Filler {
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
        let values = match self.values.take(index_of(&self.index, &self.path)) {
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

/// The parameters of a module that are read when somebody asks for them.
pub struct Promises {
    stored: StoredSlots,
    /// By their paths.
    index: HashMap<String, usize>,
    /// By their ids; `None` where several parameters have one.
    ids: OnceLock<HashMap<ParamId, Option<usize>>>,
    /// Which of them somebody has.
    taken: Vec<AtomicBool>,
    /// The first thing that went wrong.
    error: Mutex<Option<WeightsError>>,
}

impl std::fmt::Debug for Promises {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Promises")
            .field("parameters", &self.stored.slots.len())
            .finish_non_exhaustive()
    }
}

impl Promises {
    /// Opens a parameter whose values are read some outputs at a time. Whoever opens it puts another in its place.
    ///
    /// `None` if no parameter was promised under this id, or several, and if it cannot be opened, which loading tells at its end.
    pub fn open(&self, parameter: ParamId) -> Option<PromisedOutputs<'_>> {
        let index = (*self.ids.get()?.get(&parameter)?)?;
        if self.error().is_some() {
            return None;
        }
        let tensors = self.keep(self.stored.tensors(index))?;
        self.taken[index].store(true, Ordering::Relaxed);
        Some(PromisedOutputs {
            promises: self,
            tensors,
        })
    }

    /// The values of a parameter; `None` if they, or any before them, could not be read.
    fn take(&self, index: usize) -> Option<Vec<f32>> {
        if self.error().is_some() {
            return None;
        }
        self.taken[index].store(true, Ordering::Relaxed);
        self.keep(self.stored.read(index))
    }

    /// What was read; what went wrong is kept until the end.
    fn keep<T>(&self, read: Result<T, WeightsError>) -> Option<T> {
        read.map_err(|error| {
            self.error().get_or_insert(error);
        })
        .ok()
    }

    fn error(&self) -> MutexGuard<'_, Option<WeightsError>> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A parameter that is read some outputs at a time, by several threads at once if they like.
pub struct PromisedOutputs<'a> {
    promises: &'a Promises,
    /// Of the same shape each; outputs of one follow those of another.
    tensors: Vec<Stored<'a>>,
}

impl std::fmt::Debug for PromisedOutputs<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.tensors.iter().map(|stored| &stored.info.name);
        formatter.debug_list().entries(names).finish()
    }
}

impl PromisedOutputs<'_> {
    /// Reads some outputs; `None` if they cannot be read: what went wrong is told at the end of loading.
    ///
    /// # Shapes
    ///
    /// - values: `[outputs, …]`, as the checkpoint has them: the output axis first, whichever the parameter has first
    ///
    /// # Panics
    ///
    /// If there are not so many outputs, or the values are not of this size.
    #[must_use]
    pub fn read(&self, outputs: Range<usize>, values: &mut [f32]) -> Option<()> {
        let (mut buffer, mut first, mut rest) = (Vec::new(), 0, values);
        for stored in &self.tensors {
            let last = first + stored.outputs();
            let there = outputs.start.max(first)..outputs.end.min(last);
            if !there.is_empty() {
                let rows = stored.rows(there.start - first..there.end - first, &mut buffer);
                let rows = self.promises.keep(rows)?;
                let row = stored.elements() / stored.outputs();
                let (values, others) = rest.split_at_mut(there.len() * row);
                let placement = Placement {
                    out: there.len(),
                    rest: row,
                    parts: 1,
                    part: 0,
                    out_last: false,
                };
                assert!(
                    place(values, placement, 0, &rows),
                    "fitting refuses what is no float"
                );
                rest = others;
            }
            first = last;
        }
        assert!(
            rest.is_empty() && outputs.end <= first,
            "{outputs:?} of {first} outputs, and {} values too many",
            rest.len()
        );
        Some(())
    }
}

/// Puts promises of the values into the parameters.
struct Promiser {
    path: FieldPath,
    promises: Arc<Promises>,
    ids: HashMap<ParamId, Option<usize>>,
}

impl ModuleMapper for Promiser {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (index, promises) = (index_of(&self.promises.index, &self.path), self.promises.clone());
        let (id, shape, device) = (param.id, param.lazy_shape(), param.lazy_device());
        self.ids
            .entry(id)
            .and_modify(|index| *index = None)
            .or_insert(Some(index));
        let promised = shape.clone();
        let read = move |device: &Device, _: bool| match promises.take(index) {
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
    promises: &'a Promises,
}

impl ModuleVisitor for Reminder<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let index = index_of(&self.promises.index, &self.path);
        if !self.promises.taken[index].load(Ordering::Relaxed) {
            // What was not packed is read now.
            let _ = param.val();
        }
    }
}
