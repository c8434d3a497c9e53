//! Tokens of one, two and four bytes, and the order that their suffixes are sorted in.

use bytemuck::Pod;

use crate::error::EngineError;

/// Bytes a token takes in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenWidth {
    /// One byte: raw text, 255 ids.
    U8,
    /// Two bytes: up to 65,535 ids.
    U16,
    /// Four bytes.
    U32,
}

impl TokenWidth {
    /// Returns the width of `bytes` bytes: 1, 2 or 4.
    pub fn from_bytes(bytes: usize) -> Result<Self, EngineError> {
        match bytes {
            1 => Ok(Self::U8),
            2 => Ok(Self::U16),
            4 => Ok(Self::U32),
            found => Err(EngineError::TokenWidth { found }),
        }
    }

    /// Returns the width in bytes.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::U16 => 2,
            Self::U32 => 4,
        }
    }
}

/// A token as it stands in the text: little-endian, the largest value being the separator before each document.
pub trait Token: Pod + Ord + Send + Sync {
    /// Bytes a token takes.
    const WIDTH: usize;
    /// The same as a value.
    const WIDTH_KIND: TokenWidth;
    /// The separator, as a token id.
    const SEPARATOR: u32;

    /// Returns the token that begins at `bytes[0]`. Panics if fewer than `WIDTH` bytes are left.
    fn read(bytes: &[u8]) -> Self;

    /// Returns the token with this id, or `None` if it does not fit or is the separator.
    fn from_id(id: u32) -> Option<Self>;

    /// Returns the token's id; the separator as `SEPARATOR`.
    fn id(self) -> u32;

    /// Returns the number that orders tokens as their little-endian bytes do: low byte first, the separator last.
    #[must_use]
    fn sort_key(self) -> Self;

    /// Returns the separator.
    fn separator() -> Self;

    /// Whether this is the separator.
    fn is_separator(self) -> bool {
        self.id() == Self::SEPARATOR
    }
}

macro_rules! impl_token {
    ($int:ty, $kind:ident) => {
        impl Token for $int {
            const WIDTH: usize = size_of::<$int>();
            const WIDTH_KIND: TokenWidth = TokenWidth::$kind;
            const SEPARATOR: u32 = <$int>::MAX as u32;

            #[inline]
            fn read(bytes: &[u8]) -> Self {
                let mut token = [0; size_of::<$int>()];
                token.copy_from_slice(&bytes[..size_of::<$int>()]);
                <$int>::from_le_bytes(token)
            }

            #[inline]
            fn from_id(id: u32) -> Option<Self> {
                <$int>::try_from(id)
                    .ok()
                    .filter(|&token| token != <$int>::MAX)
            }

            #[inline]
            #[allow(clippy::cast_lossless, reason = "u32 as u32 has no From")]
            fn id(self) -> u32 {
                self as u32
            }

            #[inline]
            fn separator() -> Self {
                <$int>::MAX
            }

            #[inline]
            fn sort_key(self) -> Self {
                self.swap_bytes()
            }
        }
    };
}

impl_token!(u8, U8);
impl_token!(u16, U16);
impl_token!(u32, U32);

/// Whether one of the tokens in eight bytes is the separator, all of whose bits are set.
#[inline]
pub(crate) fn holds_separator<T: Token>(word: u64) -> bool {
    let lowest_bits = u64::MAX / u64::from(T::SEPARATOR);
    let highest_bits = lowest_bits << (8 * T::WIDTH - 1);
    let unset = !word;
    unset.wrapping_sub(lowest_bits) & !unset & highest_bits != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sort_key_orders_as_little_endian_bytes() {
        let ids: [u16; 7] = [0, 1, 255, 256, 257, 65_280, u16::MAX];
        for a in ids {
            for b in ids {
                let bytes = a.to_le_bytes().cmp(&b.to_le_bytes());
                assert_eq!(a.sort_key().cmp(&b.sort_key()), bytes, "{a} against {b}");
            }
        }
    }

    #[test]
    fn separator_and_larger_ids_are_no_query_tokens() {
        assert_eq!(<u8 as Token>::from_id(254), Some(254));
        assert_eq!(<u8 as Token>::from_id(255), None);
        assert_eq!(<u16 as Token>::from_id(65_536), None);
        assert_eq!(<u32 as Token>::from_id(u32::MAX), None);
    }
}
