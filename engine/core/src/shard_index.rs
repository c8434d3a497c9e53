//! The public face of a shard: any token width, on a pool of threads of its own.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::address::to_usize;
use crate::error::EngineError;
use crate::files::ShardFiles;
use crate::interval::Interval;
use crate::longest_matches::{FoundMatches, Query};
use crate::pool::thread_pool;
use crate::reads::ReadCounts;
use crate::retrieve::{DocumentSlice, Window, WindowSizes};
use crate::shard::Shard;
use crate::token::{Token, TokenWidth};
use crate::unigrams::UnigramCounts;
use crate::verify::{InspectOptions, Inspection};
use crate::vocabulary::Vocabulary;
use crate::withheld::Withheld;

/// One opened shard, perhaps without some of its documents. Immutable: share it between threads.
#[derive(Debug)]
pub struct ShardIndex {
    shard: AnyShard,
    /// What this view of the shard leaves out; `None` if nothing.
    withheld: Option<Withheld>,
    pool: Arc<ThreadPool>,
    vocabulary: Option<Arc<Vocabulary>>,
}

#[derive(Clone, Debug)]
enum AnyShard {
    U8(Arc<Shard<u8>>),
    U16(Arc<Shard<u16>>),
    U32(Arc<Shard<u32>>),
}

/// Runs an expression on the shard whatever its token width.
macro_rules! with_shard {
    ($index:expr, $shard:ident => $body:expr) => {
        match &$index.shard {
            AnyShard::U8($shard) => $body,
            AnyShard::U16($shard) => $body,
            AnyShard::U32($shard) => $body,
        }
    };
}

impl ShardIndex {
    /// Opens the shard with this number in its file names. See `suffix_engine/_native.pyi` for checks and cost.
    pub fn open(
        directory: &Path,
        number: u32,
        width: TokenWidth,
        pool: Arc<ThreadPool>,
        vocabulary: Option<Arc<Vocabulary>>,
    ) -> Result<Self, EngineError> {
        let files = ShardFiles::new(directory, number);
        let shard = match width {
            TokenWidth::U8 => AnyShard::U8(Arc::new(Shard::open(files)?)),
            TokenWidth::U16 => AnyShard::U16(Arc::new(Shard::open(files)?)),
            TokenWidth::U32 => AnyShard::U32(Arc::new(Shard::open(files)?)),
        };
        Ok(Self {
            shard,
            withheld: None,
            pool,
            vocabulary,
        })
    }

    /// Returns the shard as if some documents, ascending, had never been in it; they replace those that this view leaves out.
    ///
    /// Ranks and counts are then *net*: those among the survivors. Positions and document numbers stay. The files are
    /// shared. See `suffix_engine/_native.pyi` for the cost.
    pub fn without(&self, documents: &[u64], num_threads: usize) -> Result<Self, EngineError> {
        let pool = match num_threads {
            0 => Arc::clone(&self.pool),
            _ => Arc::new(thread_pool(num_threads)?),
        };
        let known = self.withheld.as_ref();
        let withheld = if documents.is_empty() {
            None
        } else {
            let withhold = || with_shard!(self, shard => shard.withhold(documents, known, &pool));
            Some(self.reading(withhold)?)
        };
        Ok(self.with(withheld))
    }

    /// Returns what this view knows of the documents that it leaves out, for [`Self::restored_without`]; nothing if it leaves out
    /// none.
    pub fn saved_view(&self) -> Result<Vec<u8>, EngineError> {
        let Some(withheld) = &self.withheld else {
            return Ok(Vec::new());
        };
        self.reading(|| with_shard!(self, shard => Ok(shard.save_view(withheld))))
    }

    /// Returns the shard without some documents, ascending, as [`Self::without`] does, from what a view of the same shard without
    /// the same documents saved.
    pub fn restored_without(&self, documents: &[u64], saved: &[u8]) -> Result<Self, EngineError> {
        let restore = || with_shard!(self, shard => shard.restore_view(documents, saved));
        Ok(self.with(Some(self.reading(restore)?)))
    }

    /// Returns a view that leaves out something else.
    fn with(&self, withheld: Option<Withheld>) -> Self {
        Self {
            shard: self.shard.clone(),
            withheld,
            pool: Arc::clone(&self.pool),
            vocabulary: self.vocabulary.clone(),
        }
    }

    /// Documents that this view leaves out.
    #[must_use]
    pub fn withheld_documents(&self) -> u64 {
        let documents = self.withheld.as_ref().map(|withheld| withheld.documents.len());
        documents.unwrap_or(0) as u64
    }

