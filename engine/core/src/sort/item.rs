//! A suffix with its key: what is sorted.

use super::part_text::PartText;
use crate::token::Token;

/// A long key, and a position below it: numbers that order by the key, then by the position.
pub(crate) type Item = u128;

/// Where the key ends.
pub(crate) const LAST_SHIFT: u32 = 32;

/// Returns the item of the suffix at a position, with its key at `depth` bytes.
#[inline]
pub(crate) fn item<T: Token>(text: &PartText<T>, position: u32, depth: usize) -> Item {
    text.long_key(position as usize, depth) | u128::from(position)
}

/// Returns the key, where it stands.
#[inline]
pub(crate) fn key_of(item: Item) -> u128 {
    item >> LAST_SHIFT << LAST_SHIFT
}

#[inline]
#[allow(clippy::cast_possible_truncation, reason = "the lower bits, a position")]
pub(crate) fn position_of(item: Item) -> u32 {
    item as u32
}

/// Returns the lowest of the eight bits that begin with the first in which keys differ; `None` if they are all the same.
#[inline]
pub(crate) fn first_difference(items: &[Item]) -> Option<u32> {
    let first = *items.first()?;
    let differing = items.iter().fold(0, |bits, item| bits | (item ^ first)) >> LAST_SHIFT;
    Some(LAST_SHIFT + differing.checked_ilog2()?.saturating_sub(7))
}

/// Returns the eight bits of an item at `shift`.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "one byte")]
pub(crate) fn byte(item: Item, shift: u32) -> usize {
    usize::from((item >> shift) as u8)
}

/// Gives suffixes their keys at `depth`; those that end with the text before have zeros.
pub(crate) fn load_keys<T: Token>(text: &PartText<T>, items: &mut [Item], depth: usize) {
    for one in items {
        *one = item(text, position_of(*one), depth);
    }
}

/// Whether the text ends within the first `depth` bytes of a suffix.
pub(crate) fn is_cut_off<T: Token>(text: &PartText<T>, item: Item, depth: usize) -> bool {
    position_of(item) as usize * T::WIDTH + depth > text.len() * T::WIDTH
}
