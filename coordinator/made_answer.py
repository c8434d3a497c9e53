"""A trace in the forms that it is there in: values, a message, or both."""

from collections.abc import Iterable
from dataclasses import dataclass

from coordinator.access.text_budgets import ShownDocument
from coordinator.api.codec import decode_trace, encode_trace
from coordinator.api.large_answers import num_chars, off_loop_if_large
from coordinator.results import Trace
from protos.coordinator.v1 import coordinator_pb2 as pb


@dataclass(frozen=True, slots=True)
class MadeAnswer:
    """A trace; one of the two is there at least."""

    trace: Trace | None = None
    response: pb.TraceResponse | None = None

    @property
    def documents(self) -> Iterable[ShownDocument]:
        """Its documents, in the form that is there."""
        if self.trace is not None:
            return self.trace.documents
        assert self.response is not None
        return self.response.trace.documents

    async def as_response(self) -> pb.TraceResponse:
        """Returns it as a message."""
        if self.response is not None:
            return self.response
        assert self.trace is not None
        return await off_loop_if_large(encode_trace, self.trace, num_chars(self.trace))

    async def as_trace(self) -> Trace:
        """Returns it as values."""
        if self.trace is not None:
            return self.trace
        assert self.response is not None
        return await off_loop_if_large(decode_trace, self.response, self.response.ByteSize())
