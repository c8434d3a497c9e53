//! The fan-out: for every rank, the LCP with its predecessor and the token that branches there. It lets one page of it be
//! searched for a query without a look at the text (a blind search, as in a String B-tree).
//!
//! The file is pages of 4,096 bytes, what a disk reads at once. The first holds the header; page p + 1 holds ranks
//! `p * R..(p + 1) * R`, with R = 2 * (2,046 / (1 + token width)): R branching tokens in sort order (bytes swapped), R
//! LCPs of one byte, zeros, and a CRC-32 in the last four bytes. An LCP of 255 says "at least 255 tokens, or up to the end
//! of both documents": the separator after a document is compared with none.
//!
//! Half a page is a *block*: what the directory has a key for, and what a blind search looks at.

use std::marker::PhantomData;
use std::ops::Range;

use crate::address::{CACHE_LINE_BYTES, PAGE_BYTES};
use crate::error::EngineError;
use crate::mapped::MappedFile;
use crate::sidecar::{HEADER_BYTES, Header, Kind, header_bytes};
use crate::token::Token;

/// The LCP that stands for any as long or longer, and for suffixes that are equal up to a separator.
pub(crate) const SATURATED: usize = 255;

const CRC_BYTES: usize = 4;

/// LCPs that are looked at together.
const LANES: usize = 32;

/// Measured, warm, 30 million tokens: quarters would be searched 1.12 times as fast, for twice the directory.
const BLOCKS_PER_PAGE: usize = 2;

/// Returns the number of ranks in a block.
pub(crate) const fn ranks_per_block(token_width: usize) -> usize {
    (PAGE_BYTES - CRC_BYTES) / (1 + token_width) / BLOCKS_PER_PAGE
}

/// Returns the number of ranks in a page.
pub(crate) const fn ranks_per_page(token_width: usize) -> usize {
    ranks_per_block(token_width) * BLOCKS_PER_PAGE
}

/// Returns the number of blocks for a shard of this many positions.
pub(crate) fn num_blocks(num_tokens: usize, token_width: usize) -> usize {
    num_tokens.div_ceil(ranks_per_block(token_width))
}

/// Returns the blocks of a page; the last page of a shard may have fewer.
pub(crate) const fn blocks_of_page(page: usize) -> Range<usize> {
    page * BLOCKS_PER_PAGE..(page + 1) * BLOCKS_PER_PAGE
}

/// Returns the page that holds a block.
pub(crate) const fn page_of_block(block: usize) -> usize {
    block / BLOCKS_PER_PAGE
}

/// Returns the number of pages for a shard of this many positions.
pub(crate) fn num_pages(num_tokens: usize, token_width: usize) -> usize {
    num_tokens.div_ceil(ranks_per_page(token_width))
}

/// Returns the bytes of the whole file.
pub(crate) fn file_bytes(num_tokens: u64, token_width: usize) -> u64 {
    let pages = num_tokens.div_ceil(ranks_per_page(token_width) as u64);
    (pages + 1).saturating_mul(PAGE_BYTES as u64)
}

/// The mapped fan-out of a shard.
#[derive(Debug)]
pub(crate) struct FanOut<T> {
    file: MappedFile,
    num_tokens: usize,
    token: PhantomData<T>,
}

impl<T: Token> FanOut<T> {
    /// Checks the header and the size. Cost: one page.
    pub(crate) fn open(file: MappedFile, num_tokens: usize, fingerprint: u32) -> Result<Self, EngineError> {
        let expected = Self::header(num_tokens, fingerprint);
        Header::check(header_bytes(&file), expected, file.path())?;
        let size = file_bytes(num_tokens as u64, T::WIDTH);
        if file.size() != size {
            return Err(EngineError::FileSize {
                path: file.path().to_path_buf(),
                found: file.size(),
                expected: size,
            });
        }
        Ok(Self {
            file,
            num_tokens,
            token: PhantomData,
        })
    }

    /// Returns the header of a shard's fan-out.
    pub(crate) fn header(num_tokens: usize, fingerprint: u32) -> Header {
        Header {
            kind: Kind::FanOut,
            token_width: u32::try_from(T::WIDTH).expect("widths are 1, 2 and 4"),
            num_tokens: num_tokens as u64,
            num_blocks: num_blocks(num_tokens, T::WIDTH) as u64,
            fingerprint,
            content_crc: 0,
        }
    }

    /// Whether the first page is the header of this shard and zeros.
    pub(crate) fn header_is_intact(&self, fingerprint: u32) -> bool {
        let (header, rest) = self.file[..PAGE_BYTES].split_at(HEADER_BYTES);
        header == Self::header(self.num_tokens, fingerprint).to_bytes() && rest.iter().all(|&byte| byte == 0)
    }

