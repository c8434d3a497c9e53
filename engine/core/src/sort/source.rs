//! One shard that is sorted: its parts, their runs, and the steps from the one to the other.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rayon::ThreadPool;

use super::in_order::in_order;
use super::induced::Induced;
use super::merge::Merge;
use super::output::{flush_folder, remove_if_present};
use super::part_text::PartText;
use super::passages::Passages;
use super::ranked::Ranked;
use super::ranking::{Compared, Ranking};
use super::run_file::{Records, RunFile, RunHeader, RunWriter};
use super::suffix_text::{SuffixText, TextFile};
use super::table_files::{Packed, TableFiles};
use super::{MAX_PART_TOKENS, MAX_PARTS, Part, merge_memory_bytes, partition, parts};
use crate::address::to_usize;
use crate::error::EngineError;
use crate::files::ShardFiles;
use crate::token::Token;

/// Ranks that one task merges, about.
const MERGED_RANKS: usize = 1 << 18;

/// Tokens at either end of a part that a run is checked by.
const CHECKED_TOKENS: u64 = 1024;

/// The text of a shard that is sorted.
pub(super) struct Source<T> {
    directory: PathBuf,
    files: ShardFiles,
    text: File,
    num_tokens: u64,
    token: std::marker::PhantomData<T>,
}

impl<T: Token> Source<T> {
    pub(super) fn open(directory: &Path) -> Result<Self, EngineError> {
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
        let mut first = [0; 4];
        text.read_exact_at(&mut first[..T::WIDTH], 0)
            .map_err(io_error())?;
        if !T::read(&first).is_separator() {
            return Err(EngineError::NoLeadingSeparator { path });
        }
        Ok(Self {
            directory: directory.to_path_buf(),
            files,
            text,
            num_tokens: size / unit,
            token: std::marker::PhantomData,
        })
    }

    pub(super) fn bounds(&self, num_parts: u32) -> Result<Vec<u64>, EngineError> {
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

    fn header(&self, range: &Range<u64>) -> Result<RunHeader, EngineError> {
        Ok(RunHeader {
            token_width: u32::try_from(T::WIDTH).expect("widths are 1, 2 and 4"),
            start: range.start,
            end: range.end,
            num_tokens: self.num_tokens,
            text_crc: self.crc(range).map_err(self.io_error())?,
        })
    }

    /// Returns a CRC-32 of the first and the last tokens of a part: a run of another text shows.
    fn crc(&self, range: &Range<u64>) -> std::io::Result<u32> {
        let width = T::WIDTH as u64;
        let len = (range.end - range.start).min(CHECKED_TOKENS);
        let mut bytes = vec![0; to_usize(len * width)];
        let mut hasher = crc32fast::Hasher::new();
        for start in [range.start, range.end - len] {
            self.text.read_exact_at(&mut bytes, start * width)?;
            hasher.update(&bytes);
        }
        Ok(hasher.finalize())
    }

    pub(super) fn sort(
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
        if let Some(mut compared) = pool.install(|| Compared::new(&text)).map_err(self.io_error())? {
            match self.write(part, &range, &text, &mut compared, pool, accelerate, &mut told) {
                Err(Ended::OutOfPatience) => {}
                Err(Ended::Failed(error)) => return Err(error),
                Ok(()) => return Ok(()),
            }
        }
        told.done = 0;
        let mut induced = pool.install(|| Induced::sort(text)).map_err(self.io_error())?;
        let text = self.read(&range, pool)?;
        match self.write(part, &range, &text, &mut induced, pool, accelerate, &mut told) {
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
        ranking: &mut R,
        pool: &ThreadPool,
        accelerate: bool,
        told: &mut Told<impl FnMut(u64, u64) -> bool>,
    ) -> Result<(), Ended> {
        if part.num_parts == 1 {
            let mut files = TableFiles::create(self.files.clone(), text, accelerate)?;
            self.rank(
                text,
                ranking,
                pool,
                |ranked| Packed::from_ranked(&ranked, text.len()),
                |packed| {
                    let num_ranks = packed.len();
                    files.append(packed)?;
                    told.add(num_ranks)
                },
            )?;
            return Ok(files.publish()?);
        }
        let mut run = RunWriter::create(self.run_path(part), self.header(range)?)?;
        let mut last = None;
        self.rank(
            text,
            ranking,
            pool,
            |ranked| Records::new(ranked, text),
            |mut records| {
                records.join(text, last);
                last = records.positions.last().copied().or(last);
                run.append(&records)?;
                told.add(records.len())
            },
        )?;
        Ok(run.publish()?)
    }

    /// Gives what `prepare` makes of the ranks of each task to `append`, in order.
    fn rank<R: Ranking<T>, P: Send>(
        &self,
        text: &PartText<T>,
        ranking: &mut R,
        pool: &ThreadPool,
        prepare: impl Fn(Ranked<T>) -> P + Sync,
        mut append: impl FnMut(P) -> Result<(), EngineError>,
    ) -> Result<(), Ended> {
        for pass in 0..ranking.num_passes() {
            if !pool
                .install(|| ranking.load(text, pass))
                .map_err(self.io_error())?
            {
                return Err(Ended::OutOfPatience);
            }
            let ranking = &*ranking;
            in_order(
                ranking.num_tasks(),
                pool.current_num_threads(),
                || ranking.state(text),
                |state, task| ranking.ranked(state, text, task).map(&prepare),
                |prepared| append(prepared.ok_or(Ended::OutOfPatience)?).map_err(Ended::from),
            )?;
        }
        Ok(())
    }

    pub(super) fn merge(
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
                RunFile::open(&self.run_path(part), self.header(&range)?)
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
            Passages::new,
            |passages, task| {
                let ranges = &tasks[task];
                let num_ranks = ranges.iter().map(ExactSizeIterator::len).sum();
                let readers = runs
                    .iter()
                    .zip(ranges)
                    .map(|(run, range)| run.records(range.clone()));
                Merge::new(text, readers.collect(), passages)?.run(num_ranks)
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
