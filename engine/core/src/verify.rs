//! The checks that opening is too quick for: the table is a sorted permutation, and the files agree with the text.

use std::cmp::Ordering;
use std::sync::atomic::{AtomicU64, Ordering as Atomic};

use rayon::prelude::*;

use crate::accelerate::{PageFiller, block_key};
use crate::address::PAGE_BYTES;
use crate::error::EngineError;
use crate::fan_out::{blocks_of_page, first_lcp, num_pages};
use crate::shard::Shard;
use crate::sidecar::{Sidecars, fingerprint};
use crate::text::Agreement;
use crate::token::Token;

/// Bytes after which the order of two suffixes is not checked: infini-gram's builder compares no more.
const MAX_COMPARED_BYTES: usize = 100_000;

/// Ranks or positions that one task checks.
const BLOCK: usize = 1 << 16;

/// Pages of the fan-out that one task checks.
const PAGES_PER_TASK: usize = 64;

impl<T: Token> Shard<T> {
    /// Checks offsets, metadata ranges, unigram counts, the suffix array and the sidecars against the text.
    ///
    /// Cost: O(N) and the sum of the LCPs; N / 8 bytes of memory. Runs on the current rayon pool.
    pub(crate) fn verify(&self) -> Result<(), EngineError> {
        self.verify_documents()?;
        self.verify_metadata()?;
        self.verify_unigrams()?;
        self.verify_permutation()?;
        self.verify_order()?;
        self.verify_sidecars()
    }

    /// Every separator of the text starts a document, and every document starts with one.
    fn verify_documents(&self) -> Result<(), EngineError> {
        let wrong = |document: usize, expected| EngineError::DocumentStart {
            path: self.files.offset(),
            document: document as u64,
            found: (self.documents.start(document) * T::WIDTH) as u64,
            expected,
        };
        (0..self.documents.len())
            .into_par_iter()
            .with_min_len(256)
            .try_for_each(|document| {
                let start = self.documents.start(document);
                if !self.text.token(start).is_separator() {
                    return Err(wrong(document, "the place of a separator in the text"));
                }
                let mut tokens = self.text.tokens(start + 1, self.document_end(document));
                if tokens.any(Token::is_separator) {
                    return Err(wrong(document, "no separator inside the document"));
                }
                Ok(())
            })
    }

    fn verify_metadata(&self) -> Result<(), EngineError> {
        (0..self.documents.len())
            .into_par_iter()
            .with_min_len(256)
            .try_for_each(|document| self.metadata(document as u64).map(drop))
    }

    fn verify_unigrams(&self) -> Result<(), EngineError> {
        let Some(unigrams) = &self.unigrams else {
            return Ok(());
        };
        // One counter for each listed token; a token of the text that is not listed shows as a count that is off.
        let expected = unigrams.token_ids();
        let found: Vec<AtomicU64> = expected.iter().map(|_| AtomicU64::new(0)).collect();
        self.blocks().try_for_each(|(start, end)| {
            for token in self.text.tokens(start, end) {
                match expected.binary_search(&token.id()) {
                    Ok(at) => found[at].fetch_add(1, Atomic::Relaxed),
                    Err(_) => {
                        return Err(EngineError::UnigramUnlisted {
                            path: self.files.unigram(),
                            token: token.id(),
                        });
                    }
                };
            }
            Ok(())
        })?;
        for (&token, found) in expected.iter().zip(found) {
            let in_text = found.into_inner();
            if in_text != unigrams.count(token) {
                return Err(self.unigram_count(token, in_text));
            }
        }
        Ok(())
    }

    fn unigram_count(&self, token: u32, in_text: u64) -> EngineError {
        EngineError::UnigramCount {
            path: self.files.unigram(),
            token,
            found: self.unigrams.as_ref().map_or(0, |unigrams| unigrams.count(token)),
            expected: in_text,
        }
    }

    /// Every position stands at exactly one rank.
    fn verify_permutation(&self) -> Result<(), EngineError> {
        let num_tokens = self.text.len();
        let seen: Vec<AtomicU64> = (0..num_tokens.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        self.blocks().try_for_each(|(start, end)| {
            for rank in start..end {
                let offset = self.table.byte_offset(rank);
                let position = offset / T::WIDTH as u64;
                if !offset.is_multiple_of(T::WIDTH as u64) || position >= num_tokens as u64 {
                    return Err(EngineError::TablePointer {
                        path: self.files.table(),
                        rank: rank as u64,
                        offset,
                        num_tokens: num_tokens as u64,
                    });
                }
                let position = self.table.position(rank);
                let bit = 1 << (position % 64);
                if seen[position / 64].fetch_or(bit, Atomic::Relaxed) & bit != 0 {
                    return Err(EngineError::TableDuplicate {
                        path: self.files.table(),
                        rank: rank as u64,
                        position: position as u64,
                    });
                }
            }
            Ok(())
        })
    }

    /// Each suffix sorts at or after the one before it, as far as the end of either's document.
    fn verify_order(&self) -> Result<(), EngineError> {
        self.blocks().try_for_each(|(start, end)| {
            for rank in start.max(1)..end {
                let before = self.table.position(rank - 1);
                if self.order(before, self.table.position(rank)) == Ordering::Greater {
                    return Err(EngineError::TableOrder {
                        path: self.files.table(),
                        rank: rank as u64,
                    });
                }
            }
            Ok(())
        })
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

    /// Every page of the fan-out and every key of the directory is what the text says.
    fn verify_sidecars(&self) -> Result<(), EngineError> {
        let Some(Sidecars { fan_out, directory }) = &self.sidecars else {
            return Ok(());
        };
        if !fan_out.header_is_intact(fingerprint(&self.text, &self.table)) {
            return Err(EngineError::Sidecar {
                path: self.files.fan_out(),
                reason: "the first page is not what was written".to_owned(),
            });
        }
        let (pages, blocks) = (num_pages(self.text.len(), T::WIDTH), directory.len());
        (0..pages)
            .into_par_iter()
            .step_by(PAGES_PER_TASK)
            .try_for_each_init(PageFiller::default, |filler, first| {
                let end = pages.min(first + PAGES_PER_TASK);
                let expected = filler.fill(&self.text, &self.table, first..end);
                for (page, bytes) in (first..end).zip(expected.chunks_exact(PAGE_BYTES)) {
                    let wrong = |path| EngineError::SidecarContent {
                        path,
                        page: page as u64,
                    };
                    if fan_out.page_bytes(page) != bytes {
                        return Err(wrong(self.files.fan_out()));
                    }
                    let has_key = |block: usize| {
                        let lcp = first_lcp::<T>(bytes, block);
                        directory.key_is(block, block_key(&self.text, &self.table, block, lcp))
                    };
                    if !(blocks_of_page(page).start..blocks_of_page(page).end.min(blocks)).all(has_key) {
                        return Err(wrong(self.files.directory()));
                    }
                }
                Ok(())
            })
    }

    fn blocks(&self) -> impl ParallelIterator<Item = (usize, usize)> {
        let num_tokens = self.text.len();
        (0..num_tokens.div_ceil(BLOCK))
            .into_par_iter()
            .map(move |block| (block * BLOCK, num_tokens.min((block + 1) * BLOCK)))
    }
}
