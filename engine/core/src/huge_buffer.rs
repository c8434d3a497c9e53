//! Large arrays in huge pages. Sorting reads and writes them at random: with 2 MiB pages it misses the TLB far less
//! (measured: libsais on 30 million two-byte tokens, 1.48 s on 4 KiB pages, 1.27 s on huge ones).

use std::io;
use std::marker::PhantomData;

use bytemuck::Pod;
use memmap2::MmapMut;

/// An array of zeros, given back to the system when it is dropped. Falls back to small pages where there are no others.
pub(crate) struct HugeBuffer<T> {
    bytes: MmapMut,
    element: PhantomData<T>,
}

impl<T: Pod> HugeBuffer<T> {
    pub(crate) fn zeroed(len: usize) -> io::Result<Self> {
        let bytes = MmapMut::map_anon(len * size_of::<T>())?;
        // Only advice: without it the pages are small, and sorting slower.
        #[cfg(target_os = "linux")]
        let _ = bytes.advise(memmap2::Advice::HugePage);
        Ok(Self {
            bytes,
            element: PhantomData,
        })
    }

    pub(crate) fn as_slice(&self) -> &[T] {
        bytemuck::cast_slice(&self.bytes)
    }

    pub(crate) fn as_mut_slice(&mut self) -> &mut [T] {
        bytemuck::cast_slice_mut(&mut self.bytes)
    }
}
