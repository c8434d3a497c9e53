//! Sorting the suffixes of a part by libsais: in linear time, whatever the text.
//!
//! Slower than comparing suffixes as long as those differ early, as they do in nearly all text; far faster where long passages
//! come again and again. Afterwards the LCPs are found in one more pass over the text.

use std::collections::HashSet;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytemuck::Pod;
use libsais::{LibsaisError, SuffixArrayConstruction, ThreadCount};
use rayon::prelude::*;

use super::copies::LONG_DOCUMENT;
use super::part_text::{Agreed, PartText};
use super::passages::Passages;
use super::ranked::{Entry, LONGEST, Ranked};
use super::suffix_text::SuffixText;
use crate::huge_buffer::HugeBuffer;
use crate::token::{Token, TokenWidth};

/// Positions that libsais gets beyond those of the text, for the buckets of its recursion. Measured on 30 million two-byte
/// tokens: 1.25 s without, 1.14 s with 2 million, no better with more.
pub(crate) const EXTRA_POSITIONS: usize = 1 << 21;

/// Tokens that a thread takes at a time.
const TOKENS_PER_TASK: usize = 1 << 18;

/// Ranks whose LCPs are found by one task.
const RANKS_PER_TASK: usize = 1 << 16;

/// The positions of a part in the order of their suffixes as libsais sees them: past a separator, too.
pub(crate) struct Induced {
    positions: HugeBuffer<i32>,
    num_positions: usize,
    /// The long documents, in order.
    documents: Vec<Range<usize>>,
}

impl Induced {
    /// Sorts a part, whose text is given back before the sorting: `text` is read again for what follows.
    pub(crate) fn sort<T: Token>(text: PartText<T>) -> io::Result<Self> {
        // Behind a part comes a separator, which sorts after everything; behind the text nothing, which sorts before.
        let num_sorted = text.len() + usize::from(!text.ends_text());
        let threads = ThreadCount::fixed(u16::try_from(rayon::current_num_threads()).unwrap_or(u16::MAX));
        let extra = num_sorted.min(EXTRA_POSITIONS);
        macro_rules! sort {
            ($construction:expr) => {{
                let mut positions = HugeBuffer::<i32>::zeroed(num_sorted + extra)?;
                let sorting = $construction.in_borrowed_buffer(positions.as_mut_slice());
                sorting.multi_threaded(threads).run().map_err(explain)?;
                positions
            }};
        }
        let documents = text.documents(LONG_DOCUMENT);
        let positions = match T::WIDTH_KIND {
            TokenWidth::U8 => {
                let tokens = copied(text.padded(num_sorted), |token| token[0])?;
                drop(text);
                sort!(SuffixArrayConstruction::for_text(tokens.as_slice()))
            }
            TokenWidth::U16 => {
                let tokens = copied(text.padded(num_sorted), |token| {
                    u16::from_be_bytes([token[0], token[1]])
                })?;
                drop(text);
                sort!(SuffixArrayConstruction::for_text(tokens.as_slice()))
            }
            TokenWidth::U32 => {
                let mut ranks = dense_ranks(text.padded(num_sorted))?;
                drop(text);
                sort!(SuffixArrayConstruction::for_text_mut(ranks.as_mut_slice()))
            }
        };
        Ok(Self {
            positions,
            num_positions: num_sorted,
            documents,
        })
    }

    pub(crate) fn num_tasks(&self) -> usize {
        self.num_positions.div_ceil(RANKS_PER_TASK)
    }

    /// Returns the ranks of a task: from the first in its share that differs from the one before, to such a one of the next.
    pub(crate) fn ranked<T: Token>(
        &self,
        text: &PartText<T>,
        passages: &mut Passages<T>,
        task: usize,
    ) -> Ranked<T> {
        let first = self.start(text, passages, task * RANKS_PER_TASK);
        let end = self.start(text, passages, (task + 1) * RANKS_PER_TASK);
        let mut ranked = Ranked::default();
        let mut equal: Vec<(u32, Entry<T>)> = Vec::new();
        for rank in first..end {
            let position = self.position(rank);
            if position == text.len() {
                continue; // the separator behind the part
            }
            let before = self.before(text, rank);
            let entry = before.map_or(Entry::unknown(), |before| {
                self.entry(text, passages, before, position)
            });
            if entry != Entry::to_separator() {
                put_equal(&mut equal, &mut ranked);
            }
            equal.push((u32::try_from(position).expect("positions are below 2^31"), entry));
        }
        put_equal(&mut equal, &mut ranked);
        ranked
    }

    /// Returns the first rank from one on that differs from the one before.
    fn start<T: Token>(&self, text: &PartText<T>, passages: &mut Passages<T>, rank: usize) -> usize {
        let mut is_equal = |rank: usize| {
            let position = self.position(rank);
            position == text.len()
                || self.before(text, rank).is_some_and(|before| {
                    self.entry(text, passages, before, position) == Entry::to_separator()
                })
        };
        let mut rank = rank.min(self.num_positions);
        while rank > 0 && rank < self.num_positions && is_equal(rank) {
            rank += 1;
        }
        rank
    }

