"""How much one client may ask: a bucket of tokens for each, refilled at a steady rate.

What a request costs is known only once it is tokenized, so an estimate is taken at first and put right afterwards.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from coordinator.errors import RateLimitedError

# Characters a token, at the low end of what tokenizers do with English: the estimate errs on the high side.
CHARS_PER_TOKEN = 3
# A client is anyone who says a name, so the number of names is bounded too.
_MAX_CLIENTS = 10_000
# Clients forgotten with each new one: one more than come, so that a crowd of names drains away again.
_FORGOTTEN_AT_ONCE = 2


def estimated_tokens(num_chars: int) -> int:
    """Returns how many tokens a text of so many characters is likely to have, rather too many than too few."""
    return num_chars // CHARS_PER_TOKEN + 1


@dataclass(slots=True)
class _Bucket:
    """Tokens that a client may still ask; below zero, what it has had in advance. True at the time ``at``."""

    tokens: float
    at: float


@dataclass(slots=True)
class Reservation:
    """What was taken from a bucket for one request, until it is `settle`d."""

    _limit: "RateLimit"
    _client: str
    _tokens: float

    def settle(self, num_tokens: int) -> None:
        """Puts the estimate right: the request has cost so many tokens. The last word counts."""
        self._limit.give_back(self._client, self._tokens - num_tokens)
        self._tokens = num_tokens


class RateLimit:
    """Limits what each client asks. A rate of 0 is no limit."""

    def __init__(
        self,
        tokens_per_s: float,
        burst_tokens: float,
        *,
        clock: Callable[[], float] = monotonic,
        max_clients: int = _MAX_CLIENTS,
    ):
        """Takes the rate and the size of a bucket, in tokens of the answers that are asked about."""
        self._tokens_per_s = tokens_per_s
        self._burst_tokens = burst_tokens
        self._clock = clock
        self._max_clients = max_clients
        # By last use, so that those at the front are the fullest of their size.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @property
    def num_clients(self) -> int:
        """Clients that are remembered: those whose buckets may not be full."""
        return len(self._buckets)

    def reserve(self, client: str, num_tokens: int) -> Reservation:
        """Takes an estimate from a client's bucket.

        A request larger than a whole bucket needs a full one, and leaves it in debt.

        Raises:
            RateLimitedError: there is not enough in it.
        """
        if self._tokens_per_s <= 0:
            return Reservation(self, client, 0)
        bucket = self._refilled(client)
        missing = min(num_tokens, self._burst_tokens) - bucket.tokens
        if missing > 0:
            retry_s = missing / self._tokens_per_s
            raise RateLimitedError(
                f"this client has asked for more tokens than it may for now; come back in {retry_s:.1f} s",
                retry_s,
            )
        bucket.tokens -= num_tokens
        return Reservation(self, client, num_tokens)

    def give_back(self, client: str, num_tokens: float) -> None:
        """Returns tokens to a client's bucket; takes them, if below zero."""
        if self._tokens_per_s > 0:
            bucket = self._refilled(client)
            bucket.tokens = min(bucket.tokens + num_tokens, self._burst_tokens)

    def _refilled(self, client: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[client] = _Bucket(self._burst_tokens, now)
        else:
            self._buckets.move_to_end(client)
            bucket.tokens, bucket.at = self._level(bucket, now), now
        return bucket

    def _level(self, bucket: _Bucket, now: float) -> float:
        return min(bucket.tokens + (now - bucket.at) * self._tokens_per_s, self._burst_tokens)

    def _forget(self, now: float) -> None:
        """Drops buckets that are full again, which a new one equals; and the longest unused when there are too many."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._buckets:
                return
            oldest = next(iter(self._buckets))
            if len(self._buckets) < self._max_clients and self._level(self._buckets[oldest], now) < self._burst_tokens:
                return
            del self._buckets[oldest]
