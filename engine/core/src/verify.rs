//! The checks that opening is too quick for: the table is a sorted permutation, and the files agree with the text.
//!
//! Every kind of check goes through its units (documents, ranges of ranks, ...) in batches, all of them or a seeded sample,
//! and goes on after a problem, up to a number of problems.

use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::error::EngineError;
use crate::sample::Sample;
use crate::shard::Shard;
use crate::token::Token;
use crate::unigrams::UnigramCounts;

/// Documents that are one unit of a sample: those of one page of their offsets.
const DOCUMENTS_PER_UNIT: usize = 512;

/// Tokens that one task counts.
const TOKENS_PER_TASK: usize = 1 << 20;

/// Units that a thread checks before progress is told.
const UNITS_PER_THREAD: usize = 16;

/// Token ids below this have a place in an array each, for the count of unigrams; others are searched for.
const MAX_DENSE_IDS: usize = 1 << 24;

/// How much [`crate::ShardIndex::inspect`] looks at.
#[derive(Clone, Copy, Debug)]
pub struct InspectOptions {
    /// Share of the units to look at, above 0; 1 and above is everything.
    pub share: f64,
    /// Decides which units a share below 1 looks at.
    pub seed: u64,
    /// Problems after which the search for more ends; at least 1.
    pub max_problems: usize,
}

/// What an inspection found.
#[derive(Debug, Default)]
pub struct Inspection {
    /// What is wrong, at most as much as was asked for; empty if the shard is sound as far as it was looked at.
    pub problems: Vec<EngineError>,
    /// How much of each kind was looked at, in the order of the checks. What came after the last problem is left out.
    pub looked_at: Vec<LookedAt>,
}

/// How much of one kind of thing was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookedAt {
    /// What the units are.
    pub kind: &'static str,
    /// Units looked at.
    pub looked_at: u64,
    /// Units that there are.
    pub total: u64,
}

/// An inspection under way.
pub(crate) struct Inspector<'a, T> {
    pub(crate) shard: &'a Shard<T>,
    pub(crate) pool: &'a ThreadPool,
    pub(crate) sample: Sample,
    max_problems: usize,
    found: Inspection,
    done: u64,
    total: u64,
    tell: &'a mut dyn FnMut(u64, u64) -> bool,
}

impl<T: Token> Shard<T> {
    /// Checks offsets, metadata ranges, unigram counts, the suffix array and the sidecars against the text.
    ///
    /// `tell` is told units done and their total now and then; if it returns false, the work stops with
    /// [`EngineError::Stopped`]. Cost: see `suffix_engine/_native.pyi`.
    pub(crate) fn inspect(
        &self,
        pool: &ThreadPool,
        options: InspectOptions,
        tell: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<Inspection, EngineError> {
        self.text.file().read_ahead_if_it_fits();
        let mut inspector = Inspector {
            shard: self,
            pool,
            sample: Sample::new(options.share, options.seed),
            max_problems: options.max_problems.max(1),
            found: Inspection::default(),
            done: 0,
            total: 0,
            tell,
        };
        inspector.run()?;
        Ok(inspector.found)
    }
}

impl<T: Token> Inspector<'_, T> {
    fn run(&mut self) -> Result<(), EngineError> {
        self.total = self.num_units();
        self.documents()?;
        self.unigrams()?;
        self.ranks()?;
        self.positions()?;
        self.sidecar_header();
        Ok(())
    }

    /// Whether no more problems are wanted.
    pub(crate) fn is_full(&self) -> bool {
        self.room() == 0
    }

    pub(crate) fn num_problems(&self) -> usize {
        self.found.problems.len()
    }

    /// How many more problems are wanted.
    pub(crate) fn room(&self) -> usize {
        self.max_problems - self.num_problems()
    }

    /// Adds problems, as many as are wanted.
    pub(crate) fn add(&mut self, problems: impl IntoIterator<Item = EngineError>) {
        let room = self.room();
        self.found.problems.extend(problems.into_iter().take(room));
    }

