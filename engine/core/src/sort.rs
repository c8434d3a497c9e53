//! Sorting a shard: the suffix array of its text by libsais, in memory, on all cores.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use libsais::{LibsaisError, SuffixArrayConstruction, ThreadCount};
use rayon::prelude::*;

use crate::error::EngineError;
use crate::files::ShardFiles;
use crate::suffix_array::pointer_width;
use crate::token::TokenWidth;

/// Entries that are packed and written at a time.
const ENTRIES_PER_WRITE: usize = 1 << 20;

/// Longest text whose positions fit libsais' 32-bit form, with room for its extra space.
const MAX_I32_TOKENS: usize = i32::MAX as usize - 10_000;

/// Returns the peak memory, in bytes, of sorting a text of this many tokens.
///
/// The text in sort order, the suffix array, and 64 MiB for buckets and write buffers. Four-byte tokens are sorted as
/// integers as wide as a position.
#[must_use]
pub fn sort_memory_bytes(num_tokens: u64, width: TokenWidth) -> u64 {
    let position = if num_tokens <= MAX_I32_TOKENS as u64 { 4 } else { 8 };
    let token = match width {
        TokenWidth::U8 => 1,
        TokenWidth::U16 => 2,
        TokenWidth::U32 => position,
    };
    num_tokens.saturating_mul(position + token) + (64 << 20)
}

/// Sorts `tokenized.0` of `directory` and writes `table.0`, flushed to disk and renamed into place.
///
/// Suffixes are ordered by the little-endian bytes of their tokens to the end of the file, which sorts before everything.
/// `num_threads` 0 means one a core. Cost: O(N), in memory ([`sort_memory_bytes`]).
pub fn sort_shard(directory: &Path, width: TokenWidth, num_threads: usize) -> Result<(), EngineError> {
    let files = ShardFiles::new(directory, 0);
    let path = files.tokenized();
    let text = fs::read(&path).map_err(EngineError::io(&path))?;
    if text.is_empty() {
        return Err(EngineError::EmptyFile { path });
    }
    if !text.len().is_multiple_of(width.bytes()) {
        return Err(EngineError::NotAMultiple {
            path,
            found: text.len() as u64,
            unit: width.bytes() as u64,
        });
    }
    let threads = if num_threads == 0 {
        std::thread::available_parallelism().map_or(1, usize::from)
    } else {
        num_threads
    };
    let text_bytes = text.len() as u64;
    sort_text(text, width, threads)
        .map_err(|reason| EngineError::Sort { path, reason })?
        .write(&files.table(), width, pointer_width(text_bytes))
        .map_err(EngineError::io(files.table()))
}

/// Positions in suffix order.
enum Sorted {
    Narrow(Vec<i32>),
    Wide(Vec<i64>),
}

fn sort_text(text: Vec<u8>, width: TokenWidth, threads: usize) -> Result<Sorted, String> {
    let threads = ThreadCount::fixed(u16::try_from(threads).unwrap_or(u16::MAX));
    let narrow = text.len() / width.bytes() <= MAX_I32_TOKENS;
    macro_rules! narrow {
        ($construction:expr) => {
            Sorted::Narrow(
                $construction
                    .in_owned_buffer32()
                    .multi_threaded(threads)
                    .run()
                    .map_err(explain)?
                    .into_vec(),
            )
        };
    }
    macro_rules! wide {
        ($construction:expr) => {
            Sorted::Wide(
                $construction
                    .in_owned_buffer64()
                    .multi_threaded(threads)
                    .run()
                    .map_err(explain)?
                    .into_vec(),
            )
        };
    }
    // Each text is brought into the order of its integers: bytes swapped, or ranks among the tokens that occur.
    Ok(match (width, narrow) {
        (TokenWidth::U8, true) => narrow!(SuffixArrayConstruction::for_text(&text)),
        (TokenWidth::U8, false) => wide!(SuffixArrayConstruction::for_text(&text)),
        (TokenWidth::U16, true) => narrow!(SuffixArrayConstruction::for_text(&swap_bytes(text))),
        (TokenWidth::U16, false) => wide!(SuffixArrayConstruction::for_text(&swap_bytes(text))),
        (TokenWidth::U32, true) => {
            narrow!(SuffixArrayConstruction::for_text_mut(&mut dense_ranks::<i32>(
                text
            )))
        }
        (TokenWidth::U32, false) => {
            wide!(SuffixArrayConstruction::for_text_mut(&mut dense_ranks::<i64>(
                text
            )))
        }
    })
}

