//! Sorting a shard, whole or in parts.

use std::path::PathBuf;

use headwater_engine::{self as engine, Part, TokenWidth};
use pyo3::prelude::*;

use crate::errors::to_py_err;
use crate::told;

#[pyfunction]
#[pyo3(signature = (num_tokens, token_width, num_threads))]
fn sort_memory_bytes(num_tokens: u64, token_width: usize, num_threads: u64) -> PyResult<u64> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    Ok(engine::sort_memory_bytes(num_tokens, width, num_threads))
}

#[pyfunction]
#[pyo3(signature = (num_tokens, token_width, num_parts, num_threads))]
fn merge_memory_bytes(
    num_tokens: u64,
    token_width: usize,
    num_parts: u64,
    num_threads: u64,
) -> PyResult<u64> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    Ok(engine::merge_memory_bytes(
        num_tokens,
        width,
        num_parts,
        num_threads,
    ))
}

#[pyfunction]
#[pyo3(signature = (num_tokens))]
fn run_bytes(num_tokens: u64) -> u64 {
    engine::run_bytes(num_tokens)
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
#[pyo3(signature = (directory, *, token_width, num_parts))]
fn longest_part(directory: PathBuf, token_width: usize, num_parts: u32) -> PyResult<u64> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    engine::longest_part(&directory, width, num_parts).map_err(to_py_err)
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
#[pyo3(signature = (directory, *, token_width, num_threads = 0))]
fn sort_shard(py: Python<'_>, directory: PathBuf, token_width: usize, num_threads: usize) -> PyResult<()> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    py.detach(|| engine::sort_shard(&directory, width, num_threads))
        .map_err(to_py_err)
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
#[pyo3(signature = (directory, *, token_width, part, num_parts, num_threads = 0, accelerate = false, progress = None))]
fn sort_part(
    py: Python<'_>,
    directory: PathBuf,
    token_width: usize,
    part: u32,
    num_parts: u32,
    num_threads: usize,
    accelerate: bool,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    let part = Part {
        number: part,
        num_parts,
    };
    told(py, progress.as_ref(), |tell| {
        engine::sort_part(&directory, width, part, num_threads, accelerate, tell)
    })
}

#[pyfunction]
#[allow(clippy::needless_pass_by_value, reason = "extracted arguments are owned")]
#[allow(clippy::too_many_arguments, reason = "keyword arguments")]
#[pyo3(signature = (directory, *, token_width, num_parts, memory_bytes, num_threads = 0, accelerate = false, progress = None))]
fn merge_parts(
    py: Python<'_>,
    directory: PathBuf,
    token_width: usize,
    num_parts: u32,
    memory_bytes: u64,
    num_threads: usize,
    accelerate: bool,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let width = TokenWidth::from_bytes(token_width).map_err(to_py_err)?;
    told(py, progress.as_ref(), |tell| {
        engine::merge_parts(
            &directory,
            width,
            num_parts,
            num_threads,
            memory_bytes,
            accelerate,
            tell,
        )
    })
}

/// Adds the functions and limits.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("MAX_PART_TOKENS", engine::MAX_PART_TOKENS)?;
    module.add("MAX_PARTS", engine::MAX_PARTS)?;
    module.add_function(wrap_pyfunction!(longest_part, module)?)?;
    module.add_function(wrap_pyfunction!(merge_memory_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(merge_parts, module)?)?;
    module.add_function(wrap_pyfunction!(run_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(sort_memory_bytes, module)?)?;
    module.add_function(wrap_pyfunction!(sort_part, module)?)?;
    module.add_function(wrap_pyfunction!(sort_shard, module)?)
}
