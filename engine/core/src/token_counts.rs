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
    pub(crate) fn count(&mut self, token_ids: impl Iterator<Item = u32>) {
        for token_id in token_ids {
            *self.count_mut(token_id) += 1;
        }
    }

    /// Adds to the count of a token id.
    pub(crate) fn add(&mut self, token_id: u32, count: u64) {
        *self.count_mut(token_id) += count;
    }

    /// Adds other counts.
    pub(crate) fn add_all(&mut self, other: &Self) {
        other
            .iter()
            .for_each(|(token_id, count)| self.add(token_id, count));
    }

    /// Takes away counts that were added.
    pub(crate) fn subtract_all(&mut self, other: &Self) {
        for (token_id, count) in other.iter() {
            *self.count_mut(token_id) -= count;
        }
    }

    /// Returns the token ids that were counted, each once and in no order, with their counts.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, u64)> + '_ {
        let dense = (0..DENSE).zip(self.dense.iter().copied());
        let all = dense.chain(self.sparse.iter().map(|(&token_id, &count)| (token_id, count)));
        all.filter(|&(_, count)| count > 0)
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
        let of = |token_ids: &[u32]| {
            let mut counts = TokenCounts::default();
            counts.count(token_ids.iter().copied());
            counts
        };
        let mut counts = of(&[3, u32::MAX, 3]);
        counts.add_all(&of(&[1 << 20, (1 << 20) - 1]));
        counts.subtract_all(&of(&[3, 1 << 20]));
        assert_eq!(
            counts.iter().collect::<Vec<_>>(),
            [(3, 1), ((1 << 20) - 1, 1), (u32::MAX, 1)]
        );
        let ids = [0, 3, (1 << 20) - 1, 1 << 20, u32::MAX, 7];
        assert_eq!(ids.map(|id| counts.get(id)), [0, 1, 1, 0, 1, 0]);
    }
}
