//! The suffix array of a shard and its sidecars, written together in one pass over the ranks.

use std::thread;

use super::output::{Output, flush_folder, remove_if_present};
use super::ranked::{Entry, Ranked};
use super::suffix_text::SuffixText;
use crate::address::{PAGE_BYTES, to_usize};
use crate::directory::{Directory, max_key_bytes};
use crate::error::EngineError;
use crate::fan_out::{FanOut, num_blocks, page_crc, ranks_per_block, ranks_per_page};
use crate::files::ShardFiles;
use crate::sidecar::{SAMPLED_TOKENS, fingerprint_of, sampling_step};
use crate::suffix_array::pointer_width;
use crate::token::Token;

/// Consecutive ranks as they stand in the files.
pub(crate) struct Packed<T> {
    /// Entries of the table.
    entries: Vec<u8>,
    lcps: Vec<u8>,
    /// In sort order.
    branches: Vec<T>,
    pointer_width: usize,
}

impl<T: Token> Packed<T> {
    pub(crate) fn with_capacity(num_ranks: usize, num_tokens: usize) -> Self {
        let pointer_width = pointer_width((num_tokens * T::WIDTH) as u64);
        Self {
            entries: Vec::with_capacity(num_ranks * pointer_width + 8),
            lcps: Vec::with_capacity(num_ranks),
            branches: Vec::with_capacity(num_ranks),
            pointer_width,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, position: u64, entry: Entry<T>) {
        let offset = position * T::WIDTH as u64;
        self.entries
            .extend_from_slice(&offset.to_le_bytes()[..self.pointer_width]);
        let (lcp, branch) = entry.record();
        self.lcps.push(lcp);
        self.branches.push(branch);
    }

    /// Returns the ranks of the only part of a shard.
    pub(crate) fn from_ranked(ranked: &Ranked<T>, num_tokens: usize) -> Self {
        let pointer_width = pointer_width((num_tokens * T::WIDTH) as u64);
        // Each entry is written with the zeros above it, over which the next one is.
        let mut entries = vec![0; ranked.len() * pointer_width + 8];
        for (at, &position) in ranked.positions.iter().enumerate() {
            let offset = u64::from(position) * T::WIDTH as u64;
            entries[at * pointer_width..][..8].copy_from_slice(&offset.to_le_bytes());
        }
        entries.truncate(ranked.len() * pointer_width);
        Self {
            entries,
            lcps: ranked.iter().map(|(_, entry)| entry.record().0).collect(),
            branches: ranked.iter().map(|(_, entry)| entry.record().1).collect(),
            pointer_width,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.lcps.len()
    }

    fn position(&self, at: usize) -> usize {
        let mut offset = [0; 8];
        let start = at * self.pointer_width;
        offset[..self.pointer_width].copy_from_slice(&self.entries[start..start + self.pointer_width]);
        to_usize(u64::from_le_bytes(offset)) / T::WIDTH
    }
}

/// The files of a shard that a sort makes.
pub(crate) struct TableFiles<'a, T, S> {
    files: ShardFiles,
    text: &'a S,
    table: Output,
    sidecars: Option<SidecarFiles<T>>,
    num_ranks: usize,
    last: usize,
    /// Positions at the ranks that the fingerprint looks at.
    sampled: Vec<usize>,
}

impl<'a, T: Token, S: SuffixText<T>> TableFiles<'a, T, S> {
    pub(crate) fn create(files: ShardFiles, text: &'a S, accelerate: bool) -> Result<Self, EngineError> {
        // The table is what says that a shard is sorted: it comes last, and goes first.
        remove_if_present(&files.table())?;
        remove_if_present(&files.directory())?;
        let table = Output::create(files.table())?;
        let sidecars = accelerate
            .then(|| SidecarFiles::create(&files, text.len()))
            .transpose()?;
        Ok(Self {
            files,
            text,
            table,
            sidecars,
            num_ranks: 0,
            last: 0,
            sampled: Vec::new(),
        })
    }

    /// Appends the next ranks; the entry of the first need not be right.
    pub(crate) fn append(&mut self, mut ranks: Packed<T>) -> Result<(), EngineError> {
        if ranks.len() == 0 {
            return Ok(());
        }
        let first = ranks.position(0);
        let entry = if self.num_ranks > 0 {
            self.text.entry(self.last, first)
        } else {
            Entry::new(0, self.text.token(first))
        };
        (ranks.lcps[0], ranks.branches[0]) = entry.record();
        self.table.write(&ranks.entries)?;
        if let Some(sidecars) = &mut self.sidecars {
            sidecars.append(self.text, &ranks, self.num_ranks)?;
        }
        let step = sampling_step(self.text.len());
        let first = self.num_ranks.next_multiple_of(step);
        let sampled = (first..self.num_ranks + ranks.len()).step_by(step);
        self.sampled
            .extend(sampled.map(|rank| ranks.position(rank - self.num_ranks)));
        self.num_ranks += ranks.len();
        self.last = ranks.position(ranks.len() - 1);
        self.text.failure().map_or(Ok(()), |error| {
            Err(EngineError::io(self.files.tokenized())(error))
        })
    }

