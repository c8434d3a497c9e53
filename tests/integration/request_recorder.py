"""What a load test's client processes tell of each request, for the tests of it."""

from loadtest.plan import Sent
from loadtest.replies import Reply
from protos.coordinator.v1 import coordinator_pb2 as pb


class Recorder:
    """Tells workload, text, serial, code and latency in seconds."""

    def observe(self, sent: Sent, reply: Reply) -> object:
        """Returns what is told of a request."""
        assert reply.answer is None or isinstance(reply.answer, pb.TraceResponse)
        return sent.workload, sent.text, sent.serial, reply.code, sent.finished_s - sent.due_s


def make_recorder() -> Recorder:
    """Returns one."""
    return Recorder()
