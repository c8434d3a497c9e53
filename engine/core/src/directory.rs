//! The directory: for every block of the fan-out, the shortest prefix of its first suffix that tells it from the suffix
//! before. It stays in RAM and says which block a query belongs to.
//!
//! A *key* is those tokens as they stand in the text, cut at 32 bytes (64 if tokens have four), a separator being the last
//! if there is one; the first block's key is empty. Keys ascend as byte strings. In the file, after the header: the first 8
//! bytes of every key, padded with zeros, as a number that orders as they do (u64); where the rest of every 16th key begins
//! among the rests (u64); the length of every key in bytes (u8); and the rests.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use crate::address::to_usize;
use crate::error::EngineError;
use crate::sidecar::{HEADER_BYTES, Header, Kind};

/// Returns the most bytes of a key: 16 tokens, or 32 of one byte. One that is cut off does not tell its block from the one
/// before: their suffixes are compared in the text.
pub(crate) const fn max_key_bytes(token_width: usize) -> usize {
    if token_width == 4 { 64 } else { 32 }
}

const HEAD_BYTES: usize = 8;

/// Keys from one whose tail's place is stored to the next.
const SAMPLE: usize = 16;

/// The keys of a shard's blocks, ascending.
#[derive(Debug)]
pub(crate) struct Directory {
    heads: Vec<u64>,
    /// Of every `SAMPLE`-th key.
    tail_starts: Vec<u64>,
    lengths: Vec<u8>,
    tails: Vec<u8>,
    max_key_bytes: usize,
}

impl Directory {
    pub(crate) fn with_capacity(num_blocks: usize, token_width: usize) -> Self {
        Self {
            heads: Vec::with_capacity(num_blocks),
            tail_starts: Vec::with_capacity(num_blocks.div_ceil(SAMPLE)),
            lengths: Vec::with_capacity(num_blocks),
            tails: Vec::new(),
            max_key_bytes: max_key_bytes(token_width),
        }
    }

    /// Appends the next block's key, cut at `max_key_bytes`.
    pub(crate) fn push(&mut self, key: &[u8]) {
        if self.len().is_multiple_of(SAMPLE) {
            self.tail_starts.push(self.tails.len() as u64);
        }
        self.heads.push(head(key));
        self.lengths.push(u8::try_from(key.len()).expect("keys are cut"));
        self.tails.extend_from_slice(tail(key));
    }

    /// Returns the number of blocks.
    pub(crate) fn len(&self) -> usize {
        self.heads.len()
    }

