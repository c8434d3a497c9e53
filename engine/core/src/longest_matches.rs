//! The longest allowed matches of a query that no earlier start's match contains.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::blind_search::BlindSearch;
use crate::error::EngineError;
use crate::interval::Interval;
use crate::plain_search::Insertion;
use crate::reads::ReadCounts;
use crate::shard::Shard;
use crate::token::Token;

/// Starts that one task searches: enough to outweigh handing it to a thread.
pub(crate) const STARTS_PER_TASK: usize = 8;

/// The longest match that may start at a position of the query, and where it stands in the suffix array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongestMatch {
    /// First token, in the query.
    pub start: u32,
    /// End in the query, exclusive; always > start.
    pub end: u32,
    /// Ranks of its occurrences; never empty.
    pub interval: Interval,
}

/// What a shard answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundMatches {
    /// The longest allowed matches that are maximal in the shard, ascending by start.
    pub matches: Vec<LongestMatch>,
    /// For each, how often it occurs in the documents that a view leaves out.
    pub withheld: Vec<u64>,
    /// Occurrences of what would be maximal in the whole shard, and occurs only in documents left out.
    pub withheld_elsewhere: u64,
    /// The random reads it took.
    pub reads: ReadCounts,
}

/// A query whose positions are checked, with what each start may reach.
#[derive(Clone, Debug)]
pub struct Query {
    token_ids: Vec<u32>,
    /// For each allowed start, the largest allowed end that no cut forbids. Starts without one are left out.
    reaches: Vec<Range<u32>>,
    /// For every end, the largest allowed end that is not past it.
    allowed_end: Vec<u32>,
}

impl Query {
    /// Checks a query.
    ///
    /// A match may start at a position of `word_starts` and end at one, or at the end of the query; it never continues
    /// past a position of `cuts`. Both ascend strictly.
    pub fn new(token_ids: Vec<u32>, word_starts: &[u32], cuts: &[u32]) -> Result<Self, EngineError> {
        let num_tokens = u32::try_from(token_ids.len()).map_err(|_| EngineError::OutOfRange {
            what: "query length",
            found: token_ids.len() as u64,
            expected: "below 2^32 tokens".to_owned(),
        })?;
        check_ascending("word starts", word_starts, 0, num_tokens)?;
        check_ascending("cuts", cuts, 1, num_tokens.saturating_add(1))?;

        let mut allowed_end = Vec::with_capacity(token_ids.len() + 1);
        let mut ends = word_starts.iter().copied().peekable();
        let mut last = 0;
        for end in 0..=num_tokens {
            if ends.next_if_eq(&end).is_some() || end == num_tokens {
                last = end;
            }
            allowed_end.push(last);
        }

        let mut cuts = cuts.iter().copied().peekable();
        let mut reaches = Vec::with_capacity(word_starts.len());
        for &start in word_starts {
            while cuts.next_if(|&cut| cut <= start).is_some() {}
            let limit = cuts.peek().copied().unwrap_or(num_tokens);
            let end = allowed_end[limit as usize];
            if end > start {
                reaches.push(start..end);
            }
        }
        Ok(Self {
            token_ids,
            reaches,
            allowed_end,
        })
    }
}

fn check_ascending(what: &'static str, positions: &[u32], start: u32, end: u32) -> Result<(), EngineError> {
    if let Some(pair) = positions.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(EngineError::NotAscending {
            what,
            previous: pair[0],
            found: pair[1],
        });
    }
    match positions
        .iter()
        .find(|&position| !(start..end).contains(position))
    {
        Some(&found) => Err(EngineError::OutOfRange {
            what,
            found: found.into(),
            expected: format!("{start} to below {end}"),
        }),
        None => Ok(()),
    }
}

impl Query {
    /// The tokens of the query.
    #[must_use]
    pub fn token_ids(&self) -> &[u32] {
        &self.token_ids
    }

    /// For each allowed start, what a match that begins there may take; ascending, never empty.
    pub(crate) fn reaches(&self) -> &[Range<u32>] {
        &self.reaches
    }

