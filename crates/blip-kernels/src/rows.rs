//! How panels and inputs lie in memory.
#![allow(unsafe_code)]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use memmap2::MmapMut;

/// 16 values of four bytes: a line of the cache, which begins where one does.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C, align(64))]
pub(crate) struct Line<T>(pub(crate) [T; 16]);

/// Lines of a panel: of a weight.
///
/// A decoder reads all weights at every step, and what fetches them ahead stops at the end of a page. So weights lie in large
/// pages, one behind the other, where the system has them.
pub(crate) struct Lines<T>(Memory<T>);

enum Memory<T> {
    Small(Vec<Line<T>>),
    Large {
        first: NonNull<Line<T>>,
        count: usize,
        /// Where they are.
        _chunk: Arc<Chunk>,
    },
}

// SAFETY: lines are nobody else's, as those of a vector are.
unsafe impl<T: Send> Send for Memory<T> {}
// SAFETY: as those of a vector are.
unsafe impl<T: Sync> Sync for Memory<T> {}

/// Memory for several weights; what is taken of it is given back with all of it.
struct Chunk {
    map: MmapMut,
    /// Where the first large page begins.
    from: usize,
}

/// The chunk that has room, as long as somebody has some of it, and how much of it is taken.
static CHUNK: Mutex<(Weak<Chunk>, usize)> = Mutex::new((Weak::new(), 0));

impl Chunk {
    const SIZE: usize = 32 * LARGE;

    /// Room for so many bytes, in large pages where the system has them. Pages that nobody writes are not there.
    fn new(bytes: usize) -> Option<Self> {
        let size = bytes.next_multiple_of(LARGE);
        let map = MmapMut::map_anon(size + LARGE).ok()?;
        let from = map.as_ptr().align_offset(LARGE);
        #[cfg(target_os = "linux")]
        let _ = map.advise_range(memmap2::Advice::HugePage, from, size);
        Some(Self { map, from })
    }

    /// So many zeros that nobody else has, from the beginning of a line on.
    fn take(bytes: usize) -> Option<(Arc<Self>, NonNull<u8>)> {
        let mut current = CHUNK.lock().unwrap_or_else(PoisonError::into_inner);
        let (chunk, taken) = match current.0.upgrade() {
            Some(chunk) if current.1 + bytes <= Self::SIZE => (chunk, current.1),
            _ => (Arc::new(Self::new(bytes.max(Self::SIZE))?), 0),
        };
        // SAFETY: within the map, of which the rest of the chunk's pages follow the first.
        let first = unsafe { chunk.map.as_ptr().cast_mut().add(chunk.from + taken) };
        *current = (Arc::downgrade(&chunk), (taken + bytes).next_multiple_of(64));
        Some((chunk, NonNull::new(first)?))
    }
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

/// Weights of fewer bytes are no matter.
const SMALL: usize = 64 << 10;

impl<T: Word> Lines<T> {
    /// Zeros.
    pub(crate) fn new(count: usize) -> Self {
        const { assert!(size_of::<Line<T>>() == 64) };
        let taken = match 64 * count {
            ..SMALL => None,
            bytes => Chunk::take(bytes),
        };
        Self(match taken {
            Some((chunk, first)) => Memory::Large {
                first: first.cast(),
                count,
                _chunk: chunk,
            },
            None => Memory::Small(vec![Line::default(); count]),
        })
    }
}

impl<T: Word> Deref for Lines<T> {
    type Target = [Line<T>];

    fn deref(&self) -> &[Line<T>] {
        match &self.0 {
            Memory::Small(lines) => lines,
            // SAFETY: so many whole lines, of values that any bytes are; nobody else has them, and the chunk is held.
            Memory::Large { first, count, .. } => unsafe {
                std::slice::from_raw_parts(first.as_ptr(), *count)
            },
        }
    }
}

impl<T: Word> DerefMut for Lines<T> {
    fn deref_mut(&mut self) -> &mut [Line<T>] {
        match &mut self.0 {
            Memory::Small(lines) => lines,
            // SAFETY: as above.
            Memory::Large { first, count, .. } => unsafe {
                std::slice::from_raw_parts_mut(first.as_ptr(), *count)
            },
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
        for count in [0, 3, SMALL / 64 + 5, Chunk::SIZE / 64 - 7, Chunk::SIZE / 64 + 3] {
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

    /// Many, taken and given back by several threads: each holds what it was given.
    #[test]
    fn lines_are_nobody_elses() {
        std::thread::scope(|scope| {
            for thread in 0..4 {
                scope.spawn(move || {
                    let mut held = Vec::new();
                    for round in 0..60 {
                        let mut lines = Lines::<i32>::new(SMALL / 64 + 997 * (round % 7));
                        assert!(lines.iter().all(|line| *line == Line([0; 16])));
                        lines.fill(Line([100 * thread + round as i32; 16]));
                        held.push((100 * thread + round as i32, lines));
                        if round % 3 == 2 {
                            held.remove(0);
                        }
                    }
                    for (value, lines) in held {
                        assert!(lines.iter().all(|line| *line == Line([value; 16])));
                    }
                });
            }
        });
    }
}
