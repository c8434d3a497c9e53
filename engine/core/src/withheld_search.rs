//! Longest matches in a view: those of the whole shard, and where one of them lost all its occurrences, what is left.
//!
//! A survivor's match is also one of the whole shard, so at no start does the view reach further. If a match that is maximal
//! in the shard survives, it is maximal in the view, and hides the same starts behind it. Only the starts behind one that
//! lost all occurrences have to be searched again: the longest match there is with the nearest surviving suffix on either
//! side of where the query belongs in the suffix array.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::error::EngineError;
use crate::longest_matches::{FoundMatches, LongestMatch, Query, STARTS_PER_TASK, maximal};
use crate::reads::{Of, ReadCounts};
use crate::shard::Shard;
use crate::token::Token;
use crate::withheld::Withheld;

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
            let hidden = hidden_starts(query, &survivors, &emptied);
            let tokens = Self::query_tokens(query.token_ids())?;
            let (found, counts) = pool.install(|| self.search_again(withheld, query, &tokens, &hidden));
            reads += counts;
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

    /// Returns the longest surviving matches of some starts of a query, those that a longer one hides included.
    fn search_again(
        &self,
        withheld: &Withheld,
        query: &Query,
        tokens: &[T],
        starts: &[Range<u32>],
    ) -> (Vec<NetMatch>, ReadCounts) {
        let search = |reach: &Range<u32>| {
            let mut reads = ReadCounts::default();
            let suffix = &tokens[reach.start as usize..reach.end as usize];
            let length = self.longest_survivor(withheld, suffix, &mut reads);
            (query.allowed_end(reach.start as usize + length), reads)
        };
        let searched: Vec<(u32, ReadCounts)> = starts
            .par_iter()
            .with_min_len(STARTS_PER_TASK)
            .map(search)
            .collect();
        let mut reads = ReadCounts::default();
        for (_, counts) in &searched {
            reads += *counts;
        }
        let ends = starts
            .iter()
            .zip(&searched)
            .map(|(reach, &(end, _))| (reach.start, end));
        let found = maximal(ends).into_iter().filter_map(|index| {
            let (start, end) = (starts[index].start, searched[index].0);
            let raw = self.find(&tokens[start as usize..end as usize]);
            let (interval, removed) = withheld.net(raw);
            // Only in a corrupt table is there none.
            (interval.count() > 0).then_some((LongestMatch { start, end, interval }, removed))
        });
        (found.collect(), reads)
    }

    /// Returns how many of the first tokens of `query` a surviving suffix begins with at most.
    fn longest_survivor(&self, withheld: &Withheld, query: &[T], reads: &mut ReadCounts) -> usize {
        let insertion = self.insertion(query, 0..self.text.len(), reads);
        let nearest = withheld.nearest_survivors(insertion.rank(), self.text.len());
        let shared = |rank: usize| {
            let position = self.table.position(rank);
            let lcp = self.text.compare(position, query, 0).lcp;
            reads.count(Of::Table, &self.table.bytes_of(rank..rank + 1));
            reads.count(Of::Text, &self.text.extent(position, lcp + 1));
            lcp
        };
        nearest.into_iter().flatten().map(shared).max().unwrap_or(0)
    }
}

/// Splits the maximal matches of the whole shard into those that occur in the view, in its ranks, and those that do not.
fn split(withheld: &Withheld, raw: Vec<LongestMatch>) -> (Vec<NetMatch>, Vec<LongestMatch>) {
    let (mut survivors, mut emptied) = (Vec::with_capacity(raw.len()), Vec::new());
    for found in raw {
        let (interval, removed) = withheld.net(found.interval);
        if interval.count() > 0 {
            survivors.push((LongestMatch { interval, ..found }, removed));
        } else {
            emptied.push(found);
        }
    }
    (survivors, emptied)
}

/// Returns the starts whose longest match lies in one that lost all its occurrences, and how far each may reach: those from
/// where the lost one begins to where the next maximal match does.
fn hidden_starts(query: &Query, survivors: &[NetMatch], emptied: &[LongestMatch]) -> Vec<Range<u32>> {
    let reaches = query.reaches();
    let mut hidden = Vec::new();
    for (index, lost) in emptied.iter().enumerate() {
        let later = survivors.partition_point(|(found, _)| found.start <= lost.start);
        let next = [
            survivors.get(later).map(|(found, _)| found.start),
            emptied.get(index + 1).map(|found| found.start),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(u32::MAX);
        let first = reaches.partition_point(|reach| reach.start < lost.start);
        let behind = reaches[first..]
            .iter()
            .take_while(|reach| reach.start < next.min(lost.end));
        hidden.extend(behind.map(|reach| reach.start..reach.end.min(lost.end)));
    }
    hidden
}
