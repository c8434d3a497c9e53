//! Memory-mapped, read-only files: the only `unsafe` of the engine.

use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use memmap2::{Advice, Mmap};

use crate::error::EngineError;

/// The bytes of a file, paged in on first use.
#[derive(Debug)]
pub(crate) struct MappedFile {
    path: PathBuf,
    bytes: Mmap,
}

impl MappedFile {
    /// Maps a file that is read at random positions (no readahead).
    pub(crate) fn open(path: PathBuf) -> Result<Self, EngineError> {
        let file = File::open(&path).map_err(EngineError::io(&path))?;
        // SAFETY: a published index is write-once: nothing of ours changes or shortens the file while it is mapped.
        // The bytes are only ever read as integers of any value, never as a type with invalid bit patterns.
        let bytes = unsafe { Mmap::map(&file) }.map_err(EngineError::io(&path))?;
        if bytes.is_empty() {
            return Err(EngineError::EmptyFile { path });
        }
        bytes.advise(Advice::Random).map_err(EngineError::io(&path))?;
        Ok(Self { path, bytes })
    }

    /// Maps a file that may be absent.
    pub(crate) fn open_if_present(path: PathBuf) -> Result<Option<Self>, EngineError> {
        if path.try_exists().map_err(EngineError::io(&path))? {
            Self::open(path).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Returns the `index`-th little-endian u64 of the file. Panics past its end.
    pub(crate) fn u64_at(&self, index: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[index * 8..index * 8 + 8]);
        u64::from_le_bytes(word)
    }

    /// Tells the kernel that the whole file is about to be read from front to back.
    pub(crate) fn advise_sequential(&self) -> Result<(), EngineError> {
        self.bytes
            .advise(Advice::Sequential)
            .map_err(EngineError::io(&self.path))
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}
