//! Documents of a part that are the same, token for token: only one of them is sorted.

use std::ops::Range;

use rayon::prelude::*;

use super::part_text::PartText;
use crate::token::Token;

/// Tokens of a document, its separator included, from which on it is worth knowing its copies.
pub(crate) const LONG_DOCUMENT: usize = 64;

/// Positions that share a bit which says whether one of them is in a document that has copies.
const BLOCK_TOKENS: usize = 64;

/// Positions whose bits share a word.
const WORD_TOKENS: usize = 64 * BLOCK_TOKENS;

/// Which long documents are copies of an earlier one.
#[derive(Default)]
pub(crate) struct Copies {
    /// Those that have copies, in order.
    originals: Vec<Original>,
    /// Where the copies begin: those of the first original, ascending, then of the next.
    starts: Vec<u32>,
    /// A bit for each block: whether it holds a token of an original.
    concerned: Vec<u64>,
    /// Of every 64 blocks, the originals that begin before them.
    before: Vec<u32>,
}

struct Original {
    positions: Range<u32>,
    /// Places of its copies in `starts`.
    copies: Range<u32>,
}

impl Copies {
    /// Finds the copies in a part; returns them with the positions that are left to sort.
    ///
    /// The last document of a text, which ends with it and not before a separator, is a copy of none.
    /// Cost: one pass over the text, and one more over documents that have copies; half a byte a token, if all are long.
    pub(crate) fn find<T: Token>(text: &PartText<T>) -> (Self, Vec<Range<usize>>) {
        let documents = text.documents(LONG_DOCUMENT);
        let groups = alike(text, &documents);
        let mut copies = Self {
            concerned: vec![0; text.len().div_ceil(64 * BLOCK_TOKENS)],
            ..Self::default()
        };
        for group in &groups {
            let positions = documents[group[0] as usize].clone();
            for block in positions.start / BLOCK_TOKENS..positions.end.div_ceil(BLOCK_TOKENS) {
                copies.concerned[block / 64] |= 1 << (block % 64);
            }
            let first = copies.starts.len();
            copies.starts.extend(
                group[1..]
                    .iter()
                    .map(|&copy| to_u32(documents[copy as usize].start)),
            );
            copies.originals.push(Original {
                positions: to_u32(positions.start)..to_u32(positions.end),
                copies: to_u32(first)..to_u32(copies.starts.len()),
            });
        }
        copies.before = copies.originals_before(text.len());
        let mut left_out: Vec<u32> = groups.iter().flat_map(|group| &group[1..]).copied().collect();
        left_out.sort_unstable();
        let mut kept = Vec::new();
        let mut start = 0;
        for document in left_out {
            let document = &documents[document as usize];
            if start < document.start {
                kept.push(start..document.start);
            }
            start = document.end;
        }
        if start < text.len() {
            kept.push(start..text.len());
        }
        (copies, kept)
    }

    /// Returns, of each word of `concerned`, the originals that begin before its first position; and of all.
    fn originals_before(&self, num_tokens: usize) -> Vec<u32> {
        let mut before = Vec::with_capacity(self.concerned.len() + 1);
        let mut next = 0;
        for start in (0..=num_tokens.next_multiple_of(WORD_TOKENS)).step_by(WORD_TOKENS) {
            while self
                .originals
                .get(next)
                .is_some_and(|original| (original.positions.start as usize) < start)
            {
                next += 1;
            }
            before.push(to_u32(next));
        }
        before
    }

    /// Whether the document at a position may have copies.
    #[inline]
    pub(crate) fn is_concerned(&self, position: u32) -> bool {
        let block = position as usize / BLOCK_TOKENS;
        self.concerned
            .get(block / 64)
            .is_some_and(|word| word >> (block % 64) & 1 == 1)
    }

    /// Appends a position and those at the same place of the copies of its document.
    pub(crate) fn push_all(&self, position: u32, positions: &mut Vec<u32>) {
        positions.push(position);
        if !self.is_concerned(position) {
            return;
        }
        let word = position as usize / WORD_TOKENS;
        let (first, last) = (self.before[word] as usize, self.before[word + 1] as usize);
        let near = &self.originals[first.saturating_sub(1)..last];
        let behind = near.partition_point(|original| original.positions.start <= position);
        let Some(original) = near[..behind].last().filter(|last| position < last.positions.end) else {
            return;
        };
        let place = position - original.positions.start;
        let copies = original.copies.start as usize..original.copies.end as usize;
        positions.extend(self.starts[copies].iter().map(|start| start + place));
    }
}

/// Returns the documents that are the same: groups of two and more, each ascending, by their first.
fn alike<T: Token>(text: &PartText<T>, documents: &[Range<usize>]) -> Vec<Vec<u32>> {
    let tokens_of = |document: u32| text.bytes(documents[document as usize].clone());
    let ends_text = |document: &Range<usize>| text.ends_text() && document.end == text.len();
    let mut hashed: Vec<(u64, u32)> = documents
        .par_iter()
        .enumerate()
        .with_min_len(64)
        .filter(|(_, document)| !ends_text(document))
        .map(|(number, document)| (hash(text.bytes(document.clone())), to_u32(number)))
        .collect();
    hashed.par_sort_unstable();
    let mut groups = Vec::new();
    for same_hash in hashed.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        let mut found: Vec<Vec<u32>> = Vec::new();
        for &(_, document) in same_hash {
            let is_alike = |group: &&mut Vec<u32>| tokens_of(group[0]) == tokens_of(document);
            match found.iter_mut().find(is_alike) {
                Some(group) => group.push(document),
                None => found.push(vec![document]),
            }
        }
        groups.extend(found.into_iter().filter(|group| group.len() > 1));
    }
    groups.sort_unstable_by_key(|group| group[0]);
    groups
}

fn to_u32(position: usize) -> u32 {
    u32::try_from(position).expect("a part has fewer than 2^31 tokens")
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
