//! The documents that a view leaves out, and what that makes of ranks.
//!
//! A *view* answers as the same shard would if some documents had never been in it. Its ranks are *net*: a suffix's net rank
//! is the number of surviving suffixes before it. The files stay as they are; the view holds the *removed ranks*, those of
//! all suffixes of the documents left out, as an Elias-Fano code.

use std::collections::HashMap;
use std::ops::Range;

use crate::address::to_usize;
use crate::elias_fano::EliasFano;
use crate::error::EngineError;
use crate::interval::Interval;

/// What a view leaves out.
#[derive(Debug, Default)]
pub(crate) struct Withheld {
    /// Numbers of the documents, ascending.
    pub(crate) documents: EliasFano,
    /// The ranks of all their suffixes, that of the separator before each included; ascending.
    pub(crate) ranks: EliasFano,
    /// How often each token id, the separator included, is among their tokens.
    pub(crate) token_counts: HashMap<u32, u64>,
}

impl Withheld {
    /// RAM held, in bytes; that of the token counts about.
    pub(crate) fn memory_bytes(&self) -> usize {
        let entry = size_of::<(u32, u64)>() + 1;
        self.documents.memory_bytes() + self.ranks.memory_bytes() + entry * self.token_counts.capacity()
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
        let before = |rank: u64| self.ranks.count_below(to_usize(rank)) as u64;
        let (start, end) = (before(raw.start), before(raw.end));
        let net = Interval {
            start: raw.start - start,
            end: raw.end - end,
        };
        (net, end - start)
    }

    /// Returns the rank of a surviving suffix, given its net rank.
    ///
    /// Cost: log2(removed ranks) look-ups in RAM.
    pub(crate) fn raw(&self, net: usize) -> usize {
        // Removed rank i has `ranks[i] - i` survivors before it.
        let (mut low, mut high) = (0, self.ranks.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.ranks.get(middle) - middle > net {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        net + low
    }

    /// Returns the nearest surviving ranks before a rank and from it on, in a shard of `num_ranks`.
    pub(crate) fn nearest_survivors(&self, rank: usize, num_ranks: usize) -> [Option<usize>; 2] {
        let before = rank - self.ranks.count_below(rank);
        let after = (before < num_ranks - self.ranks.len()).then(|| self.raw(before));
        [before.checked_sub(1).map(|net| self.raw(net)), after]
    }
}
