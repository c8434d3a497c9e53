//! Documents of a part that are the same, token for token: only one of them is sorted.

use std::ops::Range;

use rayon::prelude::*;

use super::part_text::PartText;
use crate::token::Token;

/// Tokens for which the document is remembered where they begin.
const BLOCK_TOKENS: usize = 64;

/// Which documents are copies of an earlier one.
#[derive(Default)]
pub(crate) struct Copies {
    /// Where each document begins.
    starts: Vec<u32>,
    /// Of each document, the places in `seconds` of its copies.
    of: Vec<u32>,
    /// Where the copies begin: of the first document that has some, ascending, then of the next.
    seconds: Vec<u32>,
    /// Of each block of positions, the document that its first belongs to.
    documents: Vec<u32>,
    /// A bit for each block: whether it holds a token of a document that has copies.
    concerned: Vec<u64>,
}

impl Copies {
    /// Finds the copies in a part; returns them with the positions that are left to sort.
    ///
    /// The last document of a text, which ends with it and not before a separator, is a copy of none.
    /// Cost: one pass over the text, and one more over documents that have copies.
    pub(crate) fn find<T: Token>(text: &PartText<T>) -> (Self, Vec<Range<usize>>) {
        let starts = text.separators();
        let end_of = |document: usize| {
            starts
                .get(document + 1)
                .map_or(text.len(), |&start| start as usize)
        };
        let tokens_of = |document: usize| text.bytes(starts[document] as usize..end_of(document));
        let num_compared = starts.len() - usize::from(text.ends_text() && !starts.is_empty());
        let mut hashed: Vec<(u64, u32)> = (0..num_compared)
            .into_par_iter()
            .with_min_len(64)
            .map(|document| {
                (
                    hash(tokens_of(document)),
                    u32::try_from(document).expect("fewer documents than tokens"),
                )
            })
            .collect();
        hashed.par_sort_unstable();
        let mut first_of: Vec<u32> = Vec::new();
        for alike in hashed.chunk_by(|a, b| a.0 == b.0).filter(|alike| alike.len() > 1) {
            if first_of.is_empty() {
                first_of = (0..u32::try_from(starts.len()).expect("as above")).collect();
            }
            let mut firsts: Vec<u32> = Vec::new();
            for &(_, document) in alike {
                let same = |&&first: &&u32| tokens_of(first as usize) == tokens_of(document as usize);
                match firsts.iter().find(same) {
                    Some(&first) => first_of[document as usize] = first,
                    None => firsts.push(document),
                }
            }
        }
        if first_of.is_empty() {
            #[allow(clippy::single_range_in_vec_init, reason = "one range is all there is")]
            return (Self::default(), vec![0..text.len()]);
        }
        let mut kept: Vec<Range<usize>> = Vec::new();
        let mut pairs: Vec<(u32, u32)> = Vec::new();
        for (document, &first) in first_of.iter().enumerate() {
            let range = starts[document] as usize..end_of(document);
            if first as usize != document {
                pairs.push((first, starts[document]));
            } else if let Some(last) = kept.last_mut().filter(|last| last.end == range.start) {
                last.end = range.end;
            } else {
                kept.push(range);
            }
        }
        pairs.sort_unstable();
        let mut of = vec![0; starts.len() + 1];
        for &(first, _) in &pairs {
            of[first as usize + 1] += 1;
        }
        for document in 0..starts.len() {
            of[document + 1] += of[document];
        }
        let documents = (0..text.len())
            .step_by(BLOCK_TOKENS)
            .map(|position| starts.partition_point(|&start| start as usize <= position) - 1)
            .map(|document| u32::try_from(document).expect("as above"))
            .collect();
        let mut concerned = vec![0; text.len().div_ceil(64 * BLOCK_TOKENS)];
        for firsts in pairs.chunk_by(|a, b| a.0 == b.0) {
            let document = firsts[0].0 as usize;
            let (start, end) = (starts[document] as usize, end_of(document));
            for block in start / BLOCK_TOKENS..end.div_ceil(BLOCK_TOKENS) {
                concerned[block / 64] |= 1 << (block % 64);
            }
        }
        let seconds = pairs.into_iter().map(|(_, start)| start).collect();
        (
            Self {
                starts,
                of,
                seconds,
                documents,
                concerned,
            },
            kept,
        )
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.seconds.is_empty()
    }

    /// Appends a position and those at the same place of the copies of its document.
    pub(crate) fn push_all(&self, position: u32, positions: &mut Vec<u32>) {
        positions.push(position);
        let block = position as usize / BLOCK_TOKENS;
        if self.concerned[block / 64] >> (block % 64) & 1 == 0 {
            return;
        }
        let mut document = self.documents[block] as usize;
        while self
            .starts
            .get(document + 1)
            .is_some_and(|&start| start <= position)
        {
            document += 1;
        }
        let place = position - self.starts[document];
        let copies = &self.seconds[self.of[document] as usize..self.of[document + 1] as usize];
        positions.extend(copies.iter().map(|start| start + place));
    }
}

/// Returns a hash of some bytes: four sums of products, so that four are under way at once.
fn hash(bytes: &[u8]) -> u64 {
    const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |a: u64, b: u64| {
        let product = u128::from(a) * u128::from(b);
        #[allow(clippy::cast_possible_truncation, reason = "both halves are used")]
        let folded = product as u64 ^ (product >> 64) as u64;
        folded
    };
    let word = |bytes: &[u8]| {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(word)
    };
    let mut sums = [SEED, SEED ^ 1, SEED ^ 2, SEED ^ 3];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (sum, bytes) in sums.iter_mut().zip(block.chunks_exact(8)) {
            *sum = fold(*sum ^ word(bytes), SEED | 1).wrapping_add(*sum);
        }
    }
    let mut sum = sums
        .into_iter()
        .fold(bytes.len() as u64, |sum, part| fold(sum ^ part, SEED));
    for bytes in blocks.remainder().chunks(8) {
        sum = fold(sum ^ word(bytes), SEED | 1).wrapping_add(sum);
    }
    sum
}
