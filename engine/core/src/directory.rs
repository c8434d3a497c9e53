//! The directory: for every page of the fan-out, the shortest prefix of its first suffix that tells it from the suffix
//! before. It stays in RAM and says which page a query belongs to.
//!
//! A *key* is those tokens as they stand in the text, at most 64 bytes of them, a separator being the last if there is one;
//! the first page's key is empty. Keys ascend as byte strings. In the file, after the header: the first 8 bytes of every
//! key as a big-endian number, padded with zeros (u64), where the rest of each key begins among the rests (u64, one more
//! than keys), the length of every key in bytes (u8), and the rests.

use std::io::{self, Read, Write};
use std::fs::File;
use std::path::Path;

use crate::address::to_usize;
use crate::error::EngineError;
use crate::sidecar::{HEADER_BYTES, Header, Kind};

/// Most bytes of a key. Longer ones do not tell their page from the one before: its suffixes are compared in the text.
pub(crate) const MAX_KEY_BYTES: usize = 64;

const HEAD_BYTES: usize = 8;

/// The keys of a shard's pages, ascending.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    heads: Vec<u64>,
    tail_starts: Vec<u64>,
    lengths: Vec<u8>,
    tails: Vec<u8>,
}

impl Directory {
    pub(crate) fn with_capacity(num_pages: usize) -> Self {
        Self {
            heads: Vec::with_capacity(num_pages),
            tail_starts: Vec::with_capacity(num_pages + 1),
            lengths: Vec::with_capacity(num_pages),
            tails: Vec::new(),
        }
    }

    /// Appends the next page's key, at most `MAX_KEY_BYTES`.
    pub(crate) fn push(&mut self, key: &[u8]) {
        if self.tail_starts.is_empty() {
            self.tail_starts.push(0);
        }
        self.heads.push(head(key));
        self.lengths.push(u8::try_from(key.len()).expect("keys are cut at 64 bytes"));
        self.tails.extend_from_slice(tail(key));
        self.tail_starts.push(self.tails.len() as u64);
    }

