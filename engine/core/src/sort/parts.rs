//! A shard cut into parts: whole documents each, of about equal length.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use crate::token::Token;

const READ_BYTES: usize = 1 << 16;

/// Returns where each part begins, and last where the text ends: each at the first document that begins at or behind its share of
/// the `num_tokens` tokens. Parts may be empty.
pub(crate) fn part_bounds<T: Token>(text: &File, num_tokens: u64, num_parts: u64) -> io::Result<Vec<u64>> {
    let mut bounds = vec![0];
    for part in 1..num_parts {
        let share = u64::try_from(u128::from(num_tokens) * u128::from(part) / u128::from(num_parts))
            .map_err(io::Error::other)?;
        let from = share.max(bounds[bounds.len() - 1]);
        bounds.push(next_separator::<T>(text, num_tokens, from)?);
    }
    bounds.push(num_tokens);
    Ok(bounds)
}

fn next_separator<T: Token>(text: &File, num_tokens: u64, from: u64) -> io::Result<u64> {
    let width = T::WIDTH as u64;
    let mut bytes = vec![0; READ_BYTES];
    let mut position = from;
    while position < num_tokens {
        let wanted =
            usize::try_from((num_tokens - position) * width).map_or(READ_BYTES, |left| left.min(READ_BYTES));
        text.read_exact_at(&mut bytes[..wanted], position * width)?;
        let mut tokens = bytes[..wanted].chunks_exact(T::WIDTH).map(T::read);
        if let Some(at) = tokens.position(Token::is_separator) {
            return Ok(position + at as u64);
        }
        position += (wanted / T::WIDTH) as u64;
    }
    Ok(num_tokens)
}

/// Returns a part's positions.
pub(crate) fn part_range(bounds: &[u64], part: usize) -> Range<u64> {
    bounds[part]..bounds[part + 1]
}
