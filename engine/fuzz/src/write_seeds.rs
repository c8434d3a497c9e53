//! Writes an input for each file of a sound shard into a folder: what the fuzzer begins with.

use std::fs;
use std::path::PathBuf;

use headwater_engine_fuzz::{Shard, WIDTHS};

fn main() {
    let Some(folder) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("expected the folder to write to");
        std::process::exit(2);
    };
    let work = folder.with_added_extension("work");
    for width in WIDTHS {
        let shard = Shard::new(&work.join(format!("{width:?}")), width);
        fs::create_dir_all(&folder).expect("a folder for the seeds");
        for (number, seed) in shard.seeds().into_iter().enumerate() {
            fs::write(folder.join(format!("{width:?}-{number}")), seed).expect("room for a seed");
        }
    }
    fs::remove_dir_all(&work).expect("the shards are removed");
}
