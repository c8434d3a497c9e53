//! How often each token occurs in a shard, from its unigram file.

use crate::error::EngineError;
use crate::mapped::MappedFile;

/// Counts by token id, ascending; the separator is among them.
#[derive(Debug)]
pub(crate) struct UnigramCounts {
    token_ids: Vec<u32>,
    counts: Vec<u64>,
}

impl UnigramCounts {
    /// Parses lines of `token_id count` and checks that they add up to `num_tokens`.
    ///
    /// The oldest indexes hold one `count` a line, the token id being the line's number; they are read too.
    pub(crate) fn parse(file: &MappedFile, num_tokens: usize) -> Result<Self, EngineError> {
        let mut counts = Self {
            token_ids: Vec::new(),
            counts: Vec::new(),
        };
        let mut total = 0_u64;
        for (number, line) in file.split(|&byte| byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let (token_id, count) = parse_line(line, number).ok_or_else(|| malformed(file, number))?;
            if counts.token_ids.last().is_some_and(|&last| last >= token_id) {
                return Err(malformed(file, number));
            }
            total = total.checked_add(count).ok_or_else(|| malformed(file, number))?;
            counts.token_ids.push(token_id);
            counts.counts.push(count);
        }
        if total != num_tokens as u64 {
            return Err(EngineError::UnigramTotal {
                path: file.path().to_path_buf(),
                found: total,
                expected: num_tokens as u64,
            });
        }
        Ok(counts)
    }

    /// Returns the count of a token id; 0 if the file does not list it.
    pub(crate) fn count(&self, token_id: u32) -> u64 {
        self.token_ids
            .binary_search(&token_id)
            .map_or(0, |at| self.counts[at])
    }

    /// Returns the listed token ids, ascending.
    pub(crate) fn token_ids(&self) -> &[u32] {
        &self.token_ids
    }

    /// RAM held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        12 * self.token_ids.len()
    }
}

fn parse_line(line: &[u8], number: usize) -> Option<(u32, u64)> {
    let line = str::from_utf8(line).ok()?;
    match line.split_once(' ') {
        Some((token_id, count)) => Some((token_id.parse().ok()?, count.parse().ok()?)),
        None => Some((u32::try_from(number).ok()?, line.parse().ok()?)),
    }
}

fn malformed(file: &MappedFile, number: usize) -> EngineError {
    EngineError::UnigramLine {
        path: file.path().to_path_buf(),
        line: number + 1,
    }
}
