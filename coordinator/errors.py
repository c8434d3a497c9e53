"""What can go wrong in answering, by who must act.

CoordinatorError
|-- InvalidRequestError      the caller: the request cannot be answered as it is
|   `-- RequestTooLargeError the caller: the request, or its answer, has more bytes than a message may have
|-- UnauthenticatedError     the caller: it showed no key that is good now
|-- PermissionDeniedError    the caller: its key is for other things
|-- DocumentNotFoundError    the caller: no such document
|-- GenerationGoneError      the caller: the document is of an index that is not served any more; trace again
|-- ShardUnavailableError    nobody at once: a shard did not answer; a trace goes on without it
|   `-- WindowMismatchError  the operator: a shard's files are not what its index says; as if it did not answer
|-- ViewChangedError         nobody at once: documents were taken down meanwhile; the request begins once more
|-- NoShardAnsweredError     the operator: there is nothing to trace against
|-- IncompleteAnswerError    nobody at once: a shard did not answer, and the caller wanted all or nothing
|-- OverloadedError          the caller: too many requests at once, come back later
|   |-- RateLimitedError     the caller: this client asks too much, come back later
|   `-- BudgetSpentError     the caller: its key has been shown as much text as it may, come back later
`-- ConfigurationError       the operator: cluster file, index and shards do not agree
"""


class CoordinatorError(Exception):
    """The base of what the coordinator raises.

    ``request_id`` names the request in the coordinator's log where the error came from a coordinator; else it is empty.
    """

    request_id: str = ""


class InvalidRequestError(CoordinatorError):
    """A request cannot be answered as it is: empty, too long, or an option out of range.

    ``field`` is the one field of the request that is at fault, as a path like ``options.seed``; else it is empty.
    """

    def __init__(self, message: str, field: str = ""):
        super().__init__(message)
        self.field = field


class RequestTooLargeError(InvalidRequestError):
    """A request, or the answer to it, has more bytes than one message may have."""


class UnauthenticatedError(CoordinatorError):
    """A request came without a key that is good now. It is not told which of the two it is."""


class PermissionDeniedError(CoordinatorError):
    """A request came with a key that is good, but not for this."""


class DocumentNotFoundError(CoordinatorError):
    """There is no document with the id that was asked for."""


class GenerationGoneError(CoordinatorError):
    """The document that was asked for is of another index than the one that is served by now."""


class ShardUnavailableError(CoordinatorError):
    """A shard did not answer in time, or at all. The message is the reason and names no content."""


class WindowMismatchError(ShardUnavailableError):
    """A shard returned a window that does not hold the tokens it was asked for."""


class ViewChangedError(CoordinatorError):
    """Documents were taken down, or let back in, while the request was answered. No answer mixes the two states."""


class NoShardAnsweredError(CoordinatorError):
    """No shard answered, so there is nothing to trace against."""


class IncompleteAnswerError(CoordinatorError):
    """A shard did not answer, and the request required a complete answer."""


class OverloadedError(CoordinatorError):
    """More requests came than can be worked on. Nothing was done for this one.

    ``retry_after_s`` is when a request is likely to be taken, in seconds from now.
    """

    def __init__(self, message: str, retry_after_s: float):
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RateLimitedError(OverloadedError):
    """This client has asked for more than its share."""


class ConfigurationError(CoordinatorError):
    """The cluster file, an index and the shards that answer do not agree."""


class BudgetSpentError(OverloadedError):
    """This key has been shown as much text of documents as it may be for now."""
