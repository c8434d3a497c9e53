"""Corpus in, index out: `build` makes an index of documents, `accelerate` adds sidecars to one, `verify` checks one."""

from indexing.acceleration import AccelerationReport, accelerate
from indexing.errors import IndexingError
from indexing.pipeline import build
from indexing.plan import BuildPlan, HubTokenizer, RawBytes, TokenizerChoice, TokenizerFile, TrainedTokenizer
from indexing.progress import BuildReport, Progress, SilentProgress
from indexing.verification import find_problems, verify
from indexing.verification_report import VerificationReport

__all__ = [
    "AccelerationReport",
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
    "VerificationReport",
    "accelerate",
    "build",
    "find_problems",
    "verify",
]
