//! What the engine returns, as frozen classes; arrays as little-endian bytes.

use headwater_engine as engine;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

pub fn little_endian_u32(py: Python<'_>, values: impl IntoIterator<Item = u32>) -> Bound<'_, PyBytes> {
    let bytes: Vec<u8> = values.into_iter().flat_map(u32::to_le_bytes).collect();
    PyBytes::new(py, &bytes)
}

pub fn little_endian_u64(py: Python<'_>, values: impl IntoIterator<Item = u64>) -> Bound<'_, PyBytes> {
    let bytes: Vec<u8> = values.into_iter().flat_map(u64::to_le_bytes).collect();
    PyBytes::new(py, &bytes)
}

#[pyclass(frozen, get_all, module = "suffix_engine")]
pub struct LongestMatches {
    starts: Py<PyBytes>,
    ends: Py<PyBytes>,
    rank_starts: Py<PyBytes>,
    rank_ends: Py<PyBytes>,
}

impl LongestMatches {
    pub fn new(py: Python<'_>, matches: &[engine::LongestMatch]) -> Self {
        let u32s =
            |of: fn(&engine::LongestMatch) -> u32| little_endian_u32(py, matches.iter().map(of)).unbind();
        let u64s =
            |of: fn(&engine::LongestMatch) -> u64| little_endian_u64(py, matches.iter().map(of)).unbind();
        Self {
            starts: u32s(|found| found.start),
            ends: u32s(|found| found.end),
            rank_starts: u64s(|found| found.interval.start),
            rank_ends: u64s(|found| found.interval.end),
        }
    }
}

#[pyclass(frozen, get_all, module = "suffix_engine")]
pub struct Window {
    rank: u64,
    document: u64,
    document_length: u64,
    start: u64,
    end: u64,
    match_start: u64,
    match_token_ids: Py<PyBytes>,
    text: String,
    match_chars: (u32, u32),
    snippet_chars: (u32, u32),
    metadata: String,
}

impl Window {
    pub fn new(py: Python<'_>, window: engine::Window) -> Self {
        Self {
            rank: window.rank,
            document: window.document,
            document_length: window.document_length,
            start: window.start,
            end: window.end,
            match_start: window.match_start,
            match_token_ids: little_endian_u32(py, window.match_token_ids).unbind(),
            text: window.text,
            match_chars: window.match_chars,
            snippet_chars: window.snippet_chars,
            metadata: window.metadata,
        }
    }
}

#[pyclass(frozen, get_all, module = "suffix_engine")]
pub struct DocumentSlice {
    document: u64,
    document_length: u64,
    start: u64,
    end: u64,
    text: String,
    metadata: String,
}

impl From<engine::DocumentSlice> for DocumentSlice {
    fn from(slice: engine::DocumentSlice) -> Self {
        Self {
            document: slice.document,
            document_length: slice.document_length,
            start: slice.start,
            end: slice.end,
            text: slice.text,
            metadata: slice.metadata,
        }
    }
}
