//! Sorting some suffixes of a part: by twelve bytes at a time, as strings are, with the LCPs for free.
//!
//! A bucket comes with its first keys, and is dealt out by their bytes into chunks that fit into a cache. In a chunk, suffixes that
//! agree in a key are a *group*, and go on with the next twelve bytes; those that agree up to a separator are equal, and stay in
//! the order of their positions. A pair is compared word for word, and so is a group that has agreed for long: its members are compared with
//! the first of them, up to where the first of them leaves. All groups of a chunk go on together, level by level, so that their
//! keys, which lie all over the text, are loaded side by side instead of one after another.

use std::mem;
use std::ops::Range;

use super::copies::Copies;
use super::induced::Patience;
use super::item::{Item, byte, first_difference, is_cut_off, key_of, load_keys, position_of};
use super::part_text::{Agreed, LONG_KEY_BYTES, PartText, long_holds_separator};
use super::passages::Passages;
use super::ranked::{Entry, Ranked};
use crate::token::Token;

/// Items of a chunk, at most: they, and what they need of the text, stay in the cache nearest to the core.
const CHUNK_ITEMS: usize = 512;

/// Items that are sorted by comparing them.
const SORTED_ITEMS: usize = 64;

/// Bytes after which the members of a group are compared with one another instead of by keys.
const LONG_BYTES: usize = 32;

/// Sorts buckets of suffixes, one after another, each behind the one before.
pub(crate) struct SuffixOrder<'a, T> {
    text: &'a PartText<T>,
    copies: &'a Copies,
    patience: &'a Patience,
    ranked: Ranked<T>,
    items: Vec<Item>,
    scratch: Vec<Item>,
    chunk: ChunkOrder<T>,
    ties: Vec<u32>,
    /// Whether comparing takes too long: what is sorted is worth nothing then.
    gave_up: bool,
}

/// What is known of a chunk that is being sorted.
struct ChunkOrder<T> {
    /// What each suffix shares with the one before it, as far as that is decided.
    entries: Vec<Entry<T>>,
    /// Groups to sort, and those that come of them.
    groups: Vec<Group>,
    next_groups: Vec<Group>,
    passages: Passages<T>,
    /// Members of groups that were compared with one another.
    compared: usize,
}

/// Suffixes of a chunk that agree in `depth` bytes without a separator, whole tokens.
#[derive(Clone)]
struct Group {
    places: Range<usize>,
    depth: usize,
}

impl<'a, T: Token> SuffixOrder<'a, T> {
    pub(crate) fn new(text: &'a PartText<T>, copies: &'a Copies, patience: &'a Patience) -> Self {
        Self {
            text,
            copies,
            patience,
            ranked: Ranked::default(),
            items: Vec::new(),
            scratch: Vec::new(),
            chunk: ChunkOrder {
                entries: Vec::new(),
                groups: Vec::new(),
                next_groups: Vec::new(),
                passages: Passages::new(),
                compared: 0,
            },
            ties: Vec::new(),
            gave_up: false,
        }
    }

    /// Sorts suffixes behind all that were sorted before. They agree in `depth` bytes, whole tokens without a separator, behind which
    /// their keys are; or in all up to a separator, and are at ascending positions then.
    pub(crate) fn sort(&mut self, items: &[Item], depth: Option<usize>) {
        let rank = self.ranked.len();
        self.ranked.reserve(items.len());
        if let Some(depth) = depth {
            let (mut sorted, mut scratch) = (mem::take(&mut self.items), mem::take(&mut self.scratch));
            sorted.clear();
            sorted.extend_from_slice(items);
            if scratch.len() < items.len() {
                scratch.resize(items.len(), 0);
            }
            self.deal(&mut sorted, &mut scratch[..items.len()], depth, &mut None);
            (self.items, self.scratch) = (sorted, scratch);
        } else {
            self.put_equal(items.iter().copied().map(position_of), Entry::unknown());
        }
        self.ranked.join(self.text, rank);
    }

    /// Returns what was sorted since the last call; `None` if too much of the text was looked at for it.
    pub(crate) fn take(&mut self) -> Option<Ranked<T>> {
        let ranked = mem::take(&mut self.ranked);
        (!self.gave_up).then_some(ranked)
    }

