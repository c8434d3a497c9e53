//! Sorting some suffixes of a part: by eight bytes at a time, as strings are, with the LCPs for free.
//!
//! Suffixes that agree in a key are a *group*, and go on with the next eight bytes; those that agree up to a separator are equal,
//! and stay in the order of their positions. A pair is compared word for word, and so is a group that has agreed for long: its
//! members are compared with the first of them, up to where the first of them leaves.

use super::copies::Copies;
use super::induced::Patience;
use super::part_text::{Agreed, KEY_BYTES, PartText, holds_separator};
use super::ranked::{Entry, Ranked};
use crate::token::Token;

/// A key and a position: numbers that order by the key, then by the position.
type Item = u128;

/// Items that are sorted by comparing them; more are first dealt out by a byte of their keys.
const DEALT_ITEMS: usize = 1024;

/// Bytes after which the members of a group are compared with one another instead of by keys.
const LONG_BYTES: usize = 32;

/// Tokens looked at in long comparisons that are counted together.
const COUNTED_TOKENS: usize = 1 << 14;

/// Groups that may lie inside one another: in all but contrived texts they are few.
const MOST_LEVELS: usize = 48;

/// Sorts buckets of suffixes, one after another, each behind the one before.
pub(crate) struct SuffixOrder<'a, T> {
    text: &'a PartText<T>,
    copies: &'a Copies,
    patience: &'a Patience,
    ranked: Ranked<T>,
    items: Vec<Item>,
    scratch: Vec<Item>,
    ties: Vec<u32>,
    groups: Vec<Group<T>>,
    /// Tokens that were looked at in long comparisons and are not yet counted.
    work: usize,
    /// Groups inside one another.
    level: usize,
    /// Whether comparing takes too long: what is sorted is worth nothing then.
    gave_up: bool,
}

fn item(key: u64, position: u32) -> Item {
    u128::from(key) << 64 | u128::from(position)
}

#[allow(clippy::cast_possible_truncation, reason = "the upper half")]
fn key_of(item: Item) -> u64 {
    (item >> 64) as u64
}

#[allow(clippy::cast_possible_truncation, reason = "the lower half, a position")]
fn position_of(item: Item) -> u32 {
    item as u32
}

/// Suffixes that have the same key.
#[derive(Clone, Copy)]
struct Group<T> {
    /// Of the first.
    entry: Entry<T>,
    /// Where the next group begins.
    end: usize,
    /// Whether it is but one suffix, or all are equal up to a separator.
    is_whole: bool,
}

