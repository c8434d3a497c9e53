//! The search of an accelerated shard: about two random reads a start, whatever N is.
//!
//! All starts of a query move together, so that a cold disk sees many reads at once:
//!
//! 1. The directory, in RAM, gives the block of each start, and a match that is proven.
//! 2. One block of the fan-out is searched blindly. That gives a candidate, and often a bound that no match passes.
//! 3. The table says where the candidate stands, the text there how far it agrees.
//! 4. The intervals are read off the pages; a run that leaves its page ends in a block that the directory names.
//!
//! The ends of the longest allowed matches never fall from one start to the next. So a match found at one start bounds
//! those after it from below, one that cannot be longer bounds those before it from above, and a start whose bounds meet
//! needs no search.

use std::ops::Range;

use crate::address::to_usize;
use crate::fan_out::{FanOut, SATURATED, page_of_block, ranks_per_block};
use crate::longest_matches::{LongestMatch, Query};
use crate::reads::{Of, ReadCounts};
use crate::shard::Shard;
use crate::sidecar::Sidecars;
use crate::surviving_match::Survivor;
use crate::token::Token;

/// How far ahead of its use a cache line is asked for.
const PREFETCH_DISTANCE: usize = 8;

/// How many blocks ahead of its search one is asked for.
const BLOCKS_AHEAD: usize = 3;

/// Tokens of a suffix that are asked of the disk before it is compared; a longer match reads on.
const COMPARED_AHEAD: usize = 256;

/// A start of the query, and what is known of the end of its longest allowed match.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    /// Tokens of the query that a match may take.
    pub(crate) reach: (u32, u32),
    /// The end is at least this ...
    pub(crate) lower: u32,
    /// ... and at most this.
    upper: u32,
    /// A rank whose suffix agrees with the query up to `lower`, unless that bound comes from an earlier start.
    pub(crate) proven: usize,
    /// A rank that agrees with the query as far as any, once its block is searched.
    candidate: usize,
    /// The page of the fan-out that was read for it.
    pub(crate) page: Option<usize>,
    /// Whether its block gave no bound: the candidate may agree any further.
    is_unbounded: bool,
}

impl Start {
    fn is_open(&self) -> bool {
        self.lower < self.upper
    }
}

/// Where starts belong, as the directory tells.
struct Places {
    /// Starts, each with its block.
    blocks: Vec<(usize, usize)>,
    /// Starts that begin with a key that is cut off, each with the ranks that may hold its place.
    cut_off: Vec<(usize, Range<usize>)>,
}

