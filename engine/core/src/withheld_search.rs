//! Longest matches in a view: those of the whole shard, and where one of them lost all its occurrences, what is left.
//!
//! A survivor's match is also one of the whole shard, so at no start does the view reach further. If a match that is maximal
//! in the shard survives, it is maximal in the view, and hides the same starts behind it. Only the starts behind one that
//! lost all occurrences are searched again. The ends of longest matches never fall from one start to the next, so starts
//! between two that end alike need no search.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::blind_search::BlindSearch;
use crate::error::EngineError;
use crate::interval::Interval;
use crate::longest_matches::{FoundMatches, LongestMatch, Query, maximal};
use crate::reads::ReadCounts;
use crate::shard::Shard;
use crate::surviving_match::Survivor;
use crate::token::Token;
use crate::withheld::Withheld;

/// A span of the query and a survivor that begins with it.
type Surviving = (Range<u32>, Survivor);

/// A match and how many of its occurrences are removed.
type NetMatch = (LongestMatch, u64);

impl<T: Token> Shard<T> {
    /// Returns the longest allowed matches of a query in a view that end after every match that begins earlier.
    pub(crate) fn longest_matches_without(
        &self,
        withheld: &Withheld,
        query: &Query,
        pool: &ThreadPool,
    ) -> Result<FoundMatches, EngineError> {
        let (raw, mut reads) = self.longest_matches(query, pool)?;
        let (mut survivors, emptied) = split(withheld, raw);
        let withheld_elsewhere = emptied.iter().map(|found| found.interval.count()).sum();
        if !emptied.is_empty() {
            let tokens = Self::query_tokens(query.token_ids())?;
            let search = Again {
                shard: self,
                withheld,
                query,
                tokens: &tokens,
            };
            let (found, counts) = search.run(&survivors, &emptied, pool);
            reads += counts;
            let found = found.into_iter().filter_map(|found| {
                let (interval, removed) = withheld.net(found.interval);
                // Only in a corrupt shard is there none.
                (interval.count() > 0).then_some((LongestMatch { interval, ..found }, removed))
            });
            survivors.extend(found);
            survivors.sort_unstable_by_key(|(found, _)| found.start);
            let ends = survivors.iter().map(|(found, _)| (found.start, found.end));
            survivors = maximal(ends).into_iter().map(|index| survivors[index]).collect();
        }
        let (matches, withheld) = survivors.into_iter().unzip();
        Ok(FoundMatches {
            matches,
            withheld,
            withheld_elsewhere,
            reads,
        })
    }
}

/// Splits the maximal matches of the whole shard into those that occur in the view, in its ranks, and those that do not.
fn split(withheld: &Withheld, raw: Vec<LongestMatch>) -> (Vec<NetMatch>, Vec<LongestMatch>) {
    let (mut survivors, mut emptied) = (Vec::with_capacity(raw.len()), Vec::new());
    let intervals: Vec<Interval> = raw.iter().map(|found| found.interval).collect();
    for (found, (interval, removed)) in raw.into_iter().zip(withheld.nets(&intervals)) {
        if interval.count() > 0 {
            survivors.push((LongestMatch { interval, ..found }, removed));
        } else {
            emptied.push(found);
        }
    }
    (survivors, emptied)
}

/// The second search of a query, for what survives of matches that lost all their occurrences.
struct Again<'a, T> {
    shard: &'a Shard<T>,
    withheld: &'a Withheld,
    query: &'a Query,
    tokens: &'a [T],
}

