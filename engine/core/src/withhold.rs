//! Making a view: what has to be known of the documents that it leaves out.

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::elias_fano::EliasFano;
use crate::error::EngineError;
use crate::shard::Shard;
use crate::token::Token;
use crate::token_counts::TokenCounts;
use crate::withheld::Withheld;

/// Ranks that a pass over the table looks at in the time that a search for one suffix takes, about, with sidecars and without:
/// measured warm, on 298 million tokens (`python -m bench takedown`).
const RANKS_PER_SEARCH: usize = 500;
const RANKS_PER_PLAIN_SEARCH: usize = 5_000;

/// How many times as many where the table has to come from the disk: 500,000 reads a second of a local disk, two of which a
/// search takes, against the 3 GB/s at which it reads on.
const COLD: usize = 3;

/// Documents whose tokens one task counts.
const DOCUMENTS_PER_TASK: usize = 1 << 10;

impl<T: Token> Shard<T> {
    /// Returns what a view without some documents, ascending, has to know; `known` is what a view of this shard knows.
    pub(crate) fn withhold(
        &self,
        documents: &[u64],
        known: Option<&Withheld>,
        pool: &ThreadPool,
    ) -> Result<Withheld, EngineError> {
        let documents = self.check_documents(documents)?;
        let changed = Changed::between(known, &documents);
        let searched = self
            .is_search_faster(&changed)
            .then(|| pool.install(|| self.changed_ranks(known, &changed)))
            .flatten();
        let ranks = match searched {
            Some(ranks) => ranks,
            None => pool.install(|| self.ranks_by_pass(&documents))?,
        };
        let mut token_counts = known.map(|known| known.token_counts.clone()).unwrap_or_default();
        token_counts.add_all(&pool.install(|| self.token_counts_of(&changed.added)));
        token_counts.subtract_all(&pool.install(|| self.token_counts_of(&changed.dropped)));
        Ok(Withheld {
            documents: EliasFano::new(documents.iter().copied(), documents.len(), self.documents.len()),
            ranks,
            token_counts,
        })
    }

    /// Returns the numbers of documents of the shard that must ascend.
    pub(crate) fn check_documents(&self, documents: &[u64]) -> Result<Vec<usize>, EngineError> {
        if let Some(pair) = documents.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(EngineError::DocumentsNotAscending {
                previous: pair[0],
                found: pair[1],
            });
        }
        let numbers = documents.iter().map(|&document| self.document_number(document));
        numbers.collect()
    }

    /// Whether searches for the suffixes in which two views differ take less time than a pass over the table.
    fn is_search_faster(&self, changed: &Changed) -> bool {
        let extents = changed.added.iter().chain(&changed.dropped);
        let num_changed: usize = extents.map(|&document| self.extent_of(document).len()).sum();
        let ranks_per_search = if self.sidecars.is_some() {
            RANKS_PER_SEARCH
        } else {
            RANKS_PER_PLAIN_SEARCH
        };
        let factor = if self.table.file().looks_cached() { 1 } else { COLD };
        num_changed <= self.text.len() / (ranks_per_search * factor)
    }

    /// Returns the ranks of a view that differs from a known one, by searching for the suffixes of the documents in which they
    /// differ; `None` if a pass over the table has to tell.
    fn changed_ranks(&self, known: Option<&Withheld>, changed: &Changed) -> Option<EliasFano> {
        let added = self.ranks_by_search(&changed.added)?;
        let dropped = self.ranks_by_search(&changed.dropped)?;
        let before = known.map_or(0, Withheld::num_tokens);
        let mut ranks = EliasFano::builder(before + added.len() - dropped.len(), self.text.len());
        // A number that no rank reaches stands for the end.
        let mut added = added.into_iter().chain(std::iter::repeat(usize::MAX));
        let mut dropped = dropped.into_iter().chain(std::iter::repeat(usize::MAX));
        let mut next_added = added.next()?;
        let mut next_dropped = dropped.next()?;
        if let Some(known) = known {
            known.ranks.for_each(|rank| {
                while next_added < rank {
                    ranks.push(std::mem::replace(
                        &mut next_added,
                        added.next().unwrap_or(usize::MAX),
                    ));
                }
                if rank == next_dropped {
                    next_dropped = dropped.next().unwrap_or(usize::MAX);
                } else {
                    ranks.push(rank);
                }
            });
        }
        while next_added < usize::MAX {
            ranks.push(std::mem::replace(
                &mut next_added,
                added.next().unwrap_or(usize::MAX),
            ));
        }
        Some(ranks.finish())
    }

    /// Returns how often each token id, the separator included, is in some documents.
    fn token_counts_of(&self, documents: &[usize]) -> TokenCounts {
        let count = |mut counts: TokenCounts, documents: &[usize]| {
            for &document in documents {
                let extent = self.extent_of(document);
                counts.count(self.text.tokens(extent.start, extent.end).map(T::id));
            }
            counts
        };
        let together = |mut left: TokenCounts, right: TokenCounts| {
            left.add_all(&right);
            left
        };
        let tasks = documents.par_chunks(DOCUMENTS_PER_TASK);
        tasks
            .fold(TokenCounts::default, count)
            .reduce(TokenCounts::default, together)
    }
}

