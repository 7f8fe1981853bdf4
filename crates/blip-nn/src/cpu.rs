//! The CPU kernels on Burn's flex backend, through its extension API.
//!
//! Every function gives `None` where its kernel does not apply: on another backend, under autodiff, for another element
//! type than `f32`. The caller then composes what the kernel computes of Burn's operations, which every backend has.

use blip_kernels::{Epilogue, Heads, Hidden, PackedWeight};
use burn::backend::{DispatchDevice, Flex};
use burn::tensor::{Bool, DType, Device, Tensor, TensorData, bf16};
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::{Precision, Then, WeightOutputs};

/// How the flex backend holds a float tensor.
type Primitive = <Flex as burn::backend::BackendTypes>::FloatTensorPrimitive;

/// Whether kernels apply to what is on a device.
pub(crate) fn applies(device: &Device) -> bool {
    matches!(device.as_dispatch(), DispatchDevice::Flex(_))
}

/// The tensor as the kernels read it, if it holds one of these types.
fn primitive<const D: usize>(tensor: &Tensor<D>, types: &[DType]) -> Option<Primitive> {
    if !applies(&tensor.device()) || !types.contains(&tensor.dtype()) {
        return None;
    }
    tensor.clone().try_into_primitive::<Flex>().ok()
}

/// The same with values in their order.
fn contiguous<const D: usize>(tensor: &Tensor<D>) -> Option<Primitive> {
    let primitive = primitive(tensor, &[DType::F32])?;
    match primitive.as_slice::<f32>() {
        Some(_) => Some(primitive),
        None => Some(primitive.to_contiguous()),
    }
}

fn values(primitive: &Primitive) -> &[f32] {
    primitive.as_slice().expect("contiguous values of f32")
}

fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// Packs a weight, `[in, out]`.
pub(crate) fn pack(weight: &Tensor<2>, precision: Precision) -> Option<PackedWeight> {
    let (values, shape) = (contiguous(weight)?, weight.dims());
    Some(PackedWeight::new(self::values(&values), shape, held(precision)))
}

/// Packs a weight, `[in, out]`, as it is read.
pub(crate) fn read(
    outputs: &dyn WeightOutputs,
    shape: [usize; 2],
    precision: Precision,
) -> Option<PackedWeight> {
    PackedWeight::from_columns(shape, held(precision), |those, values| {
        outputs.read(those, values)
    })
}

fn held(precision: Precision) -> blip_kernels::Precision {
    match precision {
        Precision::F32 => blip_kernels::Precision::F32,
        Precision::Bf16 => blip_kernels::Precision::Bf16,
        Precision::Int8 => blip_kernels::Precision::Int8,
    }
}

/// How a weight was packed.
pub(crate) fn precision(weight: &PackedWeight) -> Precision {
    match weight.precision() {
        blip_kernels::Precision::F32 => Precision::F32,
        blip_kernels::Precision::Bf16 => Precision::Bf16,
        blip_kernels::Precision::Int8 => Precision::Int8,
    }
}

/// Rows of a table, `[rows, width]`, in bf16 as they are read.
pub(crate) fn read_table(
    outputs: &dyn WeightOutputs,
    [rows, width]: [usize; 2],
    device: &Device,
) -> Option<Tensor<2>> {
    /// Rows that are read at once.
    const PIECE: usize = 64;
    let mut table = vec![bf16::ZERO; rows * width];
    table
        .par_chunks_mut((PIECE * width).max(1))
        .enumerate()
        .try_for_each_init(
            || vec![0.0; PIECE * width],
            |values, (piece, table)| {
                let (first, values) = (piece * PIECE, &mut values[..table.len()]);
                outputs.read(first..first + table.len() / width, values)?;
                table.convert_from_f32_slice(values);
                Some(())
            },
        )?;
    Some(Tensor::from_data(
        TensorData::new(table, [rows, width]),
        (device, DType::BF16),
    ))
}

/// The weight that was packed, in `f32`.
pub(crate) fn unpack(weight: &PackedWeight, device: &Device) -> Tensor<2> {
    tensor(weight.unpack(), weight.shape(), device)
}

/// `x W + b`, and what follows.
///
/// # Shapes
///
/// - input: `[batch, tokens, in]`
/// - output: `[batch, tokens, out]`
pub(crate) fn linear(
    input: &Tensor<3>,
    weight: &PackedWeight,
    bias: &Tensor<1>,
    then: Then,
) -> Option<Tensor<3>> {
    let [batch, tokens, _] = input.dims();
    let (rows, bias) = (contiguous(input)?, contiguous(bias)?);
    let residual = match then {
        Then::Add(residual) => Some(contiguous(residual)?),
        Then::Nothing | Then::Gelu => None,
    };
    let epilogue = Epilogue {
        bias: Some(values(&bias)),
        gelu: matches!(then, Then::Gelu),
        residual: residual.as_ref().map(values),
    };
    let output = weight.product(values(&rows), batch * tokens, epilogue);
    Some(tensor(
        output,
        [batch, tokens, weight.shape()[1]],
        &input.device(),
    ))
}

