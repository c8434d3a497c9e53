//! Sorting a shard: its suffix array and its sidecars, in one pass over the text or part by part.
//!
//! A shard that fits into memory is one part. Else each part, some whole documents, is sorted into a run ([`sort_part`]), and the
//! runs are merged ([`merge_parts`]). As nothing is compared past the end of a document, and suffixes that are equal up to there
//! are ordered by their positions, the files are the same however many parts there are, and whatever sorted them.

mod buckets;
mod copies;
mod in_order;
mod induced;
mod merge;
mod output;
mod part_text;
mod partition;
mod parts;
mod ranked;
mod run_file;
mod suffix_order;
mod suffix_text;
mod table_files;

use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

use rayon::ThreadPool;

use crate::address::to_usize;
use crate::directory::Directory;
use crate::error::EngineError;
use crate::fan_out::num_blocks;
use crate::files::ShardFiles;
use crate::pool::thread_pool;
use crate::token::{Token, TokenWidth};

use buckets::Buckets;
use copies::Copies;
use in_order::in_order;
use induced::{Induced, Patience};
use merge::Merge;
pub(crate) use output::{flush_folder, remove_if_present};
use part_text::PartText;
use ranked::Ranked;
use run_file::{Records, RunFile, RunHeader, RunWriter};
use suffix_order::SuffixOrder;
use suffix_text::{SuffixText, TextFile};
use table_files::{Packed, TableFiles};

/// Most tokens of a part: libsais' 32-bit form takes no more, its extra positions included.
pub const MAX_PART_TOKENS: u64 = i32::MAX as u64 - induced::EXTRA_POSITIONS as u64 - 1;

/// Memory of a thread that sorts or merges: buckets and results that wait for their turn.
const THREAD_BYTES: u64 = 24 << 20;

/// Memory besides: write buffers, libsais' extra positions, and what the process takes anyway.
const FIXED_BYTES: u64 = 48 << 20;

/// Ranks that one task merges, about.
const MERGED_RANKS: usize = 1 << 18;

/// Most parts of a shard: each is an open file, and a head that every rank is chosen from.
pub const MAX_PARTS: u32 = 256;

/// One part of a shard to sort.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    /// Its number, below `num_parts`.
    pub number: u32,
    /// Parts that the shard is cut into.
    pub num_parts: u32,
}

/// Returns the peak memory, in bytes, of sorting a part of this many tokens on this many threads: the text, its positions, and a
/// byte a token for dealing them out.
#[must_use]
pub fn sort_memory_bytes(num_tokens: u64, width: TokenWidth, num_threads: u64) -> u64 {
    num_tokens
        .saturating_mul(width.bytes() as u64 + 5)
        .saturating_add(FIXED_BYTES + num_threads * THREAD_BYTES)
}

/// Returns the least memory, in bytes, of merging the parts of a shard of this many tokens: the directory, and buffers. With as
/// much more as the text takes, merging need not read it from disk.
#[must_use]
pub fn merge_memory_bytes(num_tokens: u64, width: TokenWidth, num_parts: u64, num_threads: u64) -> u64 {
    let blocks = num_blocks(to_usize(num_tokens), width.bytes());
    Directory::max_bytes(blocks, width.bytes())
        .saturating_add(FIXED_BYTES + num_threads * (THREAD_BYTES + (num_parts << 16)))
}

/// Returns the disk, in bytes, that the run of a part of this many tokens takes.
#[must_use]
pub fn run_bytes(num_tokens: u64) -> u64 {
    run_file::run_bytes(num_tokens)
}

/// Returns the most tokens of a part if the shard in `directory` is cut into `num_parts`: documents are not cut.
/// Cost: a few pages of the text a part, and the documents at their ends.
pub fn longest_part(directory: &Path, width: TokenWidth, num_parts: u32) -> Result<u64, EngineError> {
    let longest = |bounds: Vec<u64>| bounds.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or(0);
    Ok(longest(match width {
        TokenWidth::U8 => Source::<u8>::open(directory)?.bounds(num_parts)?,
        TokenWidth::U16 => Source::<u16>::open(directory)?.bounds(num_parts)?,
        TokenWidth::U32 => Source::<u32>::open(directory)?.bounds(num_parts)?,
    }))
}

