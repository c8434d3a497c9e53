//! `Vocabulary`: token ids to text.

use std::sync::Arc;

use headwater_engine as engine;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

use crate::errors::{InvalidQueryError, to_py_err};
use crate::values::little_endian_u32;

#[pyclass(frozen, module = "suffix_engine")]
pub struct Vocabulary {
    pub inner: Arc<engine::Vocabulary>,
}

#[pymethods]
impl Vocabulary {
    #[new]
    #[pyo3(signature = (pieces, *, fallback_ids, byte_level, strip_leading_space))]
    #[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
    fn new(
        pieces: Vec<PyBackedBytes>,
        fallback_ids: Vec<u32>,
        byte_level: bool,
        strip_leading_space: bool,
    ) -> PyResult<Self> {
        let pieces = pieces.iter().map(AsRef::as_ref);
        let inner = engine::Vocabulary::new(pieces, &fallback_ids, byte_level, strip_leading_space)
            .map_err(to_py_err)?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    #[getter]
    fn size(&self) -> usize {
        self.inner.size()
    }

    #[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
    fn decode<'py>(&self, py: Python<'py>, token_ids: Vec<u32>) -> PyResult<(String, Bound<'py, PyBytes>)> {
        let decoded = py
            .detach(|| self.inner.decode(token_ids.iter().copied()))
            .map_err(|error| InvalidQueryError::new_err(error.to_string()))?;
        Ok((decoded.text, little_endian_u32(py, decoded.boundaries)))
    }
}
