//! Suffix arrays over token ids: sort a shard, open it, search it, read its text back.
//!
//! A shard is a directory in infini-gram version 4 layout. N is its number of *positions*: every token and one separator
//! before each document. The *suffix array* (`table`) lists the positions in the order of the suffixes that begin there;
//! a *rank* is an index into it. See `docs/index-format.md`.
//!
//! The crate knows no Python and no network. Everything that depends on the token width is written once, generic over
//! [`Token`]; [`ShardIndex`] chooses the width at run time.

mod accelerate;
mod address;
mod bits;
mod blind_search;
mod directory;
mod documents;
mod elias_fano;
mod error;
mod fan_out;
mod files;
mod huge_buffer;
mod interval;
mod longest_matches;
mod mapped;
mod plain_search;
mod pool;
mod position_set;
mod reads;
mod retrieve;
mod run_edges;
mod sample;
mod saved_view;
mod shard;
mod shard_index;
mod sidecar;
mod sort;
mod suffix_array;
mod suffix_ranks;
mod surviving_match;
mod table_pass;
mod text;
mod token;
mod token_counts;
mod unigrams;
mod verify;
mod verify_ranks;
mod vocabulary;
mod withheld;
mod withheld_search;
mod withhold;

pub use accelerate::{accelerate_memory_bytes, accelerate_shard, fan_out_bytes};
pub use error::{EngineError, ErrorKind};
pub use interval::Interval;
pub use longest_matches::{FoundMatches, LongestMatch, Query};
pub use mapped::exit_on_lost_page;
pub use pool::thread_pool;
pub use rayon::ThreadPool;
pub use reads::ReadCounts;
pub use retrieve::{DocumentSlice, Window, WindowSizes};
pub use shard_index::ShardIndex;
pub use sort::{
    MAX_PART_TOKENS, MAX_PARTS, Part, longest_part, merge_memory_bytes, merge_parts, run_bytes,
    sort_memory_bytes, sort_part, sort_shard,
};
pub use token::{Token, TokenWidth};
pub use verify::{InspectOptions, Inspection, LookedAt};
pub use vocabulary::{Decoded, Vocabulary};
