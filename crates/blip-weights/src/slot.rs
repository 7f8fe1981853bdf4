//! What a module wants of a checkpoint: one slot per float parameter.
//!
//! Burn's modules are walked by visitor, which says of each parameter its field, and the type of the struct
//! that has the field. That type decides the order of axes: the `weight` of a `Linear` or a `PatchProjection`
//! has the output axis last, where a checkpoint has it first.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor};

use crate::layout::Placement;
use crate::{DType, KeyMap, TensorInfo, WeightsError};

/// The structs whose `weight` has the output axis last, as Burn's visitor names them.
const OUT_LAST: [&str; 2] = ["Struct:Linear", "Struct:PatchProjection"];

/// One float parameter of a module, and where the checkpoint stores it.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The path of fields: `blocks.0.attn.qkv.weight`.
    pub(crate) path: String,
    /// The parameter's shape.
    pub(crate) shape: Vec<usize>,
    /// Whether its output axis is the last.
    out_last: bool,
    /// The names of the tensors that make it up, in order.
    pub(crate) names: Vec<String>,
}

impl Slot {
    /// The shape of each of the tensors, in the checkpoint's order of axes.
    pub(crate) fn stored_shape(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.out_last {
            shape.rotate_right(1);
        }
        if let Some(out) = shape.first_mut() {
            *out /= self.names.len();
        }
        shape
    }

    /// Where the tensor `names[part]` goes in the parameter.
    pub(crate) fn placement(&self, part: usize) -> Placement {
        let shape = self.stored_shape();
        Placement {
            out: shape.first().copied().unwrap_or(1),
            rest: shape.iter().skip(1).product(),
            parts: self.names.len(),
            part,
            out_last: self.out_last,
        }
    }

    /// The parameter's number of elements.
    pub(crate) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The tensors, as a checkpoint in `f32` lists them.
    pub(crate) fn infos(&self) -> impl Iterator<Item = TensorInfo> {
        self.names
            .iter()
            .map(|name| TensorInfo::new(name.as_str(), DType::F32, self.stored_shape()))
    }
}

/// The path of fields during a walk, shared by visitors and mappers.
#[derive(Debug, Default)]
pub(crate) struct FieldPath {
    fields: Vec<String>,
    /// The type that has the field, per field.
    containers: Vec<String>,
}

impl FieldPath {
    pub(crate) fn enter(&mut self, field: &str, container: &str) {
        self.fields.push(field.to_owned());
        self.containers.push(container.to_owned());
    }

    pub(crate) fn exit(&mut self) {
        self.fields.pop();
        self.containers.pop();
    }

    pub(crate) fn join(&self) -> String {
        self.fields.join(".")
    }

    fn is_out_last(&self, rank: usize) -> bool {
        let weight = self.fields.last().is_some_and(|field| field == "weight");
        let container = self
            .containers
            .last()
            .is_some_and(|container| OUT_LAST.contains(&container.as_str()));
        weight && container && rank >= 2
    }
}

/// The slots of a module, in the order in which it is walked. No lazy parameter is initialised.
///
/// # Errors
///
/// A parameter that is no float, or that does not divide into the tensors which `keys` joins in it.
pub(crate) fn slots<M: Module>(module: &M, keys: &KeyMap) -> Result<Vec<Slot>, WeightsError> {
    let mut walk = Walk {
        keys,
        path: FieldPath::default(),
        slots: Vec::new(),
        error: None,
    };
    module.visit(&mut walk);
    match walk.error {
        None => Ok(walk.slots),
        Some(error) => Err(error),
    }
}

struct Walk<'a> {
    keys: &'a KeyMap,
    path: FieldPath,
    slots: Vec<Slot>,
    error: Option<WeightsError>,
}

impl Walk<'_> {
    fn refuse(&mut self, kind: &'static str) {
        let path = self.path.join();
        self.error.get_or_insert(WeightsError::Parameter { path, kind });
    }
}

impl ModuleVisitor for Walk<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join();
        let names = self.keys.names(&path);
        let shape = param.lazy_shape().to_vec();
        let out_last = self.path.is_out_last(D);
        let size = *if out_last { shape.last() } else { shape.first() }.unwrap_or(&1);
        let parts = names.len();
        if !size.is_multiple_of(parts) {
            self.error
                .get_or_insert(WeightsError::Fused { path, parts, size });
            return;
        }
        self.slots.push(Slot {
            path,
            shape,
            out_last,
            names,
        });
    }

    fn visit_int<const D: usize>(&mut self, _param: &Param<Tensor<D, Int>>) {
        self.refuse("int");
    }

    fn visit_bool<const D: usize>(&mut self, _param: &Param<Tensor<D, Bool>>) {
        self.refuse("bool");
    }
}
