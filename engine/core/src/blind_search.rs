//! The search of an accelerated shard: about two random reads a start, whatever N is.
//!
//! All starts of a query move together, so that a cold disk sees many reads at once:
//!
//! 1. The directory, in RAM, gives the block of each start; now and then it already knows the whole match.
//! 2. One block of the fan-out is searched blindly. That gives a candidate, and often a bound that no match passes.
//! 3. The table says where the candidate stands, the text there how far it agrees.
//! 4. The intervals are read off the pages; a run that leaves its page ends in a block that the directory names.
//!
//! The ends of the longest allowed matches never fall from one start to the next. So a match found at one start bounds
//! those after it from below, one that cannot be longer bounds those before it from above, and a start whose bounds meet
//! needs no search.

use std::ops::Range;

use crate::address::to_usize;
use crate::directory::Directory;
use crate::error::EngineError;
use crate::fan_out::{FanOut, SATURATED, blocks_of_page, page_of_block, ranks_per_block};
use crate::files::ShardFiles;
use crate::interval::Interval;
use crate::longest_matches::{LongestMatch, Query};
use crate::mapped::MappedFile;
use crate::reads::ReadCounts;
use crate::shard::Shard;
use crate::sidecar::fingerprint;
use crate::suffix_array::SuffixArray;
use crate::text::Text;
use crate::token::Token;

/// How far ahead of its use a cache line is asked for.
const PREFETCH_DISTANCE: usize = 8;

/// How many blocks ahead of its search one is asked for.
const BLOCKS_AHEAD: usize = 3;

/// Tokens of a suffix that are asked of the disk before it is compared; a longer match reads on.
const COMPARED_AHEAD: usize = 256;

/// The opened sidecars of a shard.
#[derive(Debug)]
pub(crate) struct Sidecars<T> {
    pub(crate) fan_out: FanOut<T>,
    pub(crate) directory: Directory,
}

impl<T: Token> Sidecars<T> {
    /// Opens the sidecars if the shard has them; the directory is what says so.
    pub(crate) fn open_if_present(
        files: &ShardFiles,
        text: &Text<T>,
        table: &SuffixArray,
    ) -> Result<Option<Self>, EngineError> {
        let path = files.directory();
        if !path.try_exists().map_err(EngineError::io(&path))? {
            return Ok(None);
        }
        let fingerprint = fingerprint(text, table);
        let fan_out = FanOut::open(MappedFile::open(files.fan_out())?, text.len(), fingerprint)?;
        let header = Directory::header(FanOut::<T>::header(text.len(), fingerprint));
        let directory = Directory::open(&path, header)?;
        Ok(Some(Self { fan_out, directory }))
    }
}

/// A start of the query, and what is known of the end of its longest allowed match.
#[derive(Clone, Copy, Debug)]
struct Start {
    /// Tokens of the query that a match may take.
    reach: (u32, u32),
    /// The end is at least this ...
    lower: u32,
    /// ... and at most this.
    upper: u32,
    /// A rank that agrees with the query as far as any, once the start is searched.
    candidate: usize,
    /// The page of the fan-out that was read for it.
    page: Option<usize>,
    /// Whether its block gave no bound: the candidate may agree any further.
    is_unbounded: bool,
}

impl Start {
    fn is_open(&self) -> bool {
        self.lower < self.upper
    }
}

/// What is known of one end of an interval before more is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    /// It is this rank.
    At(usize),
    /// It is in this block of the fan-out, or at the block's own edge.
    InBlock(usize),
    /// It is among these ranks; the text must tell.
    Among(usize, usize),
}

/// One query against one accelerated shard.
pub(crate) struct BlindSearch<'a, T> {
    shard: &'a Shard<T>,
    sidecars: &'a Sidecars<T>,
    query: &'a Query,
    tokens: &'a [T],
    starts: Vec<Start>,
    reads: ReadCounts,
}