    /// Returns the largest allowed end that is not past `end`.
    pub(crate) fn allowed_end(&self, end: usize) -> u32 {
        self.allowed_end[end]
    }
}

impl<T: Token> Shard<T> {
    /// Returns the longest allowed matches that end after every match that begins earlier, ascending, and the reads they took.
    pub(crate) fn longest_matches(
        &self,
        query: &Query,
        pool: &ThreadPool,
    ) -> Result<(Vec<LongestMatch>, ReadCounts), EngineError> {
        let tokens = Self::query_tokens(&query.token_ids)?;
        Ok(match &self.sidecars {
            Some(sidecars) => BlindSearch::new(self, sidecars, query, &tokens).run(),
            None => pool.install(|| self.search_every_start(query, &tokens)),
        })
    }

    fn search_every_start(&self, query: &Query, tokens: &[T]) -> (Vec<LongestMatch>, ReadCounts) {
        let suffix = |reach: &Range<u32>| &tokens[reach.start as usize..reach.end as usize];
        let search = |reach: &Range<u32>| {
            let mut reads = ReadCounts::default();
            let insertion = self.insertion(suffix(reach), 0..self.text.len(), &mut reads);
            let end = query.allowed_end(reach.start as usize + insertion.longest_prefix());
            (insertion, end, reads)
        };
        let reaches = query.reaches.par_iter().with_min_len(STARTS_PER_TASK);
        let found: Vec<(Insertion, u32, ReadCounts)> = reaches.map(search).collect();
        let mut reads = ReadCounts::default();
        for (_, _, counts) in &found {
            reads += *counts;
        }
        let ends = query.reaches.iter().zip(&found);
        let maximal = maximal(ends.map(|(reach, &(_, end, _))| (reach.start, end)));
        let delimit = |&index: &usize| {
            let (reach, (insertion, end, _)) = (&query.reaches[index], &found[index]);
            let mut reads = ReadCounts::default();
            let length = (end - reach.start) as usize;
            let interval = insertion.interval(self, suffix(reach), length, &mut reads);
            let (start, end) = (reach.start, *end);
            (LongestMatch { start, end, interval }, reads)
        };
        let maximal = maximal.par_iter().with_min_len(STARTS_PER_TASK);
        let delimited: Vec<(LongestMatch, ReadCounts)> = maximal.map(delimit).collect();
        let mut matches = Vec::with_capacity(delimited.len());
        for (found, counts) in delimited {
            reads += counts;
            // Only in a corrupt table is an interval empty.
            if found.interval.count() > 0 {
                matches.push(found);
            }
        }
        (matches, reads)
    }
}

/// Returns the indexes of the matches that end after every match that begins earlier, given the start and end of each in
/// order; a match that ends where it starts is none.
pub(crate) fn maximal(matches: impl Iterator<Item = (u32, u32)>) -> Vec<usize> {
    let mut end_before = 0;
    let mut found = Vec::new();
    for (index, (start, end)) in matches.enumerate() {
        if end > start.max(end_before) {
            found.push(index);
        }
        end_before = end_before.max(end);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_reaches_no_further_than_the_cut_after_it_and_ends_at_a_word() {
        let query = Query::new(vec![9; 10], &[0, 2, 3, 6, 8], &[5, 10]).expect("a valid query");
        assert_eq!(query.reaches, [0..3, 2..3, 6..10, 8..10]);
    }

    #[test]
    fn positions_out_of_order_or_range_are_refused() {
        assert!(Query::new(vec![1; 3], &[1, 1], &[]).is_err());
        assert!(Query::new(vec![1; 3], &[3], &[]).is_err());
        assert!(Query::new(vec![1; 3], &[0], &[4]).is_err());
        assert!(Query::new(vec![1; 3], &[0], &[0]).is_err());
        assert!(Query::new(vec![1; 3], &[0], &[3]).is_ok());
        assert!(Query::new(vec![], &[], &[]).is_ok());
    }
}
