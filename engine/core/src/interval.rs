//! Half-open ranges of ranks.

/// Ranks `start..end` of the suffix array: the suffixes that share a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// First rank.
    pub start: u64,
    /// End, exclusive.
    pub end: u64,
}

impl Interval {
    /// Number of ranks: how often the prefix occurs.
    #[must_use]
    pub fn count(self) -> u64 {
        self.end - self.start
    }
}
