//! `ShardIndex` and the `ThreadPool` it searches on.

use std::path::PathBuf;
use std::sync::Arc;

use headwater_engine::{self as engine, InspectOptions, Query, TokenWidth, WindowSizes};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::to_py_err;
use crate::values::{
    DocumentSlice, LongestMatches, ReadCounts, Window, little_endian_u32, little_endian_u64, u32s, u64s,
};
use crate::vocabulary::Vocabulary;

/// The offset that stands for a separator, which is in no document.
const SEPARATOR_OFFSET: u64 = u64::MAX;

/// A kind of thing, how many of them an inspection looked at, and how many there are.
type LookedAt = (&'static str, u64, u64);

#[pyclass(frozen, module = "suffix_engine")]
pub struct ThreadPool {
    inner: Arc<engine::ThreadPool>,
}

#[pymethods]
impl ThreadPool {
    #[new]
    #[pyo3(signature = (num_threads = 0))]
    fn new(num_threads: usize) -> PyResult<Self> {
        let inner = engine::thread_pool(num_threads).map_err(to_py_err)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    #[getter]
    fn num_threads(&self) -> usize {
        self.inner.current_num_threads()
    }
}

#[pyclass(frozen, module = "suffix_engine")]
pub struct ShardIndex {
    inner: engine::ShardIndex,
}

#[pymethods]
#[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
impl ShardIndex {
    #[staticmethod]
    #[pyo3(signature = (directory, *, token_width, pool, vocabulary = None, number = 0))]
    fn open(
        py: Python<'_>,
        directory: PathBuf,
        token_width: usize,
        pool: &ThreadPool,
        vocabulary: Option<&Vocabulary>,
        number: u32,
    ) -> PyResult<Self> {
        let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
        let pool = Arc::clone(&pool.inner);
        let vocabulary = vocabulary.map(|vocabulary| Arc::clone(&vocabulary.inner));
        let inner = py
            .detach(|| engine::ShardIndex::open(&directory, number, width, pool, vocabulary))
            .map_err(to_py_err)?;
        Ok(Self { inner })
    }

    #[pyo3(signature = (documents, *, num_threads = 0))]
    fn without(&self, py: Python<'_>, documents: &[u8], num_threads: usize) -> PyResult<Self> {
        let documents = u64s("documents", documents)?;
        let inner = py
            .detach(|| self.inner.without(&documents, num_threads))
            .map_err(to_py_err)?;
        Ok(Self { inner })
    }

    fn saved_view<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let saved = py.detach(|| self.inner.saved_view()).map_err(to_py_err)?;
        Ok(PyBytes::new(py, &saved))
    }

    fn restored_without(&self, py: Python<'_>, documents: &[u8], saved: &[u8]) -> PyResult<Self> {
        let documents = u64s("documents", documents)?;
        let inner = py
            .detach(|| self.inner.restored_without(&documents, saved))
            .map_err(to_py_err)?;
        Ok(Self { inner })
    }

    #[getter]
    fn withheld_documents(&self) -> u64 {
        self.inner.withheld_documents()
    }

    #[getter]
    fn withheld_tokens(&self) -> u64 {
        self.inner.withheld_tokens()
    }

    #[getter]
    fn num_tokens(&self) -> u64 {
        self.inner.num_tokens()
    }

    #[getter]
    fn num_documents(&self) -> u64 {
        self.inner.num_documents()
    }

    #[getter]
    fn token_width(&self) -> usize {
        self.inner.token_width()
    }

    #[getter]
    fn pointer_width(&self) -> usize {
        self.inner.pointer_width()
    }

    #[getter]
    fn memory_bytes(&self) -> usize {
        self.inner.memory_bytes()
    }

    #[getter]
    fn is_accelerated(&self) -> bool {
        self.inner.is_accelerated()
    }

    #[getter]
    fn directory_bytes(&self) -> usize {
        self.inner.directory_bytes()
    }

    fn find(&self, py: Python<'_>, token_ids: Vec<u32>) -> PyResult<(u64, u64)> {
        let interval = py.detach(|| self.inner.find(&token_ids)).map_err(to_py_err)?;
        Ok((interval.start, interval.end))
    }

    fn longest_matches(
        &self,
        py: Python<'_>,
        token_ids: &[u8],
        word_starts: &[u8],
        cuts: &[u8],
    ) -> PyResult<LongestMatches> {
        let (word_starts, cuts) = (u32s("word_starts", word_starts)?, u32s("cuts", cuts)?);
        let query = Query::new(u32s("token_ids", token_ids)?, &word_starts, &cuts).map_err(to_py_err)?;
        let (found, counts) = py
            .detach(|| {
                Ok((
                    self.inner.longest_matches(&query)?,
                    self.inner.unigram_counts(query.token_ids())?,
                ))
            })
            .map_err(to_py_err)?;
        LongestMatches::new(py, found, counts)
    }

    fn unigram_counts<'py>(&self, py: Python<'py>, token_ids: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let token_ids = u32s("token_ids", token_ids)?;
        let counts = py
            .detach(|| self.inner.unigram_counts(&token_ids))
            .map_err(to_py_err)?;
        Ok(little_endian_u64(py, counts))
    }

    fn positions<'py>(&self, py: Python<'py>, ranks: Vec<u64>) -> PyResult<Bound<'py, PyBytes>> {
        let positions = py.detach(|| self.inner.positions(&ranks)).map_err(to_py_err)?;
        Ok(little_endian_u64(py, positions))
    }

    fn locate<'py>(
        &self,
        py: Python<'py>,
        positions: Vec<u64>,
    ) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyBytes>)> {
        let located = py.detach(|| self.inner.locate(&positions)).map_err(to_py_err)?;
        let offset = |offset: Option<u64>| offset.unwrap_or(SEPARATOR_OFFSET);
        Ok((
            little_endian_u64(py, located.iter().map(|at| at.0)),
            little_endian_u64(py, located.iter().map(|at| offset(at.1))),
        ))
    }

    fn tokens<'py>(&self, py: Python<'py>, start: u64, end: u64) -> PyResult<Bound<'py, PyBytes>> {
        let tokens = py.detach(|| self.inner.tokens(start, end)).map_err(to_py_err)?;
        Ok(little_endian_u32(py, tokens))
    }

    fn windows(
        &self,
        py: Python<'_>,
        ranks: &[u8],
        lengths: &[u8],
        context_tokens: usize,
        snippet_tokens: usize,
    ) -> PyResult<(Vec<Window>, ReadCounts)> {
        let (ranks, lengths) = (u64s("ranks", ranks)?, u32s("lengths", lengths)?);
        let sizes = WindowSizes {
            context_tokens,
            snippet_tokens,
        };
        let (windows, reads) = py
            .detach(|| self.inner.windows(&ranks, &lengths, sizes))
            .map_err(to_py_err)?;
        let windows = windows.into_iter().map(|window| Window::new(py, window));
        Ok((windows.collect(), reads.into()))
    }

    fn document(
        &self,
        py: Python<'_>,
        document: u64,
        start: u64,
        max_tokens: usize,
    ) -> PyResult<DocumentSlice> {
        py.detach(|| self.inner.document(document, start, max_tokens))
            .map(DocumentSlice::from)
            .map_err(to_py_err)
    }

    fn metadata(&self, py: Python<'_>, document: u64) -> PyResult<String> {
        py.detach(|| self.inner.metadata(document)).map_err(to_py_err)
    }

    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        py.detach(|| self.inner.verify()).map_err(to_py_err)
    }

    #[pyo3(signature = (*, share = 1.0, seed = 0, max_problems = 20, progress = None))]
    fn inspect(
        &self,
        py: Python<'_>,
        share: f64,
        seed: u64,
        max_problems: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(Vec<String>, Vec<LookedAt>)> {
        let options = InspectOptions {
            share,
            seed,
            max_problems,
        };
        let mut raised = None;
        let tell = |done: u64, total: u64| {
            let told = Python::attach(|py| {
                py.check_signals()?;
                match &progress {
                    Some(progress) => progress.call1(py, (done, total)).map(drop),
                    None => Ok(()),
                }
            });
            raised = told.err();
            raised.is_none()
        };
        let inspected = py.detach(|| self.inner.inspect(options, tell));
        if let Some(error) = raised {
            return Err(error);
        }
        let inspection = inspected.map_err(to_py_err)?;
        let problems = inspection.problems.iter().map(ToString::to_string);
        let looked_at = inspection
            .looked_at
            .iter()
            .map(|kind| (kind.kind, kind.looked_at, kind.total));
        Ok((problems.collect(), looked_at.collect()))
    }
}
