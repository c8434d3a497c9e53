//! The two sidecar files of a shard, and what they share: a header that names the shard they were made of.
//!
//! Little-endian, 64 bytes: magic (8), version (4), token width (4), N (8), blocks (8), fingerprint of the shard (4), CRC-32
//! of what follows the header where one pass over it is due at opening, else 0 (4), zeros (20), CRC-32 of all that (4).

use std::path::Path;

use crate::directory::Directory;
use crate::error::EngineError;
use crate::fan_out::FanOut;
use crate::files::ShardFiles;
use crate::mapped::MappedFile;
use crate::suffix_array::SuffixArray;
use crate::text::Text;
use crate::token::Token;

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 64;

/// The only version of either sidecar so far.
const VERSION: u32 = 1;

/// Ranks that a fingerprint looks at, and tokens of each suffix.
const SAMPLED_RANKS: usize = 64;
pub(crate) const SAMPLED_TOKENS: usize = 8;

/// Which of the two a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    FanOut,
    Directory,
}

impl Kind {
    fn magic(self) -> [u8; 8] {
        match self {
            Self::FanOut => *b"HWFANOUT",
            Self::Directory => *b"HWDIRECT",
        }
    }
}

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) kind: Kind,
    pub(crate) token_width: u32,
    pub(crate) num_tokens: u64,
    pub(crate) num_blocks: u64,
    pub(crate) fingerprint: u32,
    pub(crate) content_crc: u32,
}

impl Header {
    pub(crate) fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(&self.kind.magic());
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.token_width.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.num_tokens.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.num_blocks.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.fingerprint.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.content_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..60]);
        bytes[60..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn describe(self) -> String {
        format!(
            "{} tokens of {} bytes in {} blocks with fingerprint {:08x}",
            self.num_tokens, self.token_width, self.num_blocks, self.fingerprint
        )
    }

    /// Reads the header of the file at `path` and checks that it is that of `expected`, whatever its content's CRC.
    pub(crate) fn check(bytes: &[u8], expected: Self, path: &Path) -> Result<Self, EngineError> {
        let u32_at = |at: usize| bytes.get(at..at + 4).map(le_u32).unwrap_or_default();
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let wrong = |reason: String| EngineError::Sidecar {
            path: path.to_path_buf(),
            reason,
        };
        if bytes.len() < HEADER_BYTES || bytes[..8] != expected.kind.magic() {
            return Err(wrong("no header of this kind of file".to_owned()));
        }
        if u32_at(60) != crc32fast::hash(&bytes[..60]) {
            return Err(wrong("the header's checksum is wrong".to_owned()));
        }
        if u32_at(8) != VERSION {
            return Err(wrong(format!(
                "version {}, this build reads {VERSION}",
                u32_at(8)
            )));
        }
        let found = Self {
            kind: expected.kind,
            token_width: u32_at(12),
            num_tokens: u64_at(16),
            num_blocks: u64_at(24),
            fingerprint: u32_at(32),
            content_crc: u32_at(36),
        };
        let described = Self {
            content_crc: expected.content_crc,
            ..found
        };
        if described != expected {
            return Err(wrong(format!(
                "made of another shard: {}, expected {}",
                found.describe(),
                expected.describe()
            )));
        }
        Ok(found)
    }
}

fn le_u32(bytes: &[u8]) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(bytes);
    u32::from_le_bytes(word)
}

/// Returns a number that tells a shard from others: the CRC-32 of evenly spaced table entries and the tokens they point to.
/// No proof: shards that differ in little may share it. The checksums in the manifest are.
///
/// Cost: at most 64 pages of the table and of the text.
pub(crate) fn fingerprint<T: Token>(text: &Text<T>, table: &SuffixArray) -> u32 {
    let ranks = (0..text.len()).step_by(sampling_step(text.len()));
    table
        .file()
        .will_need(ranks.clone().map(|rank| table.bytes_of(rank..rank + 1)));
    let positions: Vec<usize> = ranks.map(|rank| table.position(rank)).collect();
    let extents = positions
        .iter()
        .map(|&position| text.extent(position, SAMPLED_TOKENS));
    text.file().will_need(extents.clone());
    fingerprint_of(
        positions
            .iter()
            .copied()
            .zip(extents.map(|extent| &text.file()[extent])),
    )
}

/// Returns how far the ranks that a fingerprint looks at are from one another.
pub(crate) fn sampling_step(num_tokens: usize) -> usize {
    num_tokens.div_ceil(SAMPLED_RANKS)
}

/// Returns the fingerprint, given the positions at the sampled ranks and `SAMPLED_TOKENS` tokens from each on.
pub(crate) fn fingerprint_of(samples: impl Iterator<Item = (usize, impl AsRef<[u8]>)>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for (position, tokens) in samples {
        hasher.update(&(position as u64).to_le_bytes());
        hasher.update(tokens.as_ref());
    }
    hasher.finalize()
}

/// Returns the header bytes of a mapped file; fewer if it is shorter.
pub(crate) fn header_bytes(file: &MappedFile) -> &[u8] {
    &file[..file.len().min(HEADER_BYTES)]
}

/// The opened sidecars of a shard.
#[derive(Debug)]
pub(crate) struct Sidecars<T> {
    pub(crate) fan_out: FanOut<T>,
    pub(crate) directory: Directory,
}

impl<T: Token> Sidecars<T> {
    /// Opens the sidecars if the shard has them; the directory is what says so.
    pub(crate) fn open_if_present(
        files: &ShardFiles,
        text: &Text<T>,
        table: &SuffixArray,
    ) -> Result<Option<Self>, EngineError> {
        let path = files.directory();
        if !path.try_exists().map_err(EngineError::io(&path))? {
            return Ok(None);
        }
        let fingerprint = fingerprint(text, table);
        // Read first: whoever builds sidecars again removes it before anything else, at any moment.
        let header = Directory::header(FanOut::<T>::header(text.len(), fingerprint));
        let Some(directory) = Directory::open_if_present(&path, header)? else {
            return Ok(None);
        };
        let Some(file) = MappedFile::open_if_present(files.fan_out())? else {
            return Err(EngineError::Sidecar {
                path: files.fan_out(),
                reason: "is missing, its directory is there".to_owned(),
            });
        };
        let fan_out = FanOut::open(file, text.len(), fingerprint)?;
        Ok(Some(Self { fan_out, directory }))
    }
}