    /// Returns what a suffix shares with the one before it.
    fn entry<T: Token>(
        &self,
        text: &PartText<T>,
        passages: &mut Passages<T>,
        before: usize,
        position: usize,
    ) -> Entry<T> {
        // In a long document only suffixes as long as each other may be equal to its end; of others the LCP is all there is to
        // know.
        let is_as_long = self.left(before) == self.left(position);
        let limit = if is_as_long {
            usize::MAX
        } else {
            usize::from(LONGEST)
        };
        match passages.agreement(text, before.min(position), before.max(position), 0, limit) {
            Agreed::Until(lcp) | Agreed::ToEnd(lcp) | Agreed::ToLimit(lcp) => {
                Entry::new(lcp, text.branch(position, lcp))
            }
            Agreed::ToSeparator(_) => Entry::to_separator(),
        }
    }

    /// Returns the tokens from a position to the end of its document, if that is long.
    fn left(&self, position: usize) -> Option<usize> {
        let behind = self
            .documents
            .partition_point(|document| document.start <= position);
        let document = self.documents[..behind].last()?;
        document.end.checked_sub(position)
    }

    /// Returns the position at the rank before, that of the separator behind the part passed over.
    fn before<T: Token>(&self, text: &PartText<T>, rank: usize) -> Option<usize> {
        let before = self.position(rank.checked_sub(1)?);
        if before < text.len() {
            return Some(before);
        }
        Some(self.position(rank.checked_sub(2)?))
    }

    fn position(&self, rank: usize) -> usize {
        usize::try_from(self.positions.as_slice()[rank]).expect("libsais positions are not negative")
    }
}

/// Puts suffixes that are equal up to a separator in the order of their positions.
fn put_equal<T: Token>(equal: &mut Vec<(u32, Entry<T>)>, ranked: &mut Ranked<T>) {
    let Some(&(_, first)) = equal.first() else {
        return;
    };
    equal.sort_unstable_by_key(|&(position, _)| position);
    for (number, &(position, _)) in equal.iter().enumerate() {
        ranked.push(position, if number == 0 { first } else { Entry::to_separator() });
    }
    equal.clear();
}

fn explain(error: LibsaisError) -> io::Error {
    match error {
        LibsaisError::OutOfMemory => io::Error::from(io::ErrorKind::OutOfMemory),
        other => io::Error::other(format!("libsais cannot sort the part ({other})")),
    }
}

fn copied<R: Pod + Send>(bytes: &[u8], token: impl Fn(&[u8]) -> R + Sync) -> io::Result<HugeBuffer<R>> {
    let width = size_of::<R>();
    let mut tokens = HugeBuffer::zeroed(bytes.len() / width)?;
    tokens
        .as_mut_slice()
        .par_iter_mut()
        .zip(bytes.par_chunks_exact(width))
        .with_min_len(TOKENS_PER_TASK)
        .for_each(|(copy, bytes)| *copy = token(bytes));
    Ok(tokens)
}

/// Returns each four-byte token's rank, in sort order, among the tokens that occur: libsais needs a small alphabet.
fn dense_ranks(bytes: &[u8]) -> io::Result<HugeBuffer<i32>> {
    let sort_key = |token: &[u8]| u32::from_be_bytes([token[0], token[1], token[2], token[3]]);
    let alphabet = bytes
        .par_chunks(4 * TOKENS_PER_TASK)
        .map(|tokens| tokens.chunks_exact(4).map(sort_key).collect::<HashSet<u32>>())
        .reduce(HashSet::new, |mut all, some| {
            all.extend(some);
            all
        });
    let mut alphabet: Vec<u32> = alphabet.into_iter().collect();
    alphabet.sort_unstable();
    copied(bytes, |token| {
        let found = alphabet.partition_point(|&other| other < sort_key(token));
        i32::try_from(found).expect("a part has fewer than 2^31 tokens")
    })
}

/// How many tokens comparing suffixes may look at before the part is sorted by libsais instead.
pub(crate) struct Patience {
    left: AtomicUsize,
}

impl Patience {
    /// Tokens looked at in long comparisons for each position, from which on libsais takes less time. Measured: see
    /// docs/indexing.md.
    const TOKENS_A_POSITION: usize = 24;

    pub(crate) fn new(num_positions: usize) -> Self {
        Self {
            left: AtomicUsize::new(
                num_positions
                    .saturating_mul(Self::TOKENS_A_POSITION)
                    .saturating_add(1 << 20),
            ),
        }
    }

    /// Takes some tokens, and says whether any are left.
    pub(crate) fn take(&self, tokens: usize) -> bool {
        let taken = self
            .left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(tokens)
            });
        if taken.is_err() {
            self.left.store(0, Ordering::Relaxed);
        }
        taken.is_ok()
    }
}
