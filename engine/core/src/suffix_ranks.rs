//! The ranks of all suffixes of some documents: where the table holds their positions.
//!
//! Few are searched for one by one, many are found in one pass over the table. A search knows the suffix to the letter, so on
//! an accelerated shard the candidate of a blind search is nearly always the one: it takes a look at the fan-out and one at
//! the table, none at the text. Equal suffixes stand by position in tables of ours and as the bytes behind the separator go
//! in infini-gram's; a table with any other order is passed over.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use crate::elias_fano::{EliasFano, set_bits};
use crate::error::EngineError;
use crate::fan_out::{FanOut, SATURATED, page_of_block, ranks_per_block};
use crate::shard::Shard;
use crate::sidecar::Sidecars;
use crate::text::Agreement;
use crate::token::Token;

/// Words of a bitmap of ranks that one task fills.
const WORDS_PER_TASK: usize = 1 << 10;

/// Positions that one task looks up together.
const POSITIONS_PER_TASK: usize = 1 << 10;

/// How many blocks, and table entries, ahead of its use one is asked for.
const BLOCKS_AHEAD: usize = 4;
const ENTRIES_AHEAD: usize = 16;

/// A position, and the blocks of the fan-out that may hold its suffix.
type Place = (usize, Range<usize>);

impl<T: Token> Shard<T> {
    /// Returns the positions of a document, its separator first.
    pub(crate) fn extent_of(&self, document: usize) -> Range<usize> {
        self.documents.start(document)..self.document_end(document)
    }

    /// Returns the ranks of all suffixes of some documents by looking at every rank.
    ///
    /// Cost: a pass over the table; N / 4 bytes of memory.
    pub(crate) fn ranks_by_pass(&self, documents: &[usize]) -> Result<EliasFano, EngineError> {
        let num_tokens = self.text.len();
        let mut positions = vec![0_u64; num_tokens.div_ceil(64)];
        let mut wanted = 0;
        for position in documents.iter().flat_map(|&document| self.extent_of(document)) {
            positions[position / 64] |= 1 << (position % 64);
            wanted += 1;
        }
        let mut ranks = vec![0_u64; num_tokens.div_ceil(64)];
        let tasks = ranks.par_chunks_mut(WORDS_PER_TASK).enumerate();
        let fill = |(task, words): (usize, &mut [u64])| {
            let first = task * WORDS_PER_TASK * 64;
            let end = num_tokens.min(first + words.len() * 64);
            let entries = self.table.bytes_of(first..end);
            self.table.file().will_need(std::iter::once(entries));
            for rank in first..end {
                let position = self.table.position(rank);
                let bit = positions[position / 64] >> (position % 64) & 1;
                words[(rank - first) / 64] |= bit << (rank % 64);
            }
            words.iter().map(|word| word.count_ones() as usize).sum::<usize>()
        };
        let found: usize = tasks.map(fill).sum();
        if found != wanted {
            return Err(EngineError::TableRanks {
                path: self.files.table(),
                found: found as u64,
                expected: wanted as u64,
            });
        }
        Ok(EliasFano::new(set_bits(&ranks), found, num_tokens))
    }

    /// Returns the ranks of all suffixes of some documents, ascending, by searching for each; `None` if one is not where its
    /// suffix belongs in any order that is known.
    ///
    /// Cost: about two random reads a suffix with sidecars, else 2 log2(N); those of one task are in flight together.
    pub(crate) fn ranks_by_search(&self, documents: &[usize]) -> Option<Vec<usize>> {
        let tasks: Vec<(Range<usize>, usize)> = documents
            .iter()
            .flat_map(|&document| {
                let extent = self.extent_of(document);
                // With the separator after it, if there is one.
                let end = self.text.len().min(extent.end + 1);
                let starts = extent.clone().step_by(POSITIONS_PER_TASK);
                starts.map(move |start| (start..extent.end.min(start + POSITIONS_PER_TASK), end))
            })
            .collect();
        let search = |(positions, end): &(Range<usize>, usize)| match &self.sidecars {
            Some(sidecars) => self.look_up(sidecars, positions.clone(), *end),
            None => positions
                .clone()
                .map(|position| self.search_position(position, 0..self.text.len()))
                .collect(),
        };
        let found: Option<Vec<Vec<usize>>> = tasks.par_iter().map(search).collect();
        let mut ranks = found?.concat();
        ranks.par_sort_unstable();
        // Twice only in a corrupt table, or one with copies of an entry.
        ranks.is_sorted_by(|left, right| left < right).then_some(ranks)
    }

