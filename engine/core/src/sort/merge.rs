//! Merging sorted runs, LCP-aware: every comparison begins where the last left off.
//!
//! Of the head of each run its LCP with the suffix that was put last is known. The longest LCP wins; only heads whose LCPs are
//! equal are compared, behind them: first by the eight bytes that the run holds, then in the text. What the comparison finds is
//! the loser's LCP with the winner, so no token of a suffix is compared twice (Bingmann, Eberle and Sanders, "Engineering
//! parallel string sorting", 2015). Suffixes of one run that are equal up to a separator are known to be, so copies cost nothing.

use std::cmp::Ordering;

use super::part_text::{Agreed, KEY_BYTES};
use super::passages::Passages;
use super::ranked::{Entry, LONGEST, TO_SEPARATOR};
use super::run_file::{Record, RunReader};
use super::suffix_text::SuffixText;
use super::table_files::Packed;
use crate::address::to_usize;
use crate::error::EngineError;
use crate::token::{Token, holds_separator};

/// The LCP of suffixes that are equal up to a separator: longer than any other.
const EQUAL: u32 = u32::MAX;

/// The next suffix of a run.
#[derive(Clone, Copy)]
struct Head {
    position: usize,
    /// Tokens that it shares with the suffix put last: [`LONGEST`] stands for any number from that on.
    lcp: u32,
    /// Its bytes from `key_depth` tokens on.
    key: u64,
    key_depth: u32,
}

impl Head {
    /// Returns the head that follows one of its run that was put last.
    fn new(record: &Record) -> Self {
        let lcp = u32::from(record.lcp);
        Self {
            position: to_usize(record.position),
            lcp: if record.lcp == TO_SEPARATOR { EQUAL } else { lcp },
            key: record.key,
            key_depth: lcp,
        }
    }
}

/// Merges some runs of a text.
pub(crate) struct Merge<'a, T, S> {
    text: &'a S,
    runs: Vec<RunReader<'a>>,
    /// Of each run that is not at its end, its head and its place in `runs`.
    heads: Vec<(Head, usize)>,
    /// Places in `heads` of those that share the most with the suffix put last.
    tied: Vec<usize>,
    passages: &'a mut Passages<T>,
}

impl<'a, T: Token, S: SuffixText<T>> Merge<'a, T, S> {
    /// Merges the records of `runs`, which are in the order of their positions.
    pub(crate) fn new(
        text: &'a S,
        mut runs: Vec<RunReader<'a>>,
        passages: &'a mut Passages<T>,
    ) -> Result<Self, EngineError> {
        let mut heads = Vec::with_capacity(runs.len());
        for (number, run) in runs.iter_mut().enumerate() {
            if let Some(record) = run.next()? {
                let position = to_usize(record.position);
                let head = Head {
                    position,
                    lcp: 0,
                    key: text.key(position, 0),
                    key_depth: 0,
                };
                heads.push((head, number));
            }
        }
        Ok(Self {
            text,
            runs,
            heads,
            tied: Vec::new(),
            passages,
        })
    }

    /// Returns all suffixes in order; the entry of the first is not right.
    pub(crate) fn run(&mut self, num_ranks: usize) -> Result<Packed<T>, EngineError> {
        let mut packed = Packed::with_capacity(num_ranks, self.text.len());
        while let Some(place) = self.least() {
            let (head, run) = self.heads[place];
            packed.push(head.position as u64, self.entry(&head));
            match self.runs[run].next()? {
                Some(record) => self.heads[place].0 = Head::new(&record),
                None => drop(self.heads.remove(place)),
            }
        }
        Ok(packed)
    }

    fn entry(&self, head: &Head) -> Entry<T> {
        if head.lcp == EQUAL {
            return Entry::to_separator();
        }
        let lcp = head.lcp as usize;
        if lcp >= crate::fan_out::SATURATED {
            return Entry::new(lcp, T::separator());
        }
        let branch = match self.key_at(head, head.lcp) {
            Some((key, _)) => T::read(&key.to_be_bytes()),
            None => self.text.branch(head.position, lcp),
        };
        Entry::new(lcp, branch)
    }

