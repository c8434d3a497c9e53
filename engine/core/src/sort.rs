//! Sorting a shard: the suffix array of its text by libsais, in memory, on all cores.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use bytemuck::Pod;
use libsais::{LibsaisError, SuffixArrayConstruction, ThreadCount};
use rayon::ThreadPool;
use rayon::prelude::*;

use crate::error::EngineError;
use crate::files::ShardFiles;
use crate::huge_buffer::HugeBuffer;
use crate::mapped::MappedFile;
use crate::pool::thread_pool;
use crate::suffix_array::pointer_width;
use crate::token::TokenWidth;

/// Entries that a thread packs and writes at a time, and tokens that it collects an alphabet from.
const ENTRIES_PER_TASK: usize = 1 << 18;

/// Positions that libsais gets beyond those of the text, for the buckets of its recursion. Measured on 30 million two-byte
/// tokens: 1.25 s without, 1.14 s with 2 million, no better with more.
const EXTRA_POSITIONS: usize = 1 << 21;

/// Longest text that libsais' 32-bit form takes, its extra positions included.
const MAX_I32_TOKENS: usize = i32::MAX as usize - EXTRA_POSITIONS;

/// Returns the peak memory, in bytes, of sorting a text of this many tokens.
///
/// The text in sort order, the suffix array, and 64 MiB for extra positions, buckets and write buffers. Four-byte tokens are sorted as
/// integers as wide as a position.
#[must_use]
pub fn sort_memory_bytes(num_tokens: u64, width: TokenWidth) -> u64 {
    let position = if num_tokens <= MAX_I32_TOKENS as u64 { 4 } else { 8 };
    let token = match width {
        TokenWidth::U8 => 1,
        TokenWidth::U16 => 2,
        TokenWidth::U32 => position,
    };
    num_tokens
        .saturating_mul(position + token)
        .saturating_add(64 << 20)
}

/// Sorts `tokenized.0` of `directory` and writes `table.0`, flushed to disk and renamed into place.
///
/// Suffixes are ordered by the little-endian bytes of their tokens to the end of the file, which sorts before everything.
/// `num_threads` 0 means one a core. Cost: O(N), in memory ([`sort_memory_bytes`]).
pub fn sort_shard(directory: &Path, width: TokenWidth, num_threads: usize) -> Result<(), EngineError> {
    let files = ShardFiles::new(directory, 0);
    let text = MappedFile::open(files.tokenized())?;
    text.advise_sequential()?;
    if !text.len().is_multiple_of(width.bytes()) {
        return Err(EngineError::NotAMultiple {
            path: files.tokenized(),
            found: text.size(),
            unit: width.bytes() as u64,
        });
    }
    let pointer_width = pointer_width(text.size());
    let num_tokens = text.len() / width.bytes();
    let pool = thread_pool(num_threads)?;
    let sorted = sort_text(text, width, &pool).map_err(|reason| EngineError::Sort {
        path: files.tokenized(),
        reason,
    })?;
    pool.install(|| sorted.write(&files.table(), num_tokens, width, pointer_width))
        .map_err(EngineError::io(files.table()))
}

/// Positions in suffix order, and extra ones behind them that mean nothing.
enum Sorted {
    Narrow(HugeBuffer<i32>),
    Wide(HugeBuffer<i64>),
}

fn sort_text(text: MappedFile, width: TokenWidth, pool: &ThreadPool) -> Result<Sorted, String> {
    let num_tokens = text.len() / width.bytes();
    let threads = ThreadCount::fixed(u16::try_from(pool.current_num_threads()).unwrap_or(u16::MAX));
    macro_rules! sort {
        ($construction:expr) => {{
            let extra = num_tokens.min(EXTRA_POSITIONS);
            let mut positions = HugeBuffer::zeroed(num_tokens + extra).map_err(|_| out_of_memory())?;
            let sorting = $construction.in_borrowed_buffer(positions.as_mut_slice());
            sorting.multi_threaded(threads).run().map_err(explain)?;
            positions
        }};
    }
    // Each text is brought into the order of its integers: bytes swapped, or ranks among the tokens that occur. The
    // mapping is dropped before the positions are allocated.
    let narrow = num_tokens <= MAX_I32_TOKENS;
    Ok(match (width, narrow) {
        (TokenWidth::U8, true) => Sorted::Narrow(sort!(SuffixArrayConstruction::for_text(&text))),
        (TokenWidth::U8, false) => Sorted::Wide(sort!(SuffixArrayConstruction::for_text(&text))),
        (TokenWidth::U16, _) => {
            let swapped = pool.install(|| swap_bytes(text)).map_err(|_| out_of_memory())?;
            let tokens = swapped.as_slice();
            if narrow {
                Sorted::Narrow(sort!(SuffixArrayConstruction::for_text(tokens)))
            } else {
                Sorted::Wide(sort!(SuffixArrayConstruction::for_text(tokens)))
            }
        }
        (TokenWidth::U32, true) => {
            let mut ranks = pool
                .install(|| dense_ranks::<i32>(text))
                .map_err(|_| out_of_memory())?;
            Sorted::Narrow(sort!(SuffixArrayConstruction::for_text_mut(ranks.as_mut_slice())))
        }
        (TokenWidth::U32, false) => {
            let mut ranks = pool
                .install(|| dense_ranks::<i64>(text))
                .map_err(|_| out_of_memory())?;
            Sorted::Wide(sort!(SuffixArrayConstruction::for_text_mut(ranks.as_mut_slice())))
        }
    })
}

