//! Counts of random reads: what a request asks of a disk when nothing is in the page cache.

use std::ops::{AddAssign, Range};

use crate::address::PAGE_BYTES;

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

/// The file that a read is of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Of {
    Table,
    FanOut,
    Text,
    Documents,
}

impl ReadCounts {
    /// Counts the read of one extent.
    pub(crate) fn count(&mut self, file: Of, bytes: &Range<usize>) {
        let counter = match file {
            Of::Table => &mut self.table,
            Of::FanOut => &mut self.fan_out,
            Of::Text => &mut self.text,
            Of::Documents => &mut self.documents,
        };
        *counter += 1;
        let first = bytes.start / PAGE_BYTES;
        let end = bytes.end.div_ceil(PAGE_BYTES).max(first + 1);
        self.size_bytes += ((end - first) * PAGE_BYTES) as u64;
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
