//! Counts of random reads: what a request asks of a disk when nothing is in the page cache.

use std::ops::{AddAssign, Range};

/// Bytes that a disk reads for any byte of them.
const PAGE_BYTES: usize = 4096;

/// Random reads by file. One read is one contiguous extent, whether its pages are cached or not: equal requests count equal
/// reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Of the suffix array.
    pub table: u64,
    /// Of the fan-out.
    pub fan_out: u64,
    /// Of the tokens.
    pub text: u64,
    /// Of the metadata lines and their offsets.
    pub documents: u64,
    /// Bytes of the pages of all these reads.
    pub size_bytes: u64,
}

impl ReadCounts {
    pub(crate) fn count_table(&mut self, bytes: &Range<usize>) {
        self.table += 1;
        self.size_bytes += page_bytes(bytes);
    }

    pub(crate) fn count_fan_out(&mut self, bytes: &Range<usize>) {
        self.fan_out += 1;
        self.size_bytes += page_bytes(bytes);
    }

    pub(crate) fn count_text(&mut self, bytes: &Range<usize>) {
        self.text += 1;
        self.size_bytes += page_bytes(bytes);
    }

    pub(crate) fn count_documents(&mut self, bytes: &Range<usize>) {
        self.documents += 1;
        self.size_bytes += page_bytes(bytes);
    }
}

impl AddAssign for ReadCounts {
    fn add_assign(&mut self, other: Self) {
        self.table += other.table;
        self.fan_out += other.fan_out;
        self.text += other.text;
        self.documents += other.documents;
        self.size_bytes += other.size_bytes;
    }
}

fn page_bytes(bytes: &Range<usize>) -> u64 {
    let first = bytes.start / PAGE_BYTES;
    let end = bytes.end.div_ceil(PAGE_BYTES).max(first + 1);
    ((end - first) * PAGE_BYTES) as u64
}
