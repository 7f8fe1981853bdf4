//! How keys and values are kept.

use rten_simd::ops::{BitOps, Extend, IntOps};
use rten_simd::{Isa, Simd};

#[cfg(target_arch = "x86_64")]
use crate::x86::DotBf16;

/// A value of keys and values: `f32`, or the bits of bf16.
pub(super) trait Element: Copy + Send + Sync + 'static {
    /// Zero.
    #[cfg(target_arch = "x86_64")]
    const ZERO: Self;

    /// Its value.
    fn to_f32(self) -> f32;

    /// Two vectors of values that follow each other.
    fn load_two<I: Isa>(isa: I, values: &[Self]) -> [I::F32; 2];

    /// As [`DotBf16::round`].
    #[cfg(target_arch = "x86_64")]
    fn round(dot: DotBf16, values: &[Self], pairs: &mut [u32]);

    /// As [`DotBf16::pair`].
    #[cfg(target_arch = "x86_64")]
    fn pair(dot: DotBf16, even: &[Self], odd: &[Self], pairs: &mut [u32]);
}

impl Element for f32 {
    #[cfg(target_arch = "x86_64")]
    const ZERO: Self = 0.0;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        self
    }

    #[inline(always)]
    fn load_two<I: Isa>(isa: I, values: &[f32]) -> [I::F32; 2] {
        let ops = isa.f32();
        [ops.load(values), ops.load(&values[ops.len()..])]
    }

    #[cfg(target_arch = "x86_64")]
    fn round(dot: DotBf16, values: &[f32], pairs: &mut [u32]) {
        dot.round(values, pairs);
    }

    #[cfg(target_arch = "x86_64")]
    fn pair(dot: DotBf16, even: &[f32], odd: &[f32], pairs: &mut [u32]) {
        dot.pair(even, odd, pairs);
    }
}

impl Element for u16 {
    #[cfg(target_arch = "x86_64")]
    const ZERO: Self = 0;

    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }

    #[inline(always)]
    fn load_two<I: Isa>(isa: I, values: &[u16]) -> [I::F32; 2] {
        let (ops, wide) = (isa.i16(), isa.i32());
        let bits: I::I16 = isa.u16().load(values).reinterpret_cast();
        // The sign that is put before them is shifted out again.
        [ops.extend_low(bits), ops.extend_high(bits)]
            .map(|bits| wide.shift_left::<16>(bits).reinterpret_cast())
    }

    #[cfg(target_arch = "x86_64")]
    fn round(_: DotBf16, values: &[u16], pairs: &mut [u32]) {
        let bits = |value: Option<&u16>| value.map_or(0, |value| u32::from(*value));
        for (pair, values) in pairs.iter_mut().zip(values.chunks(2)) {
            *pair = bits(values.first()) | bits(values.get(1)) << 16;
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn pair(_: DotBf16, even: &[u16], odd: &[u16], pairs: &mut [u32]) {
        for (pair, (even, odd)) in pairs.iter_mut().zip(even.iter().zip(odd)) {
            *pair = u32::from(*even) | u32::from(*odd) << 16;
        }
    }
}
