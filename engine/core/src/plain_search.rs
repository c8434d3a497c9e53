//! The search that needs no sidecars: binary search in the suffix array, each step a look at the table and the text.

use std::cmp::Ordering;
use std::ops::Range;

use crate::interval::Interval;
use crate::reads::{Of, ReadCounts};
use crate::shard::Shard;
use crate::text::Comparison;
use crate::token::Token;

impl<T: Token> Shard<T> {
    /// Returns the interval of the suffixes that begin with `query`; all ranks if it is empty.
    pub(crate) fn find(&self, query: &[T]) -> Interval {
        let all = 0..self.text.len();
        if query.is_empty() {
            return Interval {
                start: 0,
                end: all.end as u64,
            };
        }
        let mut reads = ReadCounts::default();
        let insertion = self.insertion(query, all, &mut reads);
        insertion.interval(self, query, query.len(), &mut reads)
    }

    /// Returns the place where `query` would be inserted among some ranks of the suffix array.
    ///
    /// Cost: log2(ranks) probes, each a page of the table and one of the text. Each compares only past the prefix that its
    /// two neighbours in the search share with the query.
    pub(crate) fn insertion(&self, query: &[T], ranks: Range<usize>, reads: &mut ReadCounts) -> Insertion {
        let mut insertion = Insertion::default();
        let (mut low, mut high) = (ranks.start, ranks.end);
        let (mut lcp_low, mut lcp_high) = (0, 0);
        while low < high {
            let rank = low.midpoint(high);
            let comparison = self.probe(rank, query, lcp_low.min(lcp_high), reads);
            let probe = Probe {
                rank,
                lcp: comparison.lcp,
            };
            if comparison.order == Ordering::Less {
                low = rank + 1;
                lcp_low = comparison.lcp;
                insertion.before.push(probe);
            } else {
                high = rank;
                lcp_high = comparison.lcp;
                insertion.after.push(probe);
            }
        }
        insertion.rank = low;
        insertion
    }

    /// Returns the first rank in `low..high` for which `holds` is true, given the LCP of its suffix with `query`; `high`
    /// if there is none. `holds` must be monotone, and `known` tokens are known to agree in the whole range.
    pub(crate) fn partition(
        &self,
        (mut low, mut high): (usize, usize),
        query: &[T],
        known: usize,
        holds: impl Fn(usize) -> bool,
        reads: &mut ReadCounts,
    ) -> usize {
        while low < high {
            let rank = low.midpoint(high);
            if holds(self.probe(rank, query, known, reads).lcp) {
                high = rank;
            } else {
                low = rank + 1;
            }
        }
        low
    }

    fn probe(&self, rank: usize, query: &[T], known: usize, reads: &mut ReadCounts) -> Comparison {
        let position = self.table.position(rank);
        let comparison = self.text.compare(position, query, known);
        reads.count(Of::Table, &self.table.bytes_of(rank..rank + 1));
        reads.count(
            Of::Text,
            &self
                .text
                .extent(position + known, comparison.lcp.saturating_sub(known) + 1),
        );
        comparison
    }
}

/// A suffix that was compared with a query.
#[derive(Clone, Copy, Debug)]
struct Probe {
    rank: usize,
    lcp: usize,
}

/// Where a query stands among some suffixes, and what was seen on the way there.
///
/// `before` holds the probes left of `rank`, ever nearer to it; `after` those at or right of it. The last of each are the
/// query's neighbours, and LCPs never fall along either list.
#[derive(Debug, Default)]
pub(crate) struct Insertion {
    rank: usize,
    before: Vec<Probe>,
    after: Vec<Probe>,
}

impl Insertion {
    /// The first rank searched whose suffix does not sort before the query.
    pub(crate) fn rank(&self) -> usize {
        self.rank
    }

    /// Length of the longest prefix of the query that occurs among the ranks searched.
    pub(crate) fn longest_prefix(&self) -> usize {
        let lcp = |probes: &[Probe]| probes.last().map_or(0, |probe| probe.lcp);
        lcp(&self.before).max(lcp(&self.after))
    }

    /// Returns a rank that shares the longest prefix with the query, if any was searched.
    pub(crate) fn nearest_rank(&self) -> usize {
        let nearest = self.before.last().into_iter().chain(self.after.last());
        nearest
            .max_by_key(|probe| probe.lcp)
            .map_or(self.rank, |probe| probe.rank)
    }

    /// Returns the interval of the query's first `length` tokens, which is empty if they do not occur. The search was over
    /// all ranks.
    ///
    /// Cost: about log2(count) probes on each side: the search already passed the interval's edges at that distance.
    pub(crate) fn interval<T: Token>(
        &self,
        shard: &Shard<T>,
        query: &[T],
        length: usize,
        reads: &mut ReadCounts,
    ) -> Interval {
        let prefix = &query[..length];
        let (outside, inside) = split_at_length(&self.before, length);
        let start = inside.map_or(self.rank, |inside| {
            let low = outside.map_or(0, |outside| outside.rank + 1);
            let known = outside.map_or(0, |outside| outside.lcp);
            shard.partition((low, inside.rank), prefix, known, |lcp| lcp == length, reads)
        });
        let (outside, inside) = split_at_length(&self.after, length);
        let end = inside.map_or(self.rank, |inside| {
            let high = outside.map_or(shard.text.len(), |outside| outside.rank);
            let known = outside.map_or(0, |outside| outside.lcp);
            shard.partition((inside.rank + 1, high), prefix, known, |lcp| lcp < length, reads)
        });
        Interval {
            start: start as u64,
            // Only in a corrupt table do the two searches cross.
            end: end.max(start) as u64,
        }
    }
}

/// Returns the last probe whose LCP is below `length`, and the first that reaches it.
fn split_at_length(probes: &[Probe], length: usize) -> (Option<Probe>, Option<Probe>) {
    let reached = probes.partition_point(|probe| probe.lcp < length);
    let outside = reached.checked_sub(1).map(|last| probes[last]);
    (outside, probes.get(reached).copied())
}
