//! The positions of a part, dealt out by the first bytes of their suffixes.

use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;
use zerocopy::FromBytes;

use super::part_text::PartText;
use super::symbols::FirstDeal;
use crate::huge_buffer::HugeBuffer;
use crate::token::{Token, holds_separator};

/// Bytes that positions are dealt out by at a time, and the buckets that makes.
const DEALT_BYTES: usize = 2;
const BUCKETS: usize = 1 << (8 * DEALT_BYTES);

/// Positions in a bucket that are dealt out again.
const LARGE: usize = 1 << 16;

/// Positions that a bucket may hold when it is sorted, whatever their share of the part.
const MOST_IN_A_BUCKET: usize = 1 << 19;

/// Positions that one task sorts, at least, unless they are the last.
const TASK_POSITIONS: usize = 1 << 15;

/// How often a bucket is dealt out again, at most.
const MOST_LEVELS: usize = 16;

/// Positions whose suffixes agree in some bytes.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    pub(crate) places: Range<usize>,
    /// Bytes they agree in, whole tokens without a separator; `None` if that is all up to a separator.
    pub(crate) depth: Option<usize>,
}

/// All positions to sort, by bucket.
pub(crate) struct Buckets {
    positions: HugeBuffer<u32>,
    all: Vec<Bucket>,
    /// Of each task, its buckets.
    tasks: Vec<Range<usize>>,
}

impl Buckets {
    /// Deals out the positions in `kept`, on the current thread pool. Those in a bucket whose suffixes are equal ascend. Returns
    /// `None` if too many suffixes begin alike: comparing them would take too long, and too much memory.
    pub(crate) fn deal<T: Token>(text: &PartText<T>, kept: &[Range<usize>]) -> io::Result<Option<Self>> {
        let num_positions = kept.iter().map(ExactSizeIterator::len).sum();
        let mut positions = HugeBuffer::<u32>::zeroed(num_positions)?;
        let shares = shares(kept, rayon::current_num_threads());
        let (plan, most) = FirstDeal::plan(text, &shares);
        if most > most_alike(text.len()) {
            return Ok(None);
        }
        let mut counts: Vec<Vec<u32>> = shares
            .par_iter()
            .map(|share| {
                let mut counts = vec![0; plan.num_buckets()];
                for range in share {
                    plan.for_each(text, range.clone(), |_, bucket| counts[bucket] += 1);
                }
                counts
            })
            .collect();
        let ends = to_starts(&mut counts);
        let slots = <[AtomicU32]>::mut_from_bytes(bytemuck::cast_slice_mut(positions.as_mut_slice()))
            .map_err(|_| io::Error::other("a buffer is not aligned"))?;
        let slots = &*slots;
        shares.par_iter().zip(counts).for_each(|(share, mut next)| {
            for range in share {
                #[allow(
                    clippy::cast_possible_truncation,
                    reason = "a part has fewer than 2^32 positions"
                )]
                plan.for_each(text, range.clone(), |position, bucket| {
                    let to = &mut next[bucket];
                    slots[*to as usize].store(position as u32, Ordering::Relaxed);
                    *to += 1;
                });
            }
        });
        let buckets = split(positions.as_mut_slice(), 0, &ends, |positions, first| {
            let level = Level::<T>::after(plan.digits(text, positions));
            level.buckets_of(positions, text, first, 0)
        });
        // Each suffix of a bucket takes 32 bytes while it is sorted: a byte a token, over all threads.
        let most_in_a_bucket = MOST_IN_A_BUCKET.max(text.len() / (32 * rayon::current_num_threads()));
        if buckets
            .iter()
            .any(|bucket| bucket.depth.is_some() && bucket.places.len() > most_in_a_bucket)
        {
            return Ok(None);
        }
        let tasks = tasks(&buckets);
        Ok(Some(Self {
            positions,
            all: buckets,
            tasks,
        }))
    }

    /// Tasks that sort all of it in order, one after another.
    pub(crate) fn num_tasks(&self) -> usize {
        self.tasks.len()
    }

    /// Returns the buckets of a task, in order, each with its positions.
    pub(crate) fn task(&self, task: usize) -> impl Iterator<Item = (&[u32], Option<usize>)> {
        let buckets = &self.all[self.tasks[task].clone()];
        buckets
            .iter()
            .map(|bucket| (&self.positions.as_slice()[bucket.places.clone()], bucket.depth))
    }
}

