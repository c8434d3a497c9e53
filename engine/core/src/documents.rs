//! Where documents start: position to document and back, in about 2 + log2(mean document length) bits a document.

use crate::elias_fano::EliasFano;

/// The starts of the documents of a shard: ascending positions, the first 0.
#[derive(Debug)]
pub(crate) struct DocumentStarts {
    starts: EliasFano,
}

impl DocumentStarts {
    /// Compresses `len` ascending starts below `num_tokens`. Their order is the caller's to check.
    pub(crate) fn new(starts: impl Iterator<Item = usize>, len: usize, num_tokens: usize) -> Self {
        Self {
            starts: EliasFano::new(starts, len, num_tokens),
        }
    }

    /// Number of documents.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// RAM held, in bytes.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.starts.memory_bytes()
    }

    /// Returns the position of the separator of a document < `len`.
    pub(crate) fn start(&self, document: usize) -> usize {
        self.starts.get(document)
    }

    /// Returns the document that holds a position, and where the document starts.
    pub(crate) fn document_at(&self, position: usize) -> (usize, usize) {
        // The first document starts at 0, so there is always one at or before the position.
        self.starts.last_at_most(position)
    }
}