/// Normalises the last axis, after a residual was added where there is one.
pub(crate) fn layer_norm(
    input: &Tensor<3>,
    residual: Option<&Tensor<3>>,
    [gamma, beta]: [&Tensor<1>; 2],
    epsilon: f64,
) -> Option<Tensor<3>> {
    let (input_values, gamma, beta) = (contiguous(input)?, contiguous(gamma)?, contiguous(beta)?);
    let residual = match residual {
        Some(residual) => Some(contiguous(residual)?),
        None => None,
    };
    let mut output = vec![0.0; input.dims().iter().product()];
    blip_kernels::layer_norm(
        values(&input_values),
        residual.as_ref().map(values),
        [values(&gamma), values(&beta)],
        epsilon as f32,
        &mut output,
    );
    Some(tensor(output, input.dims(), &input.device()))
}

/// [`attend`](crate::attend), read from wherever the heads stand, written with heads merged.
pub(crate) fn attend(
    query: &Tensor<4>,
    key: &Tensor<4>,
    value: &Tensor<4>,
    hide: Option<&Tensor<4, Bool>>,
    causal: bool,
    precision: Precision,
) -> Option<Tensor<4>> {
    let [batch, heads, queries, head_dim] = query.dims();
    if query.dtype() != DType::F32 || value.dtype() != key.dtype() {
        return None;
    }
    let [query_values, key_values, value_values] = [strided(query)?, strided(key)?, strided(value)?];
    let hide: Option<Vec<bool>> = match hide {
        None => None,
        Some(hide) => Some(hide.clone().try_into_vec_as().ok()?),
    };
    let hidden = Hidden {
        keys: hide.as_deref(),
        causal,
    };
    let mut output = vec![0.0; batch * queries * heads * head_dim];
    blip_kernels::attention(
        heads_of(&query_values),
        heads_of(&key_values),
        heads_of(&value_values),
        hidden,
        held(precision),
        &mut output,
    );
    let output = tensor(output, [batch, queries, heads, head_dim], &query.device());
    Some(output.swap_dims(1, 2))
}

/// Keys and values that stand side by side, as heads in bf16.
///
/// # Shapes
///
/// - fused: `[groups, tokens, 2 * heads * head_dim]`
/// - output: twice `[groups, heads, tokens, head_dim]`
pub(crate) fn keys_and_values_in_bf16(fused: &Tensor<3>, heads: usize) -> Option<[Tensor<4>; 2]> {
    let [groups, tokens, double] = fused.dims();
    let (width, head_dim) = (double / 2, double / 2 / heads);
    let primitive = contiguous(fused)?;
    let fused_values = values(&primitive);
    Some([0, 1].map(|part| {
        let mut kept = vec![bf16::ZERO; groups * tokens * width];
        kept.par_chunks_mut((tokens * head_dim).max(1))
            .enumerate()
            .for_each(|(index, kept)| {
                let (group, head) = (index / heads, index % heads);
                for (token, kept) in kept.chunks_exact_mut(head_dim).enumerate() {
                    let from = (group * tokens + token) * double + part * width + head * head_dim;
                    kept.convert_from_f32_slice(&fused_values[from..from + head_dim]);
                }
            });
        let kept = TensorData::new(kept, [groups, heads, tokens, head_dim]);
        Tensor::from_data(kept, (&fused.device(), DType::BF16))
    }))
}

/// A tensor of f32 or bf16 whose last axis is contiguous and which goes forward along the others.
fn strided(tensor: &Tensor<4>) -> Option<Primitive> {
    let primitive = primitive(tensor, &[DType::F32, DType::BF16])?;
    let strides = primitive.layout().strides();
    let readable = strides[3] == 1 && strides.iter().all(|&stride| stride >= 0);
    Some(if readable {
        primitive
    } else {
        primitive.to_contiguous()
    })
}

fn heads_of(primitive: &Primitive) -> Heads<'_> {
    let layout = primitive.layout();
    let [shape, strides] = [
        std::array::from_fn::<usize, 4, _>(|axis| layout.shape()[axis]),
        std::array::from_fn::<usize, 4, _>(|axis| layout.strides()[axis].unsigned_abs()),
    ];
    let (from, strides) = (layout.start_offset(), [strides[0], strides[1], strides[2]]);
    match primitive.dtype() {
        DType::BF16 => {
            let bits = primitive.storage::<bf16>()[from..].reinterpret_cast();
            Heads::in_bf16(bits, shape, strides)
        }
        _ => Heads::new(&primitive.storage::<f32>()[from..], shape, strides),
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Distribution, s};

    use super::*;
    use crate::{KvCache, split_heads};

    #[test]
    fn keys_and_values_in_bf16_are_those_that_were_rounded() {
        let device = Device::flex();
        let fused = Tensor::<3>::random([2, 5, 24], Distribution::Default, &device);
        let kept = keys_and_values_in_bf16(&fused, 3).expect("on the CPU");
        for (part, kept) in kept.into_iter().enumerate() {
            assert_eq!((kept.dims(), kept.dtype()), ([2, 3, 5, 4], DType::BF16));
            let of_part = fused.clone().slice(s![.., .., 12 * part..12 * (part + 1)]);
            let want: Vec<f32> = split_heads(of_part, 3).try_to_vec_as().expect("values");
            let want: Vec<bf16> = want.into_iter().map(bf16::from_f32).collect();
            // In another order they are still in bf16.
            let swapped = kept.clone().select(0, KvCache::rows(&[1, 0], &device));
            let swapped: Vec<bf16> = swapped.try_to_vec_as().expect("values");
            assert_eq!(swapped, [&want[60..], &want[..60]].concat());
        }
    }
}