    /// Returns the number of pages.
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// RAM held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.heads.len() * 8 + self.tail_starts.len() * 8 + self.lengths.len() + self.tails.len()
    }

    /// Returns the bytes that a directory of `num_pages` can take at most.
    pub(crate) fn max_bytes(num_pages: usize) -> u64 {
        (num_pages as u64).saturating_mul((17 + MAX_KEY_BYTES - HEAD_BYTES) as u64) + 8
    }

    /// Returns the last page whose key is at most `query`: that which holds a suffix that shares as long a prefix with
    /// `query` as any, unless the page's key is cut off and begins the query ([`Self::is_cut_off_in`]).
    ///
    /// Cost: O(log pages), in RAM.
    pub(crate) fn page_at(&self, query: &[u8]) -> usize {
        // The first key is empty, so there is one.
        self.count(u64::MAX, head(query), |page| self.at_most(page, query)) - 1
    }

    /// Returns the last page whose key is at most `prefix` or begins with it.
    pub(crate) fn last_page_within(&self, prefix: &[u8]) -> usize {
        let mask = head_mask(prefix.len());
        self.count(mask, head(prefix), |page| {
            let length = usize::from(self.lengths[page]).min(prefix.len());
            self.at_most_cut(page, prefix, length)
        }) - 1
    }

    /// Whether the key of a page is cut off and begins `query`: the pages from that before the first with this key to that
    /// with the last may then hold the query's place. Returns them, `first..end`.
    pub(crate) fn is_cut_off_in(&self, page: usize, query: &[u8]) -> Option<(usize, usize)> {
        let length = usize::from(self.lengths[page]);
        if length < MAX_KEY_BYTES || query.len() < length || !self.begins(page, query) {
            return None;
        }
        let key = &query[..length];
        let before = self.count(u64::MAX, head(key), |page| self.tail(page) < tail(key));
        Some((before.saturating_sub(1), self.last_page_within(key) + 1))
    }

    /// Returns a page whose first suffix begins with all of `query`, if `page`, where the query belongs, or the next is one.
    pub(crate) fn page_that_begins_with(&self, page: usize, query: &[u8]) -> Option<usize> {
        let holds = |page: usize| {
            let mask = head_mask(query.len());
            usize::from(self.lengths[page]) >= query.len()
                && self.heads[page] & mask == head(query)
                && self.tail(page).starts_with(tail(query))
        };
        let end = self.len().min(page + 2);
        (page..end).find(|&page| holds(page))
    }

    /// Whether the suffixes on both sides of a page's begin are known not to share all of `prefix`, which one of them begins
    /// with. A key that is cut off says nothing of a longer prefix.
    pub(crate) fn shares_less(&self, page: usize, prefix: &[u8], token_width: usize) -> bool {
        let length = usize::from(self.lengths[page]);
        length < MAX_KEY_BYTES && length < prefix.len() + token_width
    }

    /// Returns how many pages come before the first for which `is_before` is false. Pages whose masked head is below `head`
    /// are before it, those whose masked head is above are not; `is_before` is asked for the others, and is monotone.
    fn count(&self, mask: u64, head: u64, is_before: impl Fn(usize) -> bool) -> usize {
        let low = self.heads.partition_point(|&other| other & mask < head);
        let equal = self.heads[low..].partition_point(|&other| other & mask == head);
        let (mut low, mut high) = (low, low + equal);
        while low < high {
            let middle = low.midpoint(high);
            if is_before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Whether a page's key, whose head equals the query's, is at most the query, as byte strings.
    fn at_most(&self, page: usize, query: &[u8]) -> bool {
        self.at_most_cut(page, query, usize::from(self.lengths[page]))
    }

    /// Whether the first `length` bytes of a page's key, whose head equals the query's as far as both go, are at most the
    /// query.
    fn at_most_cut(&self, page: usize, query: &[u8], length: usize) -> bool {
        if length > HEAD_BYTES && query.len() > HEAD_BYTES {
            self.tail(page)[..length - HEAD_BYTES] <= query[HEAD_BYTES..]
        } else {
            length <= query.len()
        }
    }

    /// Whether a page has this key.
    pub(crate) fn key_is(&self, page: usize, key: &[u8]) -> bool {
        usize::from(self.lengths[page]) == key.len() && self.heads[page] == head(key) && self.tail(page) == tail(key)
    }

    /// Whether a page's key begins the query.
    fn begins(&self, page: usize, query: &[u8]) -> bool {
        let mask = head_mask(usize::from(self.lengths[page]));
        self.heads[page] == head(query) & mask && tail(query).starts_with(self.tail(page))
    }

    fn tail(&self, page: usize) -> &[u8] {
        &self.tails[to_usize(self.tail_starts[page])..to_usize(self.tail_starts[page + 1])]
    }
}

/// Returns the first eight bytes as a number that orders as they do, zeros behind shorter ones.
fn head(key: &[u8]) -> u64 {
    let mut bytes = [0; HEAD_BYTES];
    let length = key.len().min(HEAD_BYTES);
    bytes[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(bytes)
}

/// Returns a mask of the first `length` bytes of a head.
fn head_mask(length: usize) -> u64 {
    match length {
        0 => 0,
        1..HEAD_BYTES => u64::MAX << (64 - 8 * length),
        _ => u64::MAX,
    }
}

/// Returns what follows the head.
fn tail(key: &[u8]) -> &[u8] {
    key.get(HEAD_BYTES..).unwrap_or_default()
}

impl Directory {
    /// Reads a directory file whole and checks it.
    ///
    /// Cost: one pass over the file, which stays in RAM.
    pub(crate) fn open(path: &Path, expected: Header) -> Result<Self, EngineError> {
        let io_error = || EngineError::io(path);
        let mut file = File::open(path).map_err(io_error())?;
        let size = file.metadata().map_err(io_error())?.len();
        let mut header = [0; HEADER_BYTES];
        let header_len = header.len().min(to_usize(size));
        file.read_exact(&mut header[..header_len]).map_err(io_error())?;
        let header = Header::check(&header[..header_len], expected, path)?;
        let pages = to_usize(header.num_pages);
        let fixed = (HEADER_BYTES + pages * 17 + 8) as u64;
        let wrong = |reason: &str| EngineError::Sidecar {
            path: path.to_path_buf(),
            reason: reason.to_owned(),
        };
        if size < fixed || size - fixed > Self::max_bytes(pages) {
            return Err(wrong("its size cannot be"));
        }
        let mut directory = Self {
            heads: vec![0; pages],
            tail_starts: vec![0; pages + 1],
            lengths: vec![0; pages],
            tails: vec![0; to_usize(size - fixed)],
        };
        for part in directory.parts_mut() {
            file.read_exact(part).map_err(io_error())?;
        }
        if directory.crc() != header.content_crc {
            return Err(wrong("its checksum is wrong"));
        }
        if !directory.is_consistent() {
            return Err(wrong("its keys do not fit together"));
        }
        Ok(directory)
    }

    /// Whether every key lies inside the file: a search then stays in bounds.
    fn is_consistent(&self) -> bool {
        let is_key = |page: usize| {
            let length = usize::from(self.lengths[page]);
            let tail_length = length.saturating_sub(HEAD_BYTES) as u64;
            length <= MAX_KEY_BYTES && self.tail_starts[page].checked_add(tail_length) == Some(self.tail_starts[page + 1])
        };
        self.lengths.first() == Some(&0)
            && self.tail_starts[0] == 0
            && self.tail_starts[self.len()] == self.tails.len() as u64
            && (0..self.len()).all(is_key)
    }

    /// Returns the header of a shard's directory: that of its fan-out, of another kind.
    pub(crate) fn header(fan_out: Header) -> Header {
        Header {
            kind: Kind::Directory,
            ..fan_out
        }
    }

    /// Writes the file's content.
    pub(crate) fn write(&self, header: Header, mut file: impl Write) -> io::Result<()> {
        let header = Header {
            content_crc: self.crc(),
            ..header
        };
        file.write_all(&header.to_bytes())?;
        self.parts().into_iter().try_for_each(|part| file.write_all(part))
    }

    fn crc(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for part in self.parts() {
            hasher.update(part);
        }
        hasher.finalize()
    }

    fn parts(&self) -> [&[u8]; 4] {
        [
            bytemuck::cast_slice(&self.heads),
            bytemuck::cast_slice(&self.tail_starts),
            &self.lengths,
            &self.tails,
        ]
    }

    fn parts_mut(&mut self) -> [&mut [u8]; 4] {
        [
            bytemuck::cast_slice_mut(&mut self.heads),
            bytemuck::cast_slice_mut(&mut self.tail_starts),
            &mut self.lengths,
            &mut self.tails,
        ]
    }
}