impl<T: Token> Again<'_, T> {
    /// Returns the longest matches of the starts behind lost ones, in ranks of the whole shard, and the reads they took. Those
    /// that a match of an earlier start hides may be missing.
    fn run(
        &self,
        survivors: &[NetMatch],
        emptied: &[LongestMatch],
        pool: &ThreadPool,
    ) -> (Vec<LongestMatch>, ReadCounts) {
        let lost = (0..emptied.len()).map(|index| self.behind(survivors, emptied, index));
        let Some(sidecars) = &self.shard.sidecars else {
            let lost: Vec<Hidden<'_>> = lost.collect();
            return pool.install(|| self.run_plainly(&lost));
        };
        let mut reads = ReadCounts::default();
        let mut found = Vec::new();
        lost.for_each(|hidden| self.search(&hidden, &mut found, &mut reads));
        let search = BlindSearch::new(self.shard, sidecars, self.query, self.tokens);
        let (matches, counts) = search.intervals_of(found.into_iter());
        reads += counts;
        (matches, reads)
    }

    fn run_plainly(&self, lost: &[Hidden<'_>]) -> (Vec<LongestMatch>, ReadCounts) {
        let search = |hidden: &Hidden<'_>| {
            let mut reads = ReadCounts::default();
            let mut found = Vec::new();
            self.search(hidden, &mut found, &mut reads);
            let spans = maximal(found.iter().map(|(span, _)| (span.start, span.end)));
            let matches: Vec<LongestMatch> = spans
                .into_iter()
                .map(|index| {
                    let Range { start, end } = found[index].0;
                    let tokens = &self.tokens[start as usize..end as usize];
                    let interval = self.shard.find(tokens);
                    LongestMatch { start, end, interval }
                })
                .collect();
            (matches, reads)
        };
        let found: Vec<(Vec<LongestMatch>, ReadCounts)> = lost.par_iter().map(search).collect();
        let mut reads = ReadCounts::default();
        let mut matches = Vec::new();
        for (of_one, counts) in found {
            reads += counts;
            matches.extend(of_one);
        }
        (matches, reads)
    }

    /// Returns the starts behind a match that lost all its occurrences: from where it begins to where the next maximal match
    /// of the whole shard does.
    fn behind(&self, survivors: &[NetMatch], emptied: &[LongestMatch], index: usize) -> Hidden<'_> {
        let lost = emptied[index];
        let later = survivors.partition_point(|(found, _)| found.start < lost.start);
        let next = [
            survivors.get(later).map(|(found, _)| found.start),
            emptied.get(index + 1).map(|found| found.start),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(u32::MAX);
        let reaches = self.query.reaches();
        let first = reaches.partition_point(|reach| reach.start < lost.start);
        let end = reaches.partition_point(|reach| reach.start < next.min(lost.end));
        Hidden {
            starts: &reaches[first..end],
            lower: later.checked_sub(1).map_or(0, |before| survivors[before].0.end),
            upper: lost.end,
        }
    }

    /// Appends the longest matches of some starts, ascending, as far as none of an earlier start is known to end as late.
    fn search(&self, hidden: &Hidden<'_>, found: &mut Vec<Surviving>, reads: &mut ReadCounts) {
        let Hidden { starts, lower, upper } = *hidden;
        if starts.is_empty() || lower >= upper {
            return;
        }
        let (before, rest) = starts.split_at(starts.len() / 2);
        let reach = &rest[0];
        let tokens = &self.tokens[reach.start as usize..reach.end.min(upper) as usize];
        let survivor = self.shard.longest_survivor(self.withheld, tokens, reads);
        let end = self
            .query
            .allowed_end(reach.start as usize + survivor.length)
            .max(reach.start);
        let earlier = Hidden {
            starts: before,
            lower,
            upper: end,
        };
        self.search(&earlier, found, reads);
        if end > lower.max(reach.start) {
            found.push((reach.start..end, survivor));
        }
        let later = Hidden {
            starts: &rest[1..],
            lower: end.max(lower),
            upper,
        };
        self.search(&later, found, reads);
    }
}

/// Starts behind a match that lost all its occurrences, and what is known of the ends of their longest matches.
struct Hidden<'a> {
    starts: &'a [Range<u32>],
    /// A match of an earlier start ends here, or there is none and this is 0.
    lower: u32,
    /// None ends later.
    upper: u32,
}
