//! What a view knows of the documents that it leaves out, as bytes, so that a process that starts again need not find it again.
//!
//! Words of eight bytes, little-endian: the magic; a CRC-32 of all that follows; version, token width, N, documents of the
//! shard and its fingerprint; how many documents are left out, ranks are removed and token ids are counted; the numbers of
//! the documents; the low and the high bits of the code of the ranks; and each token id with its count.

use crate::address::to_usize;
use crate::elias_fano::EliasFano;
use crate::error::EngineError;
use crate::shard::Shard;
use crate::sidecar::fingerprint;
use crate::token::Token;
use crate::token_counts::TokenCounts;
use crate::withheld::Withheld;

const MAGIC: u64 = u64::from_le_bytes(*b"HWVIEW\r\n");
const VERSION: u64 = 1;

/// Magic and checksum; what tells the shard; what is how long.
const CHECKED_FROM: usize = 2;
const LENGTHS_AT: usize = 7;
const HEADER_WORDS: usize = 10;

impl<T: Token> Shard<T> {
    /// Returns what a view of this shard knows, to be saved.
    ///
    /// Cost: as many bytes as the view holds in RAM, about.
    pub(crate) fn save_view(&self, withheld: &Withheld) -> Vec<u8> {
        let mut words = vec![MAGIC, 0];
        words.extend(self.identity());
        let mut counts: Vec<(u32, u64)> = withheld.token_counts.iter().collect();
        counts.sort_unstable();
        let lengths = [withheld.documents.len(), withheld.ranks.len(), counts.len()];
        words.extend(lengths.map(|length| length as u64));
        withheld
            .documents
            .for_each(|document| words.push(document as u64));
        let (low, high) = withheld.ranks.parts();
        words.extend_from_slice(low);
        words.extend_from_slice(high);
        words.extend(counts.iter().flat_map(|&(id, count)| [u64::from(id), count]));
        words[1] = checksum(&words);
        bytemuck::cast_slice(&words).to_vec()
    }

    /// Returns what a view without some documents, ascending, has to know, as it was saved.
    ///
    /// Cost: a pass over the bytes; 64 pages of the table and of the text, which tell that it is the same shard.
    pub(crate) fn restore_view(&self, documents: &[u64], saved: &[u8]) -> Result<Withheld, EngineError> {
        let wrong = |reason: &'static str| EngineError::SavedView { reason };
        let (words, rest) = saved.as_chunks();
        if !rest.is_empty() || words.len() < HEADER_WORDS {
            return Err(wrong("it was cut off"));
        }
        let words: Vec<u64> = words.iter().map(|&word| u64::from_le_bytes(word)).collect();
        if words[0] != MAGIC || words[1] != checksum(&words) {
            return Err(wrong("it is damaged, or none"));
        }
        if words[CHECKED_FROM..LENGTHS_AT] != self.identity() {
            return Err(wrong("it is of another shard or version"));
        }
        let numbers = self.check_documents(documents)?;
        let num_ranks = numbers
            .iter()
            .map(|&document| self.extent_of(document).len())
            .sum();
        let (low_len, high_len) = EliasFano::part_lengths(num_ranks, self.text.len());
        let (lengths, rest) = words[LENGTHS_AT..].split_at(HEADER_WORDS - LENGTHS_AT);
        if lengths[..2] != [documents.len() as u64, num_ranks as u64] || !rest.starts_with(documents) {
            return Err(wrong("it leaves out other documents"));
        }
        let num_counts = to_usize(lengths[2]);
        let rest = &rest[documents.len()..];
        if num_counts > rest.len() || rest.len() != low_len + high_len + 2 * num_counts {
            return Err(wrong("its length cannot be"));
        }
        let (low, rest) = rest.split_at(low_len);
        let (high, counts) = rest.split_at(high_len);
        let ranks = EliasFano::from_parts(num_ranks, self.text.len(), low.to_vec(), high.to_vec());
        let mut token_counts = TokenCounts::default();
        for count in counts.chunks_exact(2) {
            let id = u32::try_from(count[0]).map_err(|_| wrong("it counts what is no token"))?;
            token_counts.add(id, count[1]);
        }
        Ok(Withheld {
            documents: EliasFano::new(numbers.iter().copied(), numbers.len(), self.documents.len()),
            ranks: ranks.ok_or(wrong("its ranks do not fit together"))?,
            token_counts,
        })
    }

    /// Returns what tells this shard, and how its views are written, from others.
    fn identity(&self) -> [u64; LENGTHS_AT - CHECKED_FROM] {
        [
            VERSION,
            T::WIDTH as u64,
            self.text.len() as u64,
            self.documents.len() as u64,
            fingerprint(&self.text, &self.table).into(),
        ]
    }
}

fn checksum(words: &[u64]) -> u64 {
    crc32fast::hash(bytemuck::cast_slice(&words[CHECKED_FROM..])).into()
}
