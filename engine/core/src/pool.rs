//! Threads of the engine's own.

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::EngineError;

/// Most threads a pool may have: beyond any machine's cores, below what exhausts one.
const MAX_THREADS: usize = 1024;

/// Starts a pool of `num_threads` threads, at most 1,024; 0 means one a core. Shards of one process share one.
pub fn thread_pool(num_threads: usize) -> Result<ThreadPool, EngineError> {
    if num_threads > MAX_THREADS {
        return Err(EngineError::OutOfRange {
            what: "number of threads",
            found: num_threads as u64,
            expected: format!("0 to {MAX_THREADS}"),
        });
    }
    ThreadPoolBuilder::new()
        .num_threads(num_threads)
        .thread_name(|number| format!("engine-{number}"))
        .build()
        .map_err(|error| EngineError::Threads {
            num_threads,
            reason: error.to_string(),
        })
}
