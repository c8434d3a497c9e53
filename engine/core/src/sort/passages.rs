//! Passages that stand in a text twice, remembered: a pair of long equal passages is compared once, not once for each of its
//! suffixes.
//!
//! Two suffixes are on the *diagonal* that is the distance of their positions. That tokens `start..end` are the same as those a
//! distance further is a fact of the diagonal, and answers for every pair of suffixes that begin in them.

use std::marker::PhantomData;

use super::part_text::Agreed;
use super::suffix_text::SuffixText;
use crate::token::Token;

/// Tokens that are compared before it is worth looking up, or remembering, a passage.
const SHORT: usize = 128;

/// Tokens that are compared from one look at what is known to the next.
const STRIDE: usize = 4096;

/// Passages that are remembered: by the lowest bits of a hash of the diagonal, the last one wins.
const REMEMBERED: usize = 1 << 15;

/// Passages that one thread has come by.
pub(crate) struct Passages<T> {
    known: Vec<Passage>,
    /// Tokens that were looked at beyond the first few of a comparison.
    walked: usize,
    token: PhantomData<T>,
}

/// Tokens `start..end` are the same as those `diagonal` further.
#[derive(Clone, Copy)]
struct Passage {
    diagonal: usize,
    start: usize,
    end: usize,
    ending: Ending,
}

/// What is behind a passage.
#[derive(Clone, Copy)]
enum Ending {
    /// A token that differs.
    Differs,
    /// The end of the text, behind the second of both.
    Text,
    /// A separator, behind both.
    Separator,
    /// Nobody has looked yet.
    Open,
}

impl<T: Token> Passages<T> {
    pub(crate) fn new() -> Self {
        let none = Passage {
            diagonal: 0,
            start: 0,
            end: 0,
            ending: Ending::Open,
        };
        Self {
            known: vec![none; REMEMBERED],
            walked: 0,
            token: PhantomData,
        }
    }

    /// Returns the tokens that were looked at in long comparisons since the last call.
    pub(crate) fn take_walked(&mut self) -> usize {
        std::mem::take(&mut self.walked)
    }

    /// Does what [`SuffixText::agreement`] does. Cost: for all suffixes in a pair of equal passages together, one comparison of
    /// the passages, as long as they are remembered.
    #[inline]
    pub(crate) fn agreement(
        &mut self,
        text: &impl SuffixText<T>,
        left: usize,
        right: usize,
        known: usize,
        limit: usize,
    ) -> Agreed {
        let first = limit.min(known + SHORT);
        match text.agreement(left, right, known, first) {
            Agreed::ToLimit(agreed) if agreed < limit => {
                self.long_agreement(text, left, right, agreed, limit)
            }
            short => short,
        }
    }

    #[cold]
    fn long_agreement(
        &mut self,
        text: &impl SuffixText<T>,
        left: usize,
        right: usize,
        agreed: usize,
        limit: usize,
    ) -> Agreed {
        let diagonal = right - left;
        let slot = slot(diagonal);
        let mut passage = self.known[slot];
        if passage.diagonal != diagonal || left + agreed > passage.end {
            passage = Passage {
                diagonal,
                start: left + agreed,
                end: left + agreed,
                ending: Ending::Open,
            };
        }
        // What lies before the passage that is known.
        let mut agreed = agreed;
        while left + agreed < passage.start {
            let next = limit.min(passage.start - left).min(agreed + STRIDE);
            let found = text.agreement(left, right, agreed, next);
            self.walked += found.tokens() - agreed;
            agreed = found.tokens();
            match found {
                Agreed::ToLimit(_) if agreed >= limit => return found,
                Agreed::ToLimit(_) => {}
                _ => {
                    // It ends before: another passage of the same diagonal, which is the later one to be asked for.
                    self.known[slot] = Passage {
                        diagonal,
                        start: left,
                        end: left + agreed,
                        ending: Ending::of(found),
                    };
                    return found;
                }
            }
        }
        passage.start = passage.start.min(left);
        agreed = agreed.max(passage.end - left);
        while let Ending::Open = passage.ending
            && agreed < limit
        {
            let found = text.agreement(left, right, agreed, limit.min(agreed + STRIDE));
            self.walked += found.tokens() - agreed;
            agreed = found.tokens();
            passage.end = left + agreed;
            passage.ending = Ending::of(found);
        }
        self.known[slot] = passage;
        if agreed >= limit {
            return Agreed::ToLimit(limit);
        }
        match passage.ending {
            Ending::Differs => Agreed::Until(agreed),
            Ending::Text => Agreed::ToEnd(agreed),
            Ending::Separator => Agreed::ToSeparator(agreed),
            Ending::Open => Agreed::ToLimit(agreed),
        }
    }
}

impl Ending {
    fn of(found: Agreed) -> Self {
        match found {
            Agreed::Until(_) => Self::Differs,
            Agreed::ToEnd(_) => Self::Text,
            Agreed::ToSeparator(_) => Self::Separator,
            Agreed::ToLimit(_) => Self::Open,
        }
    }
}

fn slot(diagonal: usize) -> usize {
    diagonal.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - REMEMBERED.ilog2())
}
