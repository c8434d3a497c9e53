"""A trace in the forms that it is there in: values, a message, or both."""

from collections.abc import Iterable
from dataclasses import dataclass

from coordinator.access.text_budgets import ShownDocument
from coordinator.access.told_numbers import untell_response, untold_trace
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

    def untold(self, is_any: bool) -> "MadeAnswer":
        """Returns it without the numbers of what was taken down; takes them out of the message itself."""
        if self.response is not None:
            untell_response(self.response, is_any)
        return MadeAnswer(untold_trace(self.trace, is_any) if self.trace is not None else None, self.response)

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
