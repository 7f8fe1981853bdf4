//! Products by tiles: the matrix instructions (AMX) of Intel's servers, from Sapphire Rapids on.
//!
//! ```text
//!                                    B: 16 lines of a panel's half
//! A: up to 16 rows of 64 bytes   x   [16][16 columns][4 bytes]        +  C: [rows][16 columns]
//! ```
//!
//! Eight tiles are there: two of inputs and two of weights, whose four products are summed in the other four.
#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::sync::OnceLock;

use crate::packed::WIDTH;
use crate::rows::{Layout, Line, Rows, TILE};

/// Lines of each half of a panel that are multiplied with all rows before the next ones are: 16 KiB of the first cache.
const DEPTH: usize = 8 * TILE;

/// Proof that this process may use tiles, of bytes and of bf16.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tiles(());

/// What [`Tiles::multiply`] takes.
pub(crate) trait Element: Copy {
    /// Of weights: a group of a column.
    type Group;
    /// Of products.
    type Sum: Copy + Default;

    /// Multiplies.
    ///
    /// # Safety
    ///
    /// Tiles may be used, the work has a step and a block at least, and its pointers are to as much as it says.
    unsafe fn multiply(work: &Work);
}

/// Unsigned bytes times signed ones.
#[derive(Clone, Copy)]
pub(crate) struct Quads;

/// Pairs of bf16.
#[derive(Clone, Copy)]
pub(crate) struct Pairs;

impl Tiles {
    /// Whether the processor has tiles and the system lets this process use them, for which it has to be asked.
    pub(crate) fn detect() -> Option<Self> {
        static DETECTED: OnceLock<Option<Tiles>> = OnceLock::new();
        *DETECTED.get_or_init(|| {
            let widened = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512bf16");
            let is_64_bit = cfg!(target_pointer_width = "64");
            (is_64_bit && widened && has_tiles() && may_use_tiles()).then_some(Self(()))
        })
    }

    /// How so many rows are to be laid: in blocks of two tiles, as alike as can be.
    pub(crate) fn layout(self, count: usize) -> Layout {
        let blocks = count.div_ceil(2 * TILE).max(1);
        Layout::Blocks(2 * count.div_ceil(2 * blocks).max(1))
    }

    /// The products of rows and a panel.
    ///
    /// # Shapes
    ///
    /// - panel: each half as many lines as the rows have groups, up to a whole tile
    /// - sums: `[rows][32]`, of the rows that fill the last block too
    ///
    /// # Panics
    ///
    /// If the sizes are not these.
    pub(crate) fn multiply<E: Element>(
        self,
        rows: &Rows,
        panel: [&[Line<E::Group>]; 2],
        sums: &mut [[E::Sum; WIDTH]],
    ) {
        // What the instructions read and write, in bytes.
        const { assert!(size_of::<Line<E::Group>>() == 64 && size_of::<E::Sum>() == 4) };
        let Layout::Blocks(block) = rows.layout() else {
            unreachable!("tiles take blocks");
        };
        let tile = block / 2;
        let lines = rows.width().next_multiple_of(TILE);
        let blocks = rows.count().div_ceil(block);
        assert!(
            tile <= TILE
                && rows.lines().len() == blocks * block * lines / TILE
                && panel.iter().all(|half| half.len() == lines)
                && sums.len() == blocks * block,
            "a panel or sums of another size"
        );
        if blocks == 0 || lines == 0 {
            return sums.as_flattened_mut().fill(E::Sum::default());
        }
        for from in (0..lines).step_by(DEPTH) {
            let steps = (lines - from).min(DEPTH) / TILE;
            let work = Work {
                config: Config::new(tile),
                // SAFETY: within the rows' first block, and within the halves.
                inputs: unsafe { rows.lines().as_ptr().add(from / TILE * block) }.cast(),
                skip: (lines / TILE - steps) * block * 64,
                halves: panel.map(|half| half[from..].as_ptr().cast()),
                steps,
                blocks,
                tile: tile * 64,
                sums: sums.as_mut_ptr().cast(),
                add: usize::from(from > 0),
            };
            // SAFETY: `self` is proof that tiles may be used; the sizes are as asserted above, and none of them is zero.
            unsafe { E::multiply(&work) };
        }
    }
}

/// What the tiles' shapes are: as the instruction reads it.
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

impl Config {
    /// Tiles of sums (0 to 3) and of inputs (4, 5) with so many rows; those of weights are whole.
    fn new(rows: usize) -> Self {
        let mut config = Self {
            palette: 1,
            start_row: 0,
            reserved: [0; 14],
            row_bytes: [0; 16],
            rows: [0; 16],
        };
        config.row_bytes[..8].fill(64);
        config.rows[..6].fill(rows as u8);
        config.rows[6..8].fill(TILE as u8);
        config
    }
}

/// Some steps of all blocks, each of two tiles of inputs and two of weights.
#[repr(C)]
pub(crate) struct Work {
    config: Config,
    /// The first block's: two tiles for each step.
    inputs: *const u8,
    /// Bytes from the end of a block's inputs to the next one's.
    skip: usize,
    halves: [*const u8; 2],
    steps: usize,
    blocks: usize,
    /// Bytes of a tile of inputs.
    tile: usize,
    sums: *mut u8,
    /// Whether there are sums already: one, or zero.
    add: usize,
}

