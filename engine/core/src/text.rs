//! The tokens of a shard, and the comparison of a query with the suffix at a position.

use std::cmp::Ordering;
use std::marker::PhantomData;
use std::ops::Range;

use crate::error::EngineError;
use crate::mapped::MappedFile;
use crate::token::{Token, holds_separator};

/// The mapped tokens of a shard; position i is token i, separators included.
#[derive(Debug)]
pub(crate) struct Text<T> {
    file: MappedFile,
    num_tokens: usize,
    token: PhantomData<T>,
}

/// How the suffix at a position compares with a query.
pub(crate) struct Comparison {
    /// Length of their longest common prefix, in tokens.
    pub(crate) lcp: usize,
    /// The suffix against the query; equal if the suffix begins with the whole query.
    pub(crate) order: Ordering,
}

impl<T: Token> Text<T> {
    /// Checks that the file is a whole number of tokens and begins with a separator.
    pub(crate) fn new(file: MappedFile) -> Result<Self, EngineError> {
        if !file.len().is_multiple_of(T::WIDTH) {
            return Err(EngineError::NotAMultiple {
                path: file.path().to_path_buf(),
                found: file.size(),
                unit: T::WIDTH as u64,
            });
        }
        let text = Self {
            num_tokens: file.len() / T::WIDTH,
            file,
            token: PhantomData,
        };
        if !text.token(0).is_separator() {
            return Err(EngineError::NoLeadingSeparator {
                path: text.file.path().to_path_buf(),
            });
        }
        Ok(text)
    }

    /// N: tokens and separators.
    pub(crate) fn len(&self) -> usize {
        self.num_tokens
    }

    /// Returns the token at a position < N.
    #[inline]
    pub(crate) fn token(&self, position: usize) -> T {
        T::read(&self.file[position * T::WIDTH..])
    }

    /// Returns the bytes of the tokens at positions `start..end`, end <= N.
    pub(crate) fn bytes(&self, start: usize, end: usize) -> &[u8] {
        &self.file[start * T::WIDTH..end * T::WIDTH]
    }

    pub(crate) fn file(&self) -> &MappedFile {
        &self.file
    }

    /// Returns where in the file `num_tokens` tokens from `position` on are, as far as there are any.
    #[inline]
    pub(crate) fn extent(&self, position: usize, num_tokens: usize) -> Range<usize> {
        let end = self.num_tokens.min(position + num_tokens);
        position * T::WIDTH..end * T::WIDTH
    }

    /// Returns the tokens at positions `start..end`, end <= N.
    pub(crate) fn tokens(&self, start: usize, end: usize) -> impl ExactSizeIterator<Item = T> + Clone {
        self.bytes(start, end).chunks_exact(T::WIDTH).map(T::read)
    }

    /// Compares the suffix at `position` with `query`, whose first `known` tokens are known to agree.
    ///
    /// A suffix that the end of the text cuts off sorts before everything. In a corrupt table it may end within the
    /// known tokens; it then counts as cut off there.
    #[inline]
    pub(crate) fn compare(&self, position: usize, query: &[T], known: usize) -> Comparison {
        let mut lcp = known.min(self.num_tokens - position);
        let suffix = self.file[(position + lcp) * T::WIDTH..].chunks_exact(T::WIDTH);
        for (bytes, &wanted) in suffix.zip(&query[lcp..]) {
            let token = T::read(bytes);
            if token != wanted {
                let order = token.sort_key().cmp(&wanted.sort_key());
                return Comparison { lcp, order };
            }
            lcp += 1;
        }
        let order = if lcp == query.len() {
            Ordering::Equal
        } else {
            Ordering::Less
        };
        Comparison { lcp, order }
    }

    /// Compares two suffixes for at least `limit` tokens, unless they differ or end before.
    pub(crate) fn agreement(&self, left: usize, right: usize, limit: usize) -> Agreement {
        let tokens_per_word = size_of::<u64>() / T::WIDTH;
        let mut agreed = 0;
        while agreed < limit {
            let (left, right) = (left + agreed, right + agreed);
            if let (Some(a), Some(b)) = (self.word(left), self.word(right))
                && a == b
                && !holds_separator::<T>(a)
            {
                agreed += tokens_per_word;
                continue;
            }
            if left.max(right) >= self.num_tokens || self.token(left) != self.token(right) {
                break;
            }
            if self.token(left).is_separator() {
                return Agreement::ToSeparator;
            }
            agreed += 1;
        }
        Agreement::Until(agreed)
    }

    /// Returns the eight bytes from a position on, unless the text ends before.
    #[inline]
    fn word(&self, position: usize) -> Option<u64> {
        let at = position * T::WIDTH;
        let bytes = self.file.get(at..at + size_of::<u64>())?;
        bytes.try_into().ok().map(u64::from_le_bytes)
    }
}

/// How far two suffixes are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// They agree in so many tokens. If that is below the limit of the comparison, they differ in the next, or one ends.
    Until(usize),
    /// They agree up to a separator, past which nothing is compared.
    ToSeparator,
}
