"""The suffix-array engine's Python face. `suffix_engine/_native.pyi` is its reference page."""

from suffix_engine._native import (
    DocumentSlice,
    EngineError,
    InvalidQueryError,
    LongestMatches,
    ReadCounts,
    ShardCorruptError,
    ShardFormatError,
    ShardIndex,
    ThreadPool,
    Vocabulary,
    Window,
    accelerate_memory_bytes,
    accelerate_shard,
    fan_out_bytes,
    sort_memory_bytes,
    sort_shard,
)

__all__ = [
    "DocumentSlice",
    "EngineError",
    "InvalidQueryError",
    "LongestMatches",
    "ReadCounts",
    "ShardCorruptError",
    "ShardFormatError",
    "ShardIndex",
    "ThreadPool",
    "Vocabulary",
    "Window",
    "accelerate_memory_bytes",
    "accelerate_shard",
    "fan_out_bytes",
    "sort_memory_bytes",
    "sort_shard",
]
