"""The trace on a cold index: the page cache is dropped before each request, for ours and for infini-gram alike."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

import headwater
from bench.cold_request import ColdIndex, ColdRequest
from bench.conversations import Conversation, read_conversations
from bench.corpus import inputs
from bench.infini_gram_peer import InfiniGramPeer
from bench.options import BenchOptions
from bench.report import Report, percentile
from bench.searched_index import searched_index
from bench.trace import differences
from coordinator.results import Timings
from index_format.manifest import IndexManifest

_MOST_PASSES = 3


@dataclass(frozen=True, slots=True)
class Measured:
    """What one side took for every conversation: milliseconds, and the disk's reads and their bytes if it was alone."""

    milliseconds: list[float]
    reads: list[float]
    size_bytes: list[float]


@dataclass(frozen=True, slots=True)
class _Cold:
    """The requests of one conversation: ours several times, infini-gram's once, each with its search step's time.

    The traces themselves are not kept: one of infini-gram's holds up to millions of occurrences.
    """

    ours: Sequence[ColdRequest[float]]
    theirs: ColdRequest[float]
    bare: ColdRequest[None]

    @property
    def disturbed(self) -> int:
        """How many of them other processes disturbed."""
        return sum(one.disturbed for one in (*self.ours, self.theirs, self.bare))


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
        ours, theirs, search, their_search, bare = (percentile(side.milliseconds, percent) for side in sides.values())
        found[f"cold_ratio_p{percent}"] = theirs / ours
        found[f"cold_ms_p{percent}"] = ours
        found[f"cold_search_ratio_p{percent}"] = their_search / search
        found[f"cold_search_ratio_bare_p{percent}"] = bare / search
        found[f"cold_search_ms_p{percent}"] = search
    return found


def _measure(
    directory: Path, scratch: Path, conversations: Sequence[Conversation], passes: int, console: Console
) -> tuple[list[_Cold], list[str]]:
    cold, peer = ColdIndex(directory), InfiniGramPeer(searched_index(directory, None), scratch)
    requests, failures = [], []
    with headwater.open(directory) as index:
        # What Python and the libraries load on first use is not the index's.
        index.trace(conversations[0].response, conversations[0].prompt)
        peer.trace(conversations[0])
        for number, conversation in enumerate(conversations):
            with console.status(f"conversation {number + 1} of {len(conversations)}"):
                trace = partial(index.trace, conversation.response, conversation.prompt)
                ours = [cold.request(trace) for _ in range(passes)]
                theirs = cold.request(partial(peer.trace, conversation))
                wrong = differences(ours[0].result, theirs.result)
                failures += [f"{conversation.id}: {line}" for line in wrong]
                requests.append(
                    _Cold(
                        ours=[one.keeping(_search_ms(one.result.timings)) for one in ours],
                        theirs=theirs.keeping(theirs.result.search_ms),
                        bare=_cold_bare(cold, peer, conversation),
                    )
                )
    return requests, failures


def _cold_bare(cold: ColdIndex, peer: InfiniGramPeer, conversation: Conversation) -> ColdRequest[None]:
    return cold.request(partial(peer.attribute_bare, peer.tokens(conversation.response))).keeping(None)


def _search_ms(timings: Timings) -> float:
    return timings.search_ms + timings.filter_ms


def _sides(requests: Sequence[_Cold]) -> dict[str, Measured]:
    return {
        "headwater, whole trace": _side([one.ours for one in requests]),
        "infini-gram, whole trace": _side([[one.theirs] for one in requests]),
        "headwater, tokens to kept spans": Measured(
            [statistics.median(same.result for same in one.ours) for one in requests], [], []
        ),
        "infini-gram, tokens to kept spans": Measured([one.theirs.result for one in requests], [], []),
        "infini-gram, bare attribute": _side([[one.bare] for one in requests]),
    }


def _side(requests: Sequence[Sequence[ColdRequest[object]]]) -> Measured:
    """Returns the medians of each conversation's requests."""
    return Measured(
        [statistics.median(one.milliseconds for one in same) for same in requests],
        [statistics.median(one.read.reads for one in same) for same in requests],
        [statistics.median(one.read.size_bytes for one in same) for same in requests],
    )


def _row(name: str, side: Measured) -> list[str]:
    milliseconds = [*(percentile(side.milliseconds, p) for p in (50, 95)), statistics.fmean(side.milliseconds)]
    disk = ["-", "-", "-"]
    if side.reads:
        reads, mib = statistics.fmean(side.reads), statistics.fmean(side.size_bytes) / 2**20
        disk = [f"{reads:,.0f}", f"{mib:.1f}", f"{1000 * reads / milliseconds[-1]:,.0f}"]
    return [name, *(f"{value:.1f}" for value in milliseconds), *disk]


def _notes(requests: Sequence[_Cold], passes: int) -> list[str]:
    notes = [
        f"ours: median of {passes} a conversation; infini-gram: one; in turn, on the same files and disk",
        "disk reads and MiB: means, as the disk counted them; reads/s: reads over time, both means",
        "bare: its C++ engine's attribute in a request of its own, results not converted to Python objects",
    ]
    if disturbed := sum(one.disturbed for one in requests):
        notes.append(f"in {disturbed} requests other processes read from the disk, too: run it on a quiet machine")
    return notes
