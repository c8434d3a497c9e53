"""What became of one request, as its caller saw it."""

from dataclasses import dataclass

OK = "OK"
HUNG = "HUNG"
"""Stands in for a status: the server said nothing by the deadline, nor for a margin after it."""


@dataclass(frozen=True, slots=True)
class Searched:
    """What an answer says that it searched.

    Attributes:
        complete: Whether it claims to have searched everything.
        missing: The shards that it names as failed, each as ``corpus:number``.
        index_ids: The index of each corpus that it was answered from: the generation.
    """

    complete: bool
    missing: frozenset[str]
    index_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request of the steady traffic.

    Attributes:
        request: Which of the requests it was.
        intended_s: When it was due, by the monotonic clock; it counts as sent then, however late the sender was.
        finished_s: When its outcome was known.
        status: Name of its gRPC status, or `HUNG`.
        answer: Digest of what was answered (`answers.digest`); empty if the status is not `OK`.
        searched: What the answer says that it searched; None if the status is not `OK`.
        detail: What the status says, or why shards are missing.
    """

    request: int
    intended_s: float
    finished_s: float
    status: str
    answer: bytes = b""
    searched: Searched | None = None
    detail: str = ""

    @property
    def latency_s(self) -> float:
        """Time from when it was due to its outcome."""
        return self.finished_s - self.intended_s

    @property
    def is_complete(self) -> bool:
        """Whether it was answered from every shard."""
        return self.status == OK and self.searched is not None and self.searched.complete
