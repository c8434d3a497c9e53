"""The whole trace, warm: ours in process against infini-gram doing production's pipeline, answer by answer."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from rich.console import Console

import headwater
from bench.conversations import Conversation, read_conversations
from bench.corpus import inputs
from bench.infini_gram_peer import InfiniGramPeer, PeerTrace
from bench.options import BenchOptions
from bench.remote import compare_with_remote
from bench.report import Report, percentile
from bench.searched_index import searched_index
from bench.steps import describe_steps
from coordinator.results import Timings, Trace
from headwater.embedded import EmbeddedIndex
from index_format.manifest import IndexManifest

_SHOWN_PERCENTS = (50, 95, 99)
_RATIO_PERCENTS = (50, 95)
_SCORE_TOLERANCE = 1e-6
# rank-bm25 scores one or two windows below zero, the more they match; `coordinator.steps.bm25` does not follow it.
_GUARDED_WINDOWS = 2


@dataclass(frozen=True, slots=True)
class Measured:
    """Milliseconds of one conversation: ours and the bare engine the median of the passes, theirs one run.

    ``timings`` are the steps of ours.
    """

    ours_whole: float
    ours_search: float
    theirs_whole: float
    theirs_search: float
    bare_search: float
    timings: Timings


def run(options: BenchOptions, console: Console) -> Report:
    """Times every conversation with both, one after the other, and then over gRPC through Ray."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    measured, failures = _measure(directory, given.scratch, conversations, options.passes, console)
    tokens = IndexManifest.load(directory).num_tokens
    rows = [_row(name, measured, field) for name, field in _ROWS]
    figures = _figures(measured)
    notes = [
        f"ours: median of {options.passes} warm passes a conversation; infini-gram: one run (a second was no faster)",
        "bare: its C++ engine's attribute, results not converted to Python objects; as many passes as ours",
        describe_steps("ours", [one.timings for one in measured], [one.ours_whole for one in measured]),
    ]
    if options.remote:
        remote = compare_with_remote(options, conversations, console)
        rows += remote.rows
        figures |= remote.figures
        failures += remote.failures
        notes += remote.notes
    return Report(
        title=f"whole trace of {len(conversations)} answers in {tokens:,} tokens, warm, one request in flight",
        columns=("milliseconds", "p50", "p95", "p99", "mean"),
        rows=rows,
        figures=figures,
        failures=failures,
        notes=notes,
    )


_ROWS = (
    ("headwater, whole trace", "ours_whole"),
    ("infini-gram, whole trace", "theirs_whole"),
    ("headwater, tokens to kept spans", "ours_search"),
    ("infini-gram, tokens to kept spans", "theirs_search"),
    ("infini-gram, bare attribute", "bare_search"),
)


def _measure(
    directory: Path, scratch: Path, conversations: Sequence[Conversation], passes: int, console: Console
) -> tuple[list[Measured], list[str]]:
    measured, failures = [], []
    # As infini-gram does it: nothing is looked for in the documents; `bench redaction` says what that takes.
    with headwater.open(directory, redaction="off") as index:
        peer = InfiniGramPeer(searched_index(directory, None), scratch)
        for number, conversation in enumerate(conversations):
            with console.status(f"conversation {number + 1} of {len(conversations)}"):
                one, lines = _measure_one(index, peer, conversation, passes)
            failures += [f"{conversation.id}: {line}" for line in lines]
            measured.append(one)
    return measured, failures


def _measure_one(
    index: EmbeddedIndex, peer: InfiniGramPeer, conversation: Conversation, passes: int
) -> tuple[Measured, list[str]]:
    """Measures one conversation with both, ours first: infini-gram's results are hundreds of thousands of objects."""
    first = index.trace(conversation.response, conversation.prompt)
    ours = [_timed(index, conversation) for _ in range(passes)]
    theirs = peer.trace(conversation)
    bare = [_timed_bare(peer, conversation) for _ in range(passes)]
    whole_ms, timings = sorted(ours, key=lambda one: one[0])[len(ours) // 2]
    measured = Measured(
        ours_whole=whole_ms,
        ours_search=statistics.median(one.search_ms + one.filter_ms for _, one in ours),
        theirs_whole=theirs.whole_ms,
        theirs_search=theirs.search_ms,
        bare_search=statistics.median(bare),
        timings=timings,
    )
    return measured, differences(first, theirs)


def _timed(index: EmbeddedIndex, conversation: Conversation) -> tuple[float, Timings]:
    """Returns the milliseconds of a whole trace as the caller sees them, and the trace's own timings."""
    began = perf_counter()
    trace = index.trace(conversation.response, conversation.prompt)
    return (perf_counter() - began) * 1000, trace.timings


def _timed_bare(peer: InfiniGramPeer, conversation: Conversation) -> float:
    tokens = peer.tokens(conversation.response)
    began = perf_counter()
    found = peer.attribute_bare(tokens)
    milliseconds = (perf_counter() - began) * 1000
    del found  # releasing its results is not search
    return milliseconds


def differences(ours: Trace, theirs: PeerTrace) -> list[str]:
    """Returns what differs: kept spans, their counts, the number of maximal spans, or the documents' scores."""
    kept = [(span.start, span.end, span.count) for span in ours.spans]
    wanted = [(span.start, span.end, span.count) for span in theirs.kept]
    lines = [] if kept == wanted else [f"kept {kept}, infini-gram {wanted}"]
    if ours.num_maximal_spans != len(theirs.spans):
        lines.append(f"{ours.num_maximal_spans} maximal spans, infini-gram {len(theirs.spans)}")
    if len(theirs.scores) > _GUARDED_WINDOWS:
        unknown = [d.score for d in ours.documents if min(abs(d.score - s) for s in theirs.scores) > _SCORE_TOLERANCE]
        lines += [f"a document scores {score}, no window of infini-gram's does" for score in unknown]
    return lines


def _figures(measured: Sequence[Measured]) -> dict[str, float | int]:
    figures: dict[str, float | int] = {}
    for percent in _RATIO_PERCENTS:
        ours, theirs = (percentile(_column(measured, name), percent) for name in ("ours_whole", "theirs_whole"))
        figures[f"whole_ratio_p{percent}"] = theirs / ours
        figures[f"whole_ms_p{percent}"] = ours
    names = ("ours_search", "theirs_search", "bare_search")
    ours, theirs, bare = (percentile(_column(measured, name), 50) for name in names)
    figures["search_ratio_p50"] = theirs / ours
    figures["search_ratio_bare_p50"] = bare / ours
    figures["search_ms_p50"] = ours
    return figures


def _column(measured: Sequence[Measured], name: str) -> list[float]:
    return [getattr(one, name) for one in measured]


def _row(name: str, measured: Sequence[Measured], field: str) -> list[str]:
    values = _column(measured, field)
    return [name, *(f"{percentile(values, p):.2f}" for p in _SHOWN_PERCENTS), f"{statistics.fmean(values):.2f}"]