    /// Returns the place of the least head, after noting what the others share with it.
    fn least(&mut self) -> Option<usize> {
        let longest = self.heads.iter().map(|(head, _)| head.lcp).max()?;
        self.tied.clear();
        let is_tied = |place: &usize| self.heads[*place].0.lcp == longest;
        self.tied.extend((0..self.heads.len()).filter(is_tied));
        let mut best = self.tied[0];
        if longest == EQUAL {
            // Heads are in the order of their parts, and so of their positions.
            return Some(best);
        }
        for at in 1..self.tied.len() {
            let other = self.tied[at];
            let (order, lcp) = self.compare(best, other, longest);
            if order == Ordering::Less {
                self.heads[other].0.lcp = lcp;
            } else {
                // What the earlier ones share with the new best is no more than the old best does.
                for earlier in 0..at {
                    let head = &mut self.heads[self.tied[earlier]].0;
                    head.lcp = if self.tied[earlier] == best {
                        lcp
                    } else {
                        head.lcp.min(lcp)
                    };
                }
                self.heads[other].0.lcp = longest;
                best = other;
            }
        }
        self.heads[best].0.lcp = longest;
        Some(best)
    }

    /// Compares two heads that share `depth` tokens with the suffix put last, `one` from the earlier part; returns how many they
    /// share with each other.
    fn compare(&mut self, one: usize, other: usize, depth: u32) -> (Ordering, u32) {
        let (left, left_known) = self.load(one, depth);
        let (right, right_known) = self.load(other, depth);
        let (a, b) = (self.heads[one].0.position, self.heads[other].0.position);
        let bits = 8 * u32::try_from(T::WIDTH).expect("at most 4");
        let known = left_known.min(right_known);
        let same = (left ^ right).leading_zeros() / bits;
        if same < known {
            return (left.cmp(&right), depth + same);
        }
        let kept = if known * bits == 0 {
            0
        } else {
            left >> (64 - known * bits) << (64 - known * bits)
        };
        if holds_separator::<T>(kept) {
            return (Ordering::Less, EQUAL);
        }
        let known = (depth + known) as usize;
        let agreement = self
            .passages
            .agreement(self.text, a.min(b), a.max(b), known, usize::MAX);
        let (order, lcp) = match agreement {
            Agreed::ToSeparator(_) | Agreed::ToLimit(_) => return (Ordering::Less, EQUAL),
            Agreed::ToEnd(lcp) => (b.cmp(&a), lcp),
            Agreed::Until(lcp) => {
                let key = |position: usize| self.text.token(position + lcp).sort_key();
                (key(a).cmp(&key(b)), lcp)
            }
        };
        (
            order,
            u32::try_from(lcp.min(usize::from(LONGEST))).expect("a u16"),
        )
    }

    /// Returns the bytes of a head from a depth on, and how many whole tokens of them are known.
    fn load(&mut self, place: usize, depth: u32) -> (u64, u32) {
        if let Some(known) = self.key_at(&self.heads[place].0, depth) {
            return known;
        }
        let head = &mut self.heads[place].0;
        if self.text.len() < head.position + depth as usize + KEY_BYTES / T::WIDTH {
            return (0, 0);
        }
        head.key = self.text.key(head.position, depth as usize * T::WIDTH);
        head.key_depth = depth;
        (head.key, key_tokens::<T>())
    }

    fn key_at(&self, head: &Head, depth: u32) -> Option<(u64, u32)> {
        let passed = depth.checked_sub(head.key_depth)?;
        // Past the end of the text keys are zeros, which say nothing.
        let is_near_end = self.text.len() < head.position + head.key_depth as usize + KEY_BYTES / T::WIDTH;
        if passed >= key_tokens::<T>() || is_near_end {
            return None;
        }
        let bits = 8 * u32::try_from(T::WIDTH).expect("at most 4");
        Some((head.key << (passed * bits), key_tokens::<T>() - passed))
    }
}

/// Whole tokens in a key.
fn key_tokens<T: Token>() -> u32 {
    u32::try_from(KEY_BYTES / T::WIDTH).expect("at most 8")
}
