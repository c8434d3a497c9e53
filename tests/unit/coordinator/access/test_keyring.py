import hmac
import re
from datetime import UTC, datetime, timedelta

import pytest

from coordinator.access import keyring
from coordinator.access.keyring import KeyHolder, Keyring, KeySecret, Refusal, hash_of, new_key
from coordinator.access.roles import Role

NOW = datetime(2026, 11, 22, tzinfo=UTC)
HOLDER = KeyHolder("a", frozenset({Role.TRACE}))


def test_a_new_key_is_256_random_bits_that_nobody_has() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert all(re.fullmatch(r"hw_[\w-]{43}", key) for key in keys)


def test_a_key_is_found_by_its_hash_alone() -> None:
    keys = [new_key() for _ in range(5)]
    holders = [KeyHolder(str(number), frozenset({Role.TRACE})) for number in range(5)]
    ring = Keyring(KeySecret(hash_of(key), holder) for key, holder in zip(keys, holders, strict=True))
    assert [ring.find(key, NOW) for key in keys] == holders
    assert all(key not in repr(ring.__dict__) for key in keys)


@pytest.mark.parametrize("near", [str.lower, lambda key: key[:-1], lambda key: key + "A", lambda key: " " + key])
def test_what_is_nearly_a_key_is_none(near: object) -> None:
    key = "hw_" + "Ab1_-" * 8 + "xyZ"
    ring = Keyring([KeySecret(hash_of(key), HOLDER)])
    assert ring.find(key, NOW) is HOLDER
    assert ring.find(near(key), NOW) is Refusal.UNKNOWN  # type: ignore[operator]


def test_none_and_an_unknown_one_are_told_apart_for_operators() -> None:
    ring = Keyring([])
    assert ring.find("", NOW) is Refusal.MISSING
    assert ring.find(new_key(), NOW) is Refusal.UNKNOWN
    assert ring.find("\udcff\ud800", NOW) is Refusal.UNKNOWN


def test_a_word_whose_hash_somebody_put_into_the_file_is_no_key() -> None:
    ring = Keyring([KeySecret(hash_of("password"), HOLDER)])
    assert ring.find("password", NOW) is Refusal.UNKNOWN


def test_a_key_is_good_from_its_first_moment_to_before_its_last() -> None:
    key, hour = new_key(), timedelta(hours=1)
    ring = Keyring([KeySecret(hash_of(key), HOLDER, NOW, NOW + hour)])
    assert ring.find(key, NOW - timedelta(microseconds=1)) is Refusal.EARLY
    assert ring.find(key, NOW) is HOLDER
    assert ring.find(key, NOW + hour - timedelta(microseconds=1)) is HOLDER
    assert ring.find(key, NOW + hour) is Refusal.EXPIRED


def test_every_hash_is_compared_wherever_the_key_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the time of an answer would tell where."""
    keys = [new_key() for _ in range(20)]
    ring = Keyring(KeySecret(hash_of(key), HOLDER) for key in keys)
    compared: list[bytes] = []
    real = hmac.compare_digest

    def compare(first: bytes, second: bytes) -> bool:
        compared.append(first)
        return real(first, second)

    monkeypatch.setattr(keyring.hmac, "compare_digest", compare)
    for key in (keys[0], keys[-1], new_key(), ""):
        ring.find(key, NOW)
        assert len(compared) == 20
        compared.clear()
