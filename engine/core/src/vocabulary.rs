//! Token ids to text, as the tokenizer itself decodes them, with the character at which each token begins.

use std::ops::Range;

use crate::error::EngineError;

/// How bytes that are not UTF-8 become text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replacement {
    /// Byte-level BPE: one replacement character for each maximal invalid sequence of the whole text.
    Sequence,
    /// `SentencePiece` style: in a run of byte tokens that is not UTF-8, one replacement character for each byte.
    EachByteOfRun,
}

/// Bytes that are copied for any piece; nearly all are shorter.
const HEAD_BYTES: usize = 16;

/// The bytes of every token id.
#[derive(Debug)]
pub struct Vocabulary {
    bytes: Vec<u8>,
    /// Piece i is `bytes[ends[i]..ends[i + 1]]`.
    ends: Vec<usize>,
    /// The first bytes of every piece, padded: one copy of fixed size is faster than one of the right size.
    heads: Vec<[u8; HEAD_BYTES]>,
    is_fallback: Vec<bool>,
    replacement: Replacement,
    strip_leading_space: bool,
}

/// Text of a token sequence. Token i is the characters `boundaries[i]..boundaries[i + 1]`; a character made of several
/// tokens belongs to the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// One more than tokens.
    pub boundaries: Vec<u32>,
}

impl Vocabulary {
    /// Copies the pieces; `pieces[id]` are the bytes of token `id`.
    ///
    /// `fallback_ids` are the byte tokens of a SentencePiece-style vocabulary; with `byte_level` there are none.
    pub fn new<'a>(
        pieces: impl Iterator<Item = &'a [u8]>,
        fallback_ids: &[u32],
        byte_level: bool,
        strip_leading_space: bool,
    ) -> Result<Self, EngineError> {
        let mut bytes = Vec::new();
        let mut ends = vec![0];
        let mut heads = Vec::new();
        for piece in pieces {
            bytes.extend_from_slice(piece);
            ends.push(bytes.len());
            let mut head = [0; HEAD_BYTES];
            let length = piece.len().min(HEAD_BYTES);
            head[..length].copy_from_slice(&piece[..length]);
            heads.push(head);
        }
        let size = ends.len() - 1;
        let mut is_fallback = vec![false; size];
        for &token in fallback_ids {
            let flag = is_fallback
                .get_mut(token as usize)
                .ok_or_else(|| EngineError::OutOfRange {
                    what: "fallback id",
                    found: token.into(),
                    expected: format!("below {size}"),
                })?;
            *flag = true;
            let found = ends[token as usize + 1] - ends[token as usize];
            if found != 1 {
                return Err(EngineError::FallbackPiece { token, found });
            }
        }
        Ok(Self {
            bytes,
            ends,
            heads,
            is_fallback,
            replacement: if byte_level {
                Replacement::Sequence
            } else {
                Replacement::EachByteOfRun
            },
            strip_leading_space,
        })
    }

    /// Number of token ids.
    #[must_use]
    pub fn size(&self) -> usize {
        self.ends.len() - 1
    }

    /// Returns the text of `token_ids`, equal to the tokenizer's own decoding with special tokens kept.
    ///
    /// Cost: one pass over the bytes; a second one where they are not ASCII.
    pub fn decode(&self, token_ids: impl ExactSizeIterator<Item = u32>) -> Result<Decoded, EngineError> {
        let pieces = self.pieces(token_ids)?;
        Ok(pieces.decode(0..pieces.token_ids.len()))
    }

    /// Looks up the bytes of `token_ids`, any part of which can then be decoded by itself.
    pub(crate) fn pieces(
        &self,
        token_ids: impl ExactSizeIterator<Item = u32>,
    ) -> Result<Pieces<'_>, EngineError> {
        let num_tokens = token_ids.len();
        let mut bytes = vec![0; (num_tokens + 1) * HEAD_BYTES];
        let mut ends = Vec::with_capacity(num_tokens + 1);
        let mut ids = Vec::with_capacity(num_tokens);
        let mut at = 0;
        ends.push(at);
        for token in token_ids {
            let id = token as usize;
            let Some(head) = self.heads.get(id) else {
                return Err(EngineError::TokenOutsideVocabulary {
                    token,
                    size: self.size(),
                });
            };
            let piece = self.ends[id]..self.ends[id + 1];
            let end = at + piece.len();
            // Room for this piece and the padding of the next.
            if bytes.len() < end + HEAD_BYTES {
                bytes.resize(2 * (end + HEAD_BYTES), 0);
            }
            if piece.len() <= HEAD_BYTES {
                bytes[at..at + HEAD_BYTES].copy_from_slice(head);
            } else {
                bytes[at..end].copy_from_slice(&self.bytes[piece]);
            }
            at = end;
            ends.push(at);
            ids.push(token);
        }
        Ok(Pieces {
            vocabulary: self,
            token_ids: ids,
            bytes,
            ends,
        })
    }
}

