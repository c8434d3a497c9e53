//! The tokens of a part of a shard, in memory, and how two of its suffixes compare.
//!
//! Suffixes are compared by their bytes, eight at a time: tokens are little-endian, and their order is that of the bytes
//! as they stand in the file.

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;

use crate::huge_buffer::HugeBuffer;
use crate::token::{Token, holds_separator};

/// Bytes of a suffix that are compared at once.
pub(crate) const KEY_BYTES: usize = 8;

/// Bytes behind the text: a separator, unless the part ends the text, and zeros, so that every key can be loaded.
const PADDING: usize = 64;

const READ_BYTES: usize = 4 << 20;

/// Bytes of a long key, and the bits of a number that they are.
pub(crate) const LONG_KEY_BYTES: usize = 12;
const LONG_KEY: u128 = !(u32::MAX as u128);

/// The tokens of whole documents, a separator before each; position i is the i-th of them.
pub(crate) struct PartText<T> {
    bytes: HugeBuffer<u8>,
    num_tokens: usize,
    ends_text: bool,
    token: PhantomData<T>,
}

/// How far two suffixes agree, in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreed {
    /// They differ in the next token.
    Until(usize),
    /// The one at the larger position ends with the text.
    ToEnd(usize),
    /// They are equal up to a separator, after so many tokens, past which nothing is compared.
    ToSeparator(usize),
    /// As many as were asked for.
    ToLimit(usize),
}

impl Agreed {
    /// Returns the number of tokens, a separator not counted.
    pub(crate) fn tokens(self) -> usize {
        match self {
            Self::Until(tokens) | Self::ToEnd(tokens) | Self::ToSeparator(tokens) | Self::ToLimit(tokens) => {
                tokens
            }
        }
    }
}

impl<T: Token> PartText<T> {
    /// Reads the tokens at positions `range` of the text in `file`, which begin with a separator and end before one or with the
    /// text (`ends_text`).
    pub(crate) fn read(file: &File, range: Range<u64>, ends_text: bool) -> io::Result<Self> {
        let num_tokens = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
        let len = num_tokens * T::WIDTH;
        let mut bytes = HugeBuffer::<u8>::zeroed(len + PADDING)?;
        let start = range.start * T::WIDTH as u64;
        let (text, padding) = bytes.as_mut_slice().split_at_mut(len);
        text.par_chunks_mut(READ_BYTES)
            .enumerate()
            .try_for_each(|(number, chunk)| {
                file.read_exact_at(chunk, start + (number * READ_BYTES) as u64)
            })?;
        if !ends_text {
            padding[..T::WIDTH].fill(u8::MAX);
        }
        Ok(Self {
            bytes,
            num_tokens,
            ends_text,
            token: PhantomData,
        })
    }

    /// Tokens and separators.
    pub(crate) fn len(&self) -> usize {
        self.num_tokens
    }

    pub(crate) fn ends_text(&self) -> bool {
        self.ends_text
    }

    /// Returns the bytes of the tokens at some positions.
    pub(crate) fn bytes(&self, positions: Range<usize>) -> &[u8] {
        &self.bytes.as_slice()[positions.start * T::WIDTH..positions.end * T::WIDTH]
    }

    /// Returns the bytes of the first tokens, the separator behind a part being one more.
    pub(crate) fn padded(&self, num_tokens: usize) -> &[u8] {
        &self.bytes.as_slice()[..num_tokens * T::WIDTH]
    }

    /// Returns the tokens at some positions, of which at most eight are behind the text: a separator, if the part does not end the
    /// text, and zeros.
    pub(crate) fn padded_tokens(&self, positions: Range<usize>) -> &[T] {
        &bytemuck::cast_slice(&self.bytes.as_slice()[..(self.num_tokens + 8) * T::WIDTH])[positions]
    }

    /// Returns the positions of every document of at least so many tokens, its separator included, in order. Runs on the current
    /// thread pool.
    pub(crate) fn documents(&self, least_tokens: usize) -> Vec<Range<usize>> {
        let per_chunk = READ_BYTES / T::WIDTH;
        let chunks: Vec<Separators> = self
            .padded(self.num_tokens)
            .par_chunks(READ_BYTES)
            .enumerate()
            .map(|(number, chunk)| Separators::find::<T>(chunk, number * per_chunk, least_tokens))
            .collect();
        let mut documents = Vec::new();
        let mut start = 0;
        for chunk in chunks {
            if let Some((first, last)) = chunk.ends {
                if first - start >= least_tokens {
                    documents.push(start..first);
                }
                documents.extend(chunk.documents);
                start = last;
            }
        }
        if self.num_tokens - start >= least_tokens {
            documents.push(start..self.num_tokens);
        }
        documents
    }

    /// Returns the token at a position < N.
    #[inline]
    pub(crate) fn token(&self, position: usize) -> T {
        T::read(&self.bytes.as_slice()[position * T::WIDTH..])
    }

    /// Returns the bytes `depth..depth + 8` of the suffix at a position as a number that orders as they do; those past a separator,
    /// and past the end of the text, are zeros. The bytes before must hold no separator.
    #[inline]
    pub(crate) fn key(&self, position: usize, depth: usize) -> u64 {
        mask_past_separator::<T>(self.word(position * T::WIDTH + depth))
    }