    /// Puts the files in their places, the table last: it is what says that they are there.
    pub(crate) fn publish(mut self) -> Result<(), EngineError> {
        assert_eq!(self.num_ranks, self.text.len(), "every position has a rank");
        if let Some(sidecars) = self.sidecars {
            let tokens = |&position: &usize| (position, self.text.tokens(position, SAMPLED_TOKENS));
            let fingerprint = fingerprint_of(self.sampled.iter().map(tokens));
            let (mut fan_out, mut directory) = sidecars.finish(&self.files, self.text.len(), fingerprint)?;
            // All three wait for the disk, so they wait together.
            thread::scope(|scope| {
                let flushed = scope.spawn(|| fan_out.sync().and_then(|()| directory.sync()));
                self.table.sync()?;
                flushed.join().expect("flushing does not panic")
            })?;
            fan_out.place()?;
            directory.place()?;
        } else {
            self.table.sync()?;
        }
        // Should a crash lose the sidecars' names and not the table's, they are built again.
        self.table.place()?;
        flush_folder(&self.files.table())
    }
}

/// The fan-out as it is written, and the directory as it grows.
struct SidecarFiles<T> {
    fan_out: Output,
    directory: Directory,
    page: Vec<u8>,
    /// Ranks in the page.
    filled: usize,
    token: std::marker::PhantomData<T>,
}

impl<T: Token> SidecarFiles<T> {
    fn create(files: &ShardFiles, num_tokens: usize) -> Result<Self, EngineError> {
        remove_if_present(&files.fan_out_journal())?;
        remove_if_present(&files.fan_out_partial())?;
        let mut fan_out = Output::create(files.fan_out())?;
        fan_out.write(&[0; PAGE_BYTES])?;
        Ok(Self {
            fan_out,
            directory: Directory::with_capacity(num_blocks(num_tokens, T::WIDTH), T::WIDTH),
            page: vec![0; PAGE_BYTES],
            filled: 0,
            token: std::marker::PhantomData,
        })
    }

    fn append(
        &mut self,
        text: &impl SuffixText<T>,
        ranks: &Packed<T>,
        first_rank: usize,
    ) -> Result<(), EngineError> {
        let per_block = ranks_per_block(T::WIDTH);
        let first_block = first_rank.div_ceil(per_block);
        for rank in (first_block * per_block..first_rank + ranks.len()).step_by(per_block) {
            let at = rank - first_rank;
            if rank == 0 {
                self.directory.push(&[]);
                continue;
            }
            let longest = (usize::from(ranks.lcps[at]) + 1).min(max_key_bytes(T::WIDTH) / T::WIDTH);
            self.directory.push(&text.prefix(ranks.position(at), longest));
        }
        let per_page = ranks_per_page(T::WIDTH);
        let mut at = 0;
        while at < ranks.len() {
            let some = (per_page - self.filled).min(ranks.len() - at);
            let branches: &[u8] = bytemuck::cast_slice(&ranks.branches[at..at + some]);
            let to = self.filled * T::WIDTH;
            self.page[to..to + branches.len()].copy_from_slice(branches);
            let to = per_page * T::WIDTH + self.filled;
            self.page[to..to + some].copy_from_slice(&ranks.lcps[at..at + some]);
            self.filled += some;
            at += some;
            if self.filled == per_page {
                self.write_page()?;
            }
        }
        Ok(())
    }

    fn write_page(&mut self) -> Result<(), EngineError> {
        page_crc(&mut self.page);
        self.fan_out.write(&self.page)?;
        self.page.fill(0);
        self.filled = 0;
        Ok(())
    }

    /// Returns the fan-out and the directory, complete but for being flushed.
    fn finish(
        mut self,
        files: &ShardFiles,
        num_tokens: usize,
        fingerprint: u32,
    ) -> Result<(Output, Output), EngineError> {
        if self.filled > 0 {
            self.write_page()?;
        }
        let header = FanOut::<T>::header(num_tokens, fingerprint);
        self.fan_out.write_header(&header.to_bytes())?;
        let mut directory = Output::create(files.directory())?;
        let mut bytes = Vec::new();
        self.directory
            .write(Directory::header(header), &mut bytes)
            .map_err(EngineError::io(files.directory()))?;
        directory.write(&bytes)?;
        Ok((self.fan_out, directory))
    }
}