/// The bytes of a token sequence. Token i is `bytes[ends[i]..ends[i + 1]]`.
pub(crate) struct Pieces<'a> {
    vocabulary: &'a Vocabulary,
    token_ids: Vec<u32>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Pieces<'_> {
    /// Returns the text of some of the tokens, as if there were no others, and the character at which each of `marked`
    /// begins, counted from the first.
    pub(crate) fn text<const M: usize>(
        &self,
        tokens: Range<usize>,
        marked: [usize; M],
    ) -> (String, [u32; M]) {
        let first = self.ends[tokens.start];
        let bytes = &self.bytes[first..self.ends[tokens.end]];
        let Ok(text) = str::from_utf8(bytes) else {
            let decoded = self.decode(tokens);
            return (decoded.text, marked.map(|token| decoded.boundaries[token]));
        };
        let end_of = |token: usize| self.ends[tokens.start + token] - first;
        let chars = if text.is_ascii() {
            marked.map(|token| as_u32(end_of(token)))
        } else {
            marked.map(|token| chars_before(bytes, end_of(token)))
        };
        match text.strip_prefix(' ') {
            Some(rest) if self.vocabulary.strip_leading_space => {
                (rest.to_owned(), chars.map(|char| char.saturating_sub(1)))
            }
            _ => (text.to_owned(), chars),
        }
    }

    /// Returns the text of some of the tokens, as if there were no others.
    pub(crate) fn decode(&self, tokens: Range<usize>) -> Decoded {
        let first = self.ends[tokens.start];
        let bytes = &self.bytes[first..self.ends[tokens.end]];
        let ends = self.ends[tokens.start..=tokens.end]
            .iter()
            .map(|&end| end - first);
        let mut decoded = match str::from_utf8(bytes) {
            Ok(text) => Decoded {
                boundaries: char_boundaries(text, ends),
                text: text.to_owned(),
            },
            Err(_) => self.decode_invalid(bytes, &ends.collect::<Vec<_>>(), tokens),
        };
        if self.vocabulary.strip_leading_space && decoded.text.starts_with(' ') {
            decoded.text.remove(0);
            for boundary in &mut decoded.boundaries {
                *boundary = boundary.saturating_sub(1);
            }
        }
        decoded
    }

    /// Decodes bytes that are not UTF-8 as a whole.
    fn decode_invalid(&self, bytes: &[u8], byte_ends: &[usize], tokens: Range<usize>) -> Decoded {
        let mut lossy = LossyText::default();
        match self.vocabulary.replacement {
            Replacement::Sequence => lossy.push_lossy(bytes),
            Replacement::EachByteOfRun => {
                let mut start = 0;
                let mut run_is_fallback = false;
                for (index, &token) in self.token_ids[tokens].iter().enumerate() {
                    let token_start = byte_ends[index];
                    if self.vocabulary.is_fallback[token as usize] != run_is_fallback {
                        lossy.push_run(&bytes[start..token_start]);
                        start = token_start;
                        run_is_fallback = !run_is_fallback;
                    }
                }
                lossy.push_run(&bytes[start..]);
            }
        }
        let boundaries = byte_ends.iter().map(|&end| lossy.chars_before[end]);
        Decoded {
            boundaries: boundaries.collect(),
            text: lossy.text,
        }
    }
}

fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn is_continuation(byte: u8) -> bool {
    byte & 0xC0 == 0x80
}

/// Returns the number of characters of a text that end at or before a byte offset.
fn chars_before(text: &[u8], end: usize) -> u32 {
    let begun = text[..end].iter().filter(|&&byte| !is_continuation(byte)).count();
    let inside = text.get(end).is_some_and(|&byte| is_continuation(byte));
    as_u32(begun - usize::from(inside))
}

