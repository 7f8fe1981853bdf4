//! How panels and inputs lie in memory.
#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;

/// 16 values of four bytes: a line of the cache, which begins where one does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) [T; 16]);

/// Lines of a panel: of a weight.
///
/// A decoder reads all weights at every step, and what fetches them ahead stops at the end of a page. So a weight that fills
/// large pages lies in some, where the system has them.
pub(crate) struct Lines<T>(Memory<T>);

enum Memory<T> {
    Small(Vec<Line<T>>),
    Large {
        map: MmapMut,
        /// Where the first large page begins.
        from: usize,
        count: usize,
        of: PhantomData<T>,
    },
}

/// What a line may be of.
///
/// # Safety
///
/// Four bytes, of which any are a value; zeros are the default.
pub(crate) unsafe trait Word: Copy + Default {}

// SAFETY: numbers all.
unsafe impl Word for f32 {}
// SAFETY: numbers all.
unsafe impl Word for i32 {}
// SAFETY: numbers all.
unsafe impl Word for [i8; 4] {}

/// Bytes of a large page.
const LARGE: usize = 2 << 20;

impl<T: Word> Lines<T> {
    /// Zeros.
    pub(crate) fn new(count: usize) -> Self {
        const { assert!(size_of::<Line<T>>() == 64) };
        let map = match 64 * count {
            ..LARGE => None,
            // Without it the same is in small pages.
            bytes => MmapMut::map_anon(bytes + LARGE).ok(),
        };
        Self(match map {
            Some(map) => {
                let from = map.as_ptr().align_offset(LARGE);
                // Whole ones alone: what is left would take another.
                #[cfg(target_os = "linux")]
                let _ = map.advise_range(memmap2::Advice::HugePage, from, 64 * count / LARGE * LARGE);
                Memory::Large {
                    from,
                    map,
                    count,
                    of: PhantomData,
                }
            }
            None => Memory::Small(vec![Line::default(); count]),
        })
    }
}

impl<T: Word> Deref for Lines<T> {
    type Target = [Line<T>];

    fn deref(&self) -> &[Line<T>] {
        match &self.0 {
            Memory::Small(lines) => lines,
            Memory::Large { map, from, count, .. } => {
                let bytes = &map[*from..from + 64 * count];
                // SAFETY: so many whole lines, of values that any bytes are, at the beginning of a page; borrowed as the map is.
                unsafe { std::slice::from_raw_parts(bytes.as_ptr().cast(), *count) }
            }
        }
    }
}

impl<T: Word> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [Line<T>] {
        match &mut self.0 {
            Memory::Small(lines) => lines,
            Memory::Large { map, from, count, .. } => {
                let bytes = &mut map[*from..*from + 64 * *count];
                // SAFETY: as above.
                unsafe { std::slice::from_raw_parts_mut(bytes.as_mut_ptr().cast(), *count) }
            }
        }
    }
}

impl<T: Word> Clone for Lines<T> {
    fn clone(&self) -> Self {
        let mut lines = Self::new(self.len());
        lines.copy_from_slice(self);
        lines
    }
}

impl<T> fmt::Debug for Lines<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Lines")
    }
}

/// Lines that the instructions for tiles take at once.
pub(crate) const TILE: usize = 16;

/// How many lines a half of a panel has that holds `count` rows, `each` of them side by side: whole tiles, for instructions
/// that know no others, of which the last holds zeros where there are no rows.
pub(crate) fn lines_of(count: usize, each: usize) -> usize {
    count.div_ceil(each).next_multiple_of(TILE)
}

/// Inputs as they meet panels: in groups of four bytes, each of four values or of two in bf16.
#[cfg(target_arch = "x86_64")]
pub(crate) struct Rows {
    groups: Vec<Line<u32>>,
    /// How many rows there are.
    count: usize,
    /// Groups that a row has.
    width: usize,
    layout: Layout,
}

