//! A weight as the CPU kernels read it.

use burn::module::{
    Content, Devices, Module, ModuleDisplay, ModuleDisplayDefault, ModuleMapper, ModuleVisitor, Param,
    ParamId,
};
use burn::tensor::{Device, Tensor};

#[cfg(feature = "flex")]
use crate::cpu;

/// How the weights of linear layers are held for inference on a CPU. With all but `F32` word embeddings are in bf16, and the
/// keys and values of a context (a picture's); so is all that attention of many queries multiplies, on processors with dot
/// products of bf16 (AMX, or AVX-512 but Intel's).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Precision {
    /// As they are: 4 bytes each.
    #[default]
    F32,
    /// bfloat16, 2 bytes each; sums are of `f32`. Where many rows meet them on a processor with dot products of bf16, the
    /// inputs are rounded to bf16 too.
    Bf16,
    /// 1 byte each, with a step for every output; inputs are rounded to eight bits too, row by row (to seven where the
    /// processor has no dot product of bytes).
    Int8,
}

impl std::fmt::Display for Precision {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.pad(match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        })
    }
}

/// How weights are packed: in what precision, and, for parameters that are not in memory yet, where they are read.
///
/// A [`Precision`] alone packs what the parameters hold.
#[derive(Clone, Copy, Debug, Default)]
pub struct Packing<'a> {
    precision: Precision,
    source: Option<&'a dyn WeightSource>,
}

impl<'a> Packing<'a> {
    /// Packs what is read from a source, and what parameters hold where it has nothing for them; as `f32`.
    pub fn from_source(source: &'a dyn WeightSource) -> Self {
        Self {
            precision: Precision::F32,
            source: Some(source),
        }
    }

    /// The precision.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// A table, `[rows, width]`, in bf16 as it is read; `None` where no source has it.
    pub(crate) fn read_table(&self, table: &Param<Tensor<2>>) -> Option<Tensor<2>> {
        #[cfg(feature = "flex")]
        {
            let outputs = self.source?.open(table.id)?;
            cpu::read_table(&*outputs, table.lazy_shape().dims(), &table.lazy_device())
        }
        #[cfg(not(feature = "flex"))]
        {
            let _ = (self.source, table);
            None
        }
    }

    /// The same in another precision.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }
}

impl From<Precision> for Packing<'_> {
    fn from(precision: Precision) -> Self {
        Self {
            precision,
            source: None,
        }
    }
}

/// Where the values of parameters are read, some outputs at a time: a checkpoint.
pub trait WeightSource: std::fmt::Debug {
    /// Opens a parameter; `None` for one that the source does not have, or cannot open.
    fn open(&self, parameter: ParamId) -> Option<Box<dyn WeightOutputs + '_>>;
}

/// A parameter of a [`WeightSource`].
pub trait WeightOutputs: Sync {
    /// Reads some outputs; `None` if they cannot be read, which the source tells in its own way.
    ///
    /// # Shapes
    ///
    /// - values: `[outputs, …]`, the output axis first, whichever the parameter has first
    fn read(&self, outputs: std::ops::Range<usize>, values: &mut [f32]) -> Option<()>;
}

/// What follows a product with a packed weight, before it is written.
#[derive(Clone, Copy, Debug)]
pub enum Then<'a> {
    /// Nothing.
    Nothing,
    /// The exact (erf) GELU.
    Gelu,
    /// A residual is added, `[batch, tokens, out]`.
    Add(&'a Tensor<3>),
}

/// Whether weights on a device can be held in another precision than `f32`: on the CPU, with the feature `flex`.
pub fn is_packable(device: &Device) -> bool {
    #[cfg(feature = "flex")]
    return cpu::applies(device);
    #[cfg(not(feature = "flex"))]
    return {
        let _ = device;
        false
    };
}

/// Does some work on a device: on the CPU on one of the threads that compute, where its many kernels need not wake each
/// other. On any other device it is done where it is.
pub fn on_workers<R: Send>(device: &Device, work: impl FnOnce() -> R + Send) -> R {
    #[cfg(feature = "flex")]
    if cpu::applies(device) {
        return blip_kernels::on_workers(work);
    }
    let _ = device;
    work()
}

