"""Corpus in, index out: `build` makes an index directory from documents, `verify` checks a whole one."""

from indexing.errors import IndexingError
from indexing.pipeline import build
from indexing.plan import BuildPlan, HubTokenizer, RawBytes, TokenizerChoice, TokenizerFile, TrainedTokenizer
from indexing.progress import BuildReport, Progress, SilentProgress
from indexing.verification import verify

__all__ = [
    "BuildPlan",
    "BuildReport",
    "HubTokenizer",
    "IndexingError",
    "Progress",
    "RawBytes",
    "SilentProgress",
    "TokenizerChoice",
    "TokenizerFile",
    "TrainedTokenizer",
    "build",
    "verify",
]
