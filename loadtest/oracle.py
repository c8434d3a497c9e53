"""Whether an answer is one that may be given at its time: of a generation and of takedowns that may be in force."""

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from bench.faults.cluster import CORPUS
from bench.faults.history import History
from bench.faults.indexes import Indexes
from bench.faults.oracle import Oracle
from bench.faults.outcomes import Outcome
from index_format.manifest import IndexManifest
from index_format.takedowns import DocumentTarget, Takedown

Takedowns = tuple[Takedown, ...]


class TimelyOracle:
    """The oracle of the fault suite, which also minds *when* an answer was given.

    An answer of a generation that was swapped out, or one that shows a document after its takedown was obeyed
    everywhere, is wrong, though it was right before: a stale cache would give such answers.
    """

    def __init__(self, indexes: Indexes, served: History[Path], takedowns: History[Takedowns]):
        """Opens both generations.

        Args:
            indexes: What may be served.
            served: Which directory was served when.
            takedowns: Which takedowns were in force when.
        """
        self._oracle = Oracle([indexes.copies[0], indexes.next_generation], CORPUS, indexes.answers)
        self._served = served
        self._takedowns = takedowns
        self._ids = {path: IndexManifest.load(path).index_id for path in (*indexes.copies, indexes.next_generation)}

    def is_right(self, outcome: Outcome) -> bool:
        """Says whether an answer is right for what may have been in force between its due time and its end."""
        found = outcome.searched
        if found is None or len(found.index_ids) != 1:
            return False
        times = outcome.intended_s, outcome.finished_s
        served = {self._ids.get(path) for path in self._served.possible(*times)}
        return found.index_ids[0] in served and any(
            self._oracle.is_right(outcome, takedowns) for takedowns in self._takedowns.possible(*times)
        )

    def shown_documents(self, requests: Sequence[int]) -> list[tuple[int, DocumentTarget]]:
        """Returns, for each request, the document that the first generation shows first: its takedown is noticed."""
        found = []
        for request in requests:
            trace = self._oracle.trace(request)
            index_id = trace.coverage.corpora[0].index_id
            found += [(request, DocumentTarget(index_id, one.id.shard, one.id.number)) for one in trace.documents[:1]]
        return found

    def __enter__(self) -> Self:
        self._oracle.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._oracle.__exit__(kind, error, traceback)
