//! Memory-mapped, read-only files, and the hint that memory is needed soon: the only `unsafe` of the engine.

use std::fs::File;
use std::io::IoSliceMut;
use std::ops::{Deref, Range};
use std::path::{Path, PathBuf};

use memmap2::{Advice, Mmap};
use rustix::io::ReadWriteFlags;

use crate::error::EngineError;

/// How many ranges of a batch are looked up in the page cache before it is read ahead.
const MAX_SAMPLES: usize = 5;
const RANGES_PER_SAMPLE: usize = 64;

/// Pages that tell whether a whole file is in the page cache.
const PAGES_LOOKED_AT: usize = 16;

/// Bytes that are read ahead at a time where a whole file is.
const READ_AHEAD_BYTES: usize = 1 << 21;

/// The bytes of a file, paged in on first use.
#[derive(Debug)]
pub(crate) struct MappedFile {
    path: PathBuf,
    file: File,
    bytes: Mmap,
}

impl MappedFile {
    /// Maps a file that is read at random positions (no readahead).
    pub(crate) fn open(path: PathBuf) -> Result<Self, EngineError> {
        let file = File::open(&path).map_err(EngineError::io(&path))?;
        // SAFETY: a published index is write-once: nothing of ours changes or shortens the file while it is mapped. If another
        // process does, `check_size` and `exit_on_lost_page` make an error or an end of it. The bytes are only ever read as
        // integers of any value, never as a type with invalid bit patterns.
        let bytes = unsafe { Mmap::map(&file) }.map_err(EngineError::io(&path))?;
        if bytes.is_empty() {
            return Err(EngineError::EmptyFile { path });
        }
        bytes.advise(Advice::Random).map_err(EngineError::io(&path))?;
        // The same for reads of the file itself, which look whether a page is cached.
        rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::Random)
            .map_err(|error| EngineError::io(&path)(error.into()))?;
        Ok(Self { path, file, bytes })
    }

    /// Maps a file that may be absent.
    pub(crate) fn open_if_present(path: PathBuf) -> Result<Option<Self>, EngineError> {
        if path.try_exists().map_err(EngineError::io(&path))? {
            Self::open(path).map(Some)
        } else {
            Ok(None)
        }
    }

    /// Refuses a file that became shorter than it was when it was mapped: what lay behind its new end can no longer be read, or
    /// reads as zeros. Cost: a system call, about 0.3 microseconds.
    ///
    /// Checked before and after a call, it makes an error of every answer from a file that is short at the end of the call. A
    /// page that is lost while the call reads it is a SIGBUS ([`exit_on_lost_page`]).
    pub(crate) fn check_size(&self) -> Result<(), EngineError> {
        let status =
            rustix::fs::fstat(&self.file).map_err(|error| EngineError::io(&self.path)(error.into()))?;
        let found = u64::try_from(status.st_size).unwrap_or(0);
        if found < self.size() {
            return Err(EngineError::Shrunk {
                path: self.path.clone(),
                found,
                expected: self.size(),
            });
        }
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Size in bytes.
    pub(crate) fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Returns the `index`-th little-endian u64 of the file. Panics past its end.
    pub(crate) fn u64_at(&self, index: usize) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&self.bytes[index * 8..index * 8 + 8]);
        u64::from_le_bytes(word)
    }

    /// Starts reading the pages that hold some ranges of bytes, all at once, if any looks as if it had to come from disk.
    ///
    /// Cost: about 3 microseconds if all is in the page cache; else 2 a range. Failures show when the bytes are touched.
    /// Of the ways to have many reads in flight this one is as fast as the disk, and needs neither threads nor a copy
    /// (docs/performance.md).
    pub(crate) fn will_need(&self, ranges: impl Iterator<Item = Range<usize>> + Clone) {
        let num_ranges = ranges.clone().count();
        let num_samples = (num_ranges / RANGES_PER_SAMPLE).clamp(2, MAX_SAMPLES);
        let step = num_ranges.div_ceil(num_samples).max(1);
        if ranges
            .clone()
            .step_by(step)
            .all(|range| self.is_cached(range.start))
        {
            return;
        }
        for range in ranges {
            // Only advice: a page that is not read ahead is read when it is touched.
            let _ = self
                .bytes
                .advise_range(Advice::WillNeed, range.start, range.len());
        }
    }

    /// Whether a byte is in the page cache; false if that cannot be told. Starts reading it if it is not.
    fn is_cached(&self, at: usize) -> bool {
        let mut byte = [0];
        let mut buffers = [IoSliceMut::new(&mut byte)];
        let read = rustix::io::preadv2(&self.file, &mut buffers, at as u64, ReadWriteFlags::NOWAIT);
        read == Ok(1)
    }

    /// Asks the processor to load the cache line of a byte.
    #[inline]
    pub(crate) fn prefetch(&self, at: usize) {
        if let Some(byte) = self.bytes.get(at) {
            prefetch(byte);
        }
    }

    /// Reads the whole file into the page cache, front to back, if it takes less than half of the memory.
    ///
    /// For random reads of all of it: a page at a time they would be far slower.
    pub(crate) fn read_ahead_if_it_fits(&self) {
        let memory = rustix::system::sysinfo();
        // Fields of the system's own types: 32 bits wide on some.
        #[allow(clippy::useless_conversion, reason = "64 bits wide here")]
        let bytes = u64::from(memory.totalram).saturating_mul(u64::from(memory.mem_unit));
        if self.size() < bytes / 2 {
            self.advise_in_steps(0..self.bytes.len());
        }
    }

    /// Whether the page cache holds the file, as far as a few of its pages tell.
    pub(crate) fn looks_cached(&self) -> bool {
        let step = (self.bytes.len() / PAGES_LOOKED_AT).max(1);
        (0..self.bytes.len()).step_by(step).all(|at| self.is_cached(at))
    }

    /// Starts reading some bytes, in order, unless they look as if they were in the page cache.
    pub(crate) fn read_ahead(&self, bytes: Range<usize>) {
        let mut samples = bytes.clone().step_by((bytes.len() / MAX_SAMPLES).max(1));
        if !samples.all(|at| self.is_cached(at)) {
            self.advise_in_steps(bytes);
        }
    }

    fn advise_in_steps(&self, bytes: Range<usize>) {
        // Only advice, and in steps: the kernel cuts a longer request short.
        for start in bytes.clone().step_by(READ_AHEAD_BYTES) {
            let length = READ_AHEAD_BYTES.min(bytes.end - start);
            let _ = self.bytes.advise_range(Advice::WillNeed, start, length);
        }
    }

    /// Tells the kernel that the whole file is about to be read from front to back.
    pub(crate) fn advise_sequential(&self) -> Result<(), EngineError> {
        self.bytes
            .advise(Advice::Sequential)
            .map_err(EngineError::io(&self.path))
    }
}

