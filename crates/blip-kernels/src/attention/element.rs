//! How keys and values are kept.

use half::bf16;
use half::slice::HalfFloatSliceExt;
use rten_simd::ops::{BitOps, Extend, IntOps};
use rten_simd::{Isa, Simd};

#[cfg(target_arch = "x86_64")]
use crate::x86::DotBf16;

/// A value of keys and values: `f32` or `bf16`.
pub(super) trait Element: Copy + Send + Sync + 'static {
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

impl Element for bf16 {
    #[inline(always)]
    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.to_bits()) << 16)
    }

    #[inline(always)]
    fn load_two<I: Isa>(isa: I, values: &[bf16]) -> [I::F32; 2] {
        let (ops, wide) = (isa.i16(), isa.i32());
        let bits = ops.load(signed(values.reinterpret_cast()));
        // The sign that is put before them is shifted out again.
        [ops.extend_low(bits), ops.extend_high(bits)]
            .map(|bits| wide.shift_left::<16>(bits).reinterpret_cast())
    }

    #[cfg(target_arch = "x86_64")]
    fn round(_: DotBf16, values: &[bf16], pairs: &mut [u32]) {
        let bits = |value: Option<&bf16>| value.map_or(0, |value| u32::from(value.to_bits()));
        for (pair, values) in pairs.iter_mut().zip(values.chunks(2)) {
            *pair = bits(values.first()) | bits(values.get(1)) << 16;
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn pair(_: DotBf16, even: &[bf16], odd: &[bf16], pairs: &mut [u32]) {
        for (pair, (even, odd)) in pairs.iter_mut().zip(even.iter().zip(odd)) {
            *pair = u32::from(even.to_bits()) | u32::from(odd.to_bits()) << 16;
        }
    }
}

/// The same bits.
#[inline(always)]
#[allow(unsafe_code)]
fn signed(bits: &[u16]) -> &[i16] {
    // SAFETY: of the same size and alignment, and any bits are a value of either.
    unsafe { &*(std::ptr::from_ref(bits) as *const [i16]) }
}
