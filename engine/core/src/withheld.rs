//! The documents that a view leaves out, and what that makes of ranks.
//!
//! A *view* answers as the same shard would if some documents had never been in it. Its ranks are *net*: a suffix's net rank
//! is the number of surviving suffixes before it. The files stay as they are; the view holds the *removed ranks*, those of
//! all suffixes of the documents left out, as an Elias-Fano code.

use std::ops::Range;

use crate::address::to_usize;
use crate::elias_fano::EliasFano;
use crate::error::EngineError;
use crate::interval::Interval;
use crate::token_counts::TokenCounts;

/// How far ahead of its look-up what an interval needs is asked for.
const PREFETCH_DISTANCE: usize = 8;

/// What a view leaves out.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    /// Numbers of the documents, ascending.
    pub(crate) documents: EliasFano,
    /// The ranks of all their suffixes, that of the separator before each included; ascending.
    pub(crate) ranks: EliasFano,
    /// How often each token id, the separator included, is among their tokens.
    pub(crate) token_counts: TokenCounts,
}

impl Withheld {
    /// RAM held, in bytes, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.documents.memory_bytes() + self.ranks.memory_bytes() + self.token_counts.memory_bytes()
    }

    /// Positions left out.
    pub(crate) fn num_tokens(&self) -> usize {
        self.ranks.len()
    }

    /// Refuses documents of the shard if one of them is left out.
    pub(crate) fn check(&self, documents: Range<u64>) -> Result<(), EngineError> {
        let first = self.documents.count_below(to_usize(documents.start));
        if first < self.documents.count_below(to_usize(documents.end)) {
            return Err(EngineError::DocumentWithheld {
                document: self.documents.get(first) as u64,
            });
        }
        Ok(())
    }

    /// Returns the net ranks of the survivors of an interval, and how many of its ranks are removed.
    pub(crate) fn net(&self, raw: Interval) -> (Interval, u64) {
        let ranks = to_usize(raw.start)..to_usize(raw.end);
        let [start, end] = self.ranks.counts_below(ranks).map(|count| count as u64);
        let net = Interval {
            start: raw.start - start,
            end: raw.end - end,
        };
        (net, end - start)
    }

    /// Returns the same for each of many intervals, in their order.
    ///
    /// Cost: with nothing in the processor's caches, a search in a view loses a fifth less time to it than one by one.
    pub(crate) fn nets(&self, raw: &[Interval]) -> impl Iterator<Item = (Interval, u64)> {
        let ahead = |index: usize| raw.get(index).map(|interval| to_usize(interval.start));
        raw.iter().enumerate().map(move |(index, &interval)| {
            if let Some(start) = ahead(index + 2 * PREFETCH_DISTANCE) {
                self.ranks.prefetch_sample(start);
            }
            if let Some(start) = ahead(index + PREFETCH_DISTANCE) {
                self.ranks.prefetch_high(start);
            }
            self.net(interval)
        })
    }

    /// Returns the rank of a surviving suffix, given its net rank.
    ///
    /// Cost: as of `EliasFano::partition_point`.
    pub(crate) fn raw(&self, net: usize) -> usize {
        // Removed rank i has `ranks[i] - i` survivors before it.
        net + self.ranks.partition_point(|index, rank| rank - index <= net)
    }

    /// Returns the last surviving rank before one.
    ///
    /// Cost: a few look-ups in RAM, the logarithm of how many removed ranks are skipped.
    pub(crate) fn survivor_before(&self, rank: usize) -> Option<usize> {
        let before = self.ranks.count_below(rank);
        let are_removed = |skipped: usize| self.ranks.get(before - skipped) == rank - skipped;
        rank.checked_sub(1 + last_true(before, are_removed))
    }

    /// Returns the first surviving rank of `rank..end`.
    ///
    /// Cost: as of `survivor_before`.
    pub(crate) fn survivor_from(&self, rank: usize, end: usize) -> Option<usize> {
        let before = self.ranks.count_below(rank);
        let are_removed = |skipped: usize| self.ranks.get(before + skipped - 1) == rank + skipped - 1;
        let found = rank + last_true(self.ranks.len() - before, are_removed);
        (found < end).then_some(found)
    }
}

/// Returns the last number of `1..=limit` for which `holds`, which is true up to some number and false from there on; 0 if
/// there is none.
fn last_true(limit: usize, holds: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut step) = (0, 1);
    while low + step <= limit && holds(low + step) {
        low += step;
        step *= 2;
    }
    let mut high = limit.min(low + step - 1);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_are_those_of_a_list_without_the_removed(removed in prop::collection::vec(any::<bool>(), 1..300)) {
            let ranks: Vec<usize> = (0..removed.len()).filter(|&rank| removed[rank]).collect();
            let survivors: Vec<usize> = (0..removed.len()).filter(|&rank| !removed[rank]).collect();
            let withheld = Withheld {
                ranks: EliasFano::new(ranks.iter().copied(), ranks.len(), removed.len()),
                ..Withheld::default()
            };
            for (net, &raw) in survivors.iter().enumerate() {
                prop_assert_eq!(withheld.raw(net), raw);
            }
            for rank in 0..=removed.len() {
                let split = survivors.partition_point(|&other| other < rank);
                let before = split.checked_sub(1).map(|last| survivors[last]);
                prop_assert_eq!(withheld.survivor_before(rank), before);
                for end in rank..=removed.len() {
                    let from = survivors.get(split).copied().filter(|&other| other < end);
                    prop_assert_eq!(withheld.survivor_from(rank, end), from);
                    let raw = Interval { start: rank as u64, end: end as u64 };
                    let inside = survivors.partition_point(|&other| other < end) - split;
                    let (net, gone) = withheld.net(raw);
                    prop_assert_eq!((net.start, net.count()), (split as u64, inside as u64));
                    prop_assert_eq!(gone, (end - rank - inside) as u64);
                }
            }
        }
    }
}
