//! How work is cut for threads.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rayon::Yield;
use rayon::prelude::*;
use rayon::slice::ChunksMut;

/// What [`set_num_threads`] could not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ThreadsError {
    /// No thread at all.
    #[error("threads: expected 1 or more, got 0")]
    Zero,
    /// The threads are there already, because something was computed or they were set before.
    #[error("threads: expected a call before anything is computed, but {running} are running")]
    Running {
        /// How many there are.
        running: usize,
    },
}

/// Sets how many threads compute: those of rayon's global pool, which Burn's CPU backend takes too. Left alone it has as
/// many as the machine has cores, or as `RAYON_NUM_THREADS` says.
///
/// Work that is started on threads of another rayon pool (`pool.install(…)`) stays on that pool: so several models can
/// have threads of their own.
///
/// # Errors
///
/// [`ThreadsError::Zero`], or [`ThreadsError::Running`] where the pool is at work already.
pub fn set_num_threads(count: usize) -> Result<(), ThreadsError> {
    if count == 0 {
        return Err(ThreadsError::Zero);
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(count);
    pool.build_global().map_err(|_| ThreadsError::Running {
        running: rayon::current_num_threads(),
    })
}

/// Does some work on one of the threads that compute.
///
/// A kernel that is called on another thread hands its work over and sleeps until it is done; of hundreds of short ones
/// that is a good part of the time. On a thread that computes, they take their own share at once. Where the caller is on
/// such a thread already, of any rayon pool, the work is done there.
///
/// The pool's other threads stay awake between kernels of few rows, if nobody else has such work: between two kernels of a
/// decoder's step is less time than it takes to wake one.
pub fn on_workers<R: Send>(work: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| {
        let _region = Region::enter();
        work()
    })
}

/// How many threads do such work, of all pools.
static REGIONS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Whether this thread does the work of a region.
    static IS_AT_WORK: Cell<bool> = const { Cell::new(false) };
    /// Whether it waits for some.
    static IS_WAITING: Cell<bool> = const { Cell::new(false) };
}

/// The outermost work that a thread does here.
struct Region;

impl Region {
    /// None inside another one.
    fn enter() -> Option<Self> {
        if IS_AT_WORK.replace(true) {
            return None;
        }
        REGIONS.fetch_add(1, Ordering::Relaxed);
        Some(Self)
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        IS_AT_WORK.set(false);
        REGIONS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// After a kernel that took microseconds, where more will follow: the other threads wait for them awake.
pub(crate) fn keep_others_awake() {
    if IS_AT_WORK.get() && REGIONS.load(Ordering::Relaxed) == 1 {
        for _ in 1..rayon::current_num_threads() {
            rayon::spawn(wait_awake);
        }
    }
}

/// Takes one piece of what other threads have to do, if it comes soon.
///
/// One alone: whoever ran into this while it waited for something else has to look whether that is there.
fn wait_awake() {
    const SOON: Duration = Duration::from_micros(100);
    if IS_AT_WORK.get() || IS_WAITING.replace(true) {
        return;
    }
    let since = Instant::now();
    while REGIONS.load(Ordering::Relaxed) == 1 && since.elapsed() < SOON {
        match rayon::yield_now() {
            Some(Yield::Executed) => break,
            Some(Yield::Idle) | None => std::thread::yield_now(),
        }
    }
    IS_WAITING.set(false);
}

/// Values below which one thread is faster than the waking of another.
pub(crate) const GRAIN: usize = 16 * 1024;

/// Pieces of some whole rows, of about [`GRAIN`] values each, for threads.
///
/// # Panics
///
/// If the values are no whole number of rows.
pub(crate) fn pieces_of_rows(values: &mut [f32], width: usize) -> ChunksMut<'_, f32> {
    assert!(
        values.is_empty() || (width > 0 && values.len().is_multiple_of(width)),
        "{} values are no rows of {width}",
        values.len()
    );
    values.par_chunks_mut(values_of_a_piece(width))
}

/// How many values a piece of rows has: a whole number of them, at least one.
pub(crate) fn values_of_a_piece(width: usize) -> usize {
    let width = width.max(1);
    width * (GRAIN / width).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::values;
    use crate::{Epilogue, PackedWeight, Precision};

    /// Pools of any size, at work at the same time, compute the same.
    #[test]
    fn pools_do_not_trip_over_each_other() {
        let (input, weight) = (values(30 * 96, 1), values(96 * 200, 2));
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let packed = PackedWeight::new(&weight, [96, 200], precision);
            let product = || {
                let mut output = vec![0.0; 30 * 200];
                packed.multiply(&input, Epilogue::default(), &mut output);
                output
            };
            let want = product();
            std::thread::scope(|scope| {
                for threads in [1, 2, 5] {
                    let (product, want) = (&product, &want);
                    scope.spawn(move || {
                        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                        let pool = pool.expect("a pool");
                        for _ in 0..5 {
                            assert_eq!(&pool.install(product), want, "{precision:?}, {threads} threads");
                        }
                    });
                }
            });
        }
    }

    #[test]
    fn work_is_done_where_kernels_are_and_stays_in_its_pool() {
        assert!(on_workers(|| rayon::current_thread_index().is_some()));
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .expect("a pool");
        assert_eq!(pool.install(|| on_workers(rayon::current_num_threads)), 3);
    }

    /// Whoever asks for threads that stay awake, at once, inside each other, and for work that fails.
    #[test]
    fn regions_do_not_trip_over_each_other() {
        let weight = values(96 * 200, 2);
        let packed = PackedWeight::new(&weight, [96, 200], Precision::F32);
        let product = |input: &[f32]| packed.product(input, 2, Epilogue::default());
        std::thread::scope(|scope| {
            for seed in 0..6 {
                let product = &product;
                scope.spawn(move || {
                    let input = values(2 * 96, seed);
                    let want = product(&input);
                    for _ in 0..50 {
                        assert_eq!(on_workers(|| on_workers(|| product(&input))), want);
                    }
                    let failed = std::panic::catch_unwind(|| on_workers(|| panic!("as asked")));
                    assert!(failed.is_err());
                    assert_eq!(on_workers(|| product(&input)), want);
                });
            }
        });
    }

    #[test]
    fn no_threads_and_threads_that_run_are_told() {
        assert_eq!(set_num_threads(0), Err(ThreadsError::Zero));
        let running = rayon::current_num_threads();
        let error = set_num_threads(3).expect_err("they run");
        assert_eq!(error, ThreadsError::Running { running });
        assert!(error.to_string().ends_with("are running"));
    }
}