/// What a process says that ends because a page of a mapped file is gone.
const LOST_PAGE: &[u8] =
    b"fatal: a page of a mapped file could not be read (SIGBUS): the file was cut short, or its disk fails; \
    check the index with 'headwater index verify'\n";

/// The exit status of such a process: that of a shell for one that SIGBUS killed.
const LOST_PAGE_STATUS: i32 = 128 + libc::SIGBUS;

/// From now on a page of a mapped file that cannot be read ends the process with a message and status 135, without a core
/// dump, instead of a bare SIGBUS. For servers: an embedding process may have a handler of its own.
pub fn exit_on_lost_page() {
    let handler = end_with_message as extern "C" fn(libc::c_int);
    // SAFETY: `signal` only stores the function, which is of the type that it wants and never returns into what failed.
    unsafe { libc::signal(libc::SIGBUS, handler as libc::sighandler_t) };
}

extern "C" fn end_with_message(_signal: libc::c_int) {
    // SAFETY: both may be called in a signal handler (signal-safety(7)); the message is a constant; `_exit` runs nothing more
    // of the process, so no broken state is seen.
    unsafe {
        libc::write(libc::STDERR_FILENO, LOST_PAGE.as_ptr().cast(), LOST_PAGE.len());
        libc::_exit(LOST_PAGE_STATUS);
    }
}

impl Deref for MappedFile {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Asks the processor to load the cache line in which a value begins.
#[inline]
pub(crate) fn prefetch<V>(value: &V) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint, and the value is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
