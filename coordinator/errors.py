"""What can go wrong in answering, by who must act.

CoordinatorError
|-- InvalidRequestError      the caller: the request cannot be answered as it is
|-- DocumentNotFoundError    the caller: no such document
|-- ShardUnavailableError    nobody at once: a shard did not answer; a trace goes on without it
|-- NoShardAnsweredError     the operator: there is nothing to trace against
`-- ConfigurationError       the operator: placement, index and shards do not agree
"""


class CoordinatorError(Exception):
    """The base of what the coordinator raises."""


class InvalidRequestError(CoordinatorError):
    """A request cannot be answered as it is: empty, too long, or an option out of range."""


class DocumentNotFoundError(CoordinatorError):
    """There is no document with the id that was asked for."""


class ShardUnavailableError(CoordinatorError):
    """A shard did not answer in time, or at all. The message is the reason and names no content."""


class NoShardAnsweredError(CoordinatorError):
    """No shard answered, so there is nothing to trace against."""


class ConfigurationError(CoordinatorError):
    """The placement file, the index and the shards that answer do not agree."""