    pub(crate) fn looked_at(&mut self, kind: &'static str, looked_at: usize, total: usize) {
        let (looked_at, total) = (looked_at as u64, total as u64);
        self.found.looked_at.push(LookedAt {
            kind,
            looked_at,
            total,
        });
    }

    /// Does `work` for some units of one kind, in batches on all threads, and adds what it returns; ends early once enough
    /// problems are found. Returns how many units were looked at.
    pub(crate) fn in_batches<R: Send>(
        &mut self,
        units: &[usize],
        work: impl Fn(usize) -> R + Sync,
        mut add: impl FnMut(&mut Self, R),
    ) -> Result<usize, EngineError> {
        let mut looked_at = 0;
        for units in units.chunks(UNITS_PER_THREAD * self.pool.current_num_threads()) {
            if self.is_full() {
                break;
            }
            let results: Vec<R> = self
                .pool
                .install(|| units.par_iter().map(|&unit| work(unit)).collect());
            for result in results {
                add(self, result);
            }
            looked_at += units.len();
            self.done += units.len() as u64;
            if !(self.tell)(self.done, self.total.max(self.done)) {
                return Err(EngineError::Stopped);
            }
        }
        Ok(looked_at)
    }

    /// Returns about how many units all checks have.
    fn num_units(&self) -> u64 {
        let documents = self.shard.documents.len().div_ceil(DOCUMENTS_PER_UNIT);
        let texts = match (&self.shard.unigrams, self.sample.is_everything()) {
            (None, _) => 0,
            (Some(_), true) => self.shard.text.len().div_ceil(TOKENS_PER_TASK),
            (Some(unigrams), false) => self.sample.size(unigrams.token_ids().len()),
        };
        (self.sample.size(documents) + texts + self.num_rank_units() + self.num_positions()) as u64
    }

    /// Every separator of the text starts a document, every document starts with one, and its metadata is in the file.
    fn documents(&mut self) -> Result<(), EngineError> {
        let (shard, max) = (self.shard, self.max_problems);
        let num_documents = shard.documents.len();
        let units = self
            .sample
            .pick(num_documents.div_ceil(DOCUMENTS_PER_UNIT), "documents");
        let of_unit = |unit: usize| {
            let first = unit * DOCUMENTS_PER_UNIT;
            first..num_documents.min(first + DOCUMENTS_PER_UNIT)
        };
        let check = |unit: usize| {
            let problems = of_unit(unit).filter_map(|document| shard.check_document(document).err());
            problems.take(max).collect::<Vec<_>>()
        };
        let done = self.in_batches(&units, check, Self::add)?;
        let looked_at = units[..done].iter().map(|&unit| of_unit(unit).len()).sum();
        self.looked_at("documents", looked_at, num_documents);
        Ok(())
    }

    /// The counts of unigrams are those of the text, as counted, or for a sample of them as searches find.
    fn unigrams(&mut self) -> Result<(), EngineError> {
        let Some(unigrams) = &self.shard.unigrams else {
            return Ok(());
        };
        let looked_at = if self.sample.is_everything() {
            self.count_unigrams(unigrams)?
        } else {
            self.look_unigrams_up(unigrams)?
        };
        self.looked_at("unigram counts", looked_at, unigrams.token_ids().len());
        Ok(())
    }

    /// Counts every token of the text; returns how many counts were compared.
    fn count_unigrams(&mut self, unigrams: &UnigramCounts) -> Result<usize, EngineError> {
        let shard = self.shard;
        let num_tokens = shard.text.len();
        let slots = Slots::new(unigrams.token_ids());
        let mut found = vec![0; unigrams.token_ids().len()];
        let mut unlisted = Vec::new();
        let count = |task: usize| {
            let range = task * TOKENS_PER_TASK..num_tokens.min((task + 1) * TOKENS_PER_TASK);
            slots.count(shard.text.tokens(range.start, range.end).map(Token::id))
        };
        let tasks: Vec<usize> = (0..num_tokens.div_ceil(TOKENS_PER_TASK)).collect();
        let done = self.in_batches(&tasks, count, |_, (counts, others)| {
            for (sum, count) in found.iter_mut().zip(counts) {
                *sum += count;
            }
            unlisted.extend(others);
            unlisted.sort_unstable();
            unlisted.dedup();
        })?;
        if done < tasks.len() {
            return Ok(0);
        }
        let path = shard.files.unigram();
        self.add(unlisted.into_iter().map(|token| EngineError::UnigramUnlisted {
            path: path.clone(),
            token,
        }));
        let counted = unigrams.token_ids().iter().zip(found);
        self.add(counted.filter_map(|(&token, in_text)| shard.check_count(unigrams, token, in_text)));
        Ok(unigrams.token_ids().len())
    }

