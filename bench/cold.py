"""The trace on a cold index: the page cache is dropped before each request, for ours and for infini-gram alike."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

import headwater
from bench.agreement import disagreements
from bench.cold_request import ColdIndex, ColdRequest
from bench.conversations import Conversation, read_conversations
from bench.corpus import inputs
from bench.infini_gram_peer import InfiniGramPeer, PeerTrace, bare_spans
from bench.options import BenchOptions
from bench.our_search import OurSearch, Searched, opened_search
from bench.report import Report, percentile
from bench.searched_index import searched_index
from bench.trace import differences
from coordinator.values import Trace
from headwater.embedded import EmbeddedIndex
from index_format.manifest import IndexManifest

_MOST_PASSES = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """What one side did for every conversation, cold: milliseconds, and reads of the disk with their bytes."""

    milliseconds: list[float]
    reads: list[float]
    size_bytes: list[float]


@dataclass(frozen=True, slots=True)
class _Cold:
    """The requests of one conversation: ours several times, infini-gram's once."""

    ours: Sequence[ColdRequest[Trace]]
    search: Sequence[ColdRequest[Searched]]
    theirs: ColdRequest[PeerTrace]
    bare: ColdRequest[object]

    @property
    def disturbed(self) -> int:
        """How many of them other processes disturbed."""
        return sum(one.disturbed for one in (*self.ours, *self.search, self.theirs, self.bare))


def run(options: BenchOptions, console: Console) -> Report:
    """Times every conversation with both, each request on an index of which no page is in memory."""
    given = inputs(options.index, options.conversations, shards=(1,), console=console)
    conversations = read_conversations(given.conversations)
    [directory] = given.directories
    passes = min(_MOST_PASSES, options.passes)
    requests, failures = _measure(directory, given.scratch, conversations, passes, console)
    sides = _sides(requests)
    return Report(
        title=f"{len(conversations)} answers in {IndexManifest.load(directory).num_tokens:,} tokens, "
        "page cache dropped before each request, one in flight",
        columns=("", "p50 ms", "p95 ms", "mean ms", "disk reads", "MiB", "reads/s"),
        rows=[_row(name, side) for name, side in sides.items()],
        figures=figures(sides),
        failures=failures,
        notes=_notes(requests, passes),
    )


def figures(sides: dict[str, Measured]) -> dict[str, float | int]:
    """Returns the published figures: theirs over ours, each a percentile over the conversations."""
    found: dict[str, float | int] = {}
    for percent in (50, 95):
        ours, theirs, search, bare = (percentile(side.milliseconds, percent) for side in sides.values())
        found[f"cold_ratio_p{percent}"] = theirs / ours
        found[f"cold_ms_p{percent}"] = ours
        found[f"cold_search_ratio_bare_p{percent}"] = bare / search
        found[f"cold_search_ms_p{percent}"] = search
    return found


def _measure(
    directory: Path, scratch: Path, conversations: Sequence[Conversation], passes: int, console: Console
) -> tuple[list[_Cold], list[str]]:
    index, cold = searched_index(directory, None), ColdIndex(directory)
    peer = InfiniGramPeer(index, scratch)
    requests, failures = [], []
    with headwater.open(directory) as opened, opened_search(index) as search:
        # What Python and the libraries load on first use is not the index's.
        opened.trace(conversations[0].response, conversations[0].prompt)
        search.search(conversations[0].response)
        peer.trace(conversations[0])
        for number, conversation in enumerate(conversations):
            with console.status(f"conversation {number + 1} of {len(conversations)}"):
                one, wrong = _one(cold, opened, search, peer, conversation, passes)
            requests.append(one)
            failures += [f"{conversation.id}: {line}" for line in wrong]
    return requests, failures


def _one(
    cold: ColdIndex,
    opened: EmbeddedIndex,
    search: OurSearch,
    peer: InfiniGramPeer,
    conversation: Conversation,
    passes: int,
) -> tuple[_Cold, list[str]]:
    tokens = peer.tokens(conversation.response)
    trace = partial(opened.trace, conversation.response, conversation.prompt)
    ours = [cold.request(trace) for _ in range(passes)]
    theirs = cold.request(partial(peer.trace, conversation))
    found = [cold.request(partial(search.search, conversation.response)) for _ in range(passes)]
    bare = cold.request(partial(peer.attribute_bare, tokens))
    wrong = differences(ours[0].result, theirs.result) + disagreements(found[0].result.found(), bare_spans(bare.result))
    return _Cold(ours, found, theirs, bare), wrong


def _sides(requests: Sequence[_Cold]) -> dict[str, Measured]:
    return {
        "headwater, whole trace": _side(requests, lambda one: one.ours),
        "infini-gram, whole trace": _side(requests, lambda one: [one.theirs]),
        "headwater, answer to kept spans": _side(requests, lambda one: one.search),
        "infini-gram, bare attribute": _side(requests, lambda one: [one.bare]),
    }


def _side(requests: Sequence[_Cold], of: Callable[[_Cold], Sequence[ColdRequest[object]]]) -> Measured:
    """Returns the median of each conversation's requests."""
    return Measured(
        [statistics.median(one.milliseconds for one in of(request)) for request in requests],
        [statistics.median(one.read.reads for one in of(request)) for request in requests],
        [statistics.median(one.read.size_bytes for one in of(request)) for request in requests],
    )


def _row(name: str, side: Measured) -> list[str]:
    reads, seconds = statistics.fmean(side.reads), statistics.fmean(side.milliseconds) / 1000
    return [
        name,
        *(f"{percentile(side.milliseconds, percent):.1f}" for percent in (50, 95)),
        f"{statistics.fmean(side.milliseconds):.1f}",
        f"{reads:,.0f}",
        f"{statistics.fmean(side.size_bytes) / 2**20:.1f}",
        f"{reads / seconds:,.0f}",
    ]


def _notes(requests: Sequence[_Cold], passes: int) -> list[str]:
    notes = [
        f"ours: median of {passes} a conversation; infini-gram: one; in turn, on the same files and disk",
        "disk reads and MiB: means, as the disk counted them; reads/s: reads over time, both means",
        "answer to kept spans includes tokenizing; the bare attribute does not",
    ]
    disturbed = sum(request.disturbed for request in requests)
    if disturbed:
        notes.append(f"in {disturbed} requests other processes read from the disk, too: run it on a quiet machine")
    return notes
