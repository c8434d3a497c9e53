//! Sorting a shard: its suffix array and its sidecars, in one pass over the text or part by part.
//!
//! A shard that fits into memory is one part. Else each part, some whole documents, is sorted into a run ([`sort_part`]), and the
//! runs are merged ([`merge_parts`]). As nothing is compared past the end of a document, and suffixes that are equal up to there
//! are ordered by their positions, the files are the same however many parts there are, and whatever sorted them.

mod buckets;
mod copies;
mod in_order;
mod induced;
mod item;
mod merge;
mod output;
mod part_text;
mod partition;
mod parts;
mod passages;
mod ranked;
mod ranking;
mod run_file;
mod source;
mod suffix_order;
mod suffix_text;
mod symbols;
mod table_files;

use std::path::Path;

use crate::address::to_usize;
use crate::directory::Directory;
use crate::error::EngineError;
use crate::fan_out::num_blocks;
use crate::pool::thread_pool;
use crate::token::TokenWidth;

pub(crate) use output::{flush_folder, remove_if_present};
use source::Source;

/// Most tokens of a part: libsais' 32-bit form takes no more, its extra positions included.
pub const MAX_PART_TOKENS: u64 = i32::MAX as u64 - induced::EXTRA_POSITIONS as u64 - 1;

/// Memory of a thread that sorts or merges: buckets and results that wait for their turn.
const THREAD_BYTES: u64 = 24 << 20;

/// Memory besides: write buffers, libsais' extra positions, and what the process takes anyway.
const FIXED_BYTES: u64 = 48 << 20;

/// Most parts of a shard: each is an open file, and a head that every rank is chosen from.
pub const MAX_PARTS: u32 = 256;

/// One part of a shard to sort.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its number, below `num_parts`.
    pub number: u32,
    /// Parts that the shard is cut into.
    pub num_parts: u32,
}

/// Returns the peak memory, in bytes, of sorting a part of this many tokens on this many threads: the text, its positions, and a
/// byte a token for dealing them out.
#[must_use]
pub fn sort_memory_bytes(num_tokens: u64, width: TokenWidth, num_threads: u64) -> u64 {
    num_tokens
        .saturating_mul(width.bytes() as u64 + 5)
        .saturating_add(FIXED_BYTES + num_threads * THREAD_BYTES)
}

/// Returns the least memory, in bytes, of merging the parts of a shard of this many tokens: the directory, and buffers. With as
/// much more as the text takes, merging need not read it from disk.
#[must_use]
pub fn merge_memory_bytes(num_tokens: u64, width: TokenWidth, num_parts: u64, num_threads: u64) -> u64 {
    let blocks = num_blocks(to_usize(num_tokens), width.bytes());
    Directory::max_bytes(blocks, width.bytes())
        .saturating_add(FIXED_BYTES + num_threads * (THREAD_BYTES + (num_parts << 16)))
}

/// Returns the disk, in bytes, that the run of a part of this many tokens takes.
#[must_use]
pub fn run_bytes(num_tokens: u64) -> u64 {
    run_file::run_bytes(num_tokens)
}

/// Returns the most tokens of a part if the shard in `directory` is cut into `num_parts`: documents are not cut.
/// Cost: a few pages of the text a part, and the documents at their ends.
pub fn longest_part(directory: &Path, width: TokenWidth, num_parts: u32) -> Result<u64, EngineError> {
    let longest = |bounds: Vec<u64>| bounds.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    Ok(longest(match width {
        TokenWidth::U8 => Source::<u8>::open(directory)?.bounds(num_parts)?,
        TokenWidth::U16 => Source::<u16>::open(directory)?.bounds(num_parts)?,
        TokenWidth::U32 => Source::<u32>::open(directory)?.bounds(num_parts)?,
    }))
}

/// Sorts a part of `tokenized.0` in `directory` into a run beside it; the only part of a shard into `table.0`, and with
/// `accelerate` the sidecars. What is there already is written anew. Each file is flushed to disk and renamed into place.
///
/// Suffixes are ordered by the little-endian bytes of their tokens to the end of their documents (the separator after every token,
/// the end of the file before), equal ones by position. `num_threads` 0 means one a core. `progress` is told the tokens done and
/// their total now and then; if it returns false, the work stops and [`EngineError::Stopped`] is returned.
/// Cost: see docs/indexing.md; memory: [`sort_memory_bytes`].
pub fn sort_part(
    directory: &Path,
    width: TokenWidth,
    part: Part,
    num_threads: usize,
    accelerate: bool,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<(), EngineError> {
    let pool = thread_pool(num_threads)?;
    match width {
        TokenWidth::U8 => Source::<u8>::open(directory)?.sort(part, &pool, accelerate, progress),
        TokenWidth::U16 => Source::<u16>::open(directory)?.sort(part, &pool, accelerate, progress),
        TokenWidth::U32 => Source::<u32>::open(directory)?.sort(part, &pool, accelerate, progress),
    }
}

/// Sorts a whole shard in memory: [`sort_part`] of the only part, without sidecars.
pub fn sort_shard(directory: &Path, width: TokenWidth, num_threads: usize) -> Result<(), EngineError> {
    let whole = Part {
        number: 0,
        num_parts: 1,
    };
    sort_part(directory, width, whole, num_threads, false, |_, _| true)
}

/// Merges the runs of the parts of a shard into `table.0`, and with `accelerate` the sidecars, and removes them.
///
/// The text is held in memory if `memory_bytes` allow for it besides [`merge_memory_bytes`]; else it is read from disk where eight
/// bytes behind the LCP do not tell two suffixes apart.
pub fn merge_parts(
    directory: &Path,
    width: TokenWidth,
    num_parts: u32,
    num_threads: usize,
    memory_bytes: u64,
    accelerate: bool,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<(), EngineError> {
    let pool = thread_pool(num_threads)?;
    match width {
        TokenWidth::U8 => {
            Source::<u8>::open(directory)?.merge(num_parts, &pool, memory_bytes, accelerate, progress)
        }
        TokenWidth::U16 => {
            Source::<u16>::open(directory)?.merge(num_parts, &pool, memory_bytes, accelerate, progress)
        }
        TokenWidth::U32 => {
            Source::<u32>::open(directory)?.merge(num_parts, &pool, memory_bytes, accelerate, progress)
        }
    }
}
