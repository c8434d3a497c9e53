//! The text that suffixes are compared in: in memory, or read as it is needed.

use std::cmp::Ordering;
use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;
use std::sync::PoisonError;

use super::part_text::{Agreed, KEY_BYTES, PartText, mask_past_separator};
use super::ranked::Entry;
use crate::token::Token;

/// Bytes of a suffix that are read from a file at first, and then.
const FIRST_READ_BYTES: usize = 256;
const READ_BYTES: usize = 4096;

/// What the merge and the writers ask of a text of N tokens.
pub(crate) trait SuffixText<T: Token>: Sync {
    /// N.
    fn len(&self) -> usize;

    /// Compares two suffixes, `left` < `right`, that agree in `known` tokens without a separator, for at most `limit` tokens.
    fn agreement(&self, left: usize, right: usize, known: usize, limit: usize) -> Agreed;

    /// Returns the bytes `depth..depth + 8` of a suffix; see [`PartText::key`].
    fn key(&self, position: usize, depth: usize) -> u64;

    /// Returns what reading the text failed with, if it did: all answers since are worth nothing.
    fn failure(&self) -> Option<io::Error>;

    /// Returns the token at a position < N.
    fn token(&self, position: usize) -> T {
        T::read(&self.key(position, 0).to_be_bytes())
    }

    /// Returns some tokens as bytes, as far as there are any, separators among them.
    fn tokens(&self, position: usize, num_tokens: usize) -> Vec<u8>;

    /// Returns the first tokens of a suffix as bytes, at most `num_tokens`, up to its first separator.
    fn prefix(&self, position: usize, num_tokens: usize) -> Vec<u8> {
        let num_tokens = num_tokens.min(self.len() - position);
        let mut prefix = Vec::with_capacity(num_tokens * T::WIDTH + KEY_BYTES);
        while prefix.len() < num_tokens * T::WIDTH {
            prefix.extend_from_slice(&self.key(position, prefix.len()).to_be_bytes());
            let tokens = prefix.chunks_exact(T::WIDTH).map(T::read);
            if let Some(at) = tokens.take(num_tokens).position(Token::is_separator) {
                prefix.truncate((at + 1) * T::WIDTH);
                return prefix;
            }
        }
        prefix.truncate(num_tokens * T::WIDTH);
        prefix
    }

    /// Returns what a suffix shares with the one before it in the suffix array.
    fn entry(&self, before: usize, position: usize) -> Entry<T> {
        match self.agreement(before.min(position), before.max(position), 0, usize::MAX) {
            Agreed::Until(lcp) | Agreed::ToEnd(lcp) => Entry::new(lcp, self.branch(position, lcp)),
            Agreed::ToSeparator(_) | Agreed::ToLimit(_) => Entry::to_separator(),
        }
    }

    /// Returns the token of a suffix at a depth; the separator if the text ends before.
    fn branch(&self, position: usize, depth: usize) -> T {
        let at = position + depth;
        if at < self.len() {
            self.token(at)
        } else {
            T::separator()
        }
    }

    /// Compares two suffixes; those that are equal up to a separator by their positions.
    fn order(&self, one: usize, other: usize) -> Ordering {
        if one == other {
            return Ordering::Equal;
        }
        let (left, right) = (one.min(other), one.max(other));
        let order = match self.agreement(left, right, 0, usize::MAX) {
            Agreed::Until(agreed) => self
                .token(left + agreed)
                .sort_key()
                .cmp(&self.token(right + agreed).sort_key()),
            Agreed::ToEnd(_) => Ordering::Greater,
            Agreed::ToSeparator(_) | Agreed::ToLimit(_) => Ordering::Less,
        };
        if one == left { order } else { order.reverse() }
    }
}

impl<T: Token> SuffixText<T> for PartText<T> {
    fn len(&self) -> usize {
        self.len()
    }

    #[inline]
    fn agreement(&self, left: usize, right: usize, known: usize, limit: usize) -> Agreed {
        self.agreement(left, right, known, limit)
    }

    #[inline]
    fn key(&self, position: usize, depth: usize) -> u64 {
        self.key(position, depth)
    }

    fn failure(&self) -> Option<io::Error> {
        None
    }

    fn token(&self, position: usize) -> T {
        self.token(position)
    }

    fn tokens(&self, position: usize, num_tokens: usize) -> Vec<u8> {
        self.bytes(position..self.len().min(position + num_tokens))
            .to_vec()
    }
}

/// A whole text that is read where it is looked at.
pub(crate) struct TextFile<T> {
    file: File,
    num_tokens: usize,
    failed: Mutex<Option<io::Error>>,
    token: PhantomData<T>,
}

impl<T: Token> TextFile<T> {
    pub(crate) fn new(file: File, num_tokens: usize) -> Self {
        Self {
            file,
            num_tokens,
            failed: Mutex::new(None),
            token: PhantomData,
        }
    }

    /// Reads the bytes from one on into a buffer, as far as there are some, and returns their number.
    fn read(&self, at: usize, buffer: &mut [u8]) -> usize {
        let wanted = buffer.len().min((self.num_tokens * T::WIDTH).saturating_sub(at));
        match self.file.read_exact_at(&mut buffer[..wanted], at as u64) {
            Ok(()) => wanted,
            Err(error) => {
                *self.failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                0
            }
        }
    }
}

impl<T: Token> SuffixText<T> for TextFile<T> {
    fn len(&self) -> usize {
        self.num_tokens
    }

    fn agreement(&self, left: usize, right: usize, known: usize, limit: usize) -> Agreed {
        let (mut a, mut b) = ([0; READ_BYTES], [0; READ_BYTES]);
        let mut agreed = known;
        let mut wanted = FIRST_READ_BYTES;
        loop {
            if agreed >= limit {
                return Agreed::ToLimit(agreed);
            }
            if right + agreed == self.num_tokens {
                return Agreed::ToEnd(agreed);
            }
            let read = self.read((right + agreed) * T::WIDTH, &mut b[..wanted]);
            wanted = READ_BYTES;
            if read == 0 || self.read((left + agreed) * T::WIDTH, &mut a[..read]) == 0 {
                return Agreed::Until(agreed);
            }
            for (x, y) in a[..read]
                .chunks_exact(T::WIDTH)
                .zip(b[..read].chunks_exact(T::WIDTH))
            {
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
        }
    }

    fn key(&self, position: usize, depth: usize) -> u64 {
        let mut bytes = [0; KEY_BYTES];
        self.read(position * T::WIDTH + depth, &mut bytes);
        mask_past_separator::<T>(u64::from_be_bytes(bytes))
    }

    fn tokens(&self, position: usize, num_tokens: usize) -> Vec<u8> {
        let mut bytes = vec![0; num_tokens * T::WIDTH];
        let read = self.read(position * T::WIDTH, &mut bytes);
        bytes.truncate(read);
        bytes
    }

    fn failure(&self) -> Option<io::Error> {
        self.failed.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