fn out_of_memory() -> String {
    "not enough memory to sort the shard; split the corpus over more shards".to_owned()
}

fn explain(error: LibsaisError) -> String {
    match error {
        LibsaisError::OutOfMemory => out_of_memory(),
        other => format!("libsais cannot sort the shard ({other})"),
    }
}

/// Returns two-byte tokens as integers in sort order.
#[allow(
    clippy::needless_pass_by_value,
    reason = "giving the mapping back is the point"
)]
fn swap_bytes(text: MappedFile) -> io::Result<HugeBuffer<u16>> {
    let mut swapped = HugeBuffer::zeroed(text.len() / 2)?;
    swapped
        .as_mut_slice()
        .par_iter_mut()
        .zip(text.par_chunks_exact(2))
        .with_min_len(ENTRIES_PER_TASK)
        .for_each(|(swapped, token)| *swapped = u16::from_be_bytes([token[0], token[1]]));
    Ok(swapped)
}

/// Returns each four-byte token's rank, in sort order, among the tokens that occur: libsais needs a small alphabet.
#[allow(
    clippy::needless_pass_by_value,
    reason = "giving the mapping back is the point"
)]
fn dense_ranks<R>(text: MappedFile) -> io::Result<HugeBuffer<R>>
where
    R: Pod + TryFrom<usize, Error: std::fmt::Debug> + Send,
{
    let sort_key = |token: &[u8]| u32::from_be_bytes([token[0], token[1], token[2], token[3]]);
    let alphabet = text
        .par_chunks(4 * ENTRIES_PER_TASK)
        .map(|tokens| tokens.chunks_exact(4).map(sort_key).collect::<HashSet<u32>>())
        .reduce(HashSet::new, |mut all, some| {
            all.extend(some);
            all
        });
    let mut alphabet: Vec<u32> = alphabet.into_iter().collect();
    alphabet.sort_unstable();
    let mut ranks = HugeBuffer::zeroed(text.len() / 4)?;
    ranks
        .as_mut_slice()
        .par_iter_mut()
        .zip(text.par_chunks_exact(4))
        .with_min_len(ENTRIES_PER_TASK)
        .for_each(|(rank, token)| {
            let found = alphabet.partition_point(|&other| other < sort_key(token));
            *rank = R::try_from(found).expect("a text has no more distinct tokens than positions");
        });
    Ok(ranks)
}

impl Sorted {
    /// Writes the entries beside their place, flushes them and renames the file in.
    fn write(
        &self,
        path: &Path,
        num_tokens: usize,
        width: TokenWidth,
        pointer_width: usize,
    ) -> io::Result<()> {
        let beside = path.with_extension("tmp");
        let file = File::create(&beside)?;
        match self {
            Self::Narrow(positions) => {
                write_entries(&file, &positions.as_slice()[..num_tokens], width, pointer_width)
            }
            Self::Wide(positions) => {
                write_entries(&file, &positions.as_slice()[..num_tokens], width, pointer_width)
            }
        }?;
        file.sync_all()?;
        fs::rename(beside, path)
    }
}

/// Packs and writes the entries on all threads, each in its place in the file.
fn write_entries<P>(file: &File, positions: &[P], width: TokenWidth, pointer_width: usize) -> io::Result<()>
where
    P: Copy + Sync + TryInto<u64, Error: std::fmt::Debug>,
{
    positions
        .par_chunks(ENTRIES_PER_TASK)
        .enumerate()
        .try_for_each_init(Vec::new, |packed, (task, some)| {
            packed.clear();
            packed.reserve(some.len() * pointer_width + 8);
            for &position in some {
                let position: u64 = position.try_into().expect("libsais positions are not negative");
                let offset = position * width.bytes() as u64;
                packed.extend_from_slice(&offset.to_le_bytes()[..pointer_width]);
            }
            file.write_all_at(packed, (task * ENTRIES_PER_TASK * pointer_width) as u64)
        })
}