/// Where a row's groups are.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[strips][width][rows of a strip]`, at most so many rows, the last strip as many as are left.
    Strips(usize),
    /// `[blocks][width / 16][rows of a block][16]`, so many rows, zeros where there are none.
    Blocks(usize),
}

#[cfg(target_arch = "x86_64")]
impl Rows {
    /// Zeros.
    pub(crate) fn new(count: usize, width: usize, layout: Layout) -> Self {
        let lines = match layout {
            Layout::Strips(_) => (count * width).div_ceil(TILE),
            Layout::Blocks(rows) => count.next_multiple_of(rows) * width.div_ceil(TILE),
        };
        Self {
            groups: vec![Line::default(); lines],
            count,
            width,
            layout,
        }
    }

    /// Writes a row.
    ///
    /// # Panics
    ///
    /// If it is of another width.
    pub(crate) fn set(&mut self, row: usize, groups: &[u32]) {
        assert_eq!(groups.len(), self.width, "a row of another width");
        match self.layout {
            Layout::Strips(rows) => {
                let first = row / rows * rows;
                let step = rows.min(self.count - first);
                let places = &mut flat_mut(&mut self.groups)[first * self.width + row - first..];
                let places = places.iter_mut().step_by(step);
                places.zip(groups).for_each(|(place, group)| *place = *group);
            }
            Layout::Blocks(rows) => {
                let from = row / rows * rows * self.width.div_ceil(TILE) + row % rows;
                let lines = self.groups[from..].iter_mut().step_by(rows);
                for (line, groups) in lines.zip(groups.chunks(TILE)) {
                    match groups.as_array() {
                        Some(groups) => line.0 = *groups,
                        None => line.0[..groups.len()].copy_from_slice(groups),
                    }
                }
            }
        }
    }

    /// How many rows there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many rows there are, with those that fill the last block.
    pub(crate) fn filled(&self) -> usize {
        match self.layout {
            Layout::Strips(_) => self.count,
            Layout::Blocks(rows) => self.count.next_multiple_of(rows),
        }
    }

    /// Groups that a row has.
    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Where a row's groups are.
    pub(crate) fn layout(&self) -> Layout {
        self.layout
    }

    /// All of them.
    pub(crate) fn lines(&self) -> &[Line<u32>] {
        &self.groups
    }

    /// The strips, each `[width][rows of a strip]`.
    pub(crate) fn strips(&self) -> impl Iterator<Item = &[u32]> {
        let Layout::Strips(rows) = self.layout else {
            unreachable!("blocks are no strips");
        };
        let all = &flat(&self.groups)[..self.count * self.width];
        all.chunks((rows * self.width).max(1))
    }
}

/// The values of lines, one after another.
#[cfg(target_arch = "x86_64")]
fn flat(lines: &[Line<u32>]) -> &[u32] {
    // SAFETY: a line is 16 values of four bytes and nothing else, aligned for more than they are.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), TILE * lines.len()) }
}

/// As [`flat`].
#[cfg(target_arch = "x86_64")]
fn flat_mut(lines: &mut [Line<u32>]) -> &mut [u32] {
    // SAFETY: a line is 16 values of four bytes and nothing else, aligned for more than they are.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), TILE * lines.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_zeros_that_are_written_and_copied() {
        for count in [0, 3, LARGE / 64 + 5] {
            let mut lines = Lines::<i32>::new(count);
            assert_eq!(lines.len(), count);
            assert!(lines.iter().all(|line| *line == Line([0; 16])));
            if let Some(last) = lines.last_mut() {
                last.0[15] = 7;
            }
            let copy = lines.clone();
            lines.fill(Line([1; 16]));
            let want = if count == 0 { None } else { Some(7) };
            assert_eq!(copy.last().map(|line| line.0[15]), want);
            assert_eq!(copy.first().map(|line| line.0[0]), want.map(|_| 0));
        }
    }
}
