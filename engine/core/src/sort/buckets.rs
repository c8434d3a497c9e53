//! The suffixes of a part, dealt out into buckets by how they begin, some buckets at a time.
//!
//! In each pass over the text the suffixes that begin in some range are picked out, with their keys. So the text is read from end to
//! end, which is quick whatever its size: a look at it out of order costs more than anything else in sorting.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use zerocopy::FromBytes;

use super::item::{Item, byte, first_difference, is_cut_off, item, key_of, load_keys, position_of};
use super::part_text::{LONG_KEY_BYTES, PartText, long_holds_separator};
use super::symbols::FirstDeal;
use crate::huge_buffer::HugeBuffer;
use crate::token::{Token, holds_separator};

/// Passes over a part, about. The items of one take as much memory as the positions of all would.
const PASSES: usize = 4;

/// Items in a bucket that are dealt out again.
const LARGE: usize = 1 << 16;

/// Items that a bucket may hold when it is sorted, whatever their share of the part.
const MOST_IN_A_BUCKET: usize = 1 << 19;

/// Items that one task sorts, at least, unless they are the last.
const TASK_ITEMS: usize = 1 << 15;

/// Bytes that large buckets are dealt out by, at most.
const MOST_DEPTH: usize = 96;

/// Suffixes that begin alike.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) places: Range<usize>,
    /// Bytes before the keys, in which they agree: whole tokens without a separator; `None` if they agree up to a separator.
    pub(crate) depth: Option<usize>,
}

/// All suffixes to sort, and the buckets of the pass that was loaded last.
pub(crate) struct Buckets<T> {
    plan: FirstDeal<T>,
    shares: Vec<Vec<Range<usize>>>,
    /// Of each share, where its next suffix of each bucket goes, counted over all buckets.
    next: Vec<Vec<u32>>,
    ends: Vec<u32>,
    /// Symbols of each pass.
    passes: Vec<Range<usize>>,
    /// Two words an item.
    items: HugeBuffer<u64>,
    loaded: Vec<Bucket>,
    /// Of each task, its buckets.
    tasks: Vec<Range<usize>>,
}

impl<T: Token> Buckets<T> {
    /// Plans the buckets of the positions in `kept`, on the current thread pool. Returns `None` if too many suffixes begin alike:
    /// comparing them would take too long, and too much memory.
    pub(crate) fn plan(text: &PartText<T>, kept: &[Range<usize>]) -> io::Result<Option<Self>> {
        let shares = shares(kept, rayon::current_num_threads());
        let (plan, most) = FirstDeal::plan(text, &shares);
        if most > most_alike(text.len()) {
            return Ok(None);
        }
        let mut next: Vec<Vec<u32>> = shares
            .par_iter()
            .map(|share| {
                let mut counts = vec![0; plan.num_buckets()];
                for range in share {
                    plan.for_each(text, range.clone(), |_, bucket| counts[bucket] += 1);
                }
                counts
            })
            .collect();
        let ends = to_starts(&mut next);
        let passes = plan.passes(&ends, text.len().div_ceil(PASSES));
        let items_of = |pass: &Range<usize>| places(&ends, plan.buckets(pass)).len();
        let items = HugeBuffer::zeroed(2 * passes.iter().map(items_of).max().unwrap_or(0))?;
        Ok(Some(Self {
            plan,
            shares,
            next,
            ends,
            passes,
            items,
            loaded: Vec::new(),
            tasks: Vec::new(),
        }))
    }

    pub(crate) fn num_passes(&self) -> usize {
        self.passes.len()
    }

    /// Picks the suffixes of a pass out of the text, on the current thread pool; each pass once, in order. Returns `false` if too
    /// many of them begin alike.
    pub(crate) fn load(&mut self, text: &PartText<T>, pass: usize) -> io::Result<bool> {
        let symbols = self.passes[pass].clone();
        let buckets = self.plan.buckets(&symbols);
        let all = places(&self.ends, buckets.clone());
        let words = &mut self.items.as_mut_slice()[..2 * all.len()];
        let slots = <[AtomicU64]>::mut_from_bytes(bytemuck::cast_slice_mut(words))
            .map_err(|_| io::Error::other("a buffer is not aligned"))?;
        let (plan, slots) = (&self.plan, &*slots);
        self.shares
            .par_iter()
            .zip(&mut self.next)
            .for_each(|(share, next)| {
                for range in share {
                    plan.pick(text, range.clone(), &symbols, |position, bucket, depth| {
                        let item = item(text, position, depth);
                        let to = &mut next[bucket];
                        let place = 2 * (*to as usize - all.start);
                        *to += 1;
                        #[allow(clippy::cast_possible_truncation, reason = "halves")]
                        for (slot, word) in slots[place..place + 2]
                            .iter()
                            .zip([item as u64, (item >> 64) as u64])
                        {
                            slot.store(word, Ordering::Relaxed);
                        }
                    });
                }
            });
        let items: &mut [Item] = bytemuck::cast_slice_mut(words);
        let ends: Vec<usize> = self.ends[buckets]
            .iter()
            .map(|&end| end as usize - all.start)
            .collect();
        self.loaded = split(items, 0, &ends, |items, first| {
            let depth = plan.depth(text, items[0]);
            let known = text.key(position_of(items[0]) as usize, 0);
            if depth > 0 && holds_separator::<T>(known >> (64 - 8 * depth) << (64 - 8 * depth)) {
                return vec![Bucket {
                    places: first..first + items.len(),
                    depth: None,
                }];
            }
            buckets_of(items, text, first, depth)
        });
        // Each item of a bucket takes 32 bytes while it is sorted: a byte a token, over all threads.
        let most_in_a_bucket = MOST_IN_A_BUCKET.max(text.len() / (32 * rayon::current_num_threads()));
        self.tasks = tasks(&self.loaded);
        Ok(self
            .loaded
            .iter()
            .all(|bucket| bucket.depth.is_none() || bucket.places.len() <= most_in_a_bucket))
    }

