"""Requests a second with 1, 2, 4 and 8 in flight: whole traces, ours beside infini-gram's."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

import headwater
from bench.clients import Load, Outcome, Spans, Tracer, run_clients
from bench.conversations import Conversation, read_conversations
from bench.corpus import inputs
from bench.infini_gram_peer import InfiniGramPeer, bare_spans, kept_spans
from bench.options import BenchOptions
from bench.report import Report
from bench.searched_index import searched_index
from index_format.manifest import IndexManifest

_CONCURRENT = (1, 2, 4, 8)
_SECONDS = 3.0
# One of infini-gram's traces takes as long as a hundred of ours, and nothing in it gets faster.
_THEIR_WARM_UP = 1


def run(options: BenchOptions, console: Console) -> Report:
    """Runs both with each number of clients, one after the other."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    with console.status("tracing once with infini-gram, for the spans that are expected"):
        expected = _expected(directory, given.scratch, conversations)
    ours, theirs = {}, {}
    for clients in _CONCURRENT:
        with console.status(f"{clients} in flight"):
            ours[clients] = run_clients(
                Load(open_ours, directory, conversations, expected, _SECONDS, len(conversations)), clients
            )
            theirs[clients] = run_clients(
                Load(open_theirs, directory, conversations, expected, _SECONDS, _THEIR_WARM_UP), clients
            )
    return Report(
        title=f"whole traces in {IndexManifest.load(directory).num_tokens:,} tokens, warm, a process a core",
        columns=("in flight", "headwater, requests/s", "infini-gram, requests/s", "ratio"),
        rows=[_row(clients, ours[clients], theirs[clients]) for clients in _CONCURRENT],
        figures=figures(ours, theirs),
        failures=_failures("headwater", ours) + _failures("infini-gram", theirs),
        notes=(
            "each client has one request in flight; a worker a core, with the index opened, takes them in turn",
            f"at least {_SECONDS:g} s each, and always whole rounds over the {len(conversations)} answers",
            "scaling_8: ours with 8 in flight over ours with 1; throughput_ratio_8: ours over theirs, both with 8",
        ),
    )


def figures(ours: Mapping[int, Outcome], theirs: Mapping[int, Outcome]) -> dict[str, float | int]:
    """Returns the published figures."""
    return {
        "scaling_8": ours[8].requests_per_second / ours[1].requests_per_second,
        "throughput_ratio_8": ours[8].requests_per_second / theirs[8].requests_per_second,
        "requests_per_second_1": ours[1].requests_per_second,
        "requests_per_second_8": ours[8].requests_per_second,
    }


def open_ours(directory: Path) -> Tracer:
    """Opens the index as `headwater.open` does."""
    index = headwater.open(directory)

    def trace(conversation: Conversation) -> Spans:
        found = index.trace(conversation.response, conversation.prompt)
        return [(span.start, span.end, span.count) for span in found.spans]

    return trace


def open_theirs(directory: Path) -> Tracer:
    """Opens the index with infini-gram."""
    with tempfile.TemporaryDirectory() as scratch:
        peer = InfiniGramPeer(searched_index(directory, None), Path(scratch))

    def trace(conversation: Conversation) -> Spans:
        return [(span.start, span.end, span.count) for span in peer.trace(conversation).kept]

    return trace


def _expected(directory: Path, scratch: Path, conversations: Sequence[Conversation]) -> list[Spans]:
    peer = InfiniGramPeer(searched_index(directory, None), scratch)
    expected = []
    for conversation in conversations:
        tokens = peer.tokens(conversation.response)
        kept = kept_spans(bare_spans(peer.attribute_bare(tokens)), len(tokens))
        expected.append([(span.start, span.end, span.count) for span in kept])
    return expected


def _row(clients: int, ours: Outcome, theirs: Outcome) -> list[str]:
    ratio = ours.requests_per_second / theirs.requests_per_second
    return [str(clients), f"{ours.requests_per_second:.1f}", f"{theirs.requests_per_second:.2f}", f"{ratio:.0f}"]


def _failures(name: str, outcomes: Mapping[int, Outcome]) -> list[str]:
    return [
        f"{name}, {clients} in flight: {one.num_wrong} of {one.num_requests} answers have other spans than expected"
        for clients, one in outcomes.items()
        if one.num_wrong
    ]
