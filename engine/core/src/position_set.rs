//! Which positions of a text are among some ranges, asked of every position once, in any order.
//!
//! Two bits say of a block of positions that none, all or some of it are: a mebibyte at most, which stays in the cache of a
//! core. Only of "some" the block's own bits are looked at. Documents are longer than blocks as a rule, so that is rare.

use std::ops::Range;

const WORD_BITS: usize = u64::BITS as usize;

/// A block has at least this many positions, as a power of two.
const SMALLEST_BLOCK_BITS: u32 = 6;

/// Two bits of each take 1 MiB.
const MOST_BLOCKS: usize = 1 << 22;

/// Bits of a state, and blocks in a word of states.
const STATE_BITS: usize = 2;
const BLOCKS_PER_WORD: usize = WORD_BITS / STATE_BITS;

/// All positions of the block are among the ranges; some are.
const ALL: u64 = 1;
const SOME: u64 = 2;

/// A set of positions, made of ranges.
pub(crate) struct PositionSet {
    block_bits: u32,
    states: Vec<u64>,
    /// Of each block of which some positions are in the set: which one of those it is.
    mixed: Vec<u32>,
    /// The bits of those blocks.
    bits: Vec<u64>,
}

impl PositionSet {
    /// Makes the set of ascending, disjoint ranges below `limit`, none empty.
    ///
    /// Cost: 4.3 bytes for each block, of which there are at most 4 million, and the bits of those that are in it in part.
    pub(crate) fn new(limit: usize, ranges: impl Iterator<Item = Range<usize>>) -> Self {
        let smallest = limit.div_ceil(MOST_BLOCKS).next_power_of_two().ilog2();
        let block_bits = smallest.max(SMALLEST_BLOCK_BITS);
        let num_blocks = limit.div_ceil(1 << block_bits);
        let mut set = Self {
            block_bits,
            states: vec![0; num_blocks.div_ceil(BLOCKS_PER_WORD)],
            mixed: vec![0; num_blocks],
            bits: Vec::new(),
        };
        let mut ranges = ranges.peekable();
        while let Some(mut range) = ranges.next() {
            while let Some(next) = ranges.next_if(|next| next.start == range.end) {
                range.end = next.end;
            }
            set.add(range);
        }
        set
    }

    /// Returns whether a position below the limit is in the set, as far as its block tells: 1 if all of the block is; and
    /// 1 in the second place if only some of it is, so that `holds` has to say.
    #[inline]
    pub(crate) fn glance(&self, position: usize) -> (u64, usize) {
        let block = position >> self.block_bits;
        let state = self.states[block / BLOCKS_PER_WORD] >> (block % BLOCKS_PER_WORD * STATE_BITS);
        (state & ALL, usize::from(state & SOME != 0))
    }

    /// Returns whether a position is in the set, of a block of which some are.
    #[inline]
    pub(crate) fn holds(&self, position: usize) -> bool {
        let block = self.mixed[position >> self.block_bits] as usize;
        let bit = position & ((1 << self.block_bits) - 1);
        self.bits[self.first_word(block) + bit / WORD_BITS] >> (bit % WORD_BITS) & 1 == 1
    }

    fn add(&mut self, range: Range<usize>) {
        let block_len = 1_usize << self.block_bits;
        let mut start = range.start;
        while start < range.end {
            let block = start >> self.block_bits;
            let block_start = block << self.block_bits;
            let end = range.end.min(block_start + block_len);
            if end - start == block_len {
                self.mark(block, ALL);
            } else {
                self.add_in_part(block, start - block_start..end - block_start);
            }
            start = end;
        }
    }

    /// Adds the positions at some places of a block, not all of them.
    fn add_in_part(&mut self, block: usize, places: Range<usize>) {
        if self.states[block / BLOCKS_PER_WORD] >> (block % BLOCKS_PER_WORD * STATE_BITS) & SOME == 0 {
            self.mark(block, SOME);
            let words = self.first_word(1);
            self.mixed[block] =
                u32::try_from(self.bits.len() / words).expect("there are at most 4 million blocks");
            self.bits.resize(self.bits.len() + words, 0);
        }
        let first = self.first_word(self.mixed[block] as usize);
        set_bit_range(&mut self.bits[first..], places);
    }

    fn mark(&mut self, block: usize, state: u64) {
        self.states[block / BLOCKS_PER_WORD] |= state << (block % BLOCKS_PER_WORD * STATE_BITS);
    }

    /// Returns where the bits of a mixed block begin.
    fn first_word(&self, mixed: usize) -> usize {
        mixed << (self.block_bits - SMALLEST_BLOCK_BITS)
    }
}

/// Sets the bits of a range that is not empty.
fn set_bit_range(words: &mut [u64], bits: Range<usize>) {
    let (first, last) = (bits.start / WORD_BITS, (bits.end - 1) / WORD_BITS);
    let (from, to) = (
        u64::MAX << (bits.start % WORD_BITS),
        u64::MAX >> (WORD_BITS - 1 - (bits.end - 1) % WORD_BITS),
    );
    if first == last {
        words[first] |= from & to;
        return;
    }
    words[first] |= from;
    words[first + 1..last].fill(u64::MAX);
    words[last] |= to;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::set_bits;
    use proptest::prelude::*;

    #[test]
    fn bits_of_a_range_are_set_and_no_others() {
        for start in 0..130 {
            for end in start + 1..=192 {
                let mut words = [0; 3];
                set_bit_range(&mut words, start..end);
                assert!(set_bits(&words).eq(start..end), "{start}..{end}");
            }
        }
    }

    /// Asks as a pass does.
    fn is_in(set: &PositionSet, position: usize) -> bool {
        let (all, some) = set.glance(position);
        if some == 1 { set.holds(position) } else { all == 1 }
    }

    proptest! {
        #[test]
        fn positions_are_in_the_set_that_are_in_a_range(
            gaps in prop::collection::vec((prop_oneof![0_usize..3, 0_usize..300], prop_oneof![1_usize..3, 1_usize..400]), 0..60),
            beyond in 1_usize..200,
        ) {
            let (mut ranges, mut end) = (Vec::new(), 0);
            for (gap, length) in gaps {
                ranges.push(end + gap..end + gap + length);
                end += gap + length;
            }
            let set = PositionSet::new(end + beyond, ranges.iter().cloned());
            for position in 0..end + beyond {
                let expected = ranges.iter().any(|range| range.contains(&position));
                prop_assert_eq!(is_in(&set, position), expected, "{} of {:?}", position, ranges);
            }
        }
    }

    #[test]
    fn blocks_are_larger_where_there_are_more_positions() {
        let limit = 3_usize << 30;
        let ranges = [
            5..6,
            1000..5000,
            (1 << 30) - 1..(1 << 30) + 4000,
            limit - 1..limit,
        ];
        let set = PositionSet::new(limit, ranges.iter().cloned());
        assert!(set.mixed.len() <= MOST_BLOCKS);
        for range in &ranges {
            let around = range.start.saturating_sub(2)..(range.end + 2).min(limit);
            for position in around {
                let expected = ranges.iter().any(|range| range.contains(&position));
                assert_eq!(is_in(&set, position), expected, "{position}");
            }
        }
    }
}
