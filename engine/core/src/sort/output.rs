//! Files that are written from start to end: flushed to disk while they grow, renamed into place when they are whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use crate::error::EngineError;

const BUFFER_BYTES: usize = 1 << 20;

/// After so many bytes the file is flushed in the background: at the end little is left to wait for.
const FLUSHED_BYTES: usize = 8 << 20;

/// A file under another name until it is whole.
pub(crate) struct Output {
    path: PathBuf,
    beside: PathBuf,
    writer: BufWriter<File>,
    unflushed: usize,
    flush: Option<SyncSender<()>>,
    flusher: Option<JoinHandle<io::Result<()>>>,
}

impl Output {
    /// Creates the file, in place of what an interrupted attempt left.
    pub(crate) fn create(path: PathBuf) -> Result<Self, EngineError> {
        let beside = path.with_added_extension("tmp");
        let file = File::create(&beside).map_err(EngineError::io(&beside))?;
        let copy = file.try_clone().map_err(EngineError::io(&beside))?;
        let (flush, wanted) = sync_channel(1);
        let flusher = thread::spawn(move || flush_when_wanted(&copy, &wanted));
        Ok(Self {
            path,
            beside,
            writer: BufWriter::with_capacity(BUFFER_BYTES, file),
            unflushed: 0,
            flush: Some(flush),
            flusher: Some(flusher),
        })
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.writer
            .write_all(bytes)
            .map_err(EngineError::io(&self.beside))?;
        self.unflushed += bytes.len();
        if self.unflushed >= FLUSHED_BYTES
            && let Some(flush) = &self.flush
            && !matches!(flush.try_send(()), Err(TrySendError::Full(())))
        {
            self.unflushed = 0;
        }
        Ok(())
    }

    /// Overwrites bytes at the beginning.
    pub(crate) fn write_header(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        self.writer.flush().map_err(EngineError::io(&self.beside))?;
        self.writer
            .get_ref()
            .write_all_at(bytes, 0)
            .map_err(EngineError::io(&self.beside))
    }

    fn hand_over(&mut self) -> Result<(), EngineError> {
        self.writer.flush().map_err(EngineError::io(&self.beside))
    }

    /// Flushes the whole file to disk.
    pub(crate) fn sync(&mut self) -> Result<(), EngineError> {
        self.hand_over()?;
        let io_error = || EngineError::io(&self.beside);
        drop(self.flush.take());
        if let Some(flusher) = self.flusher.take() {
            flusher
                .join()
                .expect("flushing does not panic")
                .map_err(io_error())?;
        }
        self.writer.get_ref().sync_all().map_err(io_error())
    }

    /// Renames the file, which is flushed, into place. The name lasts once the folder is flushed.
    pub(crate) fn place(self) -> Result<(), EngineError> {
        fs::rename(&self.beside, &self.path).map_err(EngineError::io(&self.path))
    }

    /// Flushes the whole file to disk and renames it into place.
    pub(crate) fn publish(mut self) -> Result<(), EngineError> {
        self.sync()?;
        let path = self.path.clone();
        self.place()?;
        flush_folder(&path)
    }
}

fn flush_when_wanted(file: &File, wanted: &Receiver<()>) -> io::Result<()> {
    while wanted.recv().is_ok() {
        file.sync_data()?;
    }
    Ok(())
}

/// Flushes the folder of a file, so that the names in it last.
pub(crate) fn flush_folder(path: &Path) -> Result<(), EngineError> {
    let folder = path.parent().unwrap_or(path);
    let file = File::open(folder).map_err(EngineError::io(folder))?;
    file.sync_all().map_err(EngineError::io(folder))
}

/// Removes a file that may be absent.
pub(crate) fn remove_if_present(path: &Path) -> Result<(), EngineError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(EngineError::io(path)(error)),
        _ => Ok(()),
    }
}