    /// Returns the bytes `depth..depth + 12` of the suffix at a position as [`PartText::key`] does, in the upper 96 bits.
    #[inline]
    pub(crate) fn long_key(&self, position: usize, depth: usize) -> u128 {
        let at = (position * T::WIDTH + depth).min(self.num_tokens * T::WIDTH);
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.bytes.as_slice()[at..at + 16]);
        mask_long_past_separator::<T>(u128::from_be_bytes(bytes) & LONG_KEY)
    }

    /// Returns eight bytes of the text, in order; those behind its end are zeros, but for the separator behind a part.
    #[inline]
    fn word(&self, at: usize) -> u64 {
        let at = at.min(self.num_tokens * T::WIDTH);
        let mut bytes = [0; KEY_BYTES];
        bytes.copy_from_slice(&self.bytes.as_slice()[at..at + KEY_BYTES]);
        u64::from_be_bytes(bytes)
    }

    /// Compares two suffixes, `left` < `right`, that agree in `known` tokens without a separator, for at most `limit` tokens.
    pub(crate) fn agreement(&self, left: usize, right: usize, known: usize, limit: usize) -> Agreed {
        debug_assert!(left < right);
        let text = &self.bytes.as_slice()[..self.num_tokens * T::WIDTH];
        let (mut a, mut b) = (
            &text[(left + known) * T::WIDTH..],
            &text[(right + known) * T::WIDTH..],
        );
        let mut agreed = known;
        let tokens_per_block = BLOCK_BYTES / T::WIDTH;
        while agreed < limit
            && let (Some((x, rest_a)), Some((y, rest_b))) = (a.split_first_chunk(), b.split_first_chunk())
            && is_equal_without_separator::<T>(x, y)
        {
            (a, b) = (rest_a, rest_b);
            agreed += tokens_per_block;
        }
        for (x, y) in a.chunks_exact(T::WIDTH).zip(b.chunks_exact(T::WIDTH)) {
            if agreed >= limit {
                return Agreed::ToLimit(agreed);
            }
            if x != y {
                return Agreed::Until(agreed);
            }
            if T::read(x).is_separator() {
                return Agreed::ToSeparator(agreed);
            }
            agreed += 1;
        }
        if agreed >= limit {
            Agreed::ToLimit(agreed)
        } else if self.ends_text {
            Agreed::ToEnd(agreed)
        } else if self.token(left + agreed).is_separator() {
            // Behind the part comes a separator.
            Agreed::ToSeparator(agreed)
        } else {
            Agreed::Until(agreed)
        }
    }
}

/// The separators of some tokens: the first and the last, and the long documents between them.
struct Separators {
    ends: Option<(usize, usize)>,
    documents: Vec<Range<usize>>,
}

impl Separators {
    /// Looks through the bytes of the tokens from position `first` on.
    fn find<T: Token>(bytes: &[u8], first: usize, least_tokens: usize) -> Self {
        let per_block = BLOCK_BYTES / T::WIDTH;
        let mut ends: Option<(usize, usize)> = None;
        let mut documents = Vec::new();
        for (number, block) in bytes.chunks(BLOCK_BYTES).enumerate() {
            let tokens = block.chunks_exact(T::WIDTH).map(T::read);
            // Without an early exit the compiler compares all tokens at once.
            if !tokens
                .clone()
                .fold(false, |any, token| any | token.is_separator())
            {
                continue;
            }
            for (at, _) in tokens.enumerate().filter(|(_, token)| token.is_separator()) {
                let position = first + number * per_block + at;
                match &mut ends {
                    None => ends = Some((position, position)),
                    Some((_, last)) => {
                        if position - *last >= least_tokens {
                            documents.push(*last..position);
                        }
                        *last = position;
                    }
                }
            }
        }
        Self { ends, documents }
    }
}

const BLOCK_BYTES: usize = 32;

/// Whether two blocks are the same and hold no separator. The compiler compares all of them at once.
#[inline]
fn is_equal_without_separator<T: Token>(a: &[u8; BLOCK_BYTES], b: &[u8; BLOCK_BYTES]) -> bool {
    a == b
        && !a
            .chunks_exact(T::WIDTH)
            .fold(false, |any, token| any | T::read(token).is_separator())
}

/// Returns eight bytes of a text, in order, with zeros behind their first separator.
#[inline]
pub(crate) fn mask_past_separator<T: Token>(word: u64) -> u64 {
    if holds_separator::<T>(word) {
        to_first_separator::<T>(word)
    } else {
        word
    }
}

/// The same of the bytes of a long key.
#[inline]
fn mask_long_past_separator<T: Token>(key: u128) -> u128 {
    if long_holds_separator::<T>(key) {
        to_first_separator_of_long::<T>(key)
    } else {
        key
    }
}

/// Whether one of the tokens of a long key is the separator.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "halves")]
pub(crate) fn long_holds_separator<T: Token>(key: u128) -> bool {
    holds_separator::<T>((key >> 64) as u64) | holds_separator::<T>(key as u64)
}

#[cold]
#[allow(clippy::cast_possible_truncation, reason = "halves")]
fn to_first_separator_of_long<T: Token>(key: u128) -> u128 {
    let (high, low) = ((key >> 64) as u64, key as u64);
    if holds_separator::<T>(high) {
        u128::from(to_first_separator::<T>(high)) << 64
    } else {
        key >> 64 << 64 | u128::from(to_first_separator::<T>(low))
    }
}

#[cold]
fn to_first_separator<T: Token>(word: u64) -> u64 {
    let separator = u64::from(T::SEPARATOR);
    let bits = 8 * T::WIDTH;
    for kept in 1..=KEY_BYTES / T::WIDTH {
        let shift = 64 - kept * bits;
        if word >> shift & separator == separator {
            return word >> shift << shift;
        }
    }
    word
}