/// Which two bytes of a suffix decide.
#[derive(Clone, Copy)]
struct Level<T> {
    number: usize,
    token: std::marker::PhantomData<T>,
}

impl<T: Token> Level<T> {
    /// The level behind this many times two bytes.
    fn after(number: usize) -> Self {
        Self {
            number,
            token: std::marker::PhantomData,
        }
    }

    fn next(self) -> Self {
        Self {
            number: self.number + 1,
            ..self
        }
    }

    /// Whole tokens before the two bytes, in bytes.
    fn depth(self) -> usize {
        self.number * DEALT_BYTES / T::WIDTH * T::WIDTH
    }

    /// Returns the two bytes of the suffix at a position, in order.
    #[inline]
    #[allow(clippy::cast_possible_truncation, reason = "two bytes")]
    fn digit(self, text: &PartText<T>, position: usize) -> u16 {
        let depth = self.depth();
        let shift = 48 - 8 * (self.number * DEALT_BYTES - depth);
        (text.key(position, depth) >> shift) as u16
    }

    /// Returns the buckets of positions whose suffixes agree in the two bytes of all levels before this one, those from `known`
    /// bytes on being new: a large one is dealt out again.
    fn buckets_of(
        self,
        positions: &mut [u32],
        text: &PartText<T>,
        first: usize,
        known: usize,
    ) -> Vec<Bucket> {
        let depth = self.depth();
        let ends_in_separator = depth > known && {
            let word = text.key(positions[0] as usize, known);
            let unknown = 64 - 8 * (depth - known);
            holds_separator::<T>(word >> unknown << unknown)
        };
        if ends_in_separator {
            positions.sort_unstable();
        }
        let is_cut_off = |&position: &u32| position as usize * T::WIDTH + depth > text.len() * T::WIDTH;
        if ends_in_separator
            || positions.len() <= LARGE
            || self.number >= MOST_LEVELS
            || positions.iter().any(is_cut_off)
        {
            let places = first..first + positions.len();
            let depth = (!ends_in_separator).then_some(depth);
            return vec![Bucket { places, depth }];
        }
        // The text is looked at once: it costs more than anything else here.
        let digits = positions
            .iter()
            .map(|&position| self.digit(text, position as usize));
        let ends = deal_in_place(positions, digits.collect());
        split(positions, first, &ends, |positions, first| {
            self.next().buckets_of(positions, text, first, depth)
        })
    }
}

/// Returns the buckets of positions that were dealt out, from place `first` on.
fn split(
    positions: &mut [u32],
    first: usize,
    ends: &[u32],
    buckets_of: impl Fn(&mut [u32], usize) -> Vec<Bucket> + Sync,
) -> Vec<Bucket> {
    let mut rest = positions;
    let mut from = 0;
    let mut parts: Vec<(usize, &mut [u32])> = Vec::new();
    for &end in ends {
        let end = end as usize;
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

/// Brings positions into the order of their digits, not of one another, and returns where those with each digit end.
///
/// In place: all threads deal at once, and the digits alone are up to two bytes for each token in a large bucket.
fn deal_in_place(positions: &mut [u32], mut digits: Vec<u16>) -> Vec<u32> {
    let mut counts = vec![vec![0; BUCKETS]];
    for &digit in &digits {
        counts[0][usize::from(digit)] += 1;
    }
    let ends = to_starts(&mut counts);
    let [next] = &mut counts[..] else {
        unreachable!("there is one share");
    };
    for (bucket, &end) in ends.iter().enumerate() {
        while next[bucket] < end {
            let at = next[bucket] as usize;
            let to = &mut next[usize::from(digits[at])];
            positions.swap(at, *to as usize);
            digits.swap(at, *to as usize);
            *to += 1;
        }
    }
    ends
}

/// Returns how many suffixes of a part may begin with the same two bytes.
#[allow(
    clippy::cast_possible_truncation,
    reason = "a part has fewer than 2^32 positions"
)]
fn most_alike(num_tokens: usize) -> u32 {
    (num_tokens / 8).max(1 << 21) as u32
}

/// Turns the counts of each share into where its first position of each bucket goes, and returns the end of each bucket.
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
        if size >= TASK_POSITIONS {
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
