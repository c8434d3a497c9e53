//! One shard, generic over the token width: opened files, and the rank interval of a token sequence.

use std::cmp::Ordering;

use crate::address::to_usize;
use crate::documents::DocumentStarts;
use crate::error::EngineError;
use crate::files::ShardFiles;
use crate::interval::Interval;
use crate::mapped::MappedFile;
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
    /// Cost: O(documents), all of it in `offset`; the other files are touched at their first page.
    pub(crate) fn open(files: ShardFiles) -> Result<Self, EngineError> {
        let text = Text::new(MappedFile::open(files.tokenized())?)?;
        let table = SuffixArray::new(MappedFile::open(files.table())?, text.len(), T::WIDTH)?;
        let documents = open_documents::<T>(&MappedFile::open(files.offset())?, text.len())?;
        let metadata = open_metadata(&files, documents.len())?;
        let unigrams = MappedFile::open_if_present(files.unigram())?
            .map(|file| UnigramCounts::parse(&file, text.len()))
            .transpose()?;
        Ok(Self {
            text,
            table,
            documents,
            metadata,
            unigrams,
            files,
        })
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

    /// Returns the interval of the suffixes that begin with `query`; all ranks if it is empty.
    pub(crate) fn find(&self, query: &[T]) -> Interval {
        if query.is_empty() {
            return Interval {
                start: 0,
                end: self.text.len() as u64,
            };
        }
        self.insertion(query).interval(self, query, query.len())
    }

    /// Returns the place where `query` would be inserted into the suffix array.
    ///
    /// Cost: log2(N) probes, each a page of the table and one of the text. Each compares only past the prefix that its
    /// two neighbours in the search share with the query.
    pub(crate) fn insertion(&self, query: &[T]) -> Insertion {
        let mut insertion = Insertion::default();
        let (mut low, mut high) = (0, self.text.len());
        let (mut lcp_low, mut lcp_high) = (0, 0);
        while low < high {
            let rank = low.midpoint(high);
            let position = self.table.position(rank);
            let comparison = self.text.compare(position, query, lcp_low.min(lcp_high));
            let probe = Probe {
                rank,
                lcp: comparison.lcp,
            };
            if comparison.order == Ordering::Less {
                low = rank + 1;
                lcp_low = comparison.lcp;
                insertion.before.push(probe);
            } else {
                high = rank;
                lcp_high = comparison.lcp;
                insertion.after.push(probe);
            }
        }
        insertion.rank = low;
        insertion
    }

    /// Returns the first rank in `low..high` for which `holds` is true, given the LCP of its suffix with `query`; `high`
    /// if there is none. `holds` must be monotone, and `known` tokens are known to agree in the whole range.
    fn partition(
        &self,
        (mut low, mut high): (usize, usize),
        query: &[T],
        known: usize,
        holds: impl Fn(usize) -> bool,
    ) -> usize {
        while low < high {
            let rank = low.midpoint(high);
            let position = self.table.position(rank);
            if holds(self.text.compare(position, query, known).lcp) {
                high = rank;
            } else {
                low = rank + 1;
            }
        }
        low
    }
}

/// A suffix that was compared with a query.
#[derive(Clone, Copy, Debug)]
struct Probe {
    rank: usize,
    lcp: usize,
}

/// Where a query stands among the suffixes, and what was seen on the way there.
///
/// `before` holds the probes left of `rank`, ever nearer to it; `after` those at or right of it. The last of each are the
/// query's neighbours, and LCPs never fall along either list.
#[derive(Debug, Default)]
pub(crate) struct Insertion {
    rank: usize,
    before: Vec<Probe>,
    after: Vec<Probe>,
}

impl Insertion {
    /// Length of the longest prefix of the query that occurs.
    pub(crate) fn longest_prefix(&self) -> usize {
        let lcp = |probes: &[Probe]| probes.last().map_or(0, |probe| probe.lcp);
        lcp(&self.before).max(lcp(&self.after))
    }

    /// Returns the interval of the query's first `length` tokens, which is empty if they do not occur.
    ///
    /// Cost: about log2(count) probes on each side: the search already passed the interval's edges at that distance.
    pub(crate) fn interval<T: Token>(&self, shard: &Shard<T>, query: &[T], length: usize) -> Interval {
        let prefix = &query[..length];
        let (outside, inside) = split_at_length(&self.before, length);
        let start = inside.map_or(self.rank, |inside| {
            let low = outside.map_or(0, |outside| outside.rank + 1);
            let known = outside.map_or(0, |outside| outside.lcp);
            shard.partition((low, inside.rank), prefix, known, |lcp| lcp == length)
        });
        let (outside, inside) = split_at_length(&self.after, length);
        let end = inside.map_or(self.rank, |inside| {
            let high = outside.map_or(shard.text.len(), |outside| outside.rank);
            let known = outside.map_or(0, |outside| outside.lcp);
            shard.partition((inside.rank + 1, high), prefix, known, |lcp| lcp < length)
        });
        Interval {
            start: start as u64,
            // Only in a corrupt table do the two searches cross.
            end: end.max(start) as u64,
        }
    }
}

/// Returns the last probe whose LCP is below `length`, and the first that reaches it.
fn split_at_length(probes: &[Probe], length: usize) -> (Option<Probe>, Option<Probe>) {
    let reached = probes.partition_point(|probe| probe.lcp < length);
    let outside = reached.checked_sub(1).map(|last| probes[last]);
    (outside, probes.get(reached).copied())
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
