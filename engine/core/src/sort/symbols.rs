//! The first two symbols of suffixes: what they are dealt out by while the text is read from end to end.
//!
//! A symbol is a token, or two tokens of a byte. Suffixes that begin with a symbol that many begin with are told apart by the next
//! symbol, too: by its *class*, some symbols that follow one another in order, cut so that each class is about as frequent.

use std::ops::Range;

use rayon::prelude::*;

use super::item::{Item, position_of};
use super::part_text::PartText;
use crate::token::{Token, holds_separator};

/// Suffixes that a bucket is to hold, about, at most: what is needed of the text to sort them stays in a cache. In a short text
/// there are fewer.
const MOST_AIMED_AT: u64 = 1 << 13;
const LEAST_AIMED_AT: u64 = 1 << 4;
const BUCKETS_AIMED_AT: u64 = 1 << 10;

/// Classes that the next symbols are cut into, at most, as a power of two.
const MOST_CLASS_BITS: u32 = 14;

/// How finely frequencies are told apart: a symbol's share of this many.
const ALL: u64 = 1 << 24;

/// Positions that are looked at before those that were picked are dealt with.
const PICKED: usize = 1 << 10;

/// Bits of a four-byte token above its lower two bytes that a symbol has, at most.
const MOST_EXTRA_BITS: u32 = 4;

/// How the suffixes of a text begin.
pub(super) struct Symbols<T> {
    extra_bits: u32,
    /// Whether a symbol is whole tokens.
    is_whole: bool,
    token: std::marker::PhantomData<T>,
}

impl<T: Token> Symbols<T> {
    /// Tokens from a symbol to the next.
    const TOKENS: usize = if T::WIDTH == 1 { 2 } else { 1 };

    /// Runs on the current thread pool. Cost: a look at the text if its tokens are of four bytes.
    pub(super) fn new(text: &PartText<T>) -> Self {
        let mut extra_bits = 0;
        let mut is_whole = true;
        if T::WIDTH == 4 {
            let bytes = text.bytes(0..text.len());
            let largest = bytes
                .par_chunks(1 << 20)
                .map(|chunk| {
                    chunk
                        .chunks_exact(T::WIDTH)
                        .map(|token| T::read(token).id())
                        .fold(0, |largest, id| {
                            largest.max(if id == T::SEPARATOR { 0 } else { id })
                        })
                })
                .max()
                .unwrap_or(0);
            extra_bits = u32::BITS - (largest >> 16).leading_zeros();
            if extra_bits > MOST_EXTRA_BITS {
                (extra_bits, is_whole) = (0, false);
            }
        }
        Self {
            extra_bits,
            is_whole,
            token: std::marker::PhantomData,
        }
    }

    /// Returns how many there may be.
    fn num(&self) -> usize {
        (1 << (16 + self.extra_bits)) + usize::from(T::WIDTH == 4)
    }

    /// Returns the symbol that a token begins, `behind` being the next; numbers that order as the bytes of the text do.
    #[inline]
    fn of(&self, token: T, behind: T) -> usize {
        let bytes = token.id().swap_bytes() as usize;
        match T::WIDTH {
            1 if token.is_separator() => (token.id() as usize) << 8,
            1 => (token.id() << 8 | behind.id()) as usize,
            2 => bytes >> 16,
            _ if token.is_separator() => 1 << (16 + self.extra_bits),
            _ => bytes >> 16 << self.extra_bits | bytes >> 8 & ((1 << self.extra_bits) - 1),
        }
    }

    /// Returns the symbol at a position.
    fn at(&self, text: &PartText<T>, position: usize) -> usize {
        let tokens = text.padded_tokens(position..position + 2);
        self.of(tokens[0], tokens[1])
    }

    /// Bytes that suffixes with the same symbol agree in, whole tokens.
    fn bytes(&self) -> usize {
        if self.is_whole { Self::TOKENS * T::WIDTH } else { 0 }
    }
}

