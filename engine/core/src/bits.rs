//! Bits of 64-bit words: packed numbers, and the set and unset ones counted from some place on.

/// Returns the indexes of the bits that are set, ascending.
pub(crate) fn set_bits(words: &[u64]) -> impl Iterator<Item = usize> + '_ {
    words.iter().enumerate().flat_map(|(index, &word)| {
        let rests = std::iter::successors(Some(word), |rest| Some(rest & rest.wrapping_sub(1)));
        let rests = rests.take_while(|&rest| rest != 0);
        rests.map(move |rest| index * 64 + rest.trailing_zeros() as usize)
    })
}

/// Does something with the index of each bit that is set, ascending: faster than `set_bits`.
#[inline]
pub(crate) fn for_each_bit(words: &[u64], mut each: impl FnMut(usize)) {
    for (index, &word) in words.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            each(index * 64 + left.trailing_zeros() as usize);
            left &= left - 1;
        }
    }
}

/// Returns a number whose lowest `bits` bits are set.
pub(crate) fn mask(bits: u32) -> u64 {
    (1 << bits) - 1
}

/// Writes a number, packed, at a bit; nothing stands there yet.
pub(crate) fn write_bits(words: &mut [u64], at: usize, value: u64) {
    let (word, shift) = (at / 64, at % 64);
    words[word] |= value << shift;
    if shift > 0 {
        words[word + 1] |= value >> 1 >> (63 - shift);
    }
}

/// Returns the number of so many bits that is packed at a bit.
pub(crate) fn read_bits(words: &[u64], at: usize, bits: u32) -> u64 {
    let (word, shift) = (at / 64, at % 64);
    let mut value = words[word] >> shift;
    if shift > 0 {
        value |= words[word + 1] << 1 << (63 - shift);
    }
    value & mask(bits)
}

/// Returns the index of the `n`-th set bit of a word that has more than `n`.
pub(crate) fn nth_one(word: u64, n: usize) -> usize {
    const TOP_BITS: u64 = 0x8080_8080_8080_8080;
    // In each half, quarter and so on: how many bits are set.
    let pairs = word - (word >> 1 & 0x5555_5555_5555_5555);
    let nibbles = (pairs & 0x3333_3333_3333_3333) + (pairs >> 2 & 0x3333_3333_3333_3333);
    let bytes = (nibbles + (nibbles >> 4)) & 0x0F0F_0F0F_0F0F_0F0F;
    // In each byte: how many are set up to its end.
    let up_to = bytes.wrapping_mul(0x0101_0101_0101_0101);
    // Of those bytes whose count does not pass n, the top bit stays; it does so in all before the one that is looked for.
    let passed = (((n as u64 * 0x0101_0101_0101_0101) | TOP_BITS) - up_to) & TOP_BITS;
    let byte = 8 * passed.count_ones();
    let before = (up_to << 8 >> byte & 0xFF) as usize;
    let mut rest = word >> byte;
    for _ in before..n {
        rest &= rest - 1;
    }
    (byte + rest.trailing_zeros()) as usize
}

/// Returns how many bits from `bit` on are set before one is not; there must be one.
pub(crate) fn ones_from(words: &[u64], bit: usize) -> usize {
    let mut index = bit / 64;
    let mut unset = !words[index] & (u64::MAX << (bit % 64));
    while unset == 0 {
        index += 1;
        unset = !words[index];
    }
    index * 64 + unset.trailing_zeros() as usize - bit
}

/// Returns the bit behind the `n`-th unset one, from 1, of those from `bit` on; there must be so many. 0 is `bit` itself.
pub(crate) fn skip_zeros(words: &[u64], bit: usize, n: usize) -> usize {
    let Some(mut left) = n.checked_sub(1) else {
        return bit;
    };
    let mut index = bit / 64;
    let mut unset = !words[index] & (u64::MAX << (bit % 64));
    loop {
        let here = unset.count_ones() as usize;
        if left < here {
            return index * 64 + nth_one(unset, left) + 1;
        }
        left -= here;
        index += 1;
        unset = !words[index];
    }
}

/// Returns the index of the last set bit before `bit`; there must be one.
pub(crate) fn previous_one(words: &[u64], bit: usize) -> usize {
    let mut index = bit / 64;
    let mut word = words[index] & ((1 << (bit % 64)) - 1);
    while word == 0 {
        index -= 1;
        word = words[index];
    }
    index * 64 + 63 - word.leading_zeros() as usize
}

#[cfg(test)]
mod tests {
    use super::nth_one;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_nth_set_bit_is_that_of_a_scan(word in any::<u64>()) {
            let set: Vec<usize> = (0..64).filter(|bit| word >> bit & 1 == 1).collect();
            for (n, &bit) in set.iter().enumerate() {
                prop_assert_eq!(nth_one(word, n), bit);
            }
        }
    }
}