    /// Positions that this view leaves out: the tokens of its documents, and a separator for each.
    #[must_use]
    pub fn withheld_tokens(&self) -> u64 {
        self.withheld.as_ref().map_or(0, Withheld::num_tokens) as u64
    }

    /// Positions in the view, separators included: N without those left out.
    #[must_use]
    pub fn num_tokens(&self) -> u64 {
        with_shard!(self, shard => shard.text.len() as u64) - self.withheld_tokens()
    }

    /// Documents in the shard, those left out included.
    #[must_use]
    pub fn num_documents(&self) -> u64 {
        with_shard!(self, shard => shard.documents.len() as u64)
    }

    /// Bytes a token.
    #[must_use]
    pub fn token_width(&self) -> usize {
        match self.shard {
            AnyShard::U8(_) => 1,
            AnyShard::U16(_) => 2,
            AnyShard::U32(_) => 4,
        }
    }

    /// Bytes an entry of the suffix array.
    #[must_use]
    pub fn pointer_width(&self) -> usize {
        with_shard!(self, shard => shard.table.pointer_width())
    }

    /// RAM held besides the page cache, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        with_shard!(self, shard => {
            let unigrams = shard.unigrams.as_ref().map_or(0, UnigramCounts::memory_bytes);
            let withheld = self.withheld.as_ref().map_or(0, Withheld::memory_bytes);
            shard.documents.memory_bytes() + unigrams + self.directory_bytes() + withheld
        })
    }

    /// Returns the interval of the suffixes that begin with `token_ids`; all ranks if it is empty.
    pub fn find(&self, token_ids: &[u32]) -> Result<Interval, EngineError> {
        let raw =
            self.reading(|| with_shard!(self, shard => Ok(shard.find(&query_tokens(shard, token_ids)?))))?;
        Ok(match &self.withheld {
            None => raw,
            Some(withheld) => withheld.net(raw).0,
        })
    }

    /// Whether the shard has its sidecars.
    #[must_use]
    pub fn is_accelerated(&self) -> bool {
        with_shard!(self, shard => shard.sidecars.is_some())
    }

    /// RAM of the directory, in bytes; 0 without sidecars.
    #[must_use]
    pub fn directory_bytes(&self) -> usize {
        with_shard!(self, shard => shard.sidecars.as_ref().map_or(0, |sidecars| sidecars.directory.memory_bytes()))
    }

    /// Returns the longest allowed matches of a query that are maximal in the shard.
    pub fn longest_matches(&self, query: &Query) -> Result<FoundMatches, EngineError> {
        self.reading(|| {
            with_shard!(self, shard => {
                if let Some(withheld) = &self.withheld {
                    return shard.longest_matches_without(withheld, query, &self.pool);
                }
                let (matches, reads) = shard.longest_matches(query, &self.pool)?;
                Ok(FoundMatches {
                    withheld: vec![0; matches.len()],
                    withheld_elsewhere: 0,
                    matches,
                    reads,
                })
            })
        })
    }

    /// Returns the count of each token id.
    pub fn unigram_counts(&self, token_ids: &[u32]) -> Result<Vec<u64>, EngineError> {
        let mut counts = with_shard!(self, shard => {
            let tokens = query_tokens(shard, token_ids)?;
            match &shard.unigrams {
                Some(unigrams) => token_ids.iter().map(|&id| unigrams.count(id)).collect(),
                None => self.reading(|| {
                    let count = |&token: &_| shard.find(&[token]).count();
                    Ok(self.pool.install(|| tokens.par_iter().map(count).collect::<Vec<u64>>()))
                })?,
            }
        });
        if let Some(withheld) = &self.withheld {
            for (count, token_id) in counts.iter_mut().zip(token_ids) {
                // Only in a corrupt shard are there fewer.
                *count = count.saturating_sub(withheld.token_counts.get(*token_id));
            }
        }
        Ok(counts)
    }

    /// Returns the position of each rank.
    pub fn positions(&self, ranks: &[u64]) -> Result<Vec<u64>, EngineError> {
        let mut reads = ReadCounts::default();
        let ranks = self.raw_ranks(ranks)?;
        let positions = self.reading(|| with_shard!(self, shard => shard.positions(&ranks, &mut reads)))?;
        Ok(positions.into_iter().map(|position| position as u64).collect())
    }

    /// Returns the document of each position and the offset in it, `None` for a separator.
    pub fn locate(&self, positions: &[u64]) -> Result<Vec<(u64, Option<u64>)>, EngineError> {
        with_shard!(self, shard => positions.iter().map(|&at| shard.locate(at)).collect())
    }

    /// Returns the token ids at positions `start..end`, separators as `u32::MAX`.
    pub fn tokens(&self, start: u64, end: u64) -> Result<Vec<u32>, EngineError> {
        with_shard!(self, shard => {
            let tokens = self.reading(|| shard.tokens(start, end))?;
            if let Some(withheld) = &self.withheld
                && start < end
            {
                let (first, last) = (shard.locate(start)?.0, shard.locate(end - 1)?.0);
                withheld.check(first..last + 1)?;
            }
            Ok(tokens)
        })
    }

    /// Returns the window round each occurrence, given by its rank and its length in tokens, and the reads they took.
    pub fn windows(
        &self,
        ranks: &[u64],
        lengths: &[u32],
        sizes: WindowSizes,
    ) -> Result<(Vec<Window>, ReadCounts), EngineError> {
        if ranks.len() != lengths.len() {
            return Err(EngineError::LengthMismatch {
                left: ranks.len(),
                right: lengths.len(),
            });
        }
        let vocabulary = self.vocabulary()?;
        let raw_ranks = self.raw_ranks(ranks)?;
        let (mut windows, reads) = self
            .reading(|| with_shard!(self, shard => shard.windows(&raw_ranks, lengths, sizes, vocabulary)))?;
        for (window, &rank) in windows.iter_mut().zip(ranks) {
            window.rank = rank;
        }
        Ok((windows, reads))
    }

    /// Returns up to `max_tokens` tokens of a document from `start` on.
    pub fn document(
        &self,
        document: u64,
        start: u64,
        max_tokens: usize,
    ) -> Result<DocumentSlice, EngineError> {
        let vocabulary = self.vocabulary()?;
        self.check_not_withheld(document)?;
        self.reading(|| with_shard!(self, shard => shard.document(document, start, max_tokens, vocabulary)))
    }

    /// Returns the metadata line of a document; empty if the shard has none.
    pub fn metadata(&self, document: u64) -> Result<String, EngineError> {
        self.check_not_withheld(document)?;
        self.reading(|| with_shard!(self, shard => shard.metadata(document)))
    }

    /// Does work that reads mapped files, and refuses its result if one of them is shorter than when it was opened.
    fn reading<R>(&self, work: impl FnOnce() -> Result<R, EngineError>) -> Result<R, EngineError> {
        with_shard!(self, shard => shard.check_sizes())?;
        let done = work();
        with_shard!(self, shard => shard.check_sizes())?;
        done
    }

    /// Returns the ranks of surviving suffixes in the whole shard, given those in the view.
    fn raw_ranks<'r>(&self, ranks: &'r [u64]) -> Result<Cow<'r, [u64]>, EngineError> {
        let Some(withheld) = &self.withheld else {
            return Ok(Cow::Borrowed(ranks));
        };
        let num_tokens = self.num_tokens();
        let raw = |&rank: &u64| {
            if rank >= num_tokens {
                return Err(EngineError::OutOfRange {
                    what: "rank",
                    found: rank,
                    expected: format!("below {num_tokens}"),
                });
            }
            Ok(withheld.raw(to_usize(rank)) as u64)
        };
        ranks.iter().map(raw).collect()
    }

    fn check_not_withheld(&self, document: u64) -> Result<(), EngineError> {
        match &self.withheld {
            Some(withheld) if document < self.num_documents() => withheld.check(document..document + 1),
            _ => Ok(()),
        }
    }

    /// Checks everything that opening does not. O(N) and the sum of the LCPs.
    pub fn verify(&self) -> Result<(), EngineError> {
        let options = InspectOptions {
            share: 1.0,
            seed: 0,
            max_problems: 1,
        };
        let inspection = self.inspect(options, |_, _| true)?;
        inspection.problems.into_iter().next().map_or(Ok(()), Err)
    }

    /// Checks everything that opening does not, or a share of it, and returns what was looked at and what is wrong.
    ///
    /// `progress` is told the work done and its total now and then; if it returns false, the work stops with
    /// [`EngineError::Stopped`].
    pub fn inspect(
        &self,
        options: InspectOptions,
        mut progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<Inspection, EngineError> {
        self.reading(|| with_shard!(self, shard => shard.inspect(&self.pool, options, &mut progress)))
    }

    fn vocabulary(&self) -> Result<&Vocabulary, EngineError> {
        self.vocabulary.as_deref().ok_or(EngineError::NoVocabulary)
    }
}

fn query_tokens<T: Token>(_: &Shard<T>, token_ids: &[u32]) -> Result<Vec<T>, EngineError> {
    Shard::<T>::query_tokens(token_ids)
}