/// The packed form of a weight, such as a [`Linear`](crate::Linear)'s, which then holds no other until somebody asks for it.
///
/// Whatever changes parameters (training, a record, a mapper) leaves the packed form behind.
#[derive(Clone, Debug, Default)]
pub struct Packed {
    #[cfg(feature = "flex")]
    weight: Option<std::sync::Arc<blip_kernels::PackedWeight>>,
}

impl Packed {
    /// Whether something is packed.
    pub fn is_some(&self) -> bool {
        #[cfg(feature = "flex")]
        return self.weight.is_some();
        #[cfg(not(feature = "flex"))]
        return false;
    }

    /// In what precision; `f32` where nothing is packed.
    pub fn precision(&self) -> Precision {
        #[cfg(feature = "flex")]
        if let Some(weight) = &self.weight {
            return cpu::precision(weight);
        }
        Precision::F32
    }

    /// Packs a weight, `[…, out]`, if it is where the kernels run; the parameter that is given back unpacks it when it is
    /// read.
    pub fn new<const D: usize>(weight: Param<Tensor<D>>, packing: Packing) -> (Param<Tensor<D>>, Self) {
        #[cfg(feature = "flex")]
        if cpu::applies(&weight.lazy_device()) {
            let (id, device, shape) = (weight.id, weight.lazy_device(), weight.lazy_shape());
            let packed = match packing.source.and_then(|source| source.open(id)) {
                Some(outputs) => {
                    let (columns, all) = (shape[D - 1], shape.num_elements());
                    cpu::read(&*outputs, [all / columns.max(1), columns], packing.precision)
                }
                None => cpu::pack(&weight.val().flatten(0, D - 2), packing.precision),
            };
            if let Some(packed) = packed {
                let packed = std::sync::Arc::new(packed);
                let (held, unpacked) = (packed.clone(), shape.clone());
                let unpack =
                    move |device: &Device, _: bool| cpu::unpack(&held, device).reshape(unpacked.clone());
                // It is trained, as it was: whoever moves the layer to an autodiff device finds it active.
                let weight = Param::uninitialized(id, unpack, device, true, shape);
                return (weight, Self { weight: Some(packed) });
            }
        }
        let _ = packing;
        (weight, Self::default())
    }

    /// `x W + b` and what follows; `None` where nothing is packed or the input is not on the CPU.
    ///
    /// # Shapes
    ///
    /// - input: `[batch, tokens, in]`, where `in` is all but the last axis of the weight
    /// - bias: `[out]`
    /// - output: `[batch, tokens, out]`
    pub fn forward(&self, input: &Tensor<3>, bias: &Tensor<1>, then: Then) -> Option<Tensor<3>> {
        #[cfg(feature = "flex")]
        return cpu::linear(input, self.weight.as_ref()?, bias, then);
        #[cfg(not(feature = "flex"))]
        return {
            let _ = (input, bias, then);
            None
        };
    }

    /// Nothing, unless what is packed belongs on that device.
    fn on(self, device: &Device) -> Self {
        #[cfg(feature = "flex")]
        if cpu::applies(device) {
            return self;
        }
        let _ = device;
        Self::default()
    }
}

impl Module for Packed {
    fn collect_devices(&self, devices: Devices) -> Devices {
        devices
    }

    fn fork(self, device: &Device) -> Self {
        self.on(device)
    }

    fn to_device(self, device: &Device) -> Self {
        self.on(device)
    }

    fn visit<Visitor: ModuleVisitor>(&self, _visitor: &mut Visitor) {}

    fn map<Mapper: ModuleMapper>(self, _mapper: &mut Mapper) -> Self {
        Self::default()
    }

    fn materialize(self) -> Self {
        self
    }

    fn valid(&self) -> Self {
        self.clone()
    }

    fn train(self) -> Self {
        Self::default()
    }
}

impl ModuleDisplayDefault for Packed {
    fn content(&self, _content: Content) -> Option<Content> {
        None
    }
}

impl ModuleDisplay for Packed {}
