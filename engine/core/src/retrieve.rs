//! From ranks and document numbers to text: windows, documents, metadata.

use crate::address::to_usize;
use crate::error::EngineError;
use crate::shard::Shard;
use crate::token::Token;
use crate::vocabulary::Vocabulary;

/// Tokens to take on each side of an occurrence.
#[derive(Clone, Copy, Debug)]
pub struct WindowSizes {
    /// For the window.
    pub context_tokens: usize,
    /// For the snippet inside it.
    pub snippet_tokens: usize,
}

/// The tokens round one occurrence, clipped to its document, as text. Character ranges are half-open.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented in the Python stub, which is the API page")]
pub struct Window {
    pub rank: u64,
    pub document: u64,
    pub document_length: u64,
    pub start: u64,
    pub end: u64,
    pub match_start: u64,
    pub match_token_ids: Vec<u32>,
    pub text: String,
    pub match_chars: (u32, u32),
    pub snippet_chars: (u32, u32),
    pub metadata: String,
}

/// A run of tokens of one document, as text.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "documented in the Python stub, which is the API page")]
pub struct DocumentSlice {
    pub document: u64,
    pub document_length: u64,
    pub start: u64,
    pub end: u64,
    pub text: String,
    pub metadata: String,
}

impl<T: Token> Shard<T> {
    /// Returns the position of a rank.
    pub(crate) fn position(&self, rank: u64) -> Result<usize, EngineError> {
        let rank = self.in_range("rank", rank)?;
        Ok(self.table.position(rank))
    }

    /// Returns the document of a position and the offset in it; `None` for the offset of its separator.
    pub(crate) fn locate(&self, position: u64) -> Result<(u64, Option<u64>), EngineError> {
        let position = self.in_range("position", position)?;
        let (document, start) = self.documents.document_at(position);
        let offset = (position - start).checked_sub(1).map(|offset| offset as u64);
        Ok((document as u64, offset))
    }

    /// Returns the token ids at positions `start..end`.
    pub(crate) fn tokens(&self, start: u64, end: u64) -> Result<Vec<u32>, EngineError> {
        let num_tokens = self.text.len() as u64;
        if start > end || end > num_tokens {
            return Err(EngineError::OutOfRange {
                what: "range end",
                found: end,
                expected: format!("{start} to {num_tokens}"),
            });
        }
        let tokens = self.text.tokens(to_usize(start), to_usize(end));
        Ok(tokens
            .map(|token| {
                if token.is_separator() {
                    u32::MAX
                } else {
                    token.id()
                }
            })
            .collect())
    }

    /// Returns the window round the occurrence of `length` tokens at `rank`.
    pub(crate) fn window(
        &self,
        rank: u64,
        length: u32,
        sizes: WindowSizes,
        vocabulary: &Vocabulary,
    ) -> Result<Window, EngineError> {
        let at = self.position(rank)?;
        let (document, separator) = self.documents.document_at(at);
        let (first, last) = (separator + 1, self.document_end(document));
        let match_end = at + length as usize;
        if length == 0 || at == separator || match_end > last {
            return Err(EngineError::OutOfRange {
                what: "occurrence length",
                found: length.into(),
                expected: format!("1 to {} at rank {rank}", last.saturating_sub(at.max(first))),
            });
        }
        let start = at.saturating_sub(sizes.context_tokens).max(first);
        let end = match_end.saturating_add(sizes.context_tokens).min(last);
        let snippet_start = at.saturating_sub(sizes.snippet_tokens).max(start);
        let snippet_end = match_end.saturating_add(sizes.snippet_tokens).min(end);

        let decoded = vocabulary.decode(self.ids(start, end))?;
        let chars =
            |from: usize, to: usize| (decoded.boundaries[from - start], decoded.boundaries[to - start]);
        Ok(Window {
            rank,
            document: document as u64,
            document_length: (last - first) as u64,
            start: (start - first) as u64,
            end: (end - first) as u64,
            match_start: (at - first) as u64,
            match_token_ids: self.ids(at, match_end).collect(),
            match_chars: chars(at, match_end),
            snippet_chars: chars(snippet_start, snippet_end),
            metadata: self.metadata(document as u64)?,
            text: decoded.text,
        })
    }

    /// Returns up to `max_tokens` tokens of a document from `start` on.
    pub(crate) fn document(
        &self,
        document: u64,
        start: u64,
        max_tokens: usize,
        vocabulary: &Vocabulary,
    ) -> Result<DocumentSlice, EngineError> {
        let number = self.document_number(document)?;
        let first = self.documents.start(number) + 1;
        let length = self.document_end(number) - first;
        if start > length as u64 {
            return Err(EngineError::OutOfRange {
                what: "start",
                found: start,
                expected: format!("at most the document's {length} tokens"),
            });
        }
        let from = to_usize(start);
        let to = from.saturating_add(max_tokens).min(length);
        Ok(DocumentSlice {
            document,
            document_length: length as u64,
            start,
            end: to as u64,
            text: vocabulary.decode(self.ids(first + from, first + to))?.text,
            metadata: self.metadata(document)?,
        })
    }

    /// Returns the metadata line of a document, without its newline; empty if the shard has none.
    pub(crate) fn metadata(&self, document: u64) -> Result<String, EngineError> {
        let number = self.document_number(document)?;
        let Some(metadata) = &self.metadata else {
            return Ok(String::new());
        };
        let lines = &metadata.lines;
        let start = metadata.starts.u64_at(number);
        let end = if number + 1 < self.documents.len() {
            metadata.starts.u64_at(number + 1)
        } else {
            lines.size()
        };
        if start > end || end > lines.size() {
            return Err(EngineError::MetadataRange {
                path: lines.path().to_path_buf(),
                document,
                start,
                end,
                size: lines.size(),
            });
        }
        let line = &lines[to_usize(start)..to_usize(end)];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match str::from_utf8(line) {
            Ok(line) => Ok(line.to_owned()),
            Err(_) => Err(EngineError::MetadataEncoding {
                path: lines.path().to_path_buf(),
                document,
            }),
        }
    }

    /// Returns the end, exclusive, of a document's tokens.
    pub(crate) fn document_end(&self, document: usize) -> usize {
        if document + 1 < self.documents.len() {
            self.documents.start(document + 1)
        } else {
            self.text.len()
        }
    }

    fn ids(&self, start: usize, end: usize) -> impl ExactSizeIterator<Item = u32> + Clone {
        self.text.tokens(start, end).map(Token::id)
    }

    fn document_number(&self, document: u64) -> Result<usize, EngineError> {
        let len = self.documents.len();
        usize::try_from(document)
            .ok()
            .filter(|&number| number < len)
            .ok_or_else(|| EngineError::OutOfRange {
                what: "document",
                found: document,
                expected: format!("below {len}"),
            })
    }

    fn in_range(&self, what: &'static str, found: u64) -> Result<usize, EngineError> {
        let num_tokens = self.text.len();
        usize::try_from(found)
            .ok()
            .filter(|&value| value < num_tokens)
            .ok_or_else(|| EngineError::OutOfRange {
                what,
                found,
                expected: format!("below {num_tokens}"),
            })
    }
}
