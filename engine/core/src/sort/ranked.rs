//! Suffixes in order, each with its LCP with the one before and the token that branches there.

use super::part_text::PartText;
use super::suffix_text::SuffixText;
use crate::fan_out::SATURATED;
use crate::token::Token;

/// The LCP of suffixes that are equal up to a separator.
pub(crate) const TO_SEPARATOR: u16 = u16::MAX;

/// The LCP that stands for any as long or longer.
pub(crate) const LONGEST: u16 = u16::MAX - 1;

/// What a suffix shares with the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry<T> {
    pub(crate) lcp: u16,
    /// The suffix's own token there; the separator if it is equal to the one before.
    pub(crate) branch: T,
}

impl<T: Token> Entry<T> {
    #[allow(clippy::cast_possible_truncation, reason = "at most 65,534")]
    pub(crate) fn new(lcp: usize, branch: T) -> Self {
        Self {
            lcp: lcp.min(usize::from(LONGEST)) as u16,
            branch,
        }
    }

    pub(crate) fn to_separator() -> Self {
        Self {
            lcp: TO_SEPARATOR,
            branch: T::separator(),
        }
    }

    /// What is not known yet: see [`Ranked::join`].
    pub(crate) fn unknown() -> Self {
        Self::new(0, T::separator())
    }

    /// Returns the LCP as the fan-out has it, and the branching token in sort order.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "at most 255")]
    pub(crate) fn record(self) -> (u8, T) {
        let lcp = usize::from(self.lcp).min(SATURATED);
        let branch = if lcp == SATURATED {
            T::separator()
        } else {
            self.branch
        };
        (lcp as u8, branch.sort_key())
    }

    /// Returns the entry of a suffix with the key `next`, behind one with `key`, both at `depth` bytes.
    #[inline]
    pub(crate) fn between(key: u128, next: u128, depth: usize) -> Self {
        let same = (key ^ next).leading_zeros() as usize / (8 * T::WIDTH);
        let bytes = next.to_be_bytes();
        Self::new(depth / T::WIDTH + same, T::read(&bytes[same * T::WIDTH..]))
    }
}

/// Consecutive ranks of a part.
pub(crate) struct Ranked<T> {
    pub(crate) positions: Vec<u32>,
    pub(crate) lcps: Vec<u16>,
    pub(crate) branches: Vec<T>,
}

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self {
            positions: Vec::new(),
            lcps: Vec::new(),
            branches: Vec::new(),
        }
    }
}

impl<T: Token> Ranked<T> {
    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Makes room for more ranks.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.positions.reserve(more);
        self.lcps.reserve(more);
        self.branches.reserve(more);
    }

    #[inline]
    pub(crate) fn push(&mut self, position: u32, entry: Entry<T>) {
        self.positions.push(position);
        self.lcps.push(entry.lcp);
        self.branches.push(entry.branch);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, Entry<T>)> {
        let entries = self
            .lcps
            .iter()
            .zip(&self.branches)
            .map(|(&lcp, &branch)| Entry { lcp, branch });
        self.positions.iter().copied().zip(entries)
    }

    /// Finds the entry of the rank `at`, which nothing else knows; the first rank of all has none.
    pub(crate) fn join(&mut self, text: &PartText<T>, at: usize) {
        if at == 0 || at >= self.len() {
            return;
        }
        let entry = text.entry(self.positions[at - 1] as usize, self.positions[at] as usize);
        self.lcps[at] = entry.lcp;
        self.branches[at] = entry.branch;
    }

    /// Finds the entries again in which the end of the text was taken for zeros.
    pub(crate) fn mend_at_end(&mut self, text: &PartText<T>) {
        if !text.ends_text() {
            return;
        }
        for at in 1..self.len() {
            let furthest = self.positions[at].max(self.positions[at - 1]) as usize;
            if self.lcps[at] != TO_SEPARATOR && furthest + usize::from(self.lcps[at]) >= text.len() {
                self.join(text, at);
            }
        }
    }
}
