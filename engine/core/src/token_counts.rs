//! How often each token id is among some tokens.

use std::collections::HashMap;

use crate::address::to_usize;

/// Ids below are counted in an array: those of all usual vocabularies.
const DENSE: u32 = 1 << 20;

/// Counts by token id.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenCounts {
    dense: Vec<u64>,
    /// Of the other ids, the separator of four bytes among them.
    sparse: HashMap<u32, u64>,
}

impl TokenCounts {
    /// Returns how often a token id was added.
    pub(crate) fn get(&self, token_id: u32) -> u64 {
        let counts = if token_id < DENSE {
            self.dense.get(to_usize(token_id.into()))
        } else {
            self.sparse.get(&token_id)
        };
        counts.copied().unwrap_or(0)
    }

    /// Counts some tokens.
    pub(crate) fn add(&mut self, token_ids: impl Iterator<Item = u32>) {
        for token_id in token_ids {
            *self.count_mut(token_id) += 1;
        }
    }

    /// Takes away tokens that were counted.
    pub(crate) fn subtract(&mut self, token_ids: impl Iterator<Item = u32>) {
        for token_id in token_ids {
            *self.count_mut(token_id) -= 1;
        }
    }

    /// RAM held, in bytes, about.
    pub(crate) fn memory_bytes(&self) -> usize {
        8 * self.dense.len() + 17 * self.sparse.capacity()
    }

    fn count_mut(&mut self, token_id: u32) -> &mut u64 {
        if token_id >= DENSE {
            return self.sparse.entry(token_id).or_default();
        }
        let index = to_usize(token_id.into());
        if index >= self.dense.len() {
            self.dense.resize(index + 1, 0);
        }
        &mut self.dense[index]
    }
}

#[cfg(test)]
mod tests {
    use super::TokenCounts;

    #[test]
    fn what_is_added_is_counted_until_it_is_taken_away() {
        let mut counts = TokenCounts::default();
        counts.add([3, u32::MAX, 3, 1 << 20, (1 << 20) - 1].into_iter());
        counts.subtract([3, 1 << 20].into_iter());
        let ids = [0, 3, (1 << 20) - 1, 1 << 20, u32::MAX, 7];
        assert_eq!(ids.map(|id| counts.get(id)), [0, 1, 1, 0, 1, 0]);
    }
}