    /// Sorts items of a bucket: deals them out by the first byte in which their keys differ until few are left together, and puts
    /// them chunk by chunk. `before` is the key that was put last.
    fn deal(&mut self, items: &mut [Item], scratch: &mut [Item], depth: usize, before: &mut Option<u128>) {
        let shift = first_difference(items);
        let (Some(shift), true) = (shift, items.len() > SORTED_ITEMS) else {
            items.sort_unstable();
            self.put_chunk(items, depth, before);
            return;
        };
        let ends = deal_out(items, scratch, shift);
        let mut chunk = 0..0;
        let mut first = 0;
        for end in ends {
            if end - first > CHUNK_ITEMS {
                self.put_chunk(&mut scratch[chunk.clone()], depth, before);
                self.deal(&mut scratch[first..end], &mut items[first..end], depth, before);
                chunk = end..end;
            } else {
                if end - chunk.start > CHUNK_ITEMS {
                    self.put_chunk(&mut scratch[chunk.clone()], depth, before);
                    chunk = first..first;
                }
                scratch[first..end].sort_unstable();
                chunk.end = end;
            }
            first = end;
        }
        self.put_chunk(&mut scratch[chunk], depth, before);
    }

    /// Puts a chunk that is sorted by its first keys.
    fn put_chunk(&mut self, items: &mut [Item], depth: usize, before: &mut Option<u128>) {
        let (Some(&first), Some(&last), false) = (items.first(), items.last(), self.gave_up) else {
            return;
        };
        let entry = before.map_or(Entry::unknown(), |before| {
            Entry::between(before, key_of(first), depth)
        });
        *before = Some(key_of(last));
        let (text, chunk) = (self.text, &mut self.chunk);
        chunk.entries.clear();
        chunk.entries.resize(items.len(), entry);
        chunk.split(items, 0..items.len(), depth);
        while !chunk.next_groups.is_empty() {
            for Group { places, depth } in &chunk.next_groups {
                load_keys(text, &mut items[places.clone()], *depth);
            }
            let mut groups = mem::replace(&mut chunk.next_groups, mem::take(&mut chunk.groups));
            for group in groups.drain(..) {
                chunk.sort_group(items, group, text);
            }
            chunk.groups = groups;
            let work = chunk.passages.take_walked() + mem::take(&mut chunk.compared);
            if work > 0 && !self.patience.take(work) {
                chunk.next_groups.clear();
                self.gave_up = true;
                return;
            }
        }
        let mut first = 0;
        while first < items.len() {
            let is_equal = |entry: &&Entry<T>| **entry == Entry::to_separator();
            let end = first
                + 1
                + self.chunk.entries[first + 1..]
                    .iter()
                    .take_while(is_equal)
                    .count();
            let entry = self.chunk.entries[first];
            self.put_equal(items[first..end].iter().copied().map(position_of), entry);
            first = end;
        }
    }

    /// Puts suffixes that are equal up to a separator, and those of the copies of their documents.
    fn put_equal(&mut self, positions: impl Iterator<Item = u32> + Clone, entry: Entry<T>) {
        let mut entry = entry;
        let has_copies = positions
            .clone()
            .any(|position| self.copies.is_concerned(position));
        if !has_copies {
            for position in positions {
                self.ranked.push(position, entry);
                entry = Entry::to_separator();
            }
            return;
        }
        self.ties.clear();
        for position in positions {
            self.copies.push_all(position, &mut self.ties);
        }
        self.ties.sort_unstable();
        for &position in &self.ties {
            self.ranked.push(position, entry);
            entry = Entry::to_separator();
        }
    }
}

impl<T: Token> ChunkOrder<T> {
    /// Finds the groups of items that are sorted by their keys at `depth`, and what the first of each shares with the one before.
    fn split(&mut self, items: &[Item], places: Range<usize>, depth: usize) {
        let mut first = places.start;
        while first < places.end {
            let key = key_of(items[first]);
            let mut end = first + 1;
            while end < places.end && key_of(items[end]) == key {
                end += 1;
            }
            if end > first + 1 {
                if long_holds_separator::<T>(key) {
                    self.entries[first + 1..end].fill(Entry::to_separator());
                } else {
                    self.next_groups.push(Group {
                        places: first..end,
                        depth: depth + LONG_KEY_BYTES,
                    });
                }
            }
            if end < places.end {
                self.entries[end] = Entry::between(key, key_of(items[end]), depth);
            }
            first = end;
        }
    }

