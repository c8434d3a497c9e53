//! The ranks of all suffixes of some documents: where the table holds their positions.
//!
//! Few are searched for one by one, here; many are found in one pass over the table (`table_pass.rs`). A search knows the suffix to the letter, so on
//! an accelerated shard the candidate of a blind search is nearly always the one: it takes a look at the fan-out and one at
//! the table, none at the text. Equal suffixes stand by position in tables of ours and as the bytes behind the separator go
//! in infini-gram's; a table with any other order is passed over.

use std::cmp::Ordering;
use std::ops::Range;

use rayon::prelude::*;

use crate::fan_out::{FanOut, SATURATED, page_of_block, ranks_per_block};
use crate::shard::Shard;
use crate::sidecar::Sidecars;
use crate::text::Agreement;
use crate::token::Token;

/// Positions that one task looks up together.
const POSITIONS_PER_TASK: usize = 1 << 10;

/// How many blocks, and table entries, ahead of its use one is asked for.
const BLOCKS_AHEAD: usize = 4;
const ENTRIES_AHEAD: usize = 16;

/// A position, and the blocks of the fan-out that may hold its suffix.
type Place = (usize, Range<usize>);

impl<T: Token> Shard<T> {
    /// Returns the positions of a document, its separator first.
    pub(crate) fn extent_of(&self, document: usize) -> Range<usize> {
        self.documents.start(document)..self.document_end(document)
    }

    /// Returns the ranks of all suffixes of some documents, ascending, by searching for each; `None` if one is not where its
    /// suffix belongs in any order that is known.
    ///
    /// Cost: about two random reads a suffix with sidecars, else 2 log2(N); those of one task are in flight together.
    pub(crate) fn ranks_by_search(&self, documents: &[usize]) -> Option<Vec<usize>> {
        let tasks: Vec<(Range<usize>, usize)> = documents
            .iter()
            .flat_map(|&document| {
                let extent = self.extent_of(document);
                // With the separator after it, if there is one.
                let end = self.text.len().min(extent.end + 1);
                let starts = extent.clone().step_by(POSITIONS_PER_TASK);
                starts.map(move |start| (start..extent.end.min(start + POSITIONS_PER_TASK), end))
            })
            .collect();
        let search = |(positions, end): &(Range<usize>, usize)| match &self.sidecars {
            Some(sidecars) => self.look_up(sidecars, positions.clone(), *end),
            None => positions
                .clone()
                .map(|position| self.search_position(position, 0..self.text.len()))
                .collect(),
        };
        let found: Option<Vec<Vec<usize>>> = tasks.par_iter().map(search).collect();
        let mut ranks = found?.concat();
        ranks.par_sort_unstable();
        // Twice only in a corrupt table, or one with copies of an entry.
        ranks.is_sorted_by(|left, right| left < right).then_some(ranks)
    }

    /// Looks positions of one document up whose last suffix ends at `end`.
    fn look_up(&self, sidecars: &Sidecars<T>, positions: Range<usize>, end: usize) -> Option<Vec<usize>> {
        let Sidecars { fan_out, directory } = sidecars;
        let suffix = |position: usize| {
            // The separator before the document is a suffix of its own.
            let length = if self.text.token(position).is_separator() {
                1
            } else {
                SATURATED
            };
            let end = end.min(position + length);
            bytemuck::cast_slice::<u8, T>(self.text.bytes(position, end))
        };
        let places: Vec<Place> = positions
            .map(|position| {
                let (first, end) = directory.blocks_of_suffix(bytemuck::cast_slice(suffix(position)));
                (position, first..end)
            })
            .collect();
        let extents = places.iter().map(|(_, blocks)| FanOut::<T>::extent(blocks.start));
        fan_out.file().will_need(extents);
        let candidates: Vec<usize> = places
            .iter()
            .enumerate()
            .map(|(index, (position, blocks))| {
                if let Some((_, next)) = places.get(index + BLOCKS_AHEAD) {
                    fan_out.prefetch(next.start);
                }
                fan_out
                    .block(blocks.start)
                    .blind_search(suffix(*position))
                    .candidate
            })
            .collect();
        let entry = |rank: usize| self.table.bytes_of(rank..rank + 1);
        self.table
            .file()
            .will_need(candidates.iter().map(|&rank| entry(rank)));
        let mut ranks = Vec::with_capacity(places.len());
        for (index, ((position, blocks), &candidate)) in places.iter().zip(&candidates).enumerate() {
            if let Some(&next) = candidates.get(index + ENTRIES_AHEAD) {
                self.table.file().prefetch(entry(next).start);
            }
            let rank = if self.table.position(candidate) == *position {
                candidate
            } else {
                self.search_alike(sidecars, *position, blocks, candidate)?
            };
            ranks.push(rank);
        }
        Some(ranks)
    }