impl<'a, T: Token> BlindSearch<'a, T> {
    pub(crate) fn new(
        shard: &'a Shard<T>,
        sidecars: &'a Sidecars<T>,
        query: &'a Query,
        tokens: &'a [T],
    ) -> Self {
        let start = |reach: &Range<u32>| Start {
            reach: (reach.start, reach.end),
            lower: query.allowed_end(reach.start as usize),
            upper: reach.end,
            candidate: 0,
            page: None,
            is_unbounded: true,
        };
        Self {
            shard,
            sidecars,
            query,
            tokens,
            starts: query.reaches().iter().map(start).collect(),
            reads: ReadCounts::default(),
        }
    }

    /// Returns the matches that are maximal in the shard, and the reads they took.
    pub(crate) fn run(mut self) -> (Vec<LongestMatch>, ReadCounts) {
        let mut blocks = self.ask_directory();
        self.propagate();
        blocks.retain(|&(start, _)| self.starts[start].is_open());
        self.search_blocks(&blocks);
        self.propagate();
        // A bound is nearly always reached: if two starts have the same, only the first needs to be looked at. Where there
        // is none, every other start is, and most of those between turn out to end where their neighbours do.
        let chosen = self.first_choice();
        self.verify(&chosen);
        self.propagate();
        let rest: Vec<usize> = (0..self.starts.len())
            .filter(|&start| self.starts[start].is_open())
            .collect();
        self.verify(&rest);
        self.propagate();
        let matches = self.intervals();
        (matches, self.reads)
    }