    /// Sorts a group that has its keys.
    fn sort_group(&mut self, items: &mut [Item], group: Group, text: &PartText<T>) {
        let Group { mut places, depth } = group;
        // The last is at the largest position.
        if text.ends_text() && is_cut_off(text, items[places.end - 1], depth) {
            places.start += self.put_cut_off_first(&mut items[places.clone()], places.start, depth, text);
        }
        let members = &mut items[places.clone()];
        match members {
            [] | [_] => {}
            [left, right] => {
                let entry = self.sort_pair(left, right, depth, text);
                self.entries[places.end - 1] = entry;
            }
            _ if depth > LONG_BYTES => self.sort_long_group(items, places, depth, text),
            _ => {
                members.sort_unstable();
                self.split(items, places, depth);
            }
        }
    }

    /// Sorts two suffixes, and returns the entry of the second.
    fn sort_pair(&mut self, left: &mut Item, right: &mut Item, depth: usize, text: &PartText<T>) -> Entry<T> {
        let (a, b) = (position_of(*left) as usize, position_of(*right) as usize);
        let (x, y) = (key_of(*left), key_of(*right));
        // Past the end of the text keys are zeros, which say nothing.
        if x != y && b * T::WIDTH + depth + LONG_KEY_BYTES <= text.len() * T::WIDTH {
            if x > y {
                mem::swap(left, right);
            }
            return Entry::between(x.min(y), x.max(y), depth);
        }
        let known = depth / T::WIDTH;
        let agreed = self.passages.agreement(text, a, b, known, usize::MAX);
        let (is_less, lcp) = match agreed {
            Agreed::Until(lcp) => (
                text.token(a + lcp).sort_key() < text.token(b + lcp).sort_key(),
                lcp,
            ),
            Agreed::ToEnd(lcp) => (false, lcp),
            Agreed::ToSeparator(_) | Agreed::ToLimit(_) => return Entry::to_separator(),
        };
        if is_less {
            return Entry::new(lcp, text.token(b + lcp));
        }
        mem::swap(left, right);
        Entry::new(lcp, text.token(a + lcp))
    }

    /// Sorts a group that agrees in many tokens: finds how many, and goes on with the keys there.
    fn sort_long_group(
        &mut self,
        items: &mut [Item],
        places: Range<usize>,
        depth: usize,
        text: &PartText<T>,
    ) {
        let members = &mut items[places.clone()];
        let first = position_of(members[0]) as usize;
        let known = depth / T::WIDTH;
        let mut shared = usize::MAX;
        let mut are_equal = true;
        self.compared += members.len();
        // The last first: at the end of a run of equal tokens it is the one that agrees least.
        for &member in members[1..].iter().rev() {
            let agreed = self
                .passages
                .agreement(text, first, position_of(member) as usize, known, shared);
            if let Agreed::Until(lcp) | Agreed::ToEnd(lcp) = agreed {
                shared = lcp;
                are_equal = false;
            }
        }
        if are_equal {
            self.entries[places.start + 1..places.end].fill(Entry::to_separator());
            return;
        }
        let depth = shared * T::WIDTH;
        load_keys(text, members, depth);
        members.sort_unstable();
        self.split(items, places, depth);
    }

    /// Puts the suffixes that end with the text within `depth` bytes first, the shortest before all, and returns their number.
    fn put_cut_off_first(
        &mut self,
        members: &mut [Item],
        first: usize,
        depth: usize,
        text: &PartText<T>,
    ) -> usize {
        let is_cut_off = |item: Item| is_cut_off(text, item, depth);
        members.sort_unstable_by_key(|&item| {
            let position = position_of(item);
            if is_cut_off(item) {
                (false, u32::MAX - position)
            } else {
                (true, position)
            }
        });
        let cut_off = members.iter().filter(|&&item| is_cut_off(item)).count();
        for (place, &member) in (first + 1..).zip(&members[..cut_off.min(members.len() - 1)]) {
            let length = text.len() - position_of(member) as usize;
            // The token is found when all is sorted: see `Ranked::mend_at_end`.
            self.entries[place] = Entry::new(length, T::separator());
        }
        cut_off
    }
}

/// Deals items out by the byte of their keys at `shift`, and returns where those with each byte end.
fn deal_out(items: &[Item], dealt: &mut [Item], shift: u32) -> [usize; 256] {
    let mut counts = [0usize; 256];
    for &item in items {
        counts[byte(item, shift)] += 1;
    }
    let mut next = [0usize; 256];
    let mut sum = 0;
    for (next, count) in next.iter_mut().zip(counts) {
        *next = sum;
        sum += count;
    }
    for &item in items {
        let to = &mut next[byte(item, shift)];
        dealt[*to] = item;
        *to += 1;
    }
    next
}