    /// Searches a position among the ranks whose suffixes the fan-out does not tell from that of the candidate, or among all
    /// that the directory leaves.
    fn search_alike(
        &self,
        sidecars: &Sidecars<T>,
        position: usize,
        blocks: &Range<usize>,
        candidate: usize,
    ) -> Option<usize> {
        let page = sidecars.fan_out.page(page_of_block(blocks.start));
        let start = page.run_start(candidate, SATURATED).unwrap_or(page.first_rank);
        let end = page.run_end(candidate, SATURATED).unwrap_or(page.end_rank());
        let is_there = |&rank: &usize| self.table.position(rank) == position;
        (start..end).find(is_there).or_else(|| {
            let per_block = ranks_per_block(T::WIDTH);
            let end = self.text.len().min(blocks.end * per_block);
            self.search_position(position, blocks.start * per_block..end)
        })
    }

    /// Returns the rank of a position if it is among some ranks where its suffix belongs.
    fn search_position(&self, position: usize, ranks: Range<usize>) -> Option<usize> {
        let text = &self.text;
        let by_position =
            |other: usize, known: usize| match text.agreement(other + known, position + known, text.len()) {
                Agreement::ToSeparator => (other.cmp(&position), known),
                Agreement::Until(agreed) => {
                    let agreed = known + agreed;
                    (self.key(other + agreed).cmp(&self.key(position + agreed)), agreed)
                }
            };
        let end = text.len();
        let by_bytes = |other: usize, known: usize| {
            let bytes = |at: usize| text.bytes(at + known, end);
            (bytes(other).cmp(bytes(position)), known)
        };
        self.bisect(position, ranks.clone(), by_position)
            .or_else(|| self.bisect(position, ranks, by_bytes))
    }

    /// Returns the rank of a position if it is among some ranks. `order` compares the suffix of another position with its own,
    /// given how many tokens are known to agree, and returns how many do, or fewer.
    fn bisect(
        &self,
        position: usize,
        ranks: Range<usize>,
        order: impl Fn(usize, usize) -> (Ordering, usize),
    ) -> Option<usize> {
        let (mut low, mut high) = (ranks.start, ranks.end);
        let (mut lcp_low, mut lcp_high) = (0, 0);
        while low < high {
            let middle = low.midpoint(high);
            let other = self.table.position(middle);
            if other == position {
                return Some(middle);
            }
            let (order, agreed) = order(other, lcp_low.min(lcp_high));
            if order.is_lt() {
                low = middle + 1;
                lcp_low = agreed;
            } else {
                high = middle;
                lcp_high = agreed;
            }
        }
        None
    }

