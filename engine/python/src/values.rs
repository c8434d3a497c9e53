//! What the engine returns, as frozen classes; arrays as little-endian bytes.

use headwater_engine as engine;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::InvalidQueryError;

pub fn little_endian_u32(py: Python<'_>, values: impl IntoIterator<Item = u32>) -> Bound<'_, PyBytes> {
    let values: Vec<u32> = values.into_iter().map(u32::to_le).collect();
    PyBytes::new(py, bytemuck::cast_slice(&values))
}

pub fn little_endian_u64(py: Python<'_>, values: impl IntoIterator<Item = u64>) -> Bound<'_, PyBytes> {
    let values: Vec<u64> = values.into_iter().map(u64::to_le).collect();
    PyBytes::new(py, bytemuck::cast_slice(&values))
}

/// Returns the little-endian integers of an argument.
pub fn u32s(name: &str, bytes: &[u8]) -> PyResult<Vec<u32>> {
    let (words, rest) = bytes.as_chunks();
    check_whole(name, bytes, rest)?;
    Ok(words.iter().copied().map(u32::from_le_bytes).collect())
}

/// Returns the little-endian integers of an argument.
pub fn u64s(name: &str, bytes: &[u8]) -> PyResult<Vec<u64>> {
    let (words, rest) = bytes.as_chunks();
    check_whole(name, bytes, rest)?;
    Ok(words.iter().copied().map(u64::from_le_bytes).collect())
}

fn check_whole(name: &str, bytes: &[u8], rest: &[u8]) -> PyResult<()> {
    if rest.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{name} has {} bytes, which is no whole number of integers",
        bytes.len()
    );
    Err(InvalidQueryError::new_err(message))
}

#[pyclass(frozen, get_all, module = "suffix_engine")]
pub struct ReadCounts {
    table: u64,
    fan_out: u64,
    text: u64,
    documents: u64,
    size_bytes: u64,
}

impl From<engine::ReadCounts> for ReadCounts {
    fn from(reads: engine::ReadCounts) -> Self {
        Self {
            table: reads.table,
            fan_out: reads.fan_out,
            text: reads.text,
            documents: reads.documents,
            size_bytes: reads.size_bytes,
        }
    }
}

#[pyclass(frozen, get_all, module = "suffix_engine")]
pub struct LongestMatches {
    starts: Py<PyBytes>,
    ends: Py<PyBytes>,
    rank_starts: Py<PyBytes>,
    rank_ends: Py<PyBytes>,
    withheld: Py<PyBytes>,
    withheld_elsewhere: u64,
    unigram_counts: Py<PyBytes>,
    reads: Py<ReadCounts>,
}

impl LongestMatches {
    pub fn new(py: Python<'_>, found: engine::FoundMatches, unigram_counts: Vec<u64>) -> PyResult<Self> {
        let matches = &found.matches;
        let u32s =
            |of: fn(&engine::LongestMatch) -> u32| little_endian_u32(py, matches.iter().map(of)).unbind();
        let u64s =
            |of: fn(&engine::LongestMatch) -> u64| little_endian_u64(py, matches.iter().map(of)).unbind();
        Ok(Self {
            starts: u32s(|found| found.start),
            ends: u32s(|found| found.end),
            rank_starts: u64s(|found| found.interval.start),
            rank_ends: u64s(|found| found.interval.end),
            withheld: little_endian_u64(py, found.withheld).unbind(),
            withheld_elsewhere: found.withheld_elsewhere,
            unigram_counts: little_endian_u64(py, unigram_counts).unbind(),
            reads: Py::new(py, ReadCounts::from(found.reads))?,
        })
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
