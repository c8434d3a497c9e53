//! A run: the sorted suffixes of one part of a shard, on disk until the parts are merged.
//!
//! Blocks of 4,096 records after a header of 64 bytes; of each block the positions in the part (u32), the LCPs with the record
//! before (u16), the eight bytes of each suffix that follow its LCP (u64), and a CRC-32 of it all, padded to 8 bytes. With those
//! eight bytes most suffixes of different runs are told apart without a look at the text.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::output::Output;
use super::part_text::PartText;
use super::ranked::{Ranked, TO_SEPARATOR};
use super::suffix_text::SuffixText;
use crate::address::to_usize;
use crate::error::EngineError;
use crate::token::Token;

const MAGIC: [u8; 8] = *b"HWSORTED";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;

/// Records of a block, and the bytes of one and of a block.
pub(crate) const BLOCK_RECORDS: usize = 4096;
const RECORD_BYTES: usize = 4 + 2 + 8;
const BLOCK_BYTES: usize = BLOCK_RECORDS * RECORD_BYTES + 8;

/// Returns the bytes of a run of some records.
pub(crate) const fn run_bytes(num_records: u64) -> u64 {
    HEADER_BYTES as u64 + num_records.div_ceil(BLOCK_RECORDS as u64) * BLOCK_BYTES as u64
}

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RunHeader {
    pub(crate) token_width: u32,
    /// Positions of the shard that the part holds.
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Tokens of the whole shard.
    pub(crate) num_tokens: u64,
    /// Of the part's first and last tokens.
    pub(crate) text_crc: u32,
}

impl RunHeader {
    fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.token_width.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.start.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.end.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.num_tokens.to_le_bytes());
        bytes[40..44].copy_from_slice(&self.text_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }
}

/// Records as they stand in a file: whole blocks, but for the last.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) positions: Vec<u32>,
    pub(crate) lcps: Vec<u16>,
    pub(crate) keys: Vec<u64>,
}

impl Records {
    /// Returns the records of some ranks of a part.
    pub(crate) fn new<T: Token>(ranked: Ranked<T>, text: &PartText<T>) -> Self {
        let keys = ranked
            .iter()
            .map(|(position, entry)| key_after(text, position, entry.lcp))
            .collect();
        Self {
            positions: ranked.positions,
            lcps: ranked.lcps,
            keys,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.positions.len()
    }

    /// Finds the LCP of the first record with the suffix at `before`, which was put last.
    pub(crate) fn join<T: Token>(&mut self, text: &PartText<T>, before: Option<u32>) {
        let Some(&position) = self.positions.first() else {
            return;
        };
        let lcp = before.map_or(0, |before| text.entry(before as usize, position as usize).lcp);
        self.lcps[0] = lcp;
        self.keys[0] = key_after(text, position, lcp);
    }
}

/// Returns the eight bytes of a suffix behind its LCP; zeros if there is nothing to tell from them.
fn key_after<T: Token>(text: &PartText<T>, position: u32, lcp: u16) -> u64 {
    let depth = usize::from(lcp) * T::WIDTH;
    if lcp == TO_SEPARATOR || position as usize + usize::from(lcp) > text.len() {
        0
    } else {
        text.key(position as usize, depth)
    }
}

/// Writes a run.
pub(crate) struct RunWriter {
    output: Output,
    block: Records,
    bytes: Vec<u8>,
}

impl RunWriter {
    pub(crate) fn create(path: PathBuf, header: RunHeader) -> Result<Self, EngineError> {
        let mut output = Output::create(path)?;
        output.write(&header.to_bytes())?;
        Ok(Self {
            output,
            block: Records::default(),
            bytes: Vec::with_capacity(BLOCK_BYTES),
        })
    }

    /// Appends the records of the next ranks, the first of which has its LCP with the one before.
    pub(crate) fn append(&mut self, records: &Records) -> Result<(), EngineError> {
        let mut at = 0;
        while at < records.len() {
            let some = (BLOCK_RECORDS - self.block.len()).min(records.len() - at);
            self.block
                .positions
                .extend_from_slice(&records.positions[at..at + some]);
            self.block.lcps.extend_from_slice(&records.lcps[at..at + some]);
            self.block.keys.extend_from_slice(&records.keys[at..at + some]);
            at += some;
            if self.block.len() == BLOCK_RECORDS {
                self.write_block()?;
            }
        }
        Ok(())
    }

