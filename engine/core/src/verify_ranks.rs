//! The checks that go along the table: each rank points to a token, suffixes ascend, pages of the fan-out are what the text
//! says, and every position is there once.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

use rayon::prelude::*;

use crate::accelerate::{PageFiller, block_key};
use crate::address::{PAGE_BYTES, to_usize};
use crate::error::EngineError;
use crate::fan_out::{blocks_of_page, first_lcp, num_pages, ranks_per_page};
use crate::sample::mixed;
use crate::shard::Shard;
use crate::sidecar::{Sidecars, fingerprint};
use crate::text::Agreement;
use crate::token::Token;
use crate::verify::{Inspector, range_of_unit};

/// Bytes after which the order of two suffixes is not checked: infini-gram's builder compares no more.
const MAX_COMPARED_BYTES: usize = 100_000;

/// Pages of the fan-out, or as many ranks without one, that are one unit: what they touch of the text stays in the
/// processor's caches from one check of it to the next.
const PAGES_PER_UNIT: usize = 8;

/// How far ahead of its comparison a suffix is asked for.
const PREFETCH_DISTANCE: usize = 16;

/// Most positions that are looked up in a sample: each takes about 2 log2(N) reads.
const MAX_LOOKED_UP: usize = 20_000;

/// Equal suffixes among which a position is searched one by one.
const MAX_SCANNED: u64 = 1 << 16;

/// Positions that a pass marks where one is there twice: 1 GiB of bits.
const MARKED_PER_PASS: usize = 1 << 33;

/// Ranks that one task marks.
const RANKS_PER_TASK: usize = 1 << 16;

/// What a range of ranks holds.
#[derive(Default)]
struct RanksFound {
    pointers: Vec<EngineError>,
    orders: Vec<EngineError>,
    sidecars: Vec<EngineError>,
    /// Of the mixed positions: the sum over all ranks is that over all positions if each is there once.
    sum: u64,
}

impl<T: Token> Inspector<'_, T> {
    pub(crate) fn num_rank_units(&self) -> usize {
        self.sample.size(self.all_rank_units())
    }

    fn all_rank_units(&self) -> usize {
        self.shard.text.len().div_ceil(ranks_per_unit::<T>())
    }

    /// How many positions are looked up in the table: none if all are counted.
    pub(crate) fn num_positions(&self) -> usize {
        if self.sample.is_everything() {
            0
        } else {
            self.sample.size(self.shard.text.len()).min(MAX_LOOKED_UP)
        }
    }

    /// Goes along the table: pointers, order, pages; and, of a whole table, whether each position is there once.
    pub(crate) fn ranks(&mut self) -> Result<(), EngineError> {
        let shard = self.shard;
        let units = self.sample.pick(self.all_rank_units(), "ranks");
        let (mut num_ranks, mut sum, mut sidecars) = (0, 0_u64, Vec::new());
        let check = |unit: usize| {
            let ranks = range_of_unit(unit, ranks_per_unit::<T>(), shard.text.len());
            (shard.check_ranks(unit, &ranks), ranks.len())
        };
        let before = self.num_problems();
        let done = self.in_batches(&units, check, |inspector, (found, ranks)| {
            num_ranks += ranks;
            sum = sum.wrapping_add(found.sum);
            // Problems of the table come before those of the sidecars, which are made of it.
            inspector.add(found.pointers);
            inspector.add(found.orders);
            let room = inspector.room().saturating_sub(sidecars.len());
            sidecars.extend(found.sidecars.into_iter().take(room));
        })?;
        let num_tokens = shard.text.len();
        if self.num_problems() == before && num_ranks == num_tokens && sum != self.sum_of_positions() {
            let twice = self.pool.install(|| shard.position_at_two_ranks());
            self.add(twice);
        }
        self.add(sidecars);
        self.looked_at("ranks", num_ranks, num_tokens);
        if shard.sidecars.is_some() {
            let pages = num_pages(num_tokens, T::WIDTH);
            let looked_at = units[..done]
                .iter()
                .map(|&unit| range_of_unit(unit, PAGES_PER_UNIT, pages).len());
            self.looked_at("sidecar pages", looked_at.sum(), pages);
        }
        Ok(())
    }

    fn sum_of_positions(&self) -> u64 {
        let num_tokens = self.shard.text.len() as u64;
        self.pool.install(|| {
            let positions = (0..num_tokens).into_par_iter().map(mixed);
            positions.reduce(|| 0, u64::wrapping_add)
        })
    }

    /// Some positions are found in the table, by search, where their suffixes belong.
    pub(crate) fn positions(&mut self) -> Result<(), EngineError> {
        let shard = self.shard;
        let num_tokens = shard.text.len();
        if self.sample.is_everything() {
            // The sum over all ranks looked at every one.
            let looked_at = if self.is_full() { 0 } else { num_tokens };
            self.looked_at("positions", looked_at, num_tokens);
            return Ok(());
        }
        let positions = self.sample.pick_at_most(num_tokens, "positions", MAX_LOOKED_UP);
        let mut looked_up = 0;
        let look_up = |position: usize| shard.is_at_its_rank(position).map(|is| (position, is));
        self.in_batches(&positions, look_up, |inspector, found| {
            looked_up += usize::from(found.is_some());
            inspector.add(
                found
                    .filter(|&(_, is)| !is)
                    .map(|(position, _)| EngineError::TableMissing {
                        path: shard.files.table(),
                        position: position as u64,
                    }),
            );
        })?;
        self.looked_at("positions", looked_up, num_tokens);
        Ok(())
    }

    /// The first page of the fan-out is the header of this shard and zeros.
    pub(crate) fn sidecar_header(&mut self) {
        let shard = self.shard;
        if let Some(Sidecars { fan_out, .. }) = &shard.sidecars
            && !fan_out.header_is_intact(fingerprint(&shard.text, &shard.table))
        {
            self.add([EngineError::Sidecar {
                path: shard.files.fan_out(),
                reason: "the first page is not what was written".to_owned(),
            }]);
        }
    }
}