/// One query against one accelerated shard.
pub(crate) struct BlindSearch<'a, T> {
    pub(crate) shard: &'a Shard<T>,
    pub(crate) sidecars: &'a Sidecars<T>,
    query: &'a Query,
    tokens: &'a [T],
    pub(crate) starts: Vec<Start>,
    pub(crate) reads: ReadCounts,
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
            proven: 0,
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

    /// Returns the intervals of matches that were found before, each with a rank that begins with it; ascending by start, those
    /// that an earlier one hides left out. And the reads they took.
    pub(crate) fn intervals_of(
        mut self,
        matches: impl Iterator<Item = (Range<u32>, Survivor)>,
    ) -> (Vec<LongestMatch>, ReadCounts) {
        self.starts = matches
            .map(|(span, found)| Start {
                reach: (span.start, span.end),
                lower: span.end,
                upper: span.end,
                proven: found.rank,
                candidate: found.rank,
                page: found.page,
                is_unbounded: false,
            })
            .collect();
        let matches = self.intervals();
        (matches, self.reads)
    }

    /// Returns the matches that are maximal in the shard, and the reads they took.
    pub(crate) fn run(mut self) -> (Vec<LongestMatch>, ReadCounts) {
        let mut places = self.ask_directory();
        self.propagate();
        places.blocks.retain(|&(start, _)| self.starts[start].is_open());
        self.search_blocks(&places.blocks);
        self.propagate();
        self.search_cut_off(places.cut_off);
        self.propagate();
        // A bound is nearly always reached: if two starts have the same, only the first needs to be looked at. Where there
        // is none, every other start is, and most of those between turn out to end where their neighbours do.
        let chosen = self.first_choice();
        self.compare_candidates(&chosen);
        self.propagate();
        let rest: Vec<usize> = (0..self.starts.len())
            .filter(|&start| self.starts[start].is_open())
            .collect();
        self.compare_candidates(&rest);
        self.propagate();
        let matches = self.intervals();
        (matches, self.reads)
    }

    /// Returns the tokens of the query that a match at a start may take.
    pub(crate) fn suffix(&self, start: usize) -> &'a [T] {
        let (from, to) = self.starts[start].reach;
        &self.tokens[from as usize..to as usize]
    }

    /// Returns where each start belongs; settles those that the directory can.
    fn ask_directory(&mut self) -> Places {
        let mut places = Places {
            blocks: Vec::with_capacity(self.starts.len()),
            cut_off: Vec::new(),
        };
        for start in 0..self.starts.len() {
            let suffix = self.suffix(start);
            let bytes = bytemuck::cast_slice(suffix);
            let directory = &self.sidecars.directory;
            let block = directory.block_at(bytes);
            if let Some((first, end)) = directory.is_cut_off_in(block, bytes) {
                places.cut_off.push((start, self.ranks(first, end)));
            } else {
                // The keys on both sides are tokens of the text: what they share with the query is proven.
                let next = (directory.len() - 1).min(block + 1);
                let shared = |block: usize| (directory.shared(block, bytes), block);
                let (bytes, holding) = shared(block).max(shared(next));
                let end = self.starts[start].reach.0 as usize + bytes / T::WIDTH;
                self.prove(
                    start,
                    holding * ranks_per_block(T::WIDTH),
                    self.query.allowed_end(end),
                );
                places.blocks.push((start, block));
            }
        }
        places
    }

    /// Notes that the suffix at a rank agrees with the query from a start up to `end`.
    fn prove(&mut self, start: usize, rank: usize, end: u32) {
        let start = &mut self.starts[start];
        if end > start.lower {
            start.lower = end;
            start.proven = rank;
        }
    }

    /// Notes that the suffix at a rank agrees with the query up to `end`, and none further.
    fn settle(&mut self, start: usize, rank: usize, end: u32) {
        self.prove(start, rank, end);
        let start = &mut self.starts[start];
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
            self.reads.count(Of::FanOut, &FanOut::<T>::extent(block));
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

    /// Searches starts whose keys are cut off, in order: each match found spares later starts that end no further.
    fn search_cut_off(&mut self, cut_off: Vec<(usize, Range<usize>)>) {
        let mut lower = 0;
        let mut next = 0;
        for (start, ranks) in cut_off {
            for before in &mut self.starts[next..=start] {
                lower = before.lower.max(lower);
                before.lower = lower.min(before.upper);
            }
            // Once more from the start itself: what it finds holds for those after it.
            next = start;
            if self.starts[start].is_open() {
                self.search_plainly(start, ranks);
            }
        }
    }

    /// Returns the open starts to look at first.
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
    fn compare_candidates(&mut self, chosen: &[usize]) {
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
            self.reads.count(Of::Table, &entry(ranks[index]));
            self.reads
                .count(Of::Text, &shard.text.extent(positions[index], lcp + 1));
            if lcp >= SATURATED && suffix.len() > SATURATED {
                // The fan-out tells no longer agreement apart: the text does.
                self.starts[start].proven = ranks[index];
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

    /// Returns the ranks of some blocks.
    pub(crate) fn ranks(&self, first_block: usize, end_block: usize) -> Range<usize> {
        self.shard.ranks_of_blocks(first_block, end_block)
    }
}
