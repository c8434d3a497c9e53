//! The longest allowed match at every allowed start of a query.

use std::ops::Range;

use rayon::prelude::*;

use crate::error::EngineError;
use crate::interval::Interval;
use crate::shard::Shard;
use crate::token::Token;

/// Starts that one task searches: enough to outweigh handing it to a thread.
const STARTS_PER_TASK: usize = 8;

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

impl<T: Token> Shard<T> {
    /// Returns the longest allowed match at every allowed start, ascending; starts without a match are left out.
    ///
    /// Runs on the current rayon pool.
    pub(crate) fn longest_matches(&self, query: &Query) -> Result<Vec<LongestMatch>, EngineError> {
        let tokens = Self::query_tokens(&query.token_ids)?;
        Ok(query
            .reaches
            .par_iter()
            .with_min_len(STARTS_PER_TASK)
            .filter_map(|reach| self.longest_match(&tokens, reach, &query.allowed_end))
            .collect())
    }

    fn longest_match(&self, tokens: &[T], reach: &Range<u32>, allowed_end: &[u32]) -> Option<LongestMatch> {
        let start = reach.start as usize;
        let suffix = &tokens[start..reach.end as usize];
        let insertion = self.insertion(suffix);
        let end = allowed_end[start + insertion.longest_prefix()];
        if end <= reach.start {
            return None;
        }
        let interval = insertion.interval(self, suffix, end as usize - start);
        (interval.count() > 0).then_some(LongestMatch {
            start: reach.start,
            end,
            interval,
        })
    }
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
