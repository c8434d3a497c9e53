//! The ranks of all suffixes of some documents, by one look at every entry of the table, front to back.
//!
//! An entry costs about 1.5 nanoseconds of one core where a search for a suffix costs a thousand times that; the ranks come out
//! in order. Of a table that is not in memory it asks for the disk's next stretch before it looks at this one.

use std::ops::Range;

use rayon::prelude::*;

use crate::bits::for_each_bit;
use crate::elias_fano::EliasFano;
use crate::error::EngineError;
use crate::position_set::PositionSet;
use crate::shard::Shard;
use crate::token::Token;

const WORD_BITS: usize = u64::BITS as usize;

/// Ranks that one task looks at; their bits stay in the cache.
const WORDS_PER_TASK: usize = 1 << 10;
const RANKS_PER_TASK: usize = WORDS_PER_TASK * WORD_BITS;

/// Ranks whose unsure ones are listed at a time.
const WORDS_PER_PIECE: usize = 1 << 6;
const RANKS_PER_PIECE: usize = WORDS_PER_PIECE * WORD_BITS;

/// Ranks between two turns of the encoder. Their entries are read ahead.
const RANKS_PER_BATCH: usize = 256 * RANKS_PER_TASK;

impl<T: Token> Shard<T> {
    /// Returns the ranks of all suffixes of some documents, ascending numbers.
    ///
    /// Cost: a pass over the table; a bit for each position of blocks that the documents fill in part, 2 MiB, and the result.
    pub(crate) fn ranks_by_pass(&self, documents: &[usize]) -> Result<EliasFano, EngineError> {
        let num_tokens = self.text.len();
        let extents = documents.iter().map(|&document| self.extent_of(document));
        let wanted: usize = extents.clone().map(|extent| extent.len()).sum();
        let positions = PositionSet::new(num_tokens, extents);
        let mut ranks = EliasFano::builder(wanted, num_tokens);
        let mark = match self.table.pointer_width() {
            1 => Self::mark_ranks::<1>,
            2 => Self::mark_ranks::<2>,
            3 => Self::mark_ranks::<3>,
            4 => Self::mark_ranks::<4>,
            5 => Self::mark_ranks::<5>,
            6 => Self::mark_ranks::<6>,
            7 => Self::mark_ranks::<7>,
            _ => Self::mark_ranks::<8>,
        };
        let mut found = 0;
        let mut bits = vec![0; RANKS_PER_BATCH.min(num_tokens).div_ceil(WORD_BITS)];
        self.table.read_ahead(0..RANKS_PER_BATCH);
        for first in (0..num_tokens).step_by(RANKS_PER_BATCH) {
            let end = num_tokens.min(first + RANKS_PER_BATCH);
            self.table.read_ahead(end..end + RANKS_PER_BATCH);
            let words = &mut bits[..(end - first).div_ceil(WORD_BITS)];
            let tasks = words.par_chunks_mut(WORDS_PER_TASK).enumerate();
            let counts = tasks.map(|(task, words)| {
                let first = first + task * RANKS_PER_TASK;
                mark(self, first..end.min(first + RANKS_PER_TASK), &positions, words)
            });
            found += counts.sum::<usize>();
            if found > wanted {
                break;
            }
            for_each_bit(words, |bit| ranks.push(first + bit));
        }
        if found != wanted {
            return Err(EngineError::TableRanks {
                path: self.files.table(),
                found: found as u64,
                expected: wanted as u64,
            });
        }
        Ok(ranks.finish())
    }

    /// Sets the bits of those of some ranks whose positions are in a set, clears the others, and returns how many it set.
    fn mark_ranks<const WIDTH: usize>(
        &self,
        ranks: Range<usize>,
        positions: &PositionSet,
        words: &mut [u64],
    ) -> usize {
        for (piece, words) in words.chunks_mut(WORDS_PER_PIECE).enumerate() {
            let first = ranks.start + piece * RANKS_PER_PIECE;
            self.mark_piece::<WIDTH>(first..ranks.end.min(first + RANKS_PER_PIECE), positions, words);
        }
        words.iter().map(|word| word.count_ones() as usize).sum()
    }

    fn mark_piece<const WIDTH: usize>(
        &self,
        ranks: Range<usize>,
        positions: &PositionSet,
        words: &mut [u64],
    ) {
        // Ranks to be looked at again, listed without a branch: nobody can tell which they are.
        let mut unsure = [0_u16; RANKS_PER_PIECE + 1];
        let mut num_unsure = 0;
        let mut entries = self.table.positions::<WIDTH>(ranks.clone());
        let mut index = 0;
        for word in words.iter_mut() {
            let mut whole = 0;
            for (bit, position) in entries.by_ref().take(WORD_BITS).enumerate() {
                let (all, some) = positions.glance(position);
                whole |= all << bit;
                unsure[num_unsure] = index;
                num_unsure += some;
                index += 1;
            }
            *word = whole;
        }
        for &index in &unsure[..num_unsure] {
            let index = usize::from(index);
            let is_in = positions.holds(self.table.position(ranks.start + index));
            words[index / WORD_BITS] |= u64::from(is_in) << (index % WORD_BITS);
        }
    }
}
