"""The search step of every conversation on a cold index, by both engines in turn, and whether they agree."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.console import Console

from bench.agreement import disagreements
from bench.cold_request import ColdIndex, ColdRequest
from bench.conversations import Conversation
from bench.infini_gram_peer import InfiniGramPeer, bare_spans
from bench.our_search import Searched, opened_search
from bench.searched_index import searched_index


@dataclass(frozen=True, slots=True)
class ColdSearches:
    """One request a conversation: ours from the answer to its kept spans, infini-gram's bare ``attribute``."""

    ours: Sequence[ColdRequest[Searched]]
    theirs: Sequence[ColdRequest[None]]
    failures: Sequence[str]

    @property
    def disturbed(self) -> int:
        """Requests during which other processes read from the disk, however often they were repeated."""
        return sum(one.disturbed for one in (*self.ours, *self.theirs))


def cold_searches(
    directory: Path, scratch: Path, conversations: Sequence[Conversation], console: Console
) -> ColdSearches:
    """Searches for every conversation with both.

    Raises:
        BenchError: the index cannot be made cold (see `ColdIndex`).
    """
    index, cold = searched_index(directory, None), ColdIndex(directory)
    peer = InfiniGramPeer(index, scratch)
    ours, theirs, failures = [], [], []
    with opened_search(index) as search:
        search.search(conversations[0].response)  # what Python loads on first use is not the index's
        for number, conversation in enumerate(conversations):
            with console.status(f"{directory.name}: cold search {number + 1} of {len(conversations)}"):
                found = cold.request(partial(search.search, conversation.response))
                bare = cold.request(partial(peer.attribute_bare, peer.tokens(conversation.response)))
            wrong = disagreements(found.result.found(), bare_spans(bare.result))
            failures += [f"{directory.name}, {conversation.id}: {line}" for line in wrong]
            ours.append(found)
            theirs.append(bare.keeping(None))
    return ColdSearches(ours, theirs, failures)


def mean_reads(requests: Sequence[ColdRequest[object]]) -> float:
    """Returns how many reads the disk completed for a request, on average."""
    return statistics.fmean(one.read.reads for one in requests)


def reads_per_second(requests: Sequence[ColdRequest[object]]) -> float:
    """Returns all reads over all the time that the requests took."""
    return mean_reads(requests) / (statistics.fmean(one.milliseconds for one in requests) / 1000)
