//! The suffix array of a shard: packed byte offsets, as wide as the file sizes say.

use std::ops::Range;

use crate::address::to_usize;
use crate::error::EngineError;
use crate::mapped::MappedFile;

/// The mapped table: rank to position.
#[derive(Debug)]
pub(crate) struct SuffixArray {
    file: MappedFile,
    num_tokens: usize,
    pointer_width: usize,
    token_shift: u32,
}

/// Returns the bytes that infini-gram gives an entry: enough for every byte offset of a text of `text_bytes`.
pub(crate) fn pointer_width(text_bytes: u64) -> usize {
    let bits = u64::BITS - (text_bytes.max(2) - 1).leading_zeros();
    bits.div_ceil(8) as usize
}

impl SuffixArray {
    /// Derives the pointer width from the sizes and checks that it can hold every offset.
    pub(crate) fn new(file: MappedFile, num_tokens: usize, token_width: usize) -> Result<Self, EngineError> {
        let width = file.len() / num_tokens;
        let smallest = pointer_width((num_tokens * token_width) as u64);
        if !file.len().is_multiple_of(num_tokens) || width < smallest || width > 8 {
            return Err(EngineError::TableSize {
                path: file.path().to_path_buf(),
                found: file.size(),
                num_tokens: num_tokens as u64,
                smallest: smallest as u64,
                token_width,
            });
        }
        Ok(Self {
            file,
            num_tokens,
            pointer_width: width,
            token_shift: token_width.trailing_zeros(),
        })
    }

    pub(crate) fn pointer_width(&self) -> usize {
        self.pointer_width
    }

    pub(crate) fn file(&self) -> &MappedFile {
        &self.file
    }

    /// Returns where in the file the entries of some ranks are.
    #[inline]
    pub(crate) fn bytes_of(&self, ranks: Range<usize>) -> Range<usize> {
        ranks.start * self.pointer_width..ranks.end * self.pointer_width
    }

    /// Returns the byte offset stored at a rank < N, whatever it is.
    #[inline]
    pub(crate) fn byte_offset(&self, rank: usize) -> u64 {
        let at = rank * self.pointer_width;
        let mut entry = [0; 8];
        if let Some(bytes) = self.file.get(at..at + 8) {
            // One load and a mask; only the last entries of the file are too near its end for it.
            entry.copy_from_slice(bytes);
            let unused = 64 - 8 * self.pointer_width;
            return u64::from_le_bytes(entry) << unused >> unused;
        }
        let bytes = &self.file[at..at + self.pointer_width];
        entry[..self.pointer_width].copy_from_slice(bytes);
        u64::from_le_bytes(entry)
    }

    /// Returns the position of the suffix at a rank < N.
    ///
    /// A corrupt entry, past the text's end, gives the last position: searches then answer wrongly but never crash
    /// (`tests/property/test_corrupt_tables.py`), and `verify` names the entry.
    #[inline]
    pub(crate) fn position(&self, rank: usize) -> usize {
        let position = to_usize(self.byte_offset(rank) >> self.token_shift);
        position.min(self.num_tokens - 1)
    }

    /// Returns the positions at some ranks, in order, of a table whose entries are `WIDTH` bytes wide: as `position` one by one,
    /// and several times as fast.
    #[inline]
    pub(crate) fn positions<const WIDTH: usize>(
        &self,
        ranks: Range<usize>,
    ) -> impl Iterator<Item = usize> + '_ {
        debug_assert_eq!(WIDTH, self.pointer_width, "the caller looked at it");
        let (entries, _) = self.file[self.bytes_of(ranks)].as_chunks::<WIDTH>();
        let (last, shift) = (self.num_tokens - 1, self.token_shift);
        entries.iter().map(move |bytes| {
            let mut entry = [0; 8];
            entry[..WIDTH].copy_from_slice(bytes);
            to_usize(u64::from_le_bytes(entry) >> shift).min(last)
        })
    }

    /// Starts reading the entries of some ranks from the disk, those that there are, unless they look as if they were in memory.
    pub(crate) fn read_ahead(&self, ranks: Range<usize>) {
        let bytes = self.bytes_of(ranks.start.min(self.num_tokens)..ranks.end.min(self.num_tokens));
        self.file.read_ahead(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::pointer_width;

    #[test]
    fn pointer_width_is_that_of_infini_gram() {
        // ceil(log2(size) / 8), as its indexer computes it.
        for (text_bytes, width) in [
            (2, 1),
            (256, 1),
            (257, 2),
            (65_536, 2),
            (65_538, 3),
            (1 << 32, 4),
            ((1 << 32) + 2, 5),
        ] {
            assert_eq!(pointer_width(text_bytes), width, "{text_bytes} bytes");
        }
    }
}
