//! Making a view: the ranks of all suffixes of the documents that it leaves out.

use std::collections::HashMap;
use std::ops::Range;

use rayon::ThreadPool;
use rayon::prelude::*;

use crate::elias_fano::{EliasFano, set_bits};
use crate::error::EngineError;
use crate::shard::Shard;
use crate::token::Token;
use crate::withheld::Withheld;

/// Ranks that one task looks at: whole words of a bitmap.
const WORDS_PER_TASK: usize = 1 << 10;

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
        let ranks = pool.install(|| self.ranks_by_scan(&documents))?;
        let mut token_counts = known.map_or_else(HashMap::new, |known| known.token_counts.clone());
        for position in self.positions_of(&changed.added) {
            *token_counts.entry(self.text.token(position).id()).or_default() += 1;
        }
        for position in self.positions_of(&changed.dropped) {
            *token_counts.entry(self.text.token(position).id()).or_default() -= 1;
        }
        Ok(Withheld {
            documents: EliasFano::new(documents.iter().copied(), documents.len(), self.documents.len()),
            ranks,
            token_counts,
        })
    }

    fn check_documents(&self, documents: &[u64]) -> Result<Vec<usize>, EngineError> {
        if let Some(pair) = documents.windows(2).find(|pair| pair[0] >= pair[1]) {
            return Err(EngineError::DocumentsNotAscending {
                previous: pair[0],
                found: pair[1],
            });
        }
        let numbers = documents.iter().map(|&document| self.document_number(document));
        numbers.collect()
    }

    /// Returns the positions of a document, its separator first.
    fn extent_of(&self, document: usize) -> Range<usize> {
        self.documents.start(document)..self.document_end(document)
    }

    fn positions_of(&self, documents: &[usize]) -> impl Iterator<Item = usize> {
        documents.iter().flat_map(|&document| self.extent_of(document))
    }

    /// Returns the ranks of all suffixes of some documents by looking at every rank.
    ///
    /// Cost: a pass over the table; N / 4 bytes of memory.
    fn ranks_by_scan(&self, documents: &[usize]) -> Result<EliasFano, EngineError> {
        let num_tokens = self.text.len();
        let mut positions = vec![0_u64; num_tokens.div_ceil(64)];
        let mut wanted = 0;
        for position in self.positions_of(documents) {
            positions[position / 64] |= 1 << (position % 64);
            wanted += 1;
        }
        let mut ranks = vec![0_u64; num_tokens.div_ceil(64)];
        let tasks = ranks.par_chunks_mut(WORDS_PER_TASK).enumerate();
        let found: usize = tasks
            .map(|(task, words)| {
                let first = task * WORDS_PER_TASK * 64;
                let end = num_tokens.min(first + words.len() * 64);
                self.table
                    .file()
                    .will_need(std::iter::once(self.table.bytes_of(first..end)));
                for rank in first..end {
                    let position = self.table.position(rank);
                    let bit = positions[position / 64] >> (position % 64) & 1;
                    words[(rank - first) / 64] |= bit << (rank % 64);
                }
                words.iter().map(|word| word.count_ones() as usize).sum::<usize>()
            })
            .sum();
        if found != wanted {
            return Err(EngineError::TableRanks {
                path: self.files.table(),
                found: found as u64,
                expected: wanted as u64,
            });
        }
        Ok(EliasFano::new(set_bits(&ranks), found, num_tokens))
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