    /// Looks positions of one document up whose last suffix ends at `end`.
    fn look_up(&self, sidecars: &Sidecars<T>, positions: Range<usize>, end: usize) -> Option<Vec<usize>> {
        let Sidecars { fan_out, directory } = sidecars;
        let suffix = |position: usize| {
            let end = end.min(position + SATURATED);
            bytemuck::cast_slice::<u8, T>(self.text.bytes(position, end))
        };
        let places: Vec<Place> = positions
            .map(|position| {
                let (first, end) = directory.blocks_of_suffix(bytemuck::cast_slice(suffix(position)));
                (position, first..end)
            })
            .collect();
        let extents = places.iter().map(|(_, blocks)| FanOut::<T>::extent(blocks.start));
        fan_out.file().will_need(extents);
        let candidates: Vec<usize> = places
            .iter()
            .enumerate()
            .map(|(index, (position, blocks))| {
                if let Some((_, next)) = places.get(index + BLOCKS_AHEAD) {
                    fan_out.prefetch(next.start);
                }
                fan_out
                    .block(blocks.start)
                    .blind_search(suffix(*position))
                    .candidate
            })
            .collect();
        let entry = |rank: usize| self.table.bytes_of(rank..rank + 1);
        self.table
            .file()
            .will_need(candidates.iter().map(|&rank| entry(rank)));
        let mut ranks = Vec::with_capacity(places.len());
        for (index, ((position, blocks), &candidate)) in places.iter().zip(&candidates).enumerate() {
            if let Some(&next) = candidates.get(index + ENTRIES_AHEAD) {
                self.table.file().prefetch(entry(next).start);
            }
            let rank = if self.table.position(candidate) == *position {
                candidate
            } else {
                self.search_alike(sidecars, *position, blocks, candidate)?
            };
            ranks.push(rank);
        }
        Some(ranks)
    }

    /// Searches a position among the ranks whose suffixes the fan-out does not tell from that of the candidate, or among all
    /// that the directory leaves.
    fn search_alike(
        &self,
        sidecars: &Sidecars<T>,
        position: usize,
        blocks: &Range<usize>,
        candidate: usize,
    ) -> Option<usize> {
        let page = sidecars.fan_out.page(page_of_block(blocks.start));
        let start = page.run_start(candidate, SATURATED).unwrap_or(page.first_rank);
        let end = page.run_end(candidate, SATURATED).unwrap_or(page.end_rank());
        let is_there = |&rank: &usize| self.table.position(rank) == position;
        (start..end).find(is_there).or_else(|| {
            let per_block = ranks_per_block(T::WIDTH);
            let end = self.text.len().min(blocks.end * per_block);
            self.search_position(position, blocks.start * per_block..end)
        })
    }

    /// Returns the rank of a position if it is among some ranks where its suffix belongs.
    fn search_position(&self, position: usize, ranks: Range<usize>) -> Option<usize> {
        let text = &self.text;
        let by_position = |other: usize| match text.agreement(other, position, text.len()) {
            Agreement::ToSeparator => other.cmp(&position),
            Agreement::Until(agreed) => self.key(other + agreed).cmp(&self.key(position + agreed)),
        };
        let end = text.len();
        let by_bytes = |other: usize| text.bytes(other, end).cmp(text.bytes(position, end));
        self.bisect(position, ranks.clone(), by_position)
            .or_else(|| self.bisect(position, ranks, by_bytes))
    }

    fn bisect(
        &self,
        position: usize,
        ranks: Range<usize>,
        order: impl Fn(usize) -> Ordering,
    ) -> Option<usize> {
        let (mut low, mut high) = (ranks.start, ranks.end);
        while low < high {
            let middle = low.midpoint(high);
            if order(self.table.position(middle)).is_lt() {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (low < ranks.end && self.table.position(low) == position).then_some(low)
    }

    /// Returns what orders a position by its token; the end of the text sorts before every token.
    fn key(&self, position: usize) -> Option<T> {
        (position < self.text.len()).then(|| self.text.token(position).sort_key())
    }
}