    /// Tasks that sort what is loaded in order, one after another.
    pub(crate) fn num_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Returns the buckets of a task, in order, each with its items and the depth of their keys.
    pub(crate) fn task(&self, task: usize) -> impl Iterator<Item = (&[Item], Option<usize>)> {
        let items: &[Item] = bytemuck::cast_slice(self.items.as_slice());
        let buckets = &self.loaded[self.tasks[task].clone()];
        buckets
            .iter()
            .map(|bucket| (&items[bucket.places.clone()], bucket.depth))
    }
}

fn places(ends: &[u32], buckets: Range<usize>) -> Range<usize> {
    let end_before = |bucket: usize| bucket.checked_sub(1).map_or(0, |before| ends[before] as usize);
    end_before(buckets.start)..end_before(buckets.end)
}

/// Returns the buckets of items whose keys are at `depth`: a large one is dealt out again.
fn buckets_of<T: Token>(items: &mut [Item], text: &PartText<T>, first: usize, depth: usize) -> Vec<Bucket> {
    let places = first..first + items.len();
    if items.len() <= LARGE || depth > MOST_DEPTH {
        return vec![Bucket {
            places,
            depth: Some(depth),
        }];
    }
    if let Some(shift) = first_difference(items) {
        let ends = deal_in_place(items, shift);
        return split(items, first, &ends, |items, first| {
            buckets_of(items, text, first, depth)
        });
    }
    if long_holds_separator::<T>(key_of(items[0])) {
        items.sort_unstable();
        return vec![Bucket { places, depth: None }];
    }
    let next = depth + LONG_KEY_BYTES;
    if items.iter().any(|&item| is_cut_off(text, item, next)) {
        return vec![Bucket {
            places,
            depth: Some(depth),
        }];
    }
    load_keys(text, items, next);
    buckets_of(items, text, first, next)
}

/// Returns the buckets of items that were dealt out, from place `first` on.
fn split(
    items: &mut [Item],
    first: usize,
    ends: &[usize],
    buckets_of: impl Fn(&mut [Item], usize) -> Vec<Bucket> + Sync,
) -> Vec<Bucket> {
    let mut rest = items;
    let mut from = 0;
    let mut parts: Vec<(usize, &mut [Item])> = Vec::new();
    for &end in ends {
        if end > from {
            let (part, left) = rest.split_at_mut(end - from);
            parts.push((first + from, part));
            rest = left;
            from = end;
        }
    }
    let buckets: Vec<Vec<Bucket>> = parts
        .into_par_iter()
        .map(|(first, part)| buckets_of(part, first))
        .collect();
    buckets.concat()
}

/// Brings items into the order of their bytes at `shift`, not of one another, and returns where those with each byte end.
fn deal_in_place(items: &mut [Item], shift: u32) -> [usize; 256] {
    let mut ends = [0; 256];
    for &item in &*items {
        ends[byte(item, shift)] += 1;
    }
    let mut next = [0; 256];
    let mut sum = 0;
    for (next, end) in next.iter_mut().zip(&mut ends) {
        *next = sum;
        sum += *end;
        *end = sum;
    }
    for (bucket, &end) in ends.iter().enumerate() {
        while next[bucket] < end {
            let at = next[bucket];
            let to = &mut next[byte(items[at], shift)];
            items.swap(at, *to);
            *to += 1;
        }
    }
    ends
}

/// Returns how many suffixes of a part may begin with the same symbol.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a part has fewer than 2^32 positions"
)]
fn most_alike(num_tokens: usize) -> u32 {
    (num_tokens / 8).max(1 << 21) as u32
}

/// Turns the counts of each share into where its first suffix of each bucket goes, and returns the end of each bucket.
fn to_starts(counts: &mut [Vec<u32>]) -> Vec<u32> {
    let mut sum = 0;
    let num_buckets = counts.first().map_or(0, Vec::len);
    let mut ends = Vec::with_capacity(num_buckets);
    for bucket in 0..num_buckets {
        for share in counts.iter_mut() {
            let count = share[bucket];
            share[bucket] = sum;
            sum += count;
        }
        ends.push(sum);
    }
    ends
}

/// Splits ranges into as many shares of about equal length, in order.
fn shares(kept: &[Range<usize>], num_shares: usize) -> Vec<Vec<Range<usize>>> {
    let total: usize = kept.iter().map(ExactSizeIterator::len).sum();
    let size = total.div_ceil(num_shares).max(1);
    let mut shares = vec![Vec::new()];
    let mut room = size;
    for range in kept {
        let mut range = range.clone();
        while !range.is_empty() {
            if room == 0 {
                shares.push(Vec::new());
                room = size;
            }
            let end = range.end.min(range.start + room);
            room -= end - range.start;
            shares.last_mut().expect("there is one").push(range.start..end);
            range.start = end;
        }
    }
    shares
}

fn tasks(buckets: &[Bucket]) -> Vec<Range<usize>> {
    let mut tasks = Vec::new();
    let mut first = 0;
    let mut size = 0;
    for (number, bucket) in buckets.iter().enumerate() {
        size += bucket.places.len();
        if size >= TASK_ITEMS {
            tasks.push(first..number + 1);
            first = number + 1;
            size = 0;
        }
    }
    if first < buckets.len() {
        tasks.push(first..buckets.len());
    }
    tasks
}
