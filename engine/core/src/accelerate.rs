//! Building the sidecars of a shard: one pass over the table in rank order, each suffix compared with the one before it.

use std::fs::{self, File};
use std::io::BufWriter;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::address::{PAGE_BYTES, to_usize};
use crate::directory::{Directory, max_key_bytes};
use crate::error::EngineError;
use crate::fan_out::{
    FanOut, SATURATED, blocks_of_page, file_bytes, first_lcp, is_intact, num_blocks, num_pages,
    ranks_per_block, ranks_per_page, write_page,
};
use crate::files::ShardFiles;
use crate::mapped::MappedFile;
use crate::pool::thread_pool;
use crate::sidecar::fingerprint;
use crate::sort::{flush_folder, remove_if_present};
use crate::suffix_array::SuffixArray;
use crate::text::{Agreement, Text};
use crate::token::{Token, TokenWidth};

/// Pages that a thread fills before it writes them.
const PAGES_PER_TASK: usize = 64;

/// Tasks a thread gets before progress is told.
const TASKS_PER_THREAD: usize = 8;

/// How far ahead of its comparison a suffix is asked for.
const PREFETCH_DISTANCE: usize = 16;

/// Bytes of a suffix that are compared as a rule.
const COMPARED_BYTES: usize = 40;

/// How often the work done is flushed, so that a later call goes on from there.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(10);

/// Returns the size of a shard's fan-out file in bytes.
#[must_use]
pub fn fan_out_bytes(num_tokens: u64, width: TokenWidth) -> u64 {
    file_bytes(num_tokens, width.bytes())
}

/// Returns the most memory, in bytes, that [`accelerate_shard`] takes besides the page cache: the directory, and 64 MiB for
/// the pages in work (1.3 MB a thread; of more than 48 threads a little more).
#[must_use]
pub fn accelerate_memory_bytes(num_tokens: u64, width: TokenWidth) -> u64 {
    let blocks = num_blocks(to_usize(num_tokens), width.bytes());
    Directory::max_bytes(blocks, width.bytes()).saturating_add(64 << 20)
}

/// Builds the fan-out and the directory of a shard and puts them beside its files, the directory last.
///
/// `progress` is told the ranks done and their total now and then; if it returns false, the work stops and
/// [`EngineError::Stopped`] is returned. A stopped or killed call is gone on with by the next.
/// Cost: one pass over the table, and one look at the text for every rank, in rank order: at random.
pub fn accelerate_shard(
    directory: &Path,
    number: u32,
    width: TokenWidth,
    num_threads: usize,
    progress: impl FnMut(u64, u64) -> bool,
) -> Result<(), EngineError> {
    let files = ShardFiles::new(directory, number);
    let pool = thread_pool(num_threads)?;
    match width {
        TokenWidth::U8 => Acceleration::<u8>::open(files)?.run(&pool, progress),
        TokenWidth::U16 => Acceleration::<u16>::open(files)?.run(&pool, progress),
        TokenWidth::U32 => Acceleration::<u32>::open(files)?.run(&pool, progress),
    }
}

/// What the sidecars are made of.
struct Acceleration<T> {
    files: ShardFiles,
    text: Text<T>,
    table: SuffixArray,
    fingerprint: u32,
}

impl<T: Token> Acceleration<T> {
    fn open(files: ShardFiles) -> Result<Self, EngineError> {
        let text = Text::new(MappedFile::open(files.tokenized())?)?;
        let table = SuffixArray::new(MappedFile::open(files.table())?, text.len(), T::WIDTH)?;
        table.file().advise_sequential()?;
        text.file().read_ahead_if_it_fits();
        let fingerprint = fingerprint(&text, &table);
        Ok(Self {
            files,
            text,
            table,
            fingerprint,
        })
    }

    fn run(&self, pool: &ThreadPool, progress: impl FnMut(u64, u64) -> bool) -> Result<(), EngineError> {
        let partial = self.files.fan_out_partial();
        let fan_out = self.write_fan_out(&partial, pool, progress)?;
        let directory = self.directory(&fan_out, pool)?;

        let path = self.files.directory();
        let beside = path.with_added_extension("tmp");
        let mut file = BufWriter::new(File::create(&beside).map_err(EngineError::io(&beside))?);
        let header = Directory::header(FanOut::<T>::header(self.text.len(), self.fingerprint));
        directory
            .write(header, &mut file)
            .map_err(EngineError::io(&beside))?;
        let file = file
            .into_inner()
            .map_err(|error| EngineError::io(&beside)(error.into_error()))?;
        file.sync_all().map_err(EngineError::io(&beside))?;

        // The directory says that a shard is accelerated: it goes first and comes last.
        remove_if_present(&path)?;
        fs::rename(&partial, self.files.fan_out()).map_err(EngineError::io(&partial))?;
        flush_folder(&path)?;
        fs::rename(&beside, &path).map_err(EngineError::io(&beside))?;
        remove_if_present(&self.files.fan_out_journal())?;
        flush_folder(&path)
    }

