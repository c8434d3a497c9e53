//! From ranks and document numbers to text: windows, documents, metadata.

use std::collections::HashMap;
use std::ops::Range;

use crate::address::to_usize;
use crate::error::EngineError;
use crate::reads::{Of, ReadCounts};
use crate::shard::{Metadata, Shard};
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

/// Where a window lies: positions in the shard.
struct Place {
    document: usize,
    /// The document's tokens.
    first: usize,
    last: usize,
    /// The window's.
    start: usize,
    end: usize,
    occurrence: Range<usize>,
    snippet: Range<usize>,
}

/// Splits indexes of ranges, in the order of their starts, where no range reaches into the next.
fn overlapping(order: &[usize], range: impl Fn(usize) -> Range<usize>) -> impl Iterator<Item = &[usize]> {
    let mut reached = 0;
    order.chunk_by(move |&before, &next| {
        reached = range(before).end.max(reached);
        range(next).start < reached
    })
}

impl<T: Token> Shard<T> {
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

    /// Returns the window round each occurrence, given by its rank and its length, and the reads they took.
    ///
    /// All occurrences go through the table, the text and the metadata together. Where windows overlap, their tokens are
    /// looked up in the vocabulary once.
    pub(crate) fn windows(
        &self,
        ranks: &[u64],
        lengths: &[u32],
        sizes: WindowSizes,
        vocabulary: &Vocabulary,
    ) -> Result<(Vec<Window>, ReadCounts), EngineError> {
        let mut reads = ReadCounts::default();
        let positions = self.positions(ranks, &mut reads)?;
        let places = positions
            .iter()
            .zip(ranks)
            .zip(lengths)
            .map(|((&at, &rank), &length)| self.place(rank, at, length, sizes))
            .collect::<Result<Vec<_>, _>>()?;
        let extent = |place: &Place| self.text.extent(place.start, place.end - place.start);
        self.text.file().will_need(places.iter().map(extent));
        let metadata = self.metadata_of(places.iter().map(|place| place.document), &mut reads)?;

        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_unstable_by_key(|&index| places[index].start);
        let mut windows: Vec<Option<Window>> = vec![None; places.len()];
        for run in overlapping(&order, |index| places[index].start..places[index].end) {
            let start = places[run[0]].start;
            let end = run.iter().map(|&index| places[index].end).max().unwrap_or(start);
            reads.count(Of::Text, &self.text.extent(start, end - start));
            let pieces = vocabulary.pieces(self.ids(start, end))?;
            for &index in run {
                let place = &places[index];
                let Place {
                    occurrence, snippet, ..
                } = place;
                let marked = [occurrence.start, occurrence.end, snippet.start, snippet.end];
                let decoded = pieces.text(
                    place.start - start..place.end - start,
                    marked.map(|position| position - place.start),
                );
                let line = &metadata[&place.document];
                windows[index] = Some(self.window(ranks[index], place, decoded, line.clone()));
            }
        }
        let windows = windows.into_iter().flatten().collect();
        Ok((windows, reads))
    }

    /// Returns the positions of some ranks, all read together.
    pub(crate) fn positions(&self, ranks: &[u64], reads: &mut ReadCounts) -> Result<Vec<usize>, EngineError> {
        let ranks = ranks
            .iter()
            .map(|&rank| self.in_range("rank", rank))
            .collect::<Result<Vec<_>, _>>()?;
        let entries = ranks.iter().map(|&rank| self.table.bytes_of(rank..rank + 1));
        self.table.file().will_need(entries.clone());
        entries.for_each(|entry| reads.count(Of::Table, &entry));
        Ok(ranks.iter().map(|&rank| self.table.position(rank)).collect())
    }

    /// Returns where the window round an occurrence lies.
    fn place(&self, rank: u64, at: usize, length: u32, sizes: WindowSizes) -> Result<Place, EngineError> {
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
        Ok(Place {
            document,
            first,
            last,
            start,
            end,
            occurrence: at..match_end,
            snippet: snippet_start..snippet_end,
        })
    }

    fn window(
        &self,
        rank: u64,
        place: &Place,
        (text, [match_start, match_end, snippet_start, snippet_end]): (String, [u32; 4]),
        metadata: String,
    ) -> Window {
        let from_first = |position: usize| (position - place.first) as u64;
        Window {
            rank,
            document: place.document as u64,
            document_length: from_first(place.last),
            start: from_first(place.start),
            end: from_first(place.end),
            match_start: from_first(place.occurrence.start),
            match_token_ids: self.ids(place.occurrence.start, place.occurrence.end).collect(),
            match_chars: (match_start, match_end),
            snippet_chars: (snippet_start, snippet_end),
            metadata,
            text,
        }
    }

    /// Returns the metadata line of each of some documents, each read once, all together.
    fn metadata_of(
        &self,
        documents: impl Iterator<Item = usize>,
        reads: &mut ReadCounts,
    ) -> Result<HashMap<usize, String>, EngineError> {
        let mut documents: Vec<usize> = documents.collect();
        documents.sort_unstable();
        documents.dedup();
        if let Some(metadata) = &self.metadata {
            let offset = |&document: &usize| document * 8..document * 8 + 8;
            metadata.starts.will_need(documents.iter().map(offset));
            let lines = documents
                .iter()
                .map(|&document| self.metadata_range(metadata, document))
                .collect::<Result<Vec<_>, _>>()?;
            metadata.lines.will_need(lines.iter().cloned());
            for (document, line) in documents.iter().zip(&lines) {
                reads.count(Of::Documents, &offset(document));
                reads.count(Of::Documents, line);
            }
        }
        documents
            .into_iter()
            .map(|document| Ok((document, self.metadata(document as u64)?)))
            .collect()
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
        let line = &metadata.lines[self.metadata_range(metadata, number)?];
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        match str::from_utf8(line) {
            Ok(line) => Ok(line.to_owned()),
            Err(_) => Err(EngineError::MetadataEncoding {
                path: metadata.lines.path().to_path_buf(),
                document,
            }),
        }
    }

    /// Returns where a document's metadata line is in its file.
    fn metadata_range(&self, metadata: &Metadata, document: usize) -> Result<Range<usize>, EngineError> {
        let lines = &metadata.lines;
        let start = metadata.starts.u64_at(document);
        let end = if document + 1 < self.documents.len() {
            metadata.starts.u64_at(document + 1)
        } else {
            lines.size()
        };
        if start > end || end > lines.size() {
            return Err(EngineError::MetadataRange {
                path: lines.path().to_path_buf(),
                document: document as u64,
                start,
                end,
                size: lines.size(),
            });
        }
        Ok(to_usize(start)..to_usize(end))
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

    pub(crate) fn document_number(&self, document: u64) -> Result<usize, EngineError> {
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
