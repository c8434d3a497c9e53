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


@dataclass(frozen=True, slots=True)
class Rate:
    """How much one client may ask: tokens a second, and at once after a quiet time. 0 tokens a second: no limit."""

    tokens_per_s: float
    burst_tokens: float


@dataclass(slots=True)
class _Bucket:
    """Tokens that a client may still ask; below zero, what it has had in advance. True at the time ``at``."""

    tokens: float
    at: float
    rate: Rate


@dataclass(slots=True)
class Reservation:
    """What was taken from a bucket for one request, until it is `settle`d."""

    _limit: "RateLimit"
    _client: str
    _rate: Rate
    _tokens: float

    def settle(self, num_tokens: int) -> None:
        """Puts the estimate right: the request has cost so many tokens. The last word counts."""
        self._limit.give_back(self._client, self._rate, self._tokens - num_tokens)
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
        self._rate = Rate(tokens_per_s, burst_tokens)
        self._clock = clock
        self._max_clients = max_clients
        # By last use, so that those at the front are the fullest of their size.
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    @property
    def num_clients(self) -> int:
        """Clients that are remembered: those whose buckets may not be full."""
        return len(self._buckets)

    def reserve(self, client: str, num_tokens: int, own_rate: Rate | None = None) -> Reservation:
        """Takes an estimate from a client's bucket, which is of its own rate if it has one.

        A request larger than a whole bucket needs a full one, and leaves it in debt.

        Raises:
            RateLimitedError: there is not enough in it.
        """
        rate = own_rate or self._rate
        if rate.tokens_per_s <= 0:
            return Reservation(self, client, rate, 0)
        bucket = self._refilled(client, rate)
        missing = min(num_tokens, rate.burst_tokens) - bucket.tokens
        if missing > 0:
            retry_s = missing / rate.tokens_per_s
            raise RateLimitedError(
                f"this client has asked for more tokens than it may for now; come back in {retry_s:.1f} s",
                retry_s,
            )
        bucket.tokens -= num_tokens
        return Reservation(self, client, rate, num_tokens)

    def give_back(self, client: str, rate: Rate, num_tokens: float) -> None:
        """Returns tokens to a client's bucket; takes them, if below zero."""
        if rate.tokens_per_s > 0:
            bucket = self._refilled(client, rate)
            bucket.tokens = min(bucket.tokens + num_tokens, rate.burst_tokens)

    def _refilled(self, client: str, rate: Rate) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(client)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[client] = _Bucket(rate.burst_tokens, now, rate)
        else:
            self._buckets.move_to_end(client)
            bucket.tokens, bucket.at, bucket.rate = min(_level(bucket, now), rate.burst_tokens), now, rate
        return bucket

    def _forget(self, now: float) -> None:
        """Drops buckets that are full again, which a new one equals; and the longest unused when there are too many."""
        for _ in range(_FORGOTTEN_AT_ONCE):
            if not self._buckets:
                return
            oldest = next(iter(self._buckets.values()))
            if len(self._buckets) < self._max_clients and _level(oldest, now) < oldest.rate.burst_tokens:
                return
            self._buckets.popitem(last=False)


def _level(bucket: _Bucket, now: float) -> float:
    rate = bucket.rate
    return min(bucket.tokens + (now - bucket.at) * rate.tokens_per_s, rate.burst_tokens)