/// Where a part of a dealt out group belongs.
struct Place<T> {
    /// Of the first of the group.
    entry: Entry<T>,
    /// The last key of the part before.
    before: Option<u64>,
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
            ties: Vec::new(),
            groups: Vec::new(),
            work: 0,
            level: 0,
            gave_up: false,
        }
    }

    /// Sorts suffixes that agree in their first `depth` bytes, a whole number of tokens without a separator, and sort after all
    /// that were sorted before.
    pub(crate) fn sort(&mut self, positions: &[u32], depth: usize) {
        let first = self.ranked.len();
        let mut items = std::mem::take(&mut self.items);
        items.clear();
        let text = self.text;
        items.extend(positions.iter().map(|&position| item(0, position)));
        self.load_keys(&mut items, depth);
        self.sort_group(&mut items, depth, Entry::unknown());
        self.items = items;
        self.ranked.join(text, first);
    }

    /// Puts suffixes that are equal up to a separator, behind all that were sorted before.
    pub(crate) fn put_all_equal(&mut self, positions: &[u32]) {
        let first = self.ranked.len();
        let items: Vec<Item> = positions.iter().map(|&position| item(0, position)).collect();
        self.put_equal(&items, Entry::unknown());
        self.ranked.join(self.text, first);
    }

    /// Returns what was sorted since the last call; `None` if too much of the text was looked at for it.
    pub(crate) fn take(&mut self) -> Option<Ranked<T>> {
        let ranked = std::mem::take(&mut self.ranked);
        self.gave_up |= !self.patience.take(std::mem::take(&mut self.work));
        (!self.gave_up).then_some(ranked)
    }

    /// Sorts a group that has its keys at `depth`, unless it is too deep inside others.
    fn sort_group(&mut self, items: &mut [Item], depth: usize, entry: Entry<T>) {
        if self.work > COUNTED_TOKENS {
            self.gave_up |= !self.patience.take(std::mem::take(&mut self.work));
        }
        self.gave_up |= self.level == MOST_LEVELS;
        if self.gave_up {
            return;
        }
        self.level += 1;
        self.sort_deeper(items, depth, entry);
        self.level -= 1;
    }

    fn sort_deeper(&mut self, items: &mut [Item], depth: usize, entry: Entry<T>) {
        if self.text.ends_text() {
            // Suffixes that the end of the text cuts off within `depth` bytes come first, the shortest before all.
            let whole = self.put_cut_off_first(items, depth);
            if whole > 0 {
                let (cut_off, rest) = items.split_at_mut(whole);
                let entry = self.push_cut_off(cut_off, entry);
                if !rest.is_empty() {
                    self.sort_whole_group(rest, depth, entry);
                }
                return;
            }
        }
        self.sort_whole_group(items, depth, entry);
    }

    fn sort_whole_group(&mut self, items: &mut [Item], depth: usize, entry: Entry<T>) {
        if items.len() <= DEALT_ITEMS {
            items.sort_unstable();
            self.put_sorted(items, depth, entry);
        } else {
            let mut place = Place { entry, before: None };
            self.deal(items, depth, 120, &mut place);
        }
    }

    /// Sorts a large group: deals it out by the byte of its keys at `shift` until few are left together.
    fn deal(&mut self, items: &mut [Item], depth: usize, shift: u32, place: &mut Place<T>) {
        if items.len() <= DEALT_ITEMS || shift < 64 {
            items.sort_unstable();
            let entry = match (place.before, items.first()) {
                (Some(before), Some(&first)) => Entry::between(before, key_of(first), depth),
                _ => place.entry,
            };
            place.before = items.last().map(|&last| key_of(last)).or(place.before);
            self.put_sorted(items, depth, entry);
            return;
        }
        let ends = deal_items(items, &mut self.scratch, shift);
        let mut first = 0;
        for end in ends {
            if end > first {
                self.deal(&mut items[first..end], depth, shift - 8, place);
            }
            first = end;
        }
    }

    /// Puts sorted items, whose keys are at `depth`.
    fn put_sorted(&mut self, items: &mut [Item], depth: usize, entry: Entry<T>) {
        // First all groups are found and get their next keys, which come from all over the text: so many of them are under way
        // at once. Then each is sorted.
        let groups = self.groups.len();
        let next_depth = depth + KEY_BYTES;
        let mut entry = entry;
        let mut first = 0;
        while first < items.len() {
            let key = key_of(items[first]);
            let alike = items[first + 1..]
                .iter()
                .take_while(|&&other| key_of(other) == key);
            let end = first + 1 + alike.count();
            let is_whole = end == first + 1 || holds_separator::<T>(key);
            self.groups.push(Group { entry, end, is_whole });
            if let Some(&next) = items.get(end) {
                entry = Entry::between(key, key_of(next), depth);
            }
            if !is_whole {
                self.load_keys(&mut items[first..end], next_depth);
            }
            first = end;
        }
        let mut first = 0;
        for number in groups..self.groups.len() {
            let Group { entry, end, is_whole } = self.groups[number];
            let group = &mut items[first..end];
            if is_whole {
                self.put_equal(group, entry);
            } else if let &mut [left, right] = group {
                self.put_pair(left, right, next_depth, entry);
            } else if depth >= LONG_BYTES && !self.is_cut_off(group[group.len() - 1], next_depth) {
                self.put_long_group(group, next_depth, entry);
            } else {
                self.sort_group(group, next_depth, entry);
            }
            first = end;
        }
        self.groups.truncate(groups);
    }

    /// Whether the text ends within the first `depth` bytes of a suffix.
    fn is_cut_off(&self, item: Item, depth: usize) -> bool {
        position_of(item) as usize * T::WIDTH + depth > self.text.len() * T::WIDTH
    }

    /// Gives suffixes their keys at `depth`; one that is cut off before has none.
    fn load_keys(&self, items: &mut [Item], depth: usize) {
        for one in items {
            let position = position_of(*one);
            let key = if self.is_cut_off(*one, depth) {
                0
            } else {
                self.text.key(position as usize, depth)
            };
            *one = item(key, position);
        }
    }

    /// Puts two suffixes that have their keys at `depth`.
    fn put_pair(&mut self, left: Item, right: Item, depth: usize, entry: Entry<T>) {
        let (a, b) = (position_of(left) as usize, position_of(right) as usize);
        let (x, y) = (key_of(left), key_of(right));
        let is_near_end = b * T::WIDTH + depth + KEY_BYTES > self.text.len() * T::WIDTH;
        if x != y && !is_near_end {
            let (left, right, x, y) = if x < y {
                (left, right, x, y)
            } else {
                (right, left, y, x)
            };
            self.put_equal(&[left], entry);
            self.put_equal(&[right], Entry::between(x, y, depth));
            return;
        }
        // Past the end of the text keys are zeros: there nothing of them is known.
        let known = if is_near_end { 0 } else { depth / T::WIDTH };
        let agreed = self.text.agreement(a, b, known, usize::MAX);
        self.work += agreed.tokens().saturating_sub(known);
        match agreed {
            Agreed::Until(agreed) => {
                let (x, y) = (self.text.token(a + agreed), self.text.token(b + agreed));
                if x.sort_key() < y.sort_key() {
                    self.put_equal(&[left], entry);
                    self.put_equal(&[right], Entry::new(agreed, y));
                } else {
                    self.put_equal(&[right], entry);
                    self.put_equal(&[left], Entry::new(agreed, x));
                }
            }
            Agreed::ToEnd(agreed) => {
                self.put_equal(&[right], entry);
                self.put_equal(&[left], Entry::new(agreed, self.text.token(a + agreed)));
            }
            Agreed::ToSeparator(_) | Agreed::ToLimit(_) => self.put_equal(&[left, right], entry),
        }
    }

    /// Puts a group that agrees in many tokens: finds how many, and sorts by the key there.
    fn put_long_group(&mut self, group: &mut [Item], depth: usize, entry: Entry<T>) {
        let first = position_of(group[0]) as usize;
        let known = depth / T::WIDTH;
        let mut shared = usize::MAX;
        let mut to_separator = true;
        // The last first: at the end of a run of equal tokens it is the one that agrees least.
        for &member in group[1..].iter().rev() {
            let agreed = self
                .text
                .agreement(first, position_of(member) as usize, known, shared);
            self.work += agreed.tokens().min(shared).saturating_sub(known);
            match agreed {
                Agreed::Until(agreed) | Agreed::ToEnd(agreed) => {
                    shared = agreed;
                    to_separator = false;
                }
                Agreed::ToSeparator(_) | Agreed::ToLimit(_) => {}
            }
        }
        if to_separator {
            self.put_equal(group, entry);
            return;
        }
        let depth = shared * T::WIDTH;
        for member in group.iter_mut() {
            let position = position_of(*member);
            *member = item(self.text.key(position as usize, depth), position);
        }
        self.sort_group(group, depth, entry);
    }

    /// Puts suffixes that are equal up to a separator, and those of the copies of their documents.
    fn put_equal(&mut self, members: &[Item], entry: Entry<T>) {
        if self.copies.is_empty() {
            let mut entry = entry;
            for &member in members {
                self.ranked.push(position_of(member), entry);
                entry = Entry::to_separator();
            }
            return;
        }
        self.ties.clear();
        for &member in members {
            self.copies.push_all(position_of(member), &mut self.ties);
        }
        self.ties.sort_unstable();
        let mut entry = entry;
        for &position in &self.ties {
            self.ranked.push(position, entry);
            entry = Entry::to_separator();
        }
    }

    /// Moves the suffixes that end with the text within `depth` bytes to the front, the shortest first, and returns their number.
    fn put_cut_off_first(&self, items: &mut [Item], depth: usize) -> usize {
        let is_cut_off = |&item: &Item| self.is_cut_off(item, depth);
        if !items.iter().any(is_cut_off) {
            return 0;
        }
        items.sort_unstable_by_key(|item| (!is_cut_off(item), u32::MAX - position_of(*item)));
        items.iter().filter(|item| is_cut_off(item)).count()
    }

    /// Puts suffixes that end with the text, and returns the entry of what follows them.
    fn push_cut_off(&mut self, cut_off: &[Item], entry: Entry<T>) -> Entry<T> {
        let mut entry = entry;
        for &member in cut_off {
            self.ranked.push(position_of(member), entry);
            let length = self.text.len() - position_of(member) as usize;
            entry = Entry::new(length, T::zeroed());
        }
        entry
    }
}

/// Deals items out by the byte of their keys at `shift`, and returns where those with each byte end.
fn deal_items(items: &mut [Item], scratch: &mut Vec<Item>, shift: u32) -> [usize; 256] {
    #[allow(clippy::cast_possible_truncation, reason = "one byte")]
    let byte = |item: Item| usize::from((item >> shift) as u8);
    let mut counts = [0usize; 256];
    for &item in items.iter() {
        counts[byte(item)] += 1;
    }
    let mut next = [0usize; 256];
    let mut sum = 0;
    for (next, count) in next.iter_mut().zip(counts) {
        *next = sum;
        sum += count;
    }
    scratch.clear();
    scratch.extend_from_slice(items);
    for &item in scratch.iter() {
        let to = &mut next[byte(item)];
        items[*to] = item;
        *to += 1;
    }
    next
}