/// Sorts a part of `tokenized.0` in `directory` into a run beside it; the only part of a shard into `table.0`, and with
/// `accelerate` the sidecars. What is there already is written anew. Each file is flushed to disk and renamed into place.
///
/// Suffixes are ordered by the little-endian bytes of their tokens to the end of their documents (the separator after every token,
/// the end of the file before), equal ones by position. `num_threads` 0 means one a core. `progress` is told the tokens done and
/// their total now and then; if it returns false, the work stops and [`EngineError::Stopped`] is returned.
/// Cost: see docs/indexing.md; memory: [`sort_memory_bytes`].
pub fn sort_part(
    directory: &Path,
    width: TokenWidth,
    part: Part,
    num_threads: usize,
    accelerate: bool,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<(), EngineError> {
    let pool = thread_pool(num_threads)?;
    match width {
        TokenWidth::U8 => Source::<u8>::open(directory)?.sort(part, &pool, accelerate, progress),
        TokenWidth::U16 => Source::<u16>::open(directory)?.sort(part, &pool, accelerate, progress),
        TokenWidth::U32 => Source::<u32>::open(directory)?.sort(part, &pool, accelerate, progress),
    }
}

/// Sorts a whole shard in memory: [`sort_part`] of the only part, without sidecars.
pub fn sort_shard(directory: &Path, width: TokenWidth, num_threads: usize) -> Result<(), EngineError> {
    let whole = Part {
        number: 0,
        num_parts: 1,
    };
    sort_part(directory, width, whole, num_threads, false, |_, _| true)
}

/// Merges the runs of the parts of a shard into `table.0`, and with `accelerate` the sidecars, and removes them.
///
/// The text is held in memory if `memory_bytes` allow for it besides [`merge_memory_bytes`]; else it is read from disk where eight
/// bytes behind the LCP do not tell two suffixes apart.
pub fn merge_parts(
    directory: &Path,
    width: TokenWidth,
    num_parts: u32,
    num_threads: usize,
    memory_bytes: u64,
    accelerate: bool,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<(), EngineError> {
    let pool = thread_pool(num_threads)?;
    match width {
        TokenWidth::U8 => {
            Source::<u8>::open(directory)?.merge(num_parts, &pool, memory_bytes, accelerate, progress)
        }
        TokenWidth::U16 => {
            Source::<u16>::open(directory)?.merge(num_parts, &pool, memory_bytes, accelerate, progress)
        }
        TokenWidth::U32 => {
            Source::<u32>::open(directory)?.merge(num_parts, &pool, memory_bytes, accelerate, progress)
        }
    }
}

/// The text of a shard that is sorted.
struct Source<T> {
    directory: PathBuf,
    files: ShardFiles,
    text: File,
    num_tokens: u64,
    token: std::marker::PhantomData<T>,
}

impl<T: Token> Source<T> {
    fn open(directory: &Path) -> Result<Self, EngineError> {
        let files = ShardFiles::new(directory, 0);
        let path = files.tokenized();
        let io_error = || EngineError::io(&path);
        let text = File::open(&path).map_err(io_error())?;
        let size = text.metadata().map_err(io_error())?.len();
        let unit = T::WIDTH as u64;
        if size == 0 {
            return Err(EngineError::EmptyFile { path });
        }
        if !size.is_multiple_of(unit) {
            return Err(EngineError::NotAMultiple {
                path,
                found: size,
                unit,
            });
        }
        Ok(Self {
            directory: directory.to_path_buf(),
            files,
            text,
            num_tokens: size / unit,
            token: std::marker::PhantomData,
        })
    }

    fn bounds(&self, num_parts: u32) -> Result<Vec<u64>, EngineError> {
        if !(1..=MAX_PARTS).contains(&num_parts) {
            return Err(EngineError::OutOfRange {
                what: "number of parts",
                found: u64::from(num_parts),
                expected: format!("1 to {MAX_PARTS}"),
            });
        }
        parts::part_bounds::<T>(&self.text, self.num_tokens, u64::from(num_parts))
            .map_err(EngineError::io(self.files.tokenized()))
    }

    fn run_path(&self, part: Part) -> PathBuf {
        self.directory
            .join(format!("sorted_part.{:03}-of-{:03}", part.number, part.num_parts))
    }

    fn header(&self, range: &Range<u64>) -> RunHeader {
        RunHeader {
            token_width: u32::try_from(T::WIDTH).expect("widths are 1, 2 and 4"),
            start: range.start,
            end: range.end,
            num_tokens: self.num_tokens,
        }
    }

    fn sort(
        &self,
        part: Part,
        pool: &ThreadPool,
        accelerate: bool,
        progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<(), EngineError> {
        let bounds = self.bounds(part.num_parts)?;
        if part.number >= part.num_parts {
            return Err(EngineError::OutOfRange {
                what: "part",
                found: u64::from(part.number),
                expected: format!("below {}", part.num_parts),
            });
        }
        let range = parts::part_range(&bounds, part.number as usize);
        if range.end - range.start > MAX_PART_TOKENS {
            return Err(EngineError::Sort {
                path: self.files.tokenized(),
                reason: format!(
                    "a part of {} tokens, at most {MAX_PART_TOKENS} can be sorted at once; sort it in more parts",
                    range.end - range.start
                ),
            });
        }
        let mut told = Told {
            progress,
            done: 0,
            total: range.end - range.start,
        };
        let text = self.read(&range, pool)?;
        let compared = pool.install(|| Compared::new(&text)).map_err(self.io_error())?;
        match self.write(part, &range, &text, &compared, pool, accelerate, &mut told) {
            Err(Ended::OutOfPatience) => {}
            Err(Ended::Failed(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
        drop(compared);
        told.done = 0;
        let induced = pool.install(|| Induced::sort(text)).map_err(self.io_error())?;
        let text = self.read(&range, pool)?;
        match self.write(part, &range, &text, &induced, pool, accelerate, &mut told) {
            Err(Ended::Failed(error)) => Err(error),
            Err(Ended::OutOfPatience) => unreachable!("libsais takes its time whatever the text"),
            Ok(()) => Ok(()),
        }
    }

    fn read(&self, range: &Range<u64>, pool: &ThreadPool) -> Result<PartText<T>, EngineError> {
        let ends_text = range.end == self.num_tokens;
        pool.install(|| PartText::read(&self.text, range.clone(), ends_text))
            .map_err(self.io_error())
    }

    fn io_error(&self) -> impl FnOnce(std::io::Error) -> EngineError {
        EngineError::io(self.files.tokenized())
    }

    /// Writes the ranks of a part as they come.
    #[allow(clippy::too_many_arguments, reason = "a step of `sort`, done twice at most")]
    fn write<R: Ranking<T>>(
        &self,
        part: Part,
        range: &Range<u64>,
        text: &PartText<T>,
        ranking: &R,
        pool: &ThreadPool,
        accelerate: bool,
        told: &mut Told<impl FnMut(u64, u64) -> bool>,
    ) -> Result<(), Ended> {
        let threads = pool.current_num_threads();
        if part.num_parts == 1 {
            let mut files = TableFiles::create(self.files.clone(), text, accelerate)?;
            in_order(
                ranking.num_tasks(),
                threads,
                || ranking.state(text),
                |state, task| {
                    ranking
                        .ranked(state, text, task)
                        .map(|ranked| Packed::from_ranked(&ranked, text.len()))
                },
                |packed| {
                    let packed = packed.ok_or(Ended::OutOfPatience)?;
                    let num_ranks = packed.len();
                    files.append(packed)?;
                    told.add(num_ranks).map_err(Ended::from)
                },
            )?;
            return Ok(files.publish()?);
        }
        let mut run = RunWriter::create(self.run_path(part), self.header(range))?;
        let mut last = None;
        in_order(
            ranking.num_tasks(),
            threads,
            || ranking.state(text),
            |state, task| {
                ranking
                    .ranked(state, text, task)
                    .map(|ranked| Records::new(ranked, text))
            },
            |records| {
                let mut records = records.ok_or(Ended::OutOfPatience)?;
                records.join(text, last);
                last = records.positions.last().copied().or(last);
                run.append(&records)?;
                told.add(records.len()).map_err(Ended::from)
            },
        )?;
        Ok(run.publish()?)
    }

    fn merge(
        &self,
        num_parts: u32,
        pool: &ThreadPool,
        memory_bytes: u64,
        accelerate: bool,
        progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<(), EngineError> {
        let bounds = self.bounds(num_parts)?;
        let parts: Vec<Part> = (0..num_parts).map(|number| Part { number, num_parts }).collect();
        let runs = parts
            .iter()
            .map(|&part| {
                let range = parts::part_range(&bounds, part.number as usize);
                RunFile::open(&self.run_path(part), self.header(&range))
            })
            .collect::<Result<Vec<_>, EngineError>>()?;
        let mut told = Told {
            progress,
            done: 0,
            total: self.num_tokens,
        };
        let threads = pool.current_num_threads() as u64;
        let least = merge_memory_bytes(self.num_tokens, T::WIDTH_KIND, u64::from(num_parts), threads);
        if memory_bytes.saturating_sub(least) >= self.num_tokens * T::WIDTH as u64 {
            let text = self.read(&(0..self.num_tokens), pool)?;
            self.merge_runs(&runs, &text, pool, accelerate, &mut told)?;
        } else {
            let file = self.text.try_clone().map_err(self.io_error())?;
            let text = TextFile::<T>::new(file, to_usize(self.num_tokens));
            self.merge_runs(&runs, &text, pool, accelerate, &mut told)?;
        }
        drop(runs);
        for part in parts {
            remove_if_present(&self.run_path(part))?;
        }
        flush_folder(&self.files.table())
    }

    fn merge_runs(
        &self,
        runs: &[RunFile],
        text: &impl SuffixText<T>,
        pool: &ThreadPool,
        accelerate: bool,
        told: &mut Told<impl FnMut(u64, u64) -> bool>,
    ) -> Result<(), EngineError> {
        let threads = pool.current_num_threads();
        let num_tasks = to_usize(self.num_tokens).div_ceil(MERGED_RANKS).max(threads);
        let tasks = partition::partition(runs, text, num_tasks)?;
        let mut files = TableFiles::create(self.files.clone(), text, accelerate)?;
        in_order(
            tasks.len(),
            threads,
            || (),
            |(), task| {
                let ranges = &tasks[task];
                let num_ranks = ranges.iter().map(ExactSizeIterator::len).sum();
                let readers = runs
                    .iter()
                    .zip(ranges)
                    .map(|(run, range)| run.records(range.clone()));
                Merge::new(text, readers.collect())?.run(num_ranks)
            },
            |packed: Result<Packed<T>, EngineError>| {
                let packed = packed?;
                let num_ranks = packed.len();
                files.append(packed)?;
                told.add(num_ranks)
            },
        )?;
        files.publish()
    }
}

/// Who is told of the work done.
struct Told<P> {
    progress: P,
    done: u64,
    total: u64,
}

impl<P: FnMut(u64, u64) -> bool> Told<P> {
    fn add(&mut self, ranks: usize) -> Result<(), EngineError> {
        self.done += ranks as u64;
        if (self.progress)(self.done, self.total) {
            Ok(())
        } else {
            Err(EngineError::Stopped)
        }
    }
}

/// Why writing ended early.
enum Ended {
    /// Comparing suffixes takes longer than libsais would.
    OutOfPatience,
    Failed(EngineError),
}

impl From<EngineError> for Ended {
    fn from(error: EngineError) -> Self {
        Self::Failed(error)
    }
}

/// An order of the suffixes of a part that is found task by task.
trait Ranking<T>: Sync {
    /// What a thread keeps from task to task.
    type State<'a>
    where
        Self: 'a,
        T: 'a;

    fn num_tasks(&self) -> usize;

    fn state<'a>(&'a self, text: &'a PartText<T>) -> Self::State<'a>;

    /// Returns the ranks of a task, which follow those of the task before; `None` if that would take too long.
    fn ranked<'a>(
        &'a self,
        state: &mut Self::State<'a>,
        text: &'a PartText<T>,
        task: usize,
    ) -> Option<Ranked<T>>;
}

/// The order found by comparing suffixes.
struct Compared {
    copies: Copies,
    buckets: Buckets,
    patience: Patience,
}

impl Compared {
    fn new<T: Token>(text: &PartText<T>) -> std::io::Result<Self> {
        let (copies, kept) = Copies::find(text);
        let buckets = Buckets::deal(text, &kept)?;
        Ok(Self {
            copies,
            buckets,
            patience: Patience::new(text.len()),
        })
    }
}

impl<T: Token> Ranking<T> for Compared {
    type State<'a> = SuffixOrder<'a, T>;

    fn num_tasks(&self) -> usize {
        self.buckets.num_tasks()
    }

    fn state<'a>(&'a self, text: &'a PartText<T>) -> SuffixOrder<'a, T> {
        SuffixOrder::new(text, &self.copies, &self.patience)
    }

    fn ranked<'a>(
        &'a self,
        order: &mut SuffixOrder<'a, T>,
        text: &'a PartText<T>,
        task: usize,
    ) -> Option<Ranked<T>> {
        for (positions, depth) in self.buckets.task(task) {
            match depth {
                Some(depth) => order.sort(positions, depth),
                None => order.put_all_equal(positions),
            }
        }
        let mut ranked = order.take()?;
        ranked.mend_at_end(text);
        Some(ranked)
    }
}

impl<T: Token> Ranking<T> for Induced {
    type State<'a> = ();

    fn num_tasks(&self) -> usize {
        self.num_tasks()
    }

    fn state<'a>(&'a self, _: &'a PartText<T>) {}

    fn ranked<'a>(&'a self, (): &mut (), text: &'a PartText<T>, task: usize) -> Option<Ranked<T>> {
        Some(self.ranked(text, task))
    }
}