/// Into which bucket a suffix is dealt.
pub(super) struct FirstDeal<T> {
    symbols: Symbols<T>,
    /// Of each symbol, its buckets.
    first: Vec<Classes>,
    /// Of each symbol, the share of those before it, with gaps: a class is some of its upper bits.
    quantiles: Vec<u32>,
    /// Of each symbol, the bits of a quantile that it has for itself.
    own_bits: Vec<u8>,
    num_buckets: usize,
}

/// The buckets of suffixes with the same first symbol.
#[derive(Clone, Copy, Default)]
struct Classes {
    bucket: u32,
    shift: u32,
}

impl<T: Token> FirstDeal<T> {
    /// Plans the buckets of the suffixes at positions in `shares`, one for each thread of the current pool. Returns with it how
    /// many suffixes begin with the most frequent symbol that does not end a document.
    pub(super) fn plan(text: &PartText<T>, shares: &[Vec<Range<usize>>]) -> (Self, u32) {
        let symbols = Symbols::new(text);
        let counts = shares
            .par_iter()
            .map(|share| {
                let mut counts = vec![0u32; symbols.num()];
                for range in share {
                    for pair in text.padded_tokens(range.start..range.end + 1).windows(2) {
                        counts[symbols.of(pair[0], pair[1])] += 1;
                    }
                }
                counts
            })
            .reduce_with(|mut sum, counts| {
                sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
                sum
            })
            .unwrap_or_else(|| vec![0; symbols.num()]);
        Self::of_counts(symbols, &counts)
    }

    #[allow(clippy::cast_possible_truncation, reason = "quantiles have 26 bits at most")]
    fn of_counts(symbols: Symbols<T>, counts: &[u32]) -> (Self, u32) {
        let total = counts.iter().map(|&count| u64::from(count)).sum::<u64>().max(1);
        let aimed_at = (total / BUCKETS_AIMED_AT).clamp(LEAST_AIMED_AT, MOST_AIMED_AT);
        let mut quantiles = Vec::with_capacity(counts.len());
        let mut own_bits = Vec::with_capacity(counts.len());
        let mut next = 0u64;
        for &count in counts {
            let share = (u64::from(count) * ALL).div_ceil(total);
            // A frequent one gets a range of its own, that begins and ends between two classes.
            let bits = share.checked_ilog2().unwrap_or(0).saturating_sub(1);
            next = next.next_multiple_of(1 << bits);
            quantiles.push(next as u32);
            own_bits.push(bits as u8);
            next = (next + share).next_multiple_of(1 << bits);
        }
        let bits = next.max(1).ilog2() + 1;
        let mut num_buckets = 0;
        let mut most = 0;
        let first = counts
            .iter()
            .enumerate()
            .map(|(symbol, &count)| {
                let ends = symbols.holds_separator(symbol);
                if !ends {
                    most = most.max(count);
                }
                let wanted = u64::from(count).div_ceil(aimed_at);
                let class_bits = if wanted <= 1 || ends || !symbols.is_whole {
                    0
                } else {
                    (wanted.next_power_of_two().ilog2() + 1).min(MOST_CLASS_BITS)
                };
                let classes = Classes {
                    bucket: num_buckets,
                    shift: bits - class_bits,
                };
                num_buckets += 1 << class_bits;
                classes
            })
            .collect();
        let plan = Self {
            symbols,
            first,
            quantiles,
            own_bits,
            num_buckets: num_buckets as usize,
        };
        (plan, most)
    }

    pub(super) fn num_buckets(&self) -> usize {
        self.num_buckets
    }