    pub(crate) fn file(&self) -> &MappedFile {
        &self.file
    }

    /// Asks the processor for a block that is about to be searched.
    pub(crate) fn prefetch(&self, block: usize) {
        let page = Self::offset(page_of_block(block));
        let first = block % BLOCKS_PER_PAGE * ranks_per_block(T::WIDTH);
        let end = first + ranks_per_block(T::WIDTH);
        let lcps = page + ranks_per_page(T::WIDTH) * T::WIDTH;
        for line in (lcps + first..lcps + end).step_by(CACHE_LINE_BYTES) {
            self.file.prefetch(line);
        }
        for line in (page + first * T::WIDTH..page + end * T::WIDTH).step_by(CACHE_LINE_BYTES) {
            self.file.prefetch(line);
        }
    }

    /// Returns a block < the number of blocks.
    pub(crate) fn block(&self, block: usize) -> Ranks<'_, T> {
        let page = self.page(page_of_block(block));
        let ranks = ranks_per_block(T::WIDTH);
        let first = block % BLOCKS_PER_PAGE * ranks;
        let end = page.lcps.len().min(first + ranks);
        Ranks {
            first_rank: page.first_rank + first,
            branches: &page.branches[first..end],
            lcps: &page.lcps[first..end],
        }
    }

    /// Returns the byte offset of a page in the file.
    pub(crate) fn offset(page: usize) -> usize {
        (page + 1) * PAGE_BYTES
    }

    /// Returns where in the file the page of a block is.
    pub(crate) fn extent(block: usize) -> Range<usize> {
        let offset = Self::offset(page_of_block(block));
        offset..offset + PAGE_BYTES
    }

    /// Returns the bytes of a page, its checksum included.
    pub(crate) fn page_bytes(&self, page: usize) -> &[u8] {
        &self.file[Self::offset(page)..Self::offset(page + 1)]
    }

    /// Returns a page < the number of pages.
    pub(crate) fn page(&self, page: usize) -> Ranks<'_, T> {
        let ranks = ranks_per_page(T::WIDTH);
        let first_rank = page * ranks;
        let len = ranks.min(self.num_tokens - first_rank);
        let bytes = self.page_bytes(page);
        let (branches, rest) = bytes.split_at(ranks * T::WIDTH);
        Ranks {
            first_rank,
            // A page begins at a multiple of its size, so its integers are aligned.
            branches: &bytemuck::cast_slice(branches)[..len],
            lcps: &rest[..len],
        }
    }
}

/// Whether a page's bytes are those that were written.
pub(crate) fn is_intact(page: &[u8]) -> bool {
    let (content, crc) = page.split_at(PAGE_BYTES - CRC_BYTES);
    crc32fast::hash(content).to_le_bytes() == crc
}

/// What a blind search finds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found {
    /// A rank that no other of them beats.
    pub(crate) candidate: usize,
    /// Tokens that no suffix of them shares more of, where a branch is missing.
    pub(crate) bound: Option<usize>,
}

/// Some consecutive ranks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ranks<'a, T> {
    pub(crate) first_rank: usize,
    /// In sort order.
    branches: &'a [T],
    lcps: &'a [u8],
}