    fn suffix(&self, start: usize) -> &'a [T] {
        let (from, to) = self.starts[start].reach;
        &self.tokens[from as usize..to as usize]
    }

    /// Returns the open starts with the block of each; settles those that the directory can.
    fn ask_directory(&mut self) -> Vec<(usize, usize)> {
        let mut blocks = Vec::with_capacity(self.starts.len());
        for start in 0..self.starts.len() {
            let suffix = self.suffix(start);
            let bytes = bytemuck::cast_slice(suffix);
            let directory = &self.sidecars.directory;
            let block = directory.block_at(bytes);
            if let Some((first, end)) = directory.is_cut_off_in(block, bytes) {
                let ranks = self.ranks(first, end);
                self.search_plainly(start, ranks);
            } else if let Some(holding) = directory.block_that_begins_with(block, bytes) {
                let reach_end = self.starts[start].reach.1;
                self.settle(start, holding * ranks_per_block(T::WIDTH), reach_end);
            } else {
                blocks.push((start, block));
            }
        }
        blocks
    }

    /// Takes the rank whose suffix agrees with the query up to `end` as the best for a start.
    fn settle(&mut self, start: usize, candidate: usize, end: u32) {
        let start = &mut self.starts[start];
        start.candidate = candidate;
        start.lower = start.lower.max(end);
        start.upper = start.lower;
    }

    /// Carries the bounds of each start to those that they hold for.
    fn propagate(&mut self) {
        let mut lower = 0;
        for start in &mut self.starts {
            lower = start.lower.max(lower);
            start.lower = lower.min(start.upper);
        }
        let mut upper = u32::MAX;
        for start in self.starts.iter_mut().rev() {
            upper = start.upper.min(upper);
            start.upper = upper.max(start.lower);
        }
    }

    fn search_blocks(&mut self, blocks: &[(usize, usize)]) {
        let fan_out = &self.sidecars.fan_out;
        let extents = blocks.iter().map(|&(_, block)| FanOut::<T>::extent(block));
        fan_out.file().will_need(extents);
        for (index, &(start, block)) in blocks.iter().enumerate() {
            if let Some(&(_, next)) = blocks.get(index + BLOCKS_AHEAD) {
                fan_out.prefetch(next);
            }
            let suffix = self.suffix(start);
            let ranks = fan_out.block(block);
            let found = ranks.blind_search(&suffix[..suffix.len().min(SATURATED)]);
            self.reads.count_fan_out(&FanOut::<T>::extent(block));
            let first = self.starts[start].reach.0 as usize;
            let start = &mut self.starts[start];
            start.candidate = found.candidate;
            start.page = Some(page_of_block(block));
            if let Some(depth) = found.bound {
                start.upper = start.upper.min(self.query.allowed_end(first + depth));
                start.is_unbounded = false;
            }
        }
    }

    fn first_choice(&self) -> Vec<usize> {
        let mut chosen = Vec::with_capacity(self.starts.len());
        let mut previous: Option<usize> = None;
        for (index, start) in self.starts.iter().enumerate() {
            if !start.is_open() {
                previous = None;
                continue;
            }
            let repeats = previous.is_some_and(|previous| self.starts[previous].upper == start.upper);
            if repeats && (!start.is_unbounded || previous == Some(index - 1)) {
                continue;
            }
            chosen.push(index);
            previous = Some(index);
        }
        chosen
    }

    /// Compares the candidates of some starts with the text.
    fn verify(&mut self, chosen: &[usize]) {
        let shard = self.shard;
        let entry = |rank: usize| shard.table.bytes_of(rank..rank + 1);
        let ranks: Vec<usize> = chosen.iter().map(|&start| self.starts[start].candidate).collect();
        shard
            .table
            .file()
            .will_need(ranks.iter().map(|&rank| entry(rank)));
        for &rank in &ranks {
            shard.table.file().prefetch(entry(rank).start);
        }
        let positions: Vec<usize> = ranks.iter().map(|&rank| shard.table.position(rank)).collect();
        let ahead = |index: usize| {
            let tokens = self.suffix(chosen[index]).len().min(COMPARED_AHEAD);
            shard.text.extent(positions[index], tokens)
        };
        shard.text.file().will_need((0..chosen.len()).map(ahead));
        for (index, &start) in chosen.iter().enumerate() {
            if let Some(&position) = positions.get(index + PREFETCH_DISTANCE) {
                shard.text.file().prefetch(position * T::WIDTH);
            }
            let suffix = self.suffix(start);
            let lcp = shard.text.compare(positions[index], suffix, 0).lcp;
            self.reads.count_table(&entry(ranks[index]));
            self.reads
                .count_text(&shard.text.extent(positions[index], lcp + 1));
            if lcp >= SATURATED && suffix.len() > SATURATED {
                // The fan-out tells no longer agreement apart: the text does.
                let run = self.interval(start, SATURATED);
                self.search_plainly(start, to_usize(run.start)..to_usize(run.end));
            } else {
                let end = self.starts[start].reach.0 as usize + lcp;
                self.settle(start, ranks[index], self.query.allowed_end(end));
            }
        }
    }

    /// Searches some ranks, one of which agrees best with the query, by comparing with the text.
    fn search_plainly(&mut self, start: usize, ranks: Range<usize>) {
        let insertion = self.shard.insertion(self.suffix(start), ranks, &mut self.reads);
        let end = self.starts[start].reach.0 as usize + insertion.longest_prefix();
        self.settle(start, insertion.nearest_rank(), self.query.allowed_end(end));
    }

    /// Returns the starts whose matches are maximal in the shard, with their intervals.
    fn intervals(&mut self) -> Vec<LongestMatch> {
        let mut end_before = 0;
        let mut maximal = Vec::with_capacity(self.starts.len());
        for (index, start) in self.starts.iter().enumerate() {
            if start.lower > end_before.max(start.reach.0) {
                maximal.push(index);
            }
            end_before = end_before.max(start.lower);
        }
        let edges: Vec<[Edge; 2]> = maximal
            .iter()
            .map(|&start| {
                let length = (self.starts[start].lower - self.starts[start].reach.0) as usize;
                [self.left_edge(start, length), self.right_edge(start, length)]
            })
            .collect();
        self.fan_out_will_need(edges.iter().flatten());
        let matches = maximal.iter().zip(edges).map(|(&start, edges)| {
            let Start { reach, lower, .. } = self.starts[start];
            LongestMatch {
                start: reach.0,
                end: lower,
                interval: self.resolve(start, (lower - reach.0) as usize, edges),
            }
        });
        // Only in a corrupt shard is an interval empty.
        matches.filter(|found| found.interval.count() > 0).collect()
    }

    /// Returns the interval of the first `length` tokens of a start, which its candidate begins with.
    fn interval(&mut self, start: usize, length: usize) -> Interval {
        let edges = [self.left_edge(start, length), self.right_edge(start, length)];
        self.resolve(start, length, edges)
    }

    fn fan_out_will_need<'e>(&self, edges: impl Iterator<Item = &'e Edge> + Clone) {
        let extents = edges.filter_map(|edge| match *edge {
            Edge::InBlock(block) => Some(FanOut::<T>::extent(block)),
            Edge::At(_) | Edge::Among(..) => None,
        });
        self.sidecars.fan_out.file().will_need(extents);
    }

    /// Returns what is known of the first rank that begins with the first `length` tokens of a start.
    fn left_edge(&self, start: usize, length: usize) -> Edge {
        let Start { candidate, page, .. } = self.starts[start];
        if let Some(page) = page
            && length <= SATURATED
            && let Some(rank) = self.sidecars.fan_out.page(page).run_start(candidate, length)
        {
            return Edge::At(rank);
        }
        let directory = &self.sidecars.directory;
        let prefix = bytemuck::cast_slice(&self.suffix(start)[..length]);
        let block = directory.block_at(prefix);
        match directory.is_cut_off_in(block, prefix) {
            Some((first, _)) => Edge::Among(self.ranks(first, block).start, candidate),
            None if length > SATURATED => Edge::Among(self.ranks(block, block).start, candidate),
            None => Edge::InBlock(block),
        }
    }

    /// Returns what is known of the end of the ranks that begin with the first `length` tokens of a start.
    fn right_edge(&self, start: usize, length: usize) -> Edge {
        let Start { candidate, page, .. } = self.starts[start];
        let directory = &self.sidecars.directory;
        let prefix = bytemuck::cast_slice(&self.suffix(start)[..length]);
        if let Some(page) = page
            && length <= SATURATED
        {
            let ranks = self.sidecars.fan_out.page(page);
            if let Some(rank) = ranks.run_end(candidate, length) {
                return Edge::At(rank);
            }
            let next = blocks_of_page(page).end;
            if next >= directory.len() || directory.shares_less(next, prefix, T::WIDTH) {
                return Edge::At(ranks.end_rank());
            }
        }
        let last = directory.last_block_within(prefix);
        if directory.is_too_short_for(prefix) {
            Edge::Among(candidate + 1, self.ranks(0, last + 1).end)
        } else {
            Edge::InBlock(last)
        }
    }

    /// Returns the interval between two edges, reading what they name.
    fn resolve(&mut self, start: usize, length: usize, [left, right]: [Edge; 2]) -> Interval {
        let prefix = &self.suffix(start)[..length];
        let candidate = self.starts[start].candidate;
        let fan_out = &self.sidecars.fan_out;
        let from = match left {
            Edge::At(rank) => rank,
            Edge::InBlock(block) => {
                self.count_block(start, block);
                let ranks = fan_out.block(block);
                // The candidate is in this block, or the run goes on to the block's end.
                let inside = candidate.clamp(ranks.first_rank, ranks.end_rank() - 1);
                ranks.run_start(inside, length).unwrap_or(ranks.first_rank)
            }
            Edge::Among(low, high) => {
                let reaches = |lcp: usize| lcp == length;
                self.shard
                    .partition((low, high), prefix, 0, reaches, &mut self.reads)
            }
        };
        let to = match right {
            Edge::At(rank) => rank,
            Edge::InBlock(block) => {
                if left != right {
                    self.count_block(start, block);
                }
                let ranks = fan_out.block(block);
                // As above, or the run comes from the block's begin.
                let inside = candidate.clamp(ranks.first_rank, ranks.end_rank() - 1);
                ranks.run_end(inside, length).unwrap_or(ranks.end_rank())
            }
            Edge::Among(low, high) => {
                let falls_short = |lcp: usize| lcp < length;
                self.shard
                    .partition((low, high), prefix, 0, falls_short, &mut self.reads)
            }
        };
        Interval {
            start: from as u64,
            // Only in a corrupt shard do the two edges cross.
            end: to.max(from) as u64,
        }
    }

    /// Counts the read of a block unless its page was read for this start before.
    fn count_block(&mut self, start: usize, block: usize) {
        if self.starts[start].page != Some(page_of_block(block)) {
            self.reads.count_fan_out(&FanOut::<T>::extent(block));
        }
    }

    /// Returns the ranks of some blocks.
    fn ranks(&self, first_block: usize, end_block: usize) -> Range<usize> {
        let per_block = ranks_per_block(T::WIDTH);
        first_block * per_block..self.shard.text.len().min(end_block * per_block)
    }
}
