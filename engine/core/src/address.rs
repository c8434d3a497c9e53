//! Offsets into mapped files as indexes.

#[cfg(not(target_pointer_width = "64"))]
compile_error!("shards are mapped whole: the engine needs a 64-bit address space");

#[cfg(not(target_endian = "little"))]
compile_error!("tokens and sidecars are read as they stand in the files, little-endian");

/// Bytes that a disk reads, and memory maps, at once.
pub(crate) const PAGE_BYTES: usize = 4096;

/// Bytes that the processor loads at once.
pub(crate) const CACHE_LINE_BYTES: usize = 64;

/// Converts a file offset, position or rank to an index: lossless, for addresses have 64 bits.
#[inline]
#[allow(clippy::cast_possible_truncation, reason = "usize has 64 bits, checked above")]
pub(crate) const fn to_usize(offset: u64) -> usize {
    offset as usize
}
