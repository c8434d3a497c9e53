//! The intervals of matches on an accelerated shard: the run of ranks round a proven one whose LCPs are long enough.
//!
//! As a rule both edges of a run lie in the page that was searched. Where one does not, the directory names its block; where
//! that cannot tell either, the text does.

use crate::blind_search::{BlindSearch, Start};
use crate::fan_out::{FanOut, SATURATED, blocks_of_page, page_of_block};
use crate::interval::Interval;
use crate::longest_matches::{LongestMatch, maximal};
use crate::reads::Of;
use crate::token::Token;

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

impl<T: Token> BlindSearch<'_, T> {
    /// Returns the starts whose matches are maximal in the shard, with their intervals.
    pub(crate) fn intervals(&mut self) -> Vec<LongestMatch> {
        let maximal = maximal(self.starts.iter().map(|start| (start.reach.0, start.lower)));
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

    /// Returns the interval of the first `length` tokens of a start, which its proven rank begins with.
    pub(crate) fn interval(&mut self, start: usize, length: usize) -> Interval {
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
        let Start { proven, page, .. } = self.starts[start];
        if let Some(page) = page
            && self.holds(page, proven)
            && length <= SATURATED
            && let Some(rank) = self.sidecars.fan_out.page(page).run_start(proven, length)
        {
            return Edge::At(rank);
        }
        let directory = &self.sidecars.directory;
        let prefix = bytemuck::cast_slice(&self.suffix(start)[..length]);
        let block = directory.block_at(prefix);
        match directory.is_cut_off_in(block, prefix) {
            Some((first, _)) => Edge::Among(self.ranks(first, block).start, proven),
            None if length > SATURATED => Edge::Among(self.ranks(block, block).start, proven),
            None => Edge::InBlock(block),
        }
    }

    /// Returns what is known of the end of the ranks that begin with the first `length` tokens of a start.
    fn right_edge(&self, start: usize, length: usize) -> Edge {
        let Start { proven, page, .. } = self.starts[start];
        let directory = &self.sidecars.directory;
        let prefix = bytemuck::cast_slice(&self.suffix(start)[..length]);
        if let Some(page) = page
            && self.holds(page, proven)
            && length <= SATURATED
        {
            let ranks = self.sidecars.fan_out.page(page);
            if let Some(rank) = ranks.run_end(proven, length) {
                return Edge::At(rank);
            }
            let next = blocks_of_page(page).end;
            if next >= directory.len() || directory.shares_less(next, prefix, T::WIDTH) {
                return Edge::At(ranks.end_rank());
            }
        }
        let last = directory.last_block_within(prefix);
        if directory.may_cut_off(prefix) {
            Edge::Among(proven + 1, self.ranks(0, last + 1).end)
        } else {
            Edge::InBlock(last)
        }
    }

    /// Returns the interval between two edges, reading what they name.
    fn resolve(&mut self, start: usize, length: usize, [left, right]: [Edge; 2]) -> Interval {
        let prefix = &self.suffix(start)[..length];
        let proven = self.starts[start].proven;
        let fan_out = &self.sidecars.fan_out;
        let from = match left {
            Edge::At(rank) => rank,
            Edge::InBlock(block) => {
                self.count_block(start, block);
                let ranks = fan_out.block(block);
                // The proven rank is in this block, or the run goes on to the block's end.
                let inside = proven.clamp(ranks.first_rank, ranks.end_rank() - 1);
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
                let inside = proven.clamp(ranks.first_rank, ranks.end_rank() - 1);
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

    fn holds(&self, page: usize, rank: usize) -> bool {
        let ranks = self.sidecars.fan_out.page(page);
        (ranks.first_rank..ranks.end_rank()).contains(&rank)
    }

    /// Counts the read of a block unless its page was read for this start before.
    fn count_block(&mut self, start: usize, block: usize) {
        if self.starts[start].page != Some(page_of_block(block)) {
            self.reads.count(Of::FanOut, &FanOut::<T>::extent(block));
        }
    }
}
