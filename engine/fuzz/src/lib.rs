//! A small sound shard, files of which an input replaces, and everything that is then asked of it.
//!
//! An input is one byte that says the token width and whether checksums are made right, one that says which file it replaces,
//! and the content of that file. The last "file" is a kept view, which comes from disk, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_engine::{
    EngineError, InspectOptions, Query, ShardIndex, ThreadPool, TokenWidth, Vocabulary, WindowSizes,
    accelerate_shard, sort_shard, thread_pool,
};

/// Token widths that a shard is made of.
pub const WIDTHS: [TokenWidth; 3] = [TokenWidth::U8, TokenWidth::U16, TokenWidth::U32];

const FILES: [&str; 8] = [
    "tokenized.0",
    "table.0",
    "offset.0",
    "metadata.0",
    "metaoff.0",
    "unigram.0",
    "fanout.0",
    "directory.0",
];
const FAN_OUT: usize = 6;
const HEADER_BYTES: usize = 64;
/// Of the bits of an input's first byte: the checksums of a sidecar are made right, as one who forges it would.
const SEALED: u8 = 4;

const DOCUMENTS: [&str; 5] = [
    "the quick brown fox jumps over the lazy dog as they say",
    "nobody saw the quick brown fox jump or so they say",
    "",
    "the quick brown fox jumps over the lazy dog as they say again and again and again",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
];

/// A shard of one token width in a folder of its own, sound between two inputs.
pub struct Shard {
    folder: PathBuf,
    width: TokenWidth,
    contents: Vec<Vec<u8>>,
    saved_view: Vec<u8>,
    query: Vec<u32>,
    pool: Arc<ThreadPool>,
    vocabulary: Arc<Vocabulary>,
}

impl Shard {
    /// Makes the shard in `folder`, which is made, too.
    pub fn new(folder: &Path, width: TokenWidth) -> Self {
        fs::create_dir_all(folder).expect("a folder for the shard");
        for (name, content) in FILES.iter().zip(core_files(width)) {
            fs::write(folder.join(name), content).expect("room for a small file");
        }
        sort_shard(folder, width, 1).expect("sound files are sorted");
        accelerate_shard(folder, 0, width, 1, |_, _| true).expect("a sound shard is accelerated");
        let contents = FILES
            .map(|name| fs::read(folder.join(name)).expect("a file of the shard"))
            .to_vec();
        let pieces: Vec<[u8; 1]> = (0..=u8::MAX).map(|byte| [byte]).collect();
        let vocabulary = Vocabulary::new(pieces.iter().map(<[u8; 1]>::as_slice), &[], true, false);
        let mut shard = Self {
            folder: folder.to_path_buf(),
            width,
            contents,
            saved_view: Vec::new(),
            query: DOCUMENTS[0]
                .bytes()
                .chain(*b"as they jump")
                .map(u32::from)
                .collect(),
            pool: Arc::new(thread_pool(1).expect("a pool of one thread")),
            vocabulary: Arc::new(vocabulary.expect("a piece for every byte")),
        };
        let view = shard.open().and_then(|opened| opened.without(&[0], 0));
        shard.saved_view = view
            .and_then(|view| view.saved_view())
            .expect("a view of a sound shard");
        shard
    }

    /// Returns an input for each file as it is.
    pub fn seeds(&self) -> Vec<Vec<u8>> {
        let width = WIDTHS
            .iter()
            .position(|&width| width == self.width)
            .expect("a known width");
        let files = self.contents.iter().chain([&self.saved_view]).enumerate();
        files
            .flat_map(|(number, content)| {
                [0, SEALED].map(|sealed| {
                    let head = [width as u8 | sealed, number as u8];
                    head.into_iter().chain(content.iter().copied()).collect()
                })
            })
            .collect()
    }

    /// Asks everything of the shard with the file that an input says. The engine may refuse; what it may not is found by the
    /// assertions here, by its own, and by the sanitizer.
    pub fn try_with(&self, sealed: bool, file: u8, content: &[u8]) {
        let number = usize::from(file) % (FILES.len() + 1);
        if number == FILES.len() {
            let opened = self.open().expect("a sound shard");
            if let Ok(view) = opened.restored_without(&[0], content) {
                self.ask(&view).ok();
            }
            return;
        }
        let mut content = content.to_vec();
        if sealed && number >= FAN_OUT && content.len() >= HEADER_BYTES {
            let checksum = crc32(&content[HEADER_BYTES..]);
            content[36..40].copy_from_slice(&checksum.to_le_bytes());
            let checksum = crc32(&content[..60]);
            content[60..64].copy_from_slice(&checksum.to_le_bytes());
        }
        self.put(number, &content);
        if let Ok(opened) = self.open() {
            self.ask(&opened).ok();
            if let Ok(view) = opened.without(&[0], 0) {
                assert!(
                    view.num_tokens() <= opened.num_tokens(),
                    "a view has fewer tokens"
                );
                self.ask(&view).ok();
            }
        }
        self.put(number, &self.contents[number]);
    }