/// How the documents of one view differ from those of another, both ascending.
struct Changed {
    added: Vec<usize>,
    dropped: Vec<usize>,
}

impl Changed {
    fn between(known: Option<&Withheld>, documents: &[usize]) -> Self {
        let mut changed = Self {
            added: Vec::new(),
            dropped: Vec::new(),
        };
        let mut before = known
            .into_iter()
            .flat_map(|known| known.documents.iter())
            .peekable();
        for &document in documents {
            while let Some(gone) = before.next_if(|&other| other < document) {
                changed.dropped.push(gone);
            }
            if before.next_if_eq(&document).is_none() {
                changed.added.push(document);
            }
        }
        changed.dropped.extend(before);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accelerate::accelerate_shard;
    use crate::files::ShardFiles;
    use crate::sort::sort_shard;
    use crate::token::TokenWidth;
    use proptest::prelude::*;

    /// Writes, sorts and accelerates a shard of some documents.
    fn shard_of(documents: &[Vec<u16>]) -> Shard<u16> {
        let folder = std::env::temp_dir().join(format!("withhold-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let (mut text, mut offsets) = (Vec::new(), Vec::new());
        for document in documents {
            offsets.extend((text.len() as u64 * 2).to_le_bytes());
            text.push(u16::MAX);
            text.extend(document);
        }
        std::fs::write(folder.join("tokenized.0"), bytemuck::cast_slice::<u16, u8>(&text)).expect("a text");
        std::fs::write(folder.join("offset.0"), offsets).expect("offsets");
        sort_shard(&folder, TokenWidth::U16, 1).expect("sorts");
        accelerate_shard(&folder, 0, TokenWidth::U16, 1, &mut |_, _| true).expect("accelerates");
        let shard = Shard::open(ShardFiles::new(&folder, 0)).expect("opens");
        std::fs::remove_dir_all(&folder).expect("the folder is there");
        shard
    }

    fn chosen(chosen: &[bool]) -> Vec<usize> {
        (0..chosen.len()).filter(|&document| chosen[document]).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn ranks_made_of_known_ones_by_search_are_those_of_a_pass(
            documents in prop::collection::vec(prop::collection::vec(1_u16..4, 0..12), 1..40),
            seed in prop::collection::vec(any::<[bool; 2]>(), 40),
        ) {
            let shard = shard_of(&documents);
            let [before, after] = [0, 1].map(|view| {
                let choice: Vec<bool> = seed[..documents.len()].iter().map(|choice| choice[view]).collect();
                chosen(&choice)
            });
            let known = Withheld {
                documents: EliasFano::new(before.iter().copied(), before.len(), documents.len()),
                ranks: shard.ranks_by_pass(&before).expect("the table holds them"),
                ..Withheld::default()
            };
            let expected: Vec<usize> = shard.ranks_by_pass(&after).expect("the table holds them").iter().collect();
            for known in [None, Some(&known)] {
                let changed = Changed::between(known, &after);
                let found = shard.changed_ranks(known, &changed).expect("all are where they belong");
                prop_assert_eq!(found.iter().collect::<Vec<_>>(), expected.clone());
                prop_assert_eq!(found.len(), expected.len());
            }
        }
    }
}
