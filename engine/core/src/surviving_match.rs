//! The longest match of one start of a query with a suffix that a view keeps.
//!
//! It is with the nearest survivor on either side of where the query belongs in the suffix array. On an accelerated shard the
//! candidate of a blind search agrees best of all; if those that agree as far are all removed, the LCPs on the same page tell
//! how far the nearest survivors do, without a look at them.

use std::ops::Range;

use crate::fan_out::{FanOut, SATURATED, page_of_block, ranks_per_block};
use crate::reads::{Of, ReadCounts};
use crate::shard::Shard;
use crate::sidecar::Sidecars;
use crate::token::Token;
use crate::withheld::Withheld;

/// A surviving suffix that shares as long a prefix with a query as any survivor.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Survivor {
    /// Tokens that they share; if 0, the rest says nothing.
    pub(crate) length: usize,
    pub(crate) rank: usize,
    /// A page of the fan-out that was read.
    pub(crate) page: Option<usize>,
}

impl<T: Token> Shard<T> {
    /// Returns the survivor that shares the longest prefix with `query`, which is not empty.
    ///
    /// Cost: with sidecars about three random reads as a rule; else, and where keys of the directory are cut off, those of a
    /// binary search.
    pub(crate) fn longest_survivor(
        &self,
        withheld: &Withheld,
        query: &[T],
        reads: &mut ReadCounts,
    ) -> Survivor {
        match &self.sidecars {
            Some(sidecars) => self.survivor_by_page(sidecars, withheld, query, reads),
            None => self.survivor_among(withheld, query, 0..self.text.len(), reads),
        }
    }

    fn survivor_by_page(
        &self,
        Sidecars { fan_out, directory }: &Sidecars<T>,
        withheld: &Withheld,
        query: &[T],
        reads: &mut ReadCounts,
    ) -> Survivor {
        let bytes = bytemuck::cast_slice(query);
        let block = directory.block_at(bytes);
        if let Some((first, end)) = directory.is_cut_off_in(block, bytes) {
            return self.survivor_among(withheld, query, self.ranks_of_blocks(first, end), reads);
        }
        let in_block = self.ranks_of_blocks(block, block + 1);
        let candidate = fan_out
            .block(block)
            .blind_search(&query[..query.len().min(SATURATED)]);
        reads.count(Of::FanOut, &FanOut::<T>::extent(block));
        let rank = candidate.candidate;
        let length = self.shared(rank, query, reads);
        if length >= SATURATED && query.len() > SATURATED {
            return self.survivor_among(withheld, query, in_block, reads);
        }
        let number = page_of_block(block);
        let page = fan_out.page(number);
        let found = |length, rank| Survivor {
            length,
            rank,
            page: Some(number),
        };
        let (start, end) = (page.run_start(rank, length), page.run_end(rank, length));
        let agreeing = start.unwrap_or(page.first_rank)..end.unwrap_or(page.end_rank());
        if let Some(rank) = withheld.survivor_from(agreeing.start, agreeing.end) {
            return found(length, rank);
        }
        let (Some(start), Some(end)) = (start, end) else {
            return self.survivor_among(withheld, query, in_block, reads);
        };
        // A survivor shares with the query what it shares with the nearer edge of the run.
        let before = withheld.survivor_before(start).map(|rank| {
            let length = if rank >= page.first_rank {
                page.lowest_lcp(rank + 1..start + 1)
            } else {
                self.shared(rank, query, reads)
            };
            found(length, rank)
        });
        let after = withheld.survivor_from(end, self.text.len()).map(|rank| {
            let length = if rank < page.end_rank() {
                page.lowest_lcp(end..rank + 1)
            } else {
                self.shared(rank, query, reads)
            };
            found(length, rank)
        });
        longer(before, after)
    }

    /// Returns the survivor nearest to `query`, whose place is among some ranks or at their end.
    fn survivor_among(
        &self,
        withheld: &Withheld,
        query: &[T],
        ranks: Range<usize>,
        reads: &mut ReadCounts,
    ) -> Survivor {
        let place = self.insertion(query, ranks, reads).rank();
        let mut found = |rank: usize| Survivor {
            length: self.shared(rank, query, reads),
            rank,
            page: None,
        };
        let before = withheld.survivor_before(place).map(&mut found);
        let after = withheld.survivor_from(place, self.text.len()).map(&mut found);
        longer(before, after)
    }

    /// Returns how many tokens the suffix at a rank shares with `query`.
    fn shared(&self, rank: usize, query: &[T], reads: &mut ReadCounts) -> usize {
        let position = self.table.position(rank);
        let lcp = self.text.compare(position, query, 0).lcp;
        reads.count(Of::Table, &self.table.bytes_of(rank..rank + 1));
        reads.count(Of::Text, &self.text.extent(position, lcp + 1));
        lcp
    }

    /// Returns the ranks of some blocks of the fan-out.
    pub(crate) fn ranks_of_blocks(&self, first: usize, end: usize) -> Range<usize> {
        let per_block = ranks_per_block(T::WIDTH);
        first * per_block..self.text.len().min(end * per_block)
    }
}

fn longer(before: Option<Survivor>, after: Option<Survivor>) -> Survivor {
    let found = before.into_iter().chain(after);
    found.max_by_key(|survivor| survivor.length).unwrap_or_default()
}