    /// Returns what orders a position by its token; the end of the text sorts before every token.
    fn key(&self, position: usize) -> Option<T> {
        (position < self.text.len()).then(|| self.text.token(position).sort_key())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accelerate::accelerate_shard;
    use crate::files::ShardFiles;
    use crate::sort::sort_shard;

    /// Documents with copies of one another, empty ones, and runs that no LCP or key holds.
    fn documents() -> Vec<Vec<u32>> {
        let noise = |seed: u32, length: u32| -> Vec<u32> {
            (0..length).map(|at| (at * at * 31 + seed * at) % 7 % 5).collect()
        };
        let mut documents: Vec<Vec<u32>> = (0..40).map(|seed| noise(seed, seed * 9)).collect();
        documents.extend([noise(1, 700), noise(1, 700), vec![3; 900], vec![3; 300]]);
        let tails = (0..60).map(|seed| [noise(seed, 20), noise(5, 400)].concat());
        documents.extend(tails);
        documents.extend(vec![vec![]; 1500]);
        documents.push(noise(9, 50));
        documents
    }

    fn check<T: Token>() {
        let folder = std::env::temp_dir().join(format!("suffix-ranks-{}-{}", std::process::id(), T::WIDTH));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (mut text, mut offsets) = (Vec::new(), Vec::new());
        for document in documents() {
            offsets.extend(((text.len() * T::WIDTH) as u64).to_le_bytes());
            text.push(T::separator());
            text.extend(document.iter().map(|&id| T::from_id(id).expect("a small id")));
        }
        std::fs::write(folder.join("tokenized.0"), bytemuck::cast_slice::<T, u8>(&text)).expect("a text");
        std::fs::write(folder.join("offset.0"), offsets).expect("offsets");
        sort_shard(&folder, T::WIDTH_KIND, 1).expect("sorts");
        for is_accelerated in [false, true] {
            if is_accelerated {
                accelerate_shard(&folder, 0, T::WIDTH_KIND, 1, &mut |_, _| true).expect("accelerates");
            }
            let shard = Shard::<T>::open(ShardFiles::new(&folder, 0)).expect("opens");
            assert_eq!(shard.sidecars.is_some(), is_accelerated);
            let all: Vec<usize> = (0..shard.documents.len()).collect();
            for documents in [&all[..], &all[3..4], &all[40..90], &all[100..103], &all[1601..]] {
                let pass = shard.ranks_by_pass(documents).expect("the table holds them");
                let searched = shard.ranks_by_search(documents);
                assert_eq!(searched, Some(pass.iter().collect()), "width {}", T::WIDTH);
                check_saved(&shard, documents);
            }
        }
        std::fs::remove_dir_all(&folder).expect("the folder is there");
    }

    /// A view that is saved and restored is the same; a saved one that is not whole is refused.
    fn check_saved<T: Token>(shard: &Shard<T>, documents: &[usize]) {
        let pool = crate::pool::thread_pool(1).expect("a thread");
        let numbers: Vec<u64> = documents.iter().map(|&document| document as u64).collect();
        let made = shard
            .withhold(&numbers, None, &pool)
            .expect("the table holds them");
        let saved = shard.save_view(&made);
        let restored = shard.restore_view(&numbers, &saved).expect("as it was saved");
        assert!(restored.ranks.iter().eq(made.ranks.iter()));
        assert!(restored.documents.iter().eq(made.documents.iter()));
        assert!(restored.token_counts.iter().eq(made.token_counts.iter()));
        assert_eq!(shard.save_view(&restored), saved);
        for at in [0, 8, 16, 40, 60, saved.len() / 2, saved.len() - 1] {
            let mut damaged = saved.clone();
            damaged[at] ^= 4;
            assert!(shard.restore_view(&numbers, &damaged).is_err(), "byte {at}");
        }
        for len in [0, 7, 80, saved.len() - 8, saved.len() - 1] {
            assert!(
                shard
                    .restore_view(&numbers, &saved[..len.min(saved.len() - 1)])
                    .is_err(),
                "{len} bytes"
            );
        }
        assert!(shard.restore_view(&numbers[1..], &saved).is_err());
    }

    #[test]
    fn searches_find_what_a_pass_does_and_leave_nothing_to_it() {
        check::<u8>();
        check::<u16>();
        check::<u32>();
    }
}