    /// Writes the fan-out, or what is left of it, and returns its flushed file.
    fn write_fan_out(
        &self,
        path: &Path,
        pool: &ThreadPool,
        mut progress: impl FnMut(u64, u64) -> bool,
    ) -> Result<File, EngineError> {
        let io_error = || EngineError::io(path);
        let num_tokens = self.text.len();
        let pages = num_pages(num_tokens, T::WIDTH);
        let journal = Journal(self.files.fan_out_journal());
        let (file, mut done) = self.open_partial(path, &journal)?;
        let step = PAGES_PER_TASK * TASKS_PER_THREAD * pool.current_num_threads();
        let mut flushed = Instant::now();
        let mut tell = |done: usize| {
            let ranks = num_tokens.min(done * ranks_per_page(T::WIDTH));
            progress(ranks as u64, num_tokens as u64)
        };
        if done > 0 && !tell(done) {
            return Err(EngineError::Stopped);
        }
        while done < pages {
            let end = pages.min(done + step);
            let write = |filler: &mut PageFiller, first: usize| {
                let pages = first..end.min(first + PAGES_PER_TASK);
                let bytes = filler.fill(&self.text, &self.table, pages);
                file.write_all_at(bytes, FanOut::<T>::offset(first) as u64)
            };
            let tasks = (done..end).into_par_iter().step_by(PAGES_PER_TASK);
            pool.install(|| tasks.try_for_each_init(PageFiller::default, write))
                .map_err(io_error())?;
            done = end;
            let goes_on = tell(done);
            if !goes_on || flushed.elapsed() > CHECKPOINT_EVERY {
                file.sync_data().map_err(io_error())?;
                journal.write(done)?;
                flushed = Instant::now();
            }
            if !goes_on {
                return Err(EngineError::Stopped);
            }
        }
        file.sync_all().map_err(io_error())?;
        Ok(file)
    }

    /// Opens the unfinished fan-out, or begins one, and returns it with the number of its pages that are done.
    fn open_partial(&self, path: &Path, journal: &Journal) -> Result<(File, usize), EngineError> {
        let io_error = || EngineError::io(path);
        let num_tokens = self.text.len();
        let done = if self.is_partial(path) {
            journal.pages_done().min(num_pages(num_tokens, T::WIDTH))
        } else {
            0
        };
        if done == 0 {
            remove_if_present(&journal.0)?;
        }
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(done == 0);
        let file = options.open(path).map_err(io_error())?;
        file.set_len(file_bytes(num_tokens as u64, T::WIDTH))
            .map_err(io_error())?;
        let header = FanOut::<T>::header(num_tokens, self.fingerprint);
        file.write_all_at(&header.to_bytes(), 0).map_err(io_error())?;
        Ok((file, done))
    }

    /// Whether the file at a path is an unfinished fan-out of this shard.
    fn is_partial(&self, path: &Path) -> bool {
        MappedFile::open(path.to_path_buf())
            .and_then(|file| FanOut::<T>::open(file, self.text.len(), self.fingerprint))
            .is_ok()
    }

    /// Returns the directory of a finished fan-out, whose pages are checked on the way.
    fn directory(&self, fan_out: &File, pool: &ThreadPool) -> Result<Directory, EngineError> {
        let (pages, blocks) = (
            num_pages(self.text.len(), T::WIDTH),
            num_blocks(self.text.len(), T::WIDTH),
        );
        let mut directory = Directory::with_capacity(blocks, T::WIDTH);
        let batch = PAGES_PER_TASK * TASKS_PER_THREAD * pool.current_num_threads();
        for first in (0..pages).step_by(batch) {
            let keys = |page: usize| {
                let bytes = self.read_page(fan_out, page)?;
                let key = |block| block_key(&self.text, &self.table, block, first_lcp::<T>(&bytes, block));
                let of_page = blocks_of_page(page).filter(|&block| block < blocks);
                Ok(of_page.map(key).collect())
            };
            let some = (first..pages.min(first + batch)).into_par_iter();
            let keys: Vec<Vec<&[u8]>> =
                pool.install(|| some.map(keys).collect::<Result<_, EngineError>>())?;
            for key in keys.into_iter().flatten() {
                directory.push(key);
            }
        }
        Ok(directory)
    }