    /// RAM held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.heads.len() * 8 + self.tail_starts.len() * 8 + self.lengths.len() + self.tails.len()
    }

    /// Returns the bytes that a directory of `num_blocks` can take at most.
    pub(crate) fn max_bytes(num_blocks: usize, token_width: usize) -> u64 {
        (num_blocks as u64).saturating_mul((10 + max_key_bytes(token_width) - HEAD_BYTES) as u64)
    }

    /// Returns the last block whose key is at most `query`: that which holds a suffix that shares as long a prefix with
    /// `query` as any, unless the block's key is cut off and begins the query ([`Self::is_cut_off_in`]).
    ///
    /// Cost: O(log blocks), in RAM.
    pub(crate) fn block_at(&self, query: &[u8]) -> usize {
        // The first key is empty, so there is one.
        self.count(u64::MAX, head(query), |block| self.at_most(block, query)) - 1
    }

    /// Returns the last block whose key is at most `prefix` or begins with it.
    pub(crate) fn last_block_within(&self, prefix: &[u8]) -> usize {
        let mask = head_mask(prefix.len());
        self.count(mask, head(prefix), |block| {
            let length = usize::from(self.lengths[block]).min(prefix.len());
            self.at_most_cut(block, prefix, length)
        }) - 1
    }

    /// Whether keys may be cut off before the end of a prefix: the directory then does not name the block its run ends in.
    pub(crate) fn may_cut_off(&self, prefix: &[u8]) -> bool {
        prefix.len() >= self.max_key_bytes
    }

    /// Whether the key of a block is cut off and begins `query`: the blocks from that before the first with this key to that
    /// with the last may then hold the query's place. Returns them, `first..end`.
    pub(crate) fn is_cut_off_in(&self, block: usize, query: &[u8]) -> Option<(usize, usize)> {
        let length = usize::from(self.lengths[block]);
        if length < self.max_key_bytes || query.len() < length || !self.begins(block, query) {
            return None;
        }
        let key = &query[..length];
        let before = self.count(u64::MAX, head(key), |block| self.tail(block) < tail(key));
        Some((before.saturating_sub(1), self.last_block_within(key) + 1))
    }

    /// Returns the blocks, `first..end`, that may hold a suffix of the shard, given its first bytes up to and with a separator if
    /// there is one; at least `max_key_bytes` of them if it has as many.
    pub(crate) fn blocks_of_suffix(&self, suffix: &[u8]) -> (usize, usize) {
        let block = self.block_at(suffix);
        if let Some(blocks) = self.is_cut_off_in(block, suffix) {
            return blocks;
        }
        if !self.key_is(block, suffix) {
            return (block, block + 1);
        }
        // Equal suffixes may fill blocks: those with this key, and the end of the block before.
        let is_before = |block: usize| self.at_most(block, suffix) && !self.key_is(block, suffix);
        (
            self.count(u64::MAX, head(suffix), is_before).saturating_sub(1),
            block + 1,
        )
    }

    /// Returns how many of the first bytes of `query` the first suffix of a block is known to share.
    pub(crate) fn shared(&self, block: usize, query: &[u8]) -> usize {
        let length = usize::from(self.lengths[block]).min(query.len());
        let differing = self.heads[block] ^ head(query);
        let shared = differing.leading_zeros() as usize / 8;
        if shared < HEAD_BYTES || length <= HEAD_BYTES {
            return shared.min(length);
        }
        let agree = self
            .tail(block)
            .iter()
            .zip(tail(query))
            .take_while(|(a, b)| a == b);
        HEAD_BYTES + agree.count()
    }

    /// Whether the suffixes on both sides of a block's begin are known not to share all of `prefix`, which one of them begins
    /// with. A key that is cut off says nothing of a longer prefix.
    pub(crate) fn shares_less(&self, block: usize, prefix: &[u8], token_width: usize) -> bool {
        let length = usize::from(self.lengths[block]);
        length < self.max_key_bytes && length < prefix.len() + token_width
    }

    /// Returns how many blocks come before the first for which `is_before` is false. Blocks whose masked head is below `head`
    /// are before it, those whose masked head is above are not; `is_before` is asked for the others, and is monotone.
    fn count(&self, mask: u64, head: u64, is_before: impl Fn(usize) -> bool) -> usize {
        let low = self.heads.partition_point(|&other| other & mask < head);
        let is_equal = |at: usize| self.heads.get(at).is_some_and(|&other| other & mask == head);
        // Equal heads are few as a rule: the search for their end doubles its steps instead of halving the rest.
        let (mut reached, mut step) = (low, 1);
        while is_equal(reached) {
            reached += step;
            step *= 2;
        }
        let (mut low, mut high) = (low, reached.min(self.len()));
        while low < high {
            let middle = low.midpoint(high);
            if is_equal(middle) && is_before(middle) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Whether a block's key, whose head equals the query's, is at most the query, as byte strings.
    fn at_most(&self, block: usize, query: &[u8]) -> bool {
        self.at_most_cut(block, query, usize::from(self.lengths[block]))
    }

    /// Whether the first `length` bytes of a block's key, whose head equals the query's as far as both go, are at most the
    /// query.
    fn at_most_cut(&self, block: usize, query: &[u8], length: usize) -> bool {
        if length > HEAD_BYTES && query.len() > HEAD_BYTES {
            self.tail(block)[..length - HEAD_BYTES] <= query[HEAD_BYTES..]
        } else {
            length <= query.len()
        }
    }

    /// Whether a block has this key.
    pub(crate) fn key_is(&self, block: usize, key: &[u8]) -> bool {
        usize::from(self.lengths[block]) == key.len()
            && self.heads[block] == head(key)
            && self.tail(block) == tail(key)
    }

    /// Whether a block's key begins the query.
    fn begins(&self, block: usize, query: &[u8]) -> bool {
        let mask = head_mask(usize::from(self.lengths[block]));
        self.heads[block] == head(query) & mask && tail(query).starts_with(self.tail(block))
    }

    fn tail(&self, block: usize) -> &[u8] {
        let sampled = block / SAMPLE;
        let before = &self.lengths[sampled * SAMPLE..block];
        let start =
            to_usize(self.tail_starts[sampled]) + before.iter().copied().map(tail_length).sum::<usize>();
        &self.tails[start..start + tail_length(self.lengths[block])]
    }
}

/// Returns the bytes of a key of some length that follow its head.
fn tail_length(length: u8) -> usize {
    usize::from(length).saturating_sub(HEAD_BYTES)
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
    /// Reads a directory file whole and checks it; returns `None` if there is none.
    ///
    /// Cost: one pass over the file, which stays in RAM.
    pub(crate) fn open_if_present(path: &Path, expected: Header) -> Result<Option<Self>, EngineError> {
        let io_error = || EngineError::io(path);
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(io_error())?,
        };
        let size = file.metadata().map_err(io_error())?.len();
        let mut header = [0; HEADER_BYTES];
        let header_len = header.len().min(to_usize(size));
        file.read_exact(&mut header[..header_len]).map_err(io_error())?;
        let header = Header::check(&header[..header_len], expected, path)?;
        let blocks = to_usize(header.num_blocks);
        let token_width = expected.token_width as usize;
        let wrong = |reason: &str| EngineError::Sidecar {
            path: path.to_path_buf(),
            reason: reason.to_owned(),
        };
        let samples = blocks.div_ceil(SAMPLE);
        let fixed = (HEADER_BYTES + blocks * 9 + samples * 8) as u64;
        if size < fixed || size - fixed > Self::max_bytes(blocks, token_width) {
            return Err(wrong("its size cannot be"));
        }
        let mut directory = Self {
            heads: vec![0; blocks],
            tail_starts: vec![0; samples],
            lengths: vec![0; blocks],
            tails: vec![0; to_usize(size - fixed)],
            max_key_bytes: max_key_bytes(token_width),
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
        Ok(Some(directory))
    }

    /// Whether the keys ascend and lie inside the file, the first being empty: a search then stays in bounds.
    fn is_consistent(&self) -> bool {
        let mut before: (u64, &[u8]) = (0, &[]);
        let mut tail_start = 0;
        for (block, (&head, &length)) in self.heads.iter().zip(&self.lengths).enumerate() {
            let sample_is_right =
                !block.is_multiple_of(SAMPLE) || self.tail_starts[block / SAMPLE] == tail_start as u64;
            let Some(tail) = self.tails.get(tail_start..tail_start + tail_length(length)) else {
                return false;
            };
            if usize::from(length) > self.max_key_bytes || !sample_is_right || before > (head, tail) {
                return false;
            }
            before = (head, tail);
            tail_start += tail.len();
        }
        self.heads.first() == Some(&0) && self.lengths.first() == Some(&0) && tail_start == self.tails.len()
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