    fn write_block(&mut self) -> Result<(), EngineError> {
        self.block.positions.resize(BLOCK_RECORDS, 0);
        self.block.lcps.resize(BLOCK_RECORDS, 0);
        self.block.keys.resize(BLOCK_RECORDS, 0);
        self.bytes.clear();
        self.bytes
            .extend_from_slice(bytemuck::cast_slice(&self.block.positions));
        self.bytes
            .extend_from_slice(bytemuck::cast_slice(&self.block.lcps));
        self.bytes
            .extend_from_slice(bytemuck::cast_slice(&self.block.keys));
        let crc = u64::from(crc32fast::hash(&self.bytes));
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        self.output.write(&self.bytes)?;
        self.block.positions.clear();
        self.block.lcps.clear();
        self.block.keys.clear();
        Ok(())
    }

    pub(crate) fn publish(mut self) -> Result<(), EngineError> {
        if self.block.len() > 0 {
            self.write_block()?;
        }
        self.output.publish()
    }
}

/// A finished run.
pub(crate) struct RunFile {
    path: PathBuf,
    file: File,
    start: u64,
    len: usize,
}

impl RunFile {
    /// Opens a run and checks that it is that of `expected`.
    pub(crate) fn open(path: &Path, expected: RunHeader) -> Result<Self, EngineError> {
        let io_error = || EngineError::io(path);
        let file = File::open(path).map_err(io_error())?;
        let mut header = [0; HEADER_BYTES];
        file.read_exact_at(&mut header, 0).map_err(io_error())?;
        let size = file.metadata().map_err(io_error())?.len();
        let len = expected.end - expected.start;
        if header != expected.to_bytes() || size != run_bytes(len) {
            return Err(damaged(path));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file,
            start: expected.start,
            len: to_usize(len),
        })
    }

    /// Number of records.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns the position in the shard of a record.
    pub(crate) fn position(&self, record: usize) -> Result<u64, EngineError> {
        let (block, at) = (record / BLOCK_RECORDS, record % BLOCK_RECORDS);
        let mut position = [0; 4];
        self.file
            .read_exact_at(
                &mut position,
                (HEADER_BYTES + block * BLOCK_BYTES + at * 4) as u64,
            )
            .map_err(EngineError::io(&self.path))?;
        Ok(self.start + u64::from(u32::from_le_bytes(position)))
    }

    pub(crate) fn records(&self, range: Range<usize>) -> RunReader<'_> {
        RunReader {
            run: self,
            next: range.start,
            end: range.end,
            block: usize::MAX,
            bytes: vec![0; BLOCK_BYTES],
        }
    }
}

fn damaged(path: &Path) -> EngineError {
    EngineError::Sort {
        path: path.to_path_buf(),
        reason: "not the run of sorted suffixes that was written here; remove it, and it is sorted again"
            .to_owned(),
    }
}

/// One record of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) position: u64,
    pub(crate) lcp: u16,
    pub(crate) key: u64,
}

/// Reads some records of a run, in order.
pub(crate) struct RunReader<'a> {
    run: &'a RunFile,
    next: usize,
    end: usize,
    block: usize,
    bytes: Vec<u8>,
}

impl RunReader<'_> {
    pub(crate) fn next(&mut self) -> Result<Option<Record>, EngineError> {
        if self.next == self.end {
            return Ok(None);
        }
        let (block, at) = (self.next / BLOCK_RECORDS, self.next % BLOCK_RECORDS);
        if block != self.block {
            self.read(block)?;
        }
        self.next += 1;
        let lcps = BLOCK_RECORDS * 4;
        let keys = lcps + BLOCK_RECORDS * 2;
        let word = |from: usize, len: usize| {
            let mut word = [0; 8];
            word[..len].copy_from_slice(&self.bytes[from..from + len]);
            u64::from_le_bytes(word)
        };
        #[allow(clippy::cast_possible_truncation, reason = "two bytes")]
        let lcp = word(lcps + at * 2, 2) as u16;
        Ok(Some(Record {
            position: self.run.start + word(at * 4, 4),
            lcp,
            key: word(keys + at * 8, 8),
        }))
    }

    fn read(&mut self, block: usize) -> Result<(), EngineError> {
        let path = &self.run.path;
        self.run
            .file
            .read_exact_at(&mut self.bytes, (HEADER_BYTES + block * BLOCK_BYTES) as u64)
            .map_err(EngineError::io(path))?;
        let (content, crc) = self.bytes.split_at(BLOCK_BYTES - 8);
        if u64::from(crc32fast::hash(content)).to_le_bytes() != crc {
            return Err(damaged(path));
        }
        self.block = block;
        Ok(())
    }
}