fn ranks_per_unit<T: Token>() -> usize {
    PAGES_PER_UNIT * ranks_per_page(T::WIDTH)
}

impl<T: Token> Shard<T> {
    fn check_ranks(&self, unit: usize, ranks: &Range<usize>) -> RanksFound {
        let mut found = RanksFound::default();
        let num_tokens = self.text.len();
        // The suffixes of the ranks and of the one before them, if there is one.
        let first = ranks.start.saturating_sub(1);
        let mut positions = Vec::with_capacity(ranks.len() + 1);
        for rank in first..ranks.end {
            let offset = self.table.byte_offset(rank);
            let position = to_usize(offset / T::WIDTH as u64);
            let is_token = offset.is_multiple_of(T::WIDTH as u64) && position < num_tokens;
            if rank >= ranks.start {
                found.sum = found.sum.wrapping_add(mixed(position as u64));
                if !is_token {
                    found.pointers.push(EngineError::TablePointer {
                        path: self.files.table(),
                        rank: rank as u64,
                        offset,
                        num_tokens: num_tokens as u64,
                    });
                }
            }
            positions.push(position.min(num_tokens - 1));
        }
        for (at, pair) in positions.windows(2).enumerate() {
            if let Some(&next) = positions.get(at + PREFETCH_DISTANCE) {
                self.text.file().prefetch(next * T::WIDTH);
            }
            if self.order(pair[0], pair[1]) == Ordering::Greater {
                found.orders.push(EngineError::TableOrder {
                    path: self.files.table(),
                    rank: (first + at + 1) as u64,
                });
            }
        }
        found.sidecars = self.check_pages(unit);
        found
    }

    /// Compares two suffixes up to their documents' ends, for at least `MAX_COMPARED_BYTES`.
    fn order(&self, left: usize, right: usize) -> Ordering {
        let limit = MAX_COMPARED_BYTES / T::WIDTH;
        let Agreement::Until(agreed) = self.text.agreement(left, right, limit) else {
            return Ordering::Equal;
        };
        if agreed >= limit {
            return Ordering::Equal;
        }
        // The end of the text sorts before every token.
        let key =
            |position: usize| (position < self.text.len()).then(|| self.text.token(position).sort_key());
        key(left + agreed).cmp(&key(right + agreed))
    }

