//! Memory that the processor is asked to load before it is needed.

/// Bytes that the processor loads at once.
pub(crate) const CACHE_LINE_BYTES: usize = 64;

/// Asks the processor to load the cache line in which a value begins.
#[inline]
pub(crate) fn prefetch<V>(value: &V) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch is a hint, and the value is there.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}