    /// Calls `deal` with every position in a range, in order, and the bucket of its suffix.
    #[inline]
    pub(super) fn for_each(
        &self,
        text: &PartText<T>,
        range: Range<usize>,
        mut deal: impl FnMut(usize, usize),
    ) {
        let to_next = Symbols::<T>::TOKENS;
        let tokens = text.padded_tokens(range.start..range.end + to_next + 1);
        for (position, tokens) in range.zip(tokens.windows(to_next + 2)) {
            let classes = self.first[self.symbols.of(tokens[0], tokens[1])];
            let next = self.symbols.of(tokens[to_next], tokens[to_next + 1]);
            deal(
                position,
                (classes.bucket + (self.quantiles[next] >> classes.shift)) as usize,
            );
        }
    }

    /// Calls `pick` with every position in a range, in order, whose suffix begins with one of these symbols: with its bucket, and the
    /// bytes that the suffixes of the bucket agree in.
    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "a part has fewer than 2^32 positions"
    )]
    pub(super) fn pick(
        &self,
        text: &PartText<T>,
        range: Range<usize>,
        symbols: &Range<usize>,
        mut pick: impl FnMut(u32, usize, usize),
    ) {
        let to_next = Symbols::<T>::TOKENS;
        let mut picked = [0u16; PICKED];
        for start in range.clone().step_by(PICKED) {
            let end = range.end.min(start + PICKED);
            let tokens = text.padded_tokens(start..end + to_next + 1);
            // Without a branch that nobody could foresee.
            let mut num_picked = 0;
            for (at, tokens) in tokens[..=end - start].windows(2).enumerate() {
                picked[num_picked] = at as u16;
                let symbol = self.symbols.of(tokens[0], tokens[1]);
                num_picked += usize::from(symbol.wrapping_sub(symbols.start) < symbols.len());
            }
            for &at in &picked[..num_picked] {
                let at = usize::from(at);
                let classes = self.first[self.symbols.of(tokens[at], tokens[at + 1])];
                let next = self.symbols.of(tokens[at + to_next], tokens[at + to_next + 1]);
                let bucket = classes.bucket + (self.quantiles[next] >> classes.shift);
                pick((start + at) as u32, bucket as usize, self.depth_of(classes, next));
            }
        }
    }

    /// Returns the bytes that the suffixes of an item's bucket agree in, whole tokens: where their keys are.
    pub(super) fn depth(&self, text: &PartText<T>, item: Item) -> usize {
        let position = position_of(item) as usize;
        let classes = self.first[self.symbols.at(text, position)];
        self.depth_of(classes, self.symbols.at(text, position + Symbols::<T>::TOKENS))
    }

    #[inline]
    fn depth_of(&self, classes: Classes, next: usize) -> usize {
        let bytes = self.symbols.bytes();
        if classes.shift <= u32::from(self.own_bits[next]) {
            2 * bytes
        } else {
            bytes
        }
    }

    /// Returns the buckets of some symbols.
    pub(super) fn buckets(&self, symbols: &Range<usize>) -> Range<usize> {
        let first = |symbol: usize| {
            self.first
                .get(symbol)
                .map_or(self.num_buckets, |classes| classes.bucket as usize)
        };
        first(symbols.start)..first(symbols.end)
    }

    /// Cuts the symbols into ranges with which at most `most` suffixes begin each, or a single symbol; `ends` are those of the buckets.
    pub(super) fn passes(&self, ends: &[u32], most: usize) -> Vec<Range<usize>> {
        let mut passes = Vec::new();
        let (mut first, mut before) = (0, 0);
        let mut last_end = 0;
        for symbol in 0..self.first.len() {
            let end = self.buckets(&(symbol..symbol + 1)).end;
            let end = ends[end - 1] as usize;
            if end - before > most && last_end > before {
                passes.push(first..symbol);
                (first, before) = (symbol, last_end);
            }
            last_end = end;
        }
        passes.push(first..self.first.len());
        passes
    }
}

impl<T: Token> Symbols<T> {
    fn holds_separator(&self, symbol: usize) -> bool {
        match T::WIDTH {
            4 => symbol == 1 << (16 + self.extra_bits),
            _ => holds_separator::<T>((symbol as u64) << 48),
        }
    }
}
