//! Any one file of a shard, or a kept view, replaced by the input; then everything is asked of it. See the library.
#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use headwater_engine_fuzz::{Shard, WIDTHS, head};
use libfuzzer_sys::{Corpus, fuzz_target};

static SHARDS: OnceLock<Vec<Shard>> = OnceLock::new();

fuzz_target!(|input: &[u8]| -> Corpus {
    let [first, file, content @ ..] = input else {
        return Corpus::Reject;
    };
    let (width, sealed) = head(*first);
    shards()[width].try_with(sealed, *file, content);
    Corpus::Keep
});

/// Returns a shard of each width, in folders of this process.
fn shards() -> &'static [Shard] {
    SHARDS.get_or_init(|| {
        let base = std::env::var_os("HEADWATER_FUZZ_FOLDER").map_or_else(std::env::temp_dir, PathBuf::from);
        let folder = base.join(format!("shard-{}", std::process::id()));
        let of_width = |width: &_| Shard::new(&folder.join(format!("{width:?}")), *width);
        WIDTHS.iter().map(of_width).collect()
    })
}