/// Returns, for each byte offset of a text, the number of characters that end at or before it.
fn char_boundaries(text: &str, byte_ends: impl Iterator<Item = usize>) -> Vec<u32> {
    if text.is_ascii() {
        return byte_ends.map(as_u32).collect();
    }
    let bytes = text.as_bytes();
    let (mut done, mut begun) = (0, 0);
    byte_ends
        .map(|end| {
            let new = bytes[done..end].iter().filter(|&&byte| !is_continuation(byte));
            begun += new.count();
            done = end;
            let inside = bytes.get(end).is_some_and(|&byte| is_continuation(byte));
            as_u32(begun - usize::from(inside))
        })
        .collect()
}

/// Text built from bytes of which some are not UTF-8, with the number of characters that end before each byte.
struct LossyText {
    text: String,
    num_chars: u32,
    chars_before: Vec<u32>,
}

impl Default for LossyText {
    fn default() -> Self {
        Self {
            text: String::new(),
            num_chars: 0,
            chars_before: vec![0],
        }
    }
}

impl LossyText {
    /// Appends a character that was made of `num_bytes` bytes.
    fn push(&mut self, character: char, num_bytes: usize) {
        self.text.push(character);
        self.chars_before
            .extend(std::iter::repeat_n(self.num_chars, num_bytes - 1));
        self.num_chars += 1;
        self.chars_before.push(self.num_chars);
    }

    fn push_valid(&mut self, text: &str) {
        for character in text.chars() {
            self.push(character, character.len_utf8());
        }
    }

    /// Appends bytes as `String::from_utf8_lossy` reads them.
    fn push_lossy(&mut self, bytes: &[u8]) {
        for chunk in bytes.utf8_chunks() {
            self.push_valid(chunk.valid());
            if !chunk.invalid().is_empty() {
                self.push(char::REPLACEMENT_CHARACTER, chunk.invalid().len());
            }
        }
    }

    /// Appends a run of byte tokens, or of others.
    fn push_run(&mut self, bytes: &[u8]) {
        if let Ok(text) = str::from_utf8(bytes) {
            self.push_valid(text);
        } else {
            for _ in bytes {
                self.push(char::REPLACEMENT_CHARACTER, 1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(vocabulary: &Vocabulary, token_ids: &[u32]) -> (String, Vec<u32>) {
        let decoded = vocabulary
            .decode(token_ids.iter().copied())
            .expect("ids are inside the vocabulary");
        (decoded.text, decoded.boundaries)
    }

    #[test]
    fn a_character_of_several_tokens_belongs_to_the_last() {
        let pieces: [&[u8]; 3] = [b"a", b"\xC3", b"\xA9!"];
        let vocabulary = Vocabulary::new(pieces.into_iter(), &[], true, false).expect("valid");
        assert_eq!(
            decode(&vocabulary, &[0, 1, 2]),
            ("a\u{e9}!".into(), vec![0, 1, 1, 3])
        );
        assert_eq!(decode(&vocabulary, &[1, 0]), ("\u{FFFD}a".into(), vec![0, 1, 2]));
    }

    #[test]
    fn an_invalid_run_of_byte_tokens_is_one_replacement_a_byte() {
        let pieces: [&[u8]; 4] = [b" a", b"\xE2", b"\x82", b"\xAC"];
        let vocabulary = Vocabulary::new(pieces.into_iter(), &[1, 2, 3], false, true).expect("valid");
        assert_eq!(
            decode(&vocabulary, &[0, 1, 2, 3]),
            ("a\u{20AC}".into(), vec![0, 1, 1, 1, 2])
        );
        assert_eq!(
            decode(&vocabulary, &[0, 1, 2, 0]),
            ("a\u{FFFD}\u{FFFD} a".into(), vec![0, 1, 2, 3, 5])
        );
    }

    #[test]
    fn ids_outside_the_vocabulary_are_refused() {
        let vocabulary = Vocabulary::new([].into_iter(), &[], true, false).expect("valid");
        assert!(vocabulary.decode([0].into_iter()).is_err());
        assert!(Vocabulary::new([].into_iter(), &[0], false, false).is_err());
    }
}