fn explain(error: LibsaisError) -> String {
    match error {
        LibsaisError::OutOfMemory => {
            "not enough memory to sort the shard; split the corpus over more shards".to_owned()
        }
        other => format!("libsais cannot sort the shard ({other})"),
    }
}

/// Returns the tokens as integers in sort order. Takes the text so that it is freed before the suffix array is made.
#[allow(clippy::needless_pass_by_value, reason = "freeing it is the point")]
fn swap_bytes(text: Vec<u8>) -> Vec<u16> {
    text.par_chunks_exact(2)
        .map(|token| u16::from_be_bytes([token[0], token[1]]))
        .collect()
}

/// Returns each four-byte token's rank, in sort order, among the tokens that occur: libsais needs a small alphabet.
/// Takes the text so that it is freed before the suffix array is made.
#[allow(clippy::needless_pass_by_value, reason = "freeing it is the point")]
fn dense_ranks<R>(text: Vec<u8>) -> Vec<R>
where
    R: TryFrom<usize, Error: std::fmt::Debug> + Send,
{
    let sort_key = |token: &[u8]| u32::from_be_bytes([token[0], token[1], token[2], token[3]]);
    let alphabet = text
        .par_chunks(4 * ENTRIES_PER_WRITE)
        .map(|tokens| tokens.chunks_exact(4).map(sort_key).collect::<HashSet<u32>>())
        .reduce(HashSet::new, |mut all, some| {
            all.extend(some);
            all
        });
    let mut alphabet: Vec<u32> = alphabet.into_iter().collect();
    alphabet.sort_unstable();
    text.par_chunks_exact(4)
        .map(|token| {
            let rank = alphabet.partition_point(|&other| other < sort_key(token));
            R::try_from(rank).expect("a text has no more distinct tokens than positions")
        })
        .collect()
}

impl Sorted {
    /// Writes the entries beside their place, flushes them and renames the file in.
    fn write(&self, path: &Path, width: TokenWidth, pointer_width: usize) -> io::Result<()> {
        let beside = path.with_extension("tmp");
        let mut out = BufWriter::new(File::create(&beside)?);
        match self {
            Self::Narrow(positions) => write_entries(&mut out, positions, width, pointer_width)?,
            Self::Wide(positions) => write_entries(&mut out, positions, width, pointer_width)?,
        }
        out.into_inner()?.sync_all()?;
        fs::rename(beside, path)
    }
}

fn write_entries<P>(
    out: &mut impl Write,
    positions: &[P],
    width: TokenWidth,
    pointer_width: usize,
) -> io::Result<()>
where
    P: Copy + Sync + TryInto<u64, Error: std::fmt::Debug>,
{
    let mut packed = vec![0; ENTRIES_PER_WRITE * pointer_width];
    for some in positions.chunks(ENTRIES_PER_WRITE) {
        let packed = &mut packed[..some.len() * pointer_width];
        packed
            .par_chunks_exact_mut(pointer_width)
            .zip(some.par_iter())
            .with_min_len(1 << 14)
            .for_each(|(entry, &position)| {
                let position: u64 = position.try_into().expect("libsais positions are not negative");
                let offset = position * width.bytes() as u64;
                entry.copy_from_slice(&offset.to_le_bytes()[..pointer_width]);
            });
        out.write_all(packed)?;
    }
    Ok(())
}