impl<T: Token> Ranks<'_, T> {
    /// Returns the end of the ranks.
    pub(crate) fn end_rank(self) -> usize {
        self.first_rank + self.lcps.len()
    }

    /// Returns a suffix that shares as long a prefix with `query` as any of these.
    ///
    /// Follows the branches of their trie without seeing the tokens between them: the suffix may share less than
    /// the depth it was found at, never less than another. `query` has at most 255 tokens.
    /// Cost: about two passes over the LCPs.
    pub(crate) fn blind_search(self, query: &[T]) -> Found {
        debug_assert!(query.len() <= SATURATED, "longer agreement is not told apart");
        let (mut candidate, mut end) = (0, self.lcps.len());
        let mut bound = None;
        // All of candidate..end is the subtree that the branches taken so far lead to.
        while candidate + 1 < end {
            let depth = lowest(&self.lcps[candidate + 1..end]);
            let Some(token) = query.get(usize::from(depth)) else {
                break;
            };
            let wanted = token.sort_key();
            let (child, next) = self.child(candidate, end, depth, wanted);
            // The first child's own token is not stored: only a look at the text would tell whether it is the wanted one.
            let is_blind = child == candidate;
            candidate = child;
            end = next;
            if !is_blind && self.branches[child] != wanted {
                bound = Some(usize::from(depth));
                break;
            }
        }
        Found {
            candidate: self.first_rank + candidate,
            bound,
        }
    }

    /// Returns the last child of a node whose token sorts at or before `wanted`, and where the next child begins.
    ///
    /// The node is the ranks `first..end`, its children begin at `first` and wherever the LCP is `depth`, the lowest there.
    fn child(self, first: usize, end: usize, depth: u8, wanted: T) -> (usize, usize) {
        let (mut child, mut next) = (first, end);
        let (mut low, mut high) = (first + 1, end);
        while low < high {
            let middle = low.midpoint(high);
            match memchr::memrchr(depth, &self.lcps[low..=middle]) {
                Some(at) if self.branches[low + at] > wanted => {
                    next = low + at;
                    high = next;
                }
                Some(at) => {
                    child = low + at;
                    low = middle + 1;
                }
                None => low = middle + 1,
            }
        }
        (child, next)
    }

    /// Returns the lowest LCP that is stored for some of these ranks; 255 if there are none.
    pub(crate) fn lowest_lcp(self, ranks: Range<usize>) -> usize {
        lowest(&self.lcps[ranks.start - self.first_rank..ranks.end - self.first_rank]).into()
    }

    /// Returns the first rank of the run of suffixes that share `length` tokens with that at `rank`; `None` if it begins
    /// before these.
    pub(crate) fn run_start(self, rank: usize, length: usize) -> Option<usize> {
        let length = saturated(length);
        let lcps = &self.lcps[..=rank - self.first_rank];
        last_below(lcps, length).map(|at| self.first_rank + at)
    }

    /// Returns the end of the run of suffixes that share `length` tokens with that at `rank`; `None` if it is at or after
    /// the end of these.
    pub(crate) fn run_end(self, rank: usize, length: usize) -> Option<usize> {
        let length = saturated(length);
        let lcps = &self.lcps[rank + 1 - self.first_rank..];
        first_below(lcps, length).map(|at| rank + 1 + at)
    }
}

/// Returns a length as LCPs are stored: those above 255 are found as 255.
#[allow(clippy::cast_possible_truncation, reason = "at most 255")]
fn saturated(length: usize) -> u8 {
    length.min(SATURATED) as u8
}

/// Returns the lowest of some LCPs; 255 if there are none.
fn lowest(lcps: &[u8]) -> u8 {
    // Unlike `Iterator::min`, this compares many at once.
    lcps.iter().fold(u8::MAX, |lowest, &lcp| lowest.min(lcp))
}

fn first_below(lcps: &[u8], length: u8) -> Option<usize> {
    let below = |&lcp: &u8| lcp < length;
    let mut seen = 0;
    for lanes in lcps.chunks(LANES) {
        // Without an early exit the compiler compares all lanes at once.
        if lanes.iter().fold(false, |any, lcp| any | below(lcp)) {
            return lanes.iter().position(below).map(|at| seen + at);
        }
        seen += lanes.len();
    }
    None
}

fn last_below(lcps: &[u8], length: u8) -> Option<usize> {
    let below = |&lcp: &u8| lcp < length;
    let mut left = lcps.len();
    for lanes in lcps.rchunks(LANES) {
        left -= lanes.len();
        if lanes.iter().fold(false, |any, lcp| any | below(lcp)) {
            return lanes.iter().rposition(below).map(|at| left + at);
        }
    }
    None
}

/// Writes a page: the LCPs and branching tokens of its ranks, in order.
pub(crate) fn write_page<T: Token>(page: &mut [u8], records: impl Iterator<Item = (u8, T)>) {
    page.fill(0);
    let lcps_at = ranks_per_page(T::WIDTH) * T::WIDTH;
    for (index, (lcp, branch)) in records.enumerate() {
        let at = index * T::WIDTH;
        page[at..at + T::WIDTH].copy_from_slice(bytemuck::bytes_of(&branch.sort_key()));
        page[lcps_at + index] = lcp;
    }
    page_crc(page);
}

/// Puts the checksum of a page at its end.
pub(crate) fn page_crc(page: &mut [u8]) {
    let content = PAGE_BYTES - CRC_BYTES;
    let crc = crc32fast::hash(&page[..content]);
    page[content..].copy_from_slice(&crc.to_le_bytes());
}

/// Returns the LCP of the first rank of a block, given the page that holds it.
pub(crate) fn first_lcp<T: Token>(page: &[u8], block: usize) -> usize {
    let rank = block % BLOCKS_PER_PAGE * ranks_per_block(T::WIDTH);
    usize::from(page[ranks_per_page(T::WIDTH) * T::WIDTH + rank])
}
