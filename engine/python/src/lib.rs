//! Python bindings: check, release the GIL, call, map the error. `suffix_engine/_native.pyi` documents them.
#![allow(missing_docs, reason = "the stub is the API page")]

mod errors;
mod shard_index;
mod sort;
mod values;
mod vocabulary;

use std::path::PathBuf;

use headwater_engine::{self as engine, TokenWidth};
use pyo3::marker::Ungil;
use pyo3::prelude::*;

use crate::errors::to_py_err;

#[pyfunction]
#[pyo3(signature = (num_tokens, token_width))]
fn fan_out_bytes(num_tokens: u64, token_width: usize) -> PyResult<u64> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    Ok(engine::fan_out_bytes(num_tokens, width))
}

#[pyfunction]
#[pyo3(signature = (num_tokens, token_width))]
fn accelerate_memory_bytes(num_tokens: u64, token_width: usize) -> PyResult<u64> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    Ok(engine::accelerate_memory_bytes(num_tokens, width))
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
#[pyo3(signature = (directory, *, token_width, number = 0, num_threads = 0, progress = None))]
fn accelerate_shard(
    py: Python<'_>,
    directory: PathBuf,
    token_width: usize,
    number: u32,
    num_threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    told(py, progress.as_ref(), |tell| {
        engine::accelerate_shard(&directory, number, width, num_threads, tell)
    })
}

#[pyfunction]
fn exit_on_lost_page() {
    engine::exit_on_lost_page();
}

/// Does long work, and tells `progress` of it; what that raises, or a signal, ends the work and comes out of the call.
fn told(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl Ungil + Send + FnOnce(&mut (dyn FnMut(u64, u64) -> bool + Send)) -> Result<(), engine::EngineError>,
) -> PyResult<()> {
    let mut raised = None;
    let mut tell = |done: u64, total: u64| {
        let told = Python::attach(|py| {
            py.check_signals()?;
            match progress {
                Some(progress) => progress.call1(py, (done, total)).map(drop),
                None => Ok(()),
            }
        });
        raised = told.err();
        raised.is_none()
    };
    let done = py.detach(|| work(&mut tell));
    raised.map_or(done.map_err(to_py_err), Err)
}

#[pymodule]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    errors::register(module)?;
    module.add_class::<shard_index::ThreadPool>()?;
    module.add_class::<shard_index::ShardIndex>()?;
    module.add_class::<vocabulary::Vocabulary>()?;
    module.add_class::<values::LongestMatches>()?;
    module.add_class::<values::ReadCounts>()?;
    module.add_class::<values::Window>()?;
    module.add_class::<values::DocumentSlice>()?;
    module.add_function(wrap_pyfunction!(accelerate_memory_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(accelerate_shard, module)?)?;
    module.add_function(wrap_pyfunction!(exit_on_lost_page, module)?)?;
    module.add_function(wrap_pyfunction!(fan_out_bytes, module)?)?;
    sort::register(module)
}