    /// Returns a page of the unfinished fan-out. If it is damaged, nothing of the work done is gone on with any more.
    fn read_page(&self, fan_out: &File, page: usize) -> Result<[u8; PAGE_BYTES], EngineError> {
        let path = self.files.fan_out_partial();
        let mut bytes = [0; PAGE_BYTES];
        fan_out
            .read_exact_at(&mut bytes, FanOut::<T>::offset(page) as u64)
            .map_err(EngineError::io(&path))?;
        if is_intact(&bytes) {
            return Ok(bytes);
        }
        remove_if_present(&self.files.fan_out_journal())?;
        let reason = format!("page {page} is not what was written");
        Err(EngineError::Sidecar { path, reason })
    }
}

/// Returns the key of a block whose first suffix shares `lcp` tokens with the one before.
pub(crate) fn block_key<'a, T: Token>(
    text: &'a Text<T>,
    table: &SuffixArray,
    block: usize,
    lcp: usize,
) -> &'a [u8] {
    if block == 0 {
        return &[];
    }
    let position = table.position(block * ranks_per_block(T::WIDTH));
    let longest = (lcp + 1).min(max_key_bytes(T::WIDTH) / T::WIDTH);
    let tokens = text.tokens(position, text.len().min(position + longest));
    let to_separator = tokens
        .clone()
        .position(Token::is_separator)
        .map_or(tokens.len(), |at| at + 1);
    text.bytes(position, position + to_separator)
}

/// Computes pages of a fan-out.
#[derive(Default)]
pub(crate) struct PageFiller {
    positions: Vec<usize>,
    bytes: Vec<u8>,
}

impl PageFiller {
    /// Returns the bytes of some pages as the text says them.
    ///
    /// Cost: one entry of the table and one look at the text for each rank; the pages and 8 bytes a rank of memory.
    pub(crate) fn fill<T: Token>(
        &mut self,
        text: &Text<T>,
        table: &SuffixArray,
        pages: Range<usize>,
    ) -> &[u8] {
        let per_page = ranks_per_page(T::WIDTH);
        let first = pages.start * per_page;
        let end = text.len().min(pages.end * per_page);
        self.positions.clear();
        self.positions
            .extend((first..end).map(|rank| table.position(rank)));
        self.bytes.resize(pages.len() * PAGE_BYTES, 0);
        let mut before = first.checked_sub(1).map(|rank| table.position(rank));
        let mut rank = 0;
        for page in self.bytes.chunks_mut(PAGE_BYTES) {
            let some = self.positions.len().min(rank + per_page);
            write_page::<T>(
                page,
                (rank..some).map(|rank| {
                    if let Some(&next) = self.positions.get(rank + PREFETCH_DISTANCE) {
                        // The suffix's first cache line, and the one that nearly all comparisons end in.
                        text.file().prefetch(next * T::WIDTH);
                        text.file().prefetch(next * T::WIDTH + COMPARED_BYTES);
                    }
                    let position = self.positions[rank];
                    let record = text.branching(before, position);
                    before = Some(position);
                    record
                }),
            );
            rank = some;
        }
        &self.bytes
    }
}

impl<T: Token> Text<T> {
    /// Returns the LCP of a suffix with the one before it in the suffix array, and its token there.
    ///
    /// The LCP is 255 if it is longer, or if both suffixes are equal up to a separator; the token is then the separator.
    #[allow(clippy::cast_possible_truncation, reason = "at most 255")]
    fn branching(&self, before: Option<usize>, position: usize) -> (u8, T) {
        let lcp = before.map_or(0, |before| match self.agreement(before, position, SATURATED) {
            Agreement::Until(lcp) => lcp.min(SATURATED),
            Agreement::ToSeparator => SATURATED,
        });
        let end = position + lcp;
        let branch = if lcp < SATURATED && end < self.len() {
            self.token(end)
        } else {
            T::separator()
        };
        (lcp as u8, branch)
    }
}

/// The file that says how many pages of an unfinished fan-out are on disk.
struct Journal(PathBuf);

impl Journal {
    fn pages_done(&self) -> usize {
        let line = fs::read_to_string(&self.0).unwrap_or_default();
        line.trim_end().parse().unwrap_or(0)
    }

    fn write(&self, pages: usize) -> Result<(), EngineError> {
        let beside = self.0.with_added_extension("tmp");
        fs::write(&beside, format!("{pages}\n")).map_err(EngineError::io(&beside))?;
        let file = File::open(&beside).map_err(EngineError::io(&beside))?;
        file.sync_all().map_err(EngineError::io(&beside))?;
        fs::rename(&beside, &self.0).map_err(EngineError::io(&self.0))
    }
}
