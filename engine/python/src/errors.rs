//! The engine's errors as Python exceptions: one class for each kind.

use headwater_engine::{EngineError as CoreError, ErrorKind};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(suffix_engine, EngineError, PyException);
create_exception!(suffix_engine, ShardFormatError, EngineError);
create_exception!(suffix_engine, ShardCorruptError, EngineError);
create_exception!(suffix_engine, InvalidQueryError, EngineError);
create_exception!(suffix_engine, DocumentWithheldError, EngineError);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("EngineError", py.get_type::<EngineError>())?;
    module.add("ShardFormatError", py.get_type::<ShardFormatError>())?;
    module.add("ShardCorruptError", py.get_type::<ShardCorruptError>())?;
    module.add("InvalidQueryError", py.get_type::<InvalidQueryError>())?;
    module.add("DocumentWithheldError", py.get_type::<DocumentWithheldError>())
}

#[allow(clippy::needless_pass_by_value, reason = "it is the argument of map_err")]
pub fn to_py_err(error: CoreError) -> PyErr {
    let message = error.to_string();
    match error.kind() {
        ErrorKind::Format => ShardFormatError::new_err(message),
        ErrorKind::Corrupt => ShardCorruptError::new_err(message),
        ErrorKind::Query => InvalidQueryError::new_err(message),
        ErrorKind::Withheld => DocumentWithheldError::new_err(message),
    }
}
