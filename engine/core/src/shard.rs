//! One shard, generic over the token width: its opened files.

use crate::address::to_usize;
use crate::documents::DocumentStarts;
use crate::error::EngineError;
use crate::files::ShardFiles;
use crate::mapped::MappedFile;
use crate::sidecar::Sidecars;
use crate::suffix_array::SuffixArray;
use crate::text::Text;
use crate::token::Token;
use crate::unigrams::UnigramCounts;

/// The opened files of a shard.
#[derive(Debug)]
pub(crate) struct Shard<T> {
    pub(crate) text: Text<T>,
    pub(crate) table: SuffixArray,
    pub(crate) documents: DocumentStarts,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) unigrams: Option<UnigramCounts>,
    pub(crate) sidecars: Option<Sidecars<T>>,
    pub(crate) files: ShardFiles,
}

/// The metadata lines of a shard and where each begins.
#[derive(Debug)]
pub(crate) struct Metadata {
    pub(crate) lines: MappedFile,
    pub(crate) starts: MappedFile,
}

impl<T: Token> Shard<T> {
    /// Opens a shard; checks sizes, widths, that documents start in ascending order, and the unigram total.
    ///
    /// Cost: O(documents), all of it in `offset`. With sidecars the directory is read whole, and 64 pages of table and text for
    /// their fingerprint; else the other files are touched at their first page.
    pub(crate) fn open(files: ShardFiles) -> Result<Self, EngineError> {
        let text = Text::new(MappedFile::open(files.tokenized())?)?;
        let table = SuffixArray::new(MappedFile::open(files.table())?, text.len(), T::WIDTH)?;
        let documents = open_documents::<T>(&MappedFile::open(files.offset())?, text.len())?;
        let metadata = open_metadata(&files, documents.len())?;
        let unigrams = MappedFile::open_if_present(files.unigram())?
            .map(|file| UnigramCounts::parse(&file, text.len()))
            .transpose()?;
        let sidecars = Sidecars::open_if_present(&files, &text, &table)?;
        Ok(Self {
            text,
            table,
            documents,
            metadata,
            unigrams,
            sidecars,
            files,
        })
    }

    /// Refuses a shard one of whose mapped files became shorter since it was opened. Cost: a system call a file.
    pub(crate) fn check_sizes(&self) -> Result<(), EngineError> {
        self.text.file().check_size()?;
        self.table.file().check_size()?;
        if let Some(sidecars) = &self.sidecars {
            sidecars.fan_out.file().check_size()?;
        }
        if let Some(metadata) = &self.metadata {
            metadata.lines.check_size()?;
            metadata.starts.check_size()?;
        }
        Ok(())
    }

    /// Returns the tokens of a query, each checked to be one that the text can hold.
    pub(crate) fn query_tokens(token_ids: &[u32]) -> Result<Vec<T>, EngineError> {
        token_ids
            .iter()
            .enumerate()
            .map(|(position, &token)| {
                T::from_id(token).ok_or(EngineError::TokenId {
                    token,
                    position,
                    limit: T::SEPARATOR,
                })
            })
            .collect()
    }
}

fn open_documents<T: Token>(offsets: &MappedFile, num_tokens: usize) -> Result<DocumentStarts, EngineError> {
    if !offsets.len().is_multiple_of(8) {
        return Err(EngineError::NotAMultiple {
            path: offsets.path().to_path_buf(),
            found: offsets.size(),
            unit: 8,
        });
    }
    offsets.advise_sequential()?;
    let num_documents = offsets.len() / 8;
    let wrong = |document: usize, expected| EngineError::DocumentStart {
        path: offsets.path().to_path_buf(),
        document: document as u64,
        found: offsets.u64_at(document),
        expected,
    };
    let width = T::WIDTH as u64;
    let mut previous = None;
    for document in 0..num_documents {
        let start = offsets.u64_at(document);
        if document == 0 && start != 0 {
            return Err(wrong(document, "byte 0 for the first document"));
        }
        if !start.is_multiple_of(width) || start >= num_tokens as u64 * width {
            return Err(wrong(document, "the start of a token of the text"));
        }
        if previous.is_some_and(|previous| previous >= start) {
            return Err(wrong(document, "a byte after the start of the document before"));
        }
        previous = Some(start);
    }
    let starts = (0..num_documents).map(|document| to_usize(offsets.u64_at(document) / width));
    Ok(DocumentStarts::new(starts, num_documents, num_tokens))
}

fn open_metadata(files: &ShardFiles, num_documents: usize) -> Result<Option<Metadata>, EngineError> {
    let Some(lines) = MappedFile::open_if_present(files.metadata())? else {
        return Ok(None);
    };
    let starts = MappedFile::open(files.metaoff())?;
    if starts.len() != num_documents * 8 {
        return Err(EngineError::FileSize {
            path: starts.path().to_path_buf(),
            found: starts.size(),
            expected: num_documents as u64 * 8,
        });
    }
    Ok(Some(Metadata { lines, starts }))
}
