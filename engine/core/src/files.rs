//! Names of the files of a shard in infini-gram version 4 layout.

use std::path::{Path, PathBuf};

/// Where the files of shard `number` in `directory` are.
#[derive(Clone, Debug)]
pub(crate) struct ShardFiles {
    directory: PathBuf,
    number: u32,
}

impl ShardFiles {
    pub(crate) fn new(directory: &Path, number: u32) -> Self {
        Self {
            directory: directory.to_path_buf(),
            number,
        }
    }

    /// The tokens, each document after a separator.
    pub(crate) fn tokenized(&self) -> PathBuf {
        self.named("tokenized")
    }

    /// The suffix array.
    pub(crate) fn table(&self) -> PathBuf {
        self.named("table")
    }

    /// Byte offset of each document's separator.
    pub(crate) fn offset(&self) -> PathBuf {
        self.named("offset")
    }

    /// One JSON line a document; optional.
    pub(crate) fn metadata(&self) -> PathBuf {
        self.named("metadata")
    }

    /// Byte offset of each document's metadata line; comes with `metadata`.
    pub(crate) fn metaoff(&self) -> PathBuf {
        self.named("metaoff")
    }

    /// Count of each token; optional.
    pub(crate) fn unigram(&self) -> PathBuf {
        self.named("unigram")
    }

    /// LCP and branching token of every rank; optional, comes with `directory`.
    pub(crate) fn fan_out(&self) -> PathBuf {
        self.named("fanout")
    }

    /// A fan-out that is not finished, and how far it is.
    pub(crate) fn fan_out_partial(&self) -> PathBuf {
        self.named("fanout").with_added_extension("partial")
    }

    /// How many pages of the unfinished fan-out are on disk.
    pub(crate) fn fan_out_journal(&self) -> PathBuf {
        self.named("fanout").with_added_extension("journal")
    }

    /// The key of every page of the fan-out: the shard is accelerated if this file is there.
    pub(crate) fn directory(&self) -> PathBuf {
        self.named("directory")
    }

    fn named(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}.{}", self.number))
    }
}