    /// Asks one call after the other; each may be refused without the next being left out.
    fn ask(&self, opened: &ShardIndex) -> Result<(), EngineError> {
        let starts: Vec<u32> = (0..self.query.len() as u32).collect();
        let found = opened.longest_matches(&Query::new(self.query.clone(), &starts, &[])?);
        let interval = opened.find(&self.query[..2]);
        if let Ok(interval) = interval {
            assert!(
                interval.start <= interval.end && interval.end <= opened.num_tokens(),
                "an interval of the shard"
            );
        }
        opened.unigram_counts(&self.query).ok();
        if let Ok(found) = found {
            let ranks: Vec<u64> = found.matches.iter().map(|one| one.interval.start).collect();
            let lengths: Vec<u32> = found.matches.iter().map(|one| one.end - one.start).collect();
            if let Ok(positions) = opened.positions(&ranks) {
                opened.locate(&positions).ok();
            }
            let sizes = WindowSizes {
                context_tokens: 20,
                snippet_tokens: 5,
            };
            opened.windows(&ranks, &lengths, sizes).ok();
        }
        for document in [0, 1, opened.num_documents().saturating_sub(1)] {
            opened.metadata(document).ok();
            opened.document(document, 0, 50).ok();
        }
        opened.tokens(0, opened.num_tokens().min(50)).ok();
        let options = InspectOptions {
            share: 1.0,
            seed: 0,
            max_problems: 3,
        };
        opened.inspect(options, |_, _| true).map(|_| ())
    }

    fn open(&self) -> Result<ShardIndex, EngineError> {
        let vocabulary = Some(Arc::clone(&self.vocabulary));
        ShardIndex::open(&self.folder, 0, self.width, Arc::clone(&self.pool), vocabulary)
    }

    /// Puts a new file in the place of another, which may be mapped.
    fn put(&self, number: usize, content: &[u8]) {
        let beside = self.folder.join("beside");
        fs::write(&beside, content).expect("room for a small file");
        fs::rename(&beside, self.folder.join(FILES[number])).expect("a file takes the place of another");
    }
}

/// Returns `tokenized.0`, `table.0` (empty: it is sorted later), `offset.0`, `metadata.0`, `metaoff.0` and `unigram.0`.
fn core_files(width: TokenWidth) -> [Vec<u8>; 6] {
    let size = width.bytes();
    let [mut tokenized, mut offset, mut metadata, mut metaoff] = [const { Vec::new() }; 4];
    let mut counts = [0_u64; 256];
    for (number, text) in DOCUMENTS.iter().enumerate() {
        offset.extend_from_slice(&(tokenized.len() as u64).to_le_bytes());
        metaoff.extend_from_slice(&(metadata.len() as u64).to_le_bytes());
        metadata.extend_from_slice(format!("{{\"source\":\"{number}\"}}\n").as_bytes());
        tokenized.extend(std::iter::repeat_n(u8::MAX, size));
        for byte in text.bytes() {
            counts[usize::from(byte)] += 1;
            tokenized.extend_from_slice(&u32::from(byte).to_le_bytes()[..size]);
        }
    }
    let separator = (1_u64 << (8 * size)) - 1;
    let mut unigram: String = (0..256)
        .filter(|&id| counts[id] > 0)
        .map(|id| format!("{id} {}\n", counts[id]))
        .collect();
    unigram += &format!("{separator} {}\n", DOCUMENTS.len());
    [
        tokenized,
        Vec::new(),
        offset,
        metadata,
        metaoff,
        unigram.into_bytes(),
    ]
}

/// Returns the CRC-32 (IEEE) of some bytes.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg())
        })
    })
}

/// Returns the width that an input's first byte says, as an index of [`WIDTHS`], and whether checksums are made right.
pub fn head(byte: u8) -> (usize, bool) {
    (usize::from(byte & 3) % WIDTHS.len(), byte & SEALED > 0)
}