    /// The pages of the fan-out and the keys of the directory of a unit are what the text says.
    fn check_pages(&self, unit: usize) -> Vec<EngineError> {
        let Some(Sidecars { fan_out, directory }) = &self.sidecars else {
            return Vec::new();
        };
        let pages = range_of_unit(unit, PAGES_PER_UNIT, num_pages(self.text.len(), T::WIDTH));
        let mut filler = PageFiller::default();
        let expected = filler.fill(&self.text, &self.table, pages.clone());
        let mut problems = Vec::new();
        for (page, bytes) in pages.zip(expected.chunks_exact(PAGE_BYTES)) {
            let mut wrong = |path| {
                problems.push(EngineError::SidecarContent {
                    path,
                    page: page as u64,
                });
            };
            if fan_out.page_bytes(page) != bytes {
                wrong(self.files.fan_out());
            }
            let blocks = blocks_of_page(page).start..blocks_of_page(page).end.min(directory.len());
            let has_key = |block: usize| {
                let lcp = first_lcp::<T>(bytes, block);
                directory.key_is(block, block_key(&self.text, &self.table, block, lcp))
            };
            if !blocks.into_iter().all(has_key) {
                wrong(self.files.directory());
            }
        }
        problems
    }

    /// Returns a position that two ranks point to. Cost: a pass over the table for every 2^33 positions.
    fn position_at_two_ranks(&self) -> Option<EngineError> {
        let num_tokens = self.text.len();
        (0..num_tokens).step_by(MARKED_PER_PASS).find_map(|start| {
            let marked = start..num_tokens.min(start + MARKED_PER_PASS);
            let seen: Vec<AtomicU64> = (0..marked.len().div_ceil(64))
                .map(|_| AtomicU64::new(0))
                .collect();
            let tasks = (0..num_tokens.div_ceil(RANKS_PER_TASK)).into_par_iter();
            tasks.find_map_any(|task| {
                let twice = |&rank: &usize| {
                    let position = self.table.position(rank);
                    let bit = 1 << (position % 64);
                    marked.contains(&position)
                        && seen[(position - marked.start) / 64].fetch_or(bit, Atomic::Relaxed) & bit != 0
                };
                let rank = range_of_unit(task, RANKS_PER_TASK, num_tokens).find(twice)?;
                Some(EngineError::TableDuplicate {
                    path: self.files.table(),
                    rank: rank as u64,
                    position: self.table.position(rank) as u64,
                })
            })
        })
    }

    /// Whether a position stands at one of the ranks where a search for its suffix leads; `None` if there are too many of
    /// them to look at.
    ///
    /// Cost: about 4 log2(N) random reads.
    fn is_at_its_rank(&self, position: usize) -> Option<bool> {
        let end = self.text.len().min(position + MAX_COMPARED_BYTES / T::WIDTH);
        let mut suffix = Vec::new();
        for token in self.text.tokens(position, end) {
            suffix.push(token);
            if token.is_separator() {
                break;
            }
        }
        let ranks = self.find(&suffix);
        let stands_at = |rank: u64| self.table.position(to_usize(rank)) == position;
        // A suffix that the end of the text cuts off sorts before all that go on; equal suffixes are sorted by position in
        // tables of ours, and in any order in others.
        let (mut low, mut high) = (ranks.start, ranks.end);
        while low < high {
            let middle = low.midpoint(high);
            if self.table.position(to_usize(middle)) < position {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let is_found = [ranks.start, low]
            .into_iter()
            .any(|rank| rank < ranks.end && stands_at(rank))
            || (ranks.start..ranks.end.min(ranks.start + MAX_SCANNED)).any(stands_at);
        (is_found || ranks.count() <= MAX_SCANNED).then_some(is_found)
    }
}