macro_rules! element {
    ($element:ty, $group:ty, $sum:ty, $product:literal) => {
        impl Element for $element {
            type Group = $group;
            type Sum = $sum;

            unsafe fn multiply(work: &Work) {
                // SAFETY: the caller's word. What is read: `blocks` times `steps` times two tiles of inputs, `skip` apart,
                // and `steps` tiles of each half. What is written: `blocks` times two tiles' rows of sums.
                unsafe {
                    asm!(
                        "ldtilecfg [{work}]",
                        "2:",
                        "mov {left}, 128",
                        "lea {lower}, [{sums} + 2*{tile}]",
                        "cmp qword ptr [{work} + {ADD}], 0",
                        "je 3f",
                        "tileloadd tmm0, [{sums} + {left}]",
                        "tileloadd tmm1, [{sums} + {left} + 64]",
                        "tileloadd tmm2, [{lower} + {left}]",
                        "tileloadd tmm3, [{lower} + {left} + 64]",
                        "jmp 4f",
                        "3:",
                        "tilezero tmm0",
                        "tilezero tmm1",
                        "tilezero tmm2",
                        "tilezero tmm3",
                        "4:",
                        "mov {first}, [{work} + {FIRST}]",
                        "mov {second}, [{work} + {SECOND}]",
                        "mov {left}, [{work} + {STEPS}]",
                        "5:",
                        "tileloadd tmm4, [{inputs} + {line}]",
                        "tileloadd tmm6, [{first} + {line}]",
                        concat!($product, " tmm0, tmm4, tmm6"),
                        "tileloadd tmm7, [{second} + {line}]",
                        concat!($product, " tmm1, tmm4, tmm7"),
                        "add {inputs}, {tile}",
                        "tileloadd tmm5, [{inputs} + {line}]",
                        concat!($product, " tmm2, tmm5, tmm6"),
                        concat!($product, " tmm3, tmm5, tmm7"),
                        "add {inputs}, {tile}",
                        "add {first}, 1024",
                        "add {second}, 1024",
                        "dec {left}",
                        "jnz 5b",
                        "mov {left}, 128",
                        "tilestored [{sums} + {left}], tmm0",
                        "tilestored [{sums} + {left} + 64], tmm1",
                        "tilestored [{lower} + {left}], tmm2",
                        "tilestored [{lower} + {left} + 64], tmm3",
                        "lea {sums}, [{lower} + 2*{tile}]",
                        "add {inputs}, [{work} + {SKIP}]",
                        "dec {blocks}",
                        "jnz 2b",
                        "tilerelease",
                        work = in(reg) std::ptr::from_ref(work),
                        inputs = inout(reg) work.inputs => _,
                        sums = inout(reg) work.sums => _,
                        blocks = inout(reg) work.blocks => _,
                        tile = in(reg) work.tile,
                        line = in(reg) 64_usize,
                        left = out(reg) _,
                        lower = out(reg) _,
                        first = out(reg) _,
                        second = out(reg) _,
                        ADD = const std::mem::offset_of!(Work, add),
                        FIRST = const std::mem::offset_of!(Work, halves),
                        SECOND = const std::mem::offset_of!(Work, halves) + 8,
                        STEPS = const std::mem::offset_of!(Work, steps),
                        SKIP = const std::mem::offset_of!(Work, skip),
                        out("tmm0") _,
                        out("tmm1") _,
                        out("tmm2") _,
                        out("tmm3") _,
                        out("tmm4") _,
                        out("tmm5") _,
                        out("tmm6") _,
                        out("tmm7") _,
                        options(nostack),
                    );
                }
            }
        }
    };
}

element!(Quads, [i8; 4], i32, "tdpbusd");
element!(Pairs, i32, f32, "tdpbf16ps");

/// Whether the processor has tiles of bytes and of bf16, and the system keeps them for its threads.
fn has_tiles() -> bool {
    const XSAVE: u32 = 1 << 27;
    /// AMX-BF16, AMX-TILE, AMX-INT8.
    const AMX: u32 = 1 << 22 | 1 << 24 | 1 << 25;
    /// The tiles' configuration and their data.
    const KEPT: u64 = 1 << 17 | 1 << 18;
    if __cpuid(0).eax < 7 || __cpuid(1).ecx & XSAVE == 0 || __cpuid_count(7, 0).edx & AMX != AMX {
        return false;
    }
    // SAFETY: the system has turned XSAVE on.
    let kept = unsafe { kept_state() };
    kept & KEPT == KEPT
}

/// What the system keeps of a thread that is not running.
#[target_feature(enable = "xsave")]
fn kept_state() -> u64 {
    // SAFETY: register 0 is there wherever the instruction is.
    unsafe { _xgetbv(0) }
}

/// Asks the system for the tiles' data, which it gives to no process that has not asked.
#[cfg(target_os = "linux")]
fn may_use_tiles() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const TILE_DATA: u64 = 18;
    let mut result = ARCH_PRCTL;
    // SAFETY: a system call that takes two numbers and reads and writes no memory of ours. What it allows is the use of
    // registers; a system that does not know it says so by a negative number.
    unsafe {
        asm!(
            "syscall",
            inout("rax") result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") TILE_DATA,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Elsewhere nobody asks.
#[cfg(not(target_os = "linux"))]
fn may_use_tiles() -> bool {
    false
}
