"""What a soak keeps of each request: enough to say later whether its answer was right."""

from typing import NamedTuple

from bench.faults.answers import digest, reasons, searched
from bench.faults.outcomes import HUNG, OK, Outcome
from loadtest.plan import Sent
from loadtest.replies import Reply
from loadtest.results import NO_ANSWER
from protos.coordinator.v1 import coordinator_pb2 as pb


class Kept(NamedTuple):
    """A request and its outcome, and whether the answer was made for an earlier request."""

    outcome: Outcome
    cached: bool


class AnswerKeeper:
    """Makes digests of answers in the processes that send the requests. Implements `loadtest.plan.Observer`."""

    def observe(self, sent: Sent, reply: Reply) -> Kept:
        """Returns the outcome; of an answer its digest, what it searched, and why shards are missing."""
        times = sent.text, sent.due_s, sent.finished_s
        if not isinstance(reply.answer, pb.TraceResponse):
            return Kept(Outcome(*times, HUNG if reply.code == NO_ANSWER else reply.code), cached=False)
        trace = reply.answer.trace
        outcome = Outcome(*times, OK, digest(trace), searched(trace), reasons(trace))
        return Kept(outcome, reply.cached)


def make_observer() -> AnswerKeeper:
    """Returns the observer of a soak."""
    return AnswerKeeper()
