"""Trace what a language model wrote back to the documents it was trained on.

``headwater.open("index")`` searches an index directory in this process; ``headwater.connect("host:port")``
asks a coordinator. Both give an object with ``trace``, ``trace_stream``, ``count``, ``document``, ``describe`` and
``close``, which return the same values. Importing this package loads neither the engine nor gRPC: they come with the
first call.
"""

import importlib
from collections.abc import Mapping
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coordinator.errors import CoordinatorError
    from coordinator.redaction.settings import RedactionSettings
    from coordinator.requests import SpanRanking, TraceOptions
    from coordinator.results import (
        Count,
        Coverage,
        Description,
        Document,
        DocumentsFound,
        DocumentText,
        MergedSpan,
        Ranking,
        Relevance,
        Snippet,
        Span,
        SpansFound,
        Trace,
    )
    from coordinator.values import DocumentId
    from headwater.embedded import EmbeddedIndex
    from headwater.remote import RemoteIndex
    from index_format.errors import IndexFormatError
    from suffix_engine import EngineError

__all__ = [
    "CoordinatorError",
    "Count",
    "Coverage",
    "Description",
    "Document",
    "DocumentId",
    "DocumentText",
    "DocumentsFound",
    "EmbeddedIndex",
    "EngineError",
    "IndexFormatError",
    "MergedSpan",
    "Ranking",
    "Relevance",
    "RemoteIndex",
    "Snippet",
    "Span",
    "SpanRanking",
    "SpansFound",
    "Trace",
    "TraceOptions",
    "connect",
    "open",
]

# The modules of the names that are not in coordinator.results.
_HOMES = {
    "CoordinatorError": "coordinator.errors",
    "EmbeddedIndex": "headwater.embedded",
    "EngineError": "suffix_engine",
    "IndexFormatError": "index_format.errors",
    "DocumentId": "coordinator.values",
    "FailedShard": "coordinator.values",
    "RemoteIndex": "headwater.remote",
    "SpanRanking": "coordinator.requests",
    "TraceOptions": "coordinator.requests",
}


def open(
    index: str | PathLike[str] | Mapping[str, str | PathLike[str]],
    *,
    takedowns: str | PathLike[str] | None = None,
    redaction: "str | RedactionSettings" = "redact",
) -> "EmbeddedIndex":
    """Opens an index directory to be searched in this process. Close it, or use it as a context manager.

    Several indexes with one tokenizer are opened together as corpora, by name: ``open({"pre": DIR, "post": DIR})``.
    Documents that were removed from an index, or that the file ``takedowns`` concerns, are not found, counted or shown.
    A directory that is opened without a name obeys the takedowns of every corpus. Personal data and secrets in
    documents are shown as placeholders; ``redaction="off"`` shows them, ``"withhold"`` leaves the documents out, and a
    file of rules or `coordinator.redaction.settings.RedactionSettings` say more.

    Raises:
        IndexFormatError: there is no finished index, or its files are not as published.
        EngineError: the files of a shard contradict one another.
        coordinator.errors.ConfigurationError: the takedowns or the rules of redaction cannot be read.
    """
    from headwater.embedded import EmbeddedIndex

    return EmbeddedIndex(index, takedowns=takedowns, redaction=redaction)


def connect(
    target: str,
    *,
    tls: bool = False,
    ca: str | PathLike[str] | None = None,
    certificate: str | PathLike[str] | None = None,
    key: str | PathLike[str] | None = None,
    server_name: str | None = None,
    api_key: str | None = None,
    insecure: bool = False,
) -> "RemoteIndex":
    """Connects to a coordinator at ``host:port``. Close it, or use it as a context manager.

    Nothing is sent before the first call.

    Args:
        target: Where the coordinator is.
        tls: Whether to speak TLS; the three files say so too.
        ca: File of the CAs that vouch for the coordinator; without it those that gRPC comes with.
        certificate: File of the certificate to show, if the coordinator wants one.
        key: File of its private key.
        server_name: Name that the coordinator's certificate is for, where it is not the host of ``target``.
        api_key: Key to show.
        insecure: Whether the key may be sent without TLS to another machine.

    Raises:
        coordinator.errors.InvalidRequestError: ``target`` is not ``host:port``, a file is missing or wrong, or the key
            would be sent in clear.
    """
    from pathlib import Path

    from headwater.connection import Connection
    from headwater.remote import connect as connect_remote

    files = [None if path is None else Path(path) for path in (ca, certificate, key)]
    return connect_remote(target, Connection(tls, files[0], files[1], files[2], server_name, api_key, insecure))


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'headwater' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES.get(name, "coordinator.results")), name)