    /// Compares some counts with how often the token is found in the table; returns how many.
    fn look_unigrams_up(&mut self, unigrams: &UnigramCounts) -> Result<usize, EngineError> {
        let shard = self.shard;
        let entries = self.sample.pick(unigrams.token_ids().len(), "unigrams");
        let look_up = |entry: usize| {
            let token = unigrams.token_ids()[entry];
            let wanted = if token == T::SEPARATOR {
                Some(T::separator())
            } else {
                T::from_id(token)
            };
            let in_table = wanted.map_or(0, |wanted| shard.find(&[wanted]).count());
            shard.check_count(unigrams, token, in_table)
        };
        self.in_batches(&entries, look_up, Self::add)
    }
}

impl<T: Token> Shard<T> {
    fn check_document(&self, document: usize) -> Result<(), EngineError> {
        let start = self.documents.start(document);
        let wrong = |expected| EngineError::DocumentStart {
            path: self.files.offset(),
            document: document as u64,
            found: (start * T::WIDTH) as u64,
            expected,
        };
        if !self.text.token(start).is_separator() {
            return Err(wrong("the place of a separator in the text"));
        }
        let mut tokens = self.text.tokens(start + 1, self.document_end(document));
        if tokens.any(Token::is_separator) {
            return Err(wrong("no separator inside the document"));
        }
        self.metadata(document as u64).map(drop)
    }

    fn check_count(&self, unigrams: &UnigramCounts, token: u32, in_text: u64) -> Option<EngineError> {
        let found = unigrams.count(token);
        (found != in_text).then(|| EngineError::UnigramCount {
            path: self.files.unigram(),
            token,
            found,
            expected: in_text,
        })
    }
}

/// Where in the list of unigrams a token is.
struct Slots<'a> {
    token_ids: &'a [u32],
    /// One more than the place in the list, by token id; 0 is not listed.
    dense: Vec<u32>,
}

impl<'a> Slots<'a> {
    fn new(token_ids: &'a [u32]) -> Self {
        let small = token_ids.partition_point(|&id| (id as usize) < MAX_DENSE_IDS);
        let mut dense = vec![
            0;
            small
                .checked_sub(1)
                .map_or(0, |last| token_ids[last] as usize + 1)
        ];
        for (place, &id) in (1..).zip(&token_ids[..small]) {
            dense[id as usize] = place;
        }
        Self { token_ids, dense }
    }

    /// Returns how often each listed token is among some, and the others, each once.
    fn count(&self, tokens: impl Iterator<Item = u32>) -> (Vec<u64>, Vec<u32>) {
        let mut counts = vec![0; self.token_ids.len()];
        let mut others = Vec::new();
        for token in tokens {
            let place = match self.dense.get(token as usize) {
                Some(0) => None,
                Some(&place) => Some(place as usize - 1),
                None => self.token_ids.binary_search(&token).ok(),
            };
            match place {
                Some(place) => counts[place] += 1,
                None if others.contains(&token) => {}
                None => others.push(token),
            }
        }
        (counts, others)
    }
}

/// Returns the part of `total` things that unit `unit` of `per_unit` has.
pub(crate) fn range_of_unit(unit: usize, per_unit: usize, total: usize) -> Range<usize> {
    unit * per_unit..total.min((unit + 1) * per_unit)
}
