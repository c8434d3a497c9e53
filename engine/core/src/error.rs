//! What can go wrong, and who must act.

use std::io;
use std::path::PathBuf;

/// Who must act on an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The files were never a shard of this layout, or cannot be read.
    Format,
    /// The files contradict one another.
    Corrupt,
    /// The caller asked for what cannot be.
    Query,
    /// The caller asked for a document that the view leaves out.
    Withheld,
}

/// Everything the engine can refuse or fail at. Messages give what was found, what was expected, and where.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say it")]
pub enum EngineError {
    #[error("{path}: cannot be read or written ({source})")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path}: file is empty, a shard holds at least one document")]
    EmptyFile { path: PathBuf },
    #[error("token width is {found} bytes, expected 1, 2 or 4")]
    TokenWidth { found: usize },
    #[error("{path}: file has {found} bytes, expected a multiple of {unit}")]
    NotAMultiple { path: PathBuf, found: u64, unit: u64 },
    #[error(
        "{path}: file has {found} bytes for {num_tokens} positions, expected {smallest} to 8 bytes for each; \
         is the token width of {token_width} right?"
    )]
    TableSize {
        path: PathBuf,
        found: u64,
        num_tokens: u64,
        smallest: u64,
        token_width: usize,
    },
    #[error("{path}: file has {found} bytes, expected {expected}")]
    FileSize {
        path: PathBuf,
        found: u64,
        expected: u64,
    },
    #[error(
        "{path}: file has {found} bytes, it had {expected} when it was opened; put the published file back and open it again"
    )]
    Shrunk {
        path: PathBuf,
        found: u64,
        expected: u64,
    },
    #[error("{path}: line {line} is not 'token_id count', with ascending token ids")]
    UnigramLine { path: PathBuf, line: usize },
    #[error("{path}: {reason}")]
    Sort { path: PathBuf, reason: String },
    #[error("{path}: {reason}; build the sidecars again with 'headwater index accelerate --force'")]
    Sidecar { path: PathBuf, reason: String },
    #[error("saved view: {reason}")]
    SavedView { reason: &'static str },
    #[error("stopped; what is done is kept, and the same call goes on from there")]
    Stopped,

    #[error("{path}: the text does not begin with a separator, so it is no shard of this token width")]
    NoLeadingSeparator { path: PathBuf },
    #[error("{path}: document {document} begins at byte {found}, expected {expected}")]
    DocumentStart {
        path: PathBuf,
        document: u64,
        found: u64,
        expected: &'static str,
    },
    #[error("{path}: counts add up to {found}, the text has {expected} positions")]
    UnigramTotal {
        path: PathBuf,
        found: u64,
        expected: u64,
    },
    #[error("{path}: token {token} is counted {found} times, the text has it {expected} times")]
    UnigramCount {
        path: PathBuf,
        token: u32,
        found: u64,
        expected: u64,
    },
    #[error("{path}: token {token} occurs in the text and is not listed")]
    UnigramUnlisted { path: PathBuf, token: u32 },
    #[error("{path}: rank {rank} points to byte {offset}, expected the start of one of {num_tokens} tokens")]
    TablePointer {
        path: PathBuf,
        rank: u64,
        offset: u64,
        num_tokens: u64,
    },
    #[error("{path}: position {position} stands at two ranks, one of them {rank}")]
    TableDuplicate { path: PathBuf, rank: u64, position: u64 },
    #[error("{path}: position {position} is at none of the ranks where a search for its suffix leads")]
    TableMissing { path: PathBuf, position: u64 },
    #[error(
        "{path}: {found} ranks point into the documents that are to be withheld, which have {expected} positions"
    )]
    TableRanks {
        path: PathBuf,
        found: u64,
        expected: u64,
    },
    #[error("{path}: the suffix at rank {rank} sorts before that at rank {previous}", previous = .rank - 1)]
    TableOrder { path: PathBuf, rank: u64 },
    #[error(
        "{path}: page {page} does not say what the text does; build the sidecars again with 'headwater index accelerate --force'"
    )]
    SidecarContent { path: PathBuf, page: u64 },
    #[error("{path}: the metadata of document {document} is bytes {start} to {end} of {size}")]
    MetadataRange {
        path: PathBuf,
        document: u64,
        start: u64,
        end: u64,
        size: u64,
    },
    #[error("{path}: the metadata of document {document} is not UTF-8")]
    MetadataEncoding { path: PathBuf, document: u64 },
    #[error("token {token} is outside the vocabulary of {size}; is it the index's own tokenizer?")]
    TokenOutsideVocabulary { token: u32, size: usize },

    #[error("cannot start {num_threads} threads ({reason})")]
    Threads { num_threads: usize, reason: String },
    #[error("token id {token} at position {position} is out of range, this shard takes ids below {limit}")]
    TokenId { token: u32, position: usize, limit: u32 },
    #[error("{what} {found} is out of range, expected {expected}")]
    OutOfRange {
        what: &'static str,
        found: u64,
        expected: String,
    },
    #[error("{what} must ascend, found {found} after {previous}")]
    NotAscending {
        what: &'static str,
        previous: u32,
        found: u32,
    },
    #[error("documents must ascend, found {found} after {previous}")]
    DocumentsNotAscending { previous: u64, found: u64 },
    #[error("document {document} is withheld: it was taken down")]
    DocumentWithheld { document: u64 },
    #[error("{left} ranks and {right} lengths, expected as many of each")]
    LengthMismatch { left: usize, right: usize },
    #[error("the shard was opened without a vocabulary, which turns tokens into text")]
    NoVocabulary,
    #[error("fallback token {token} has a piece of {found} bytes, expected one byte")]
    FallbackPiece { token: u32, found: usize },
}

impl EngineError {
    /// Who must act.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        use EngineError as E;
        match self {
            E::Io { .. }
            | E::EmptyFile { .. }
            | E::TokenWidth { .. }
            | E::NotAMultiple { .. }
            | E::TableSize { .. }
            | E::FileSize { .. }
            | E::UnigramLine { .. }
            | E::Sort { .. }
            | E::Sidecar { .. }
            | E::SavedView { .. }
            | E::Stopped => ErrorKind::Format,
            E::Shrunk { .. }
            | E::NoLeadingSeparator { .. }
            | E::DocumentStart { .. }
            | E::UnigramTotal { .. }
            | E::UnigramCount { .. }
            | E::UnigramUnlisted { .. }
            | E::TablePointer { .. }
            | E::TableDuplicate { .. }
            | E::TableMissing { .. }
            | E::TableOrder { .. }
            | E::TableRanks { .. }
            | E::SidecarContent { .. }
            | E::MetadataRange { .. }
            | E::MetadataEncoding { .. }
            | E::TokenOutsideVocabulary { .. } => ErrorKind::Corrupt,
            E::Threads { .. }
            | E::TokenId { .. }
            | E::OutOfRange { .. }
            | E::NotAscending { .. }
            | E::DocumentsNotAscending { .. }
            | E::LengthMismatch { .. }
            | E::NoVocabulary
            | E::FallbackPiece { .. } => ErrorKind::Query,
            E::DocumentWithheld { .. } => ErrorKind::Withheld,
        }
    }

    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}
