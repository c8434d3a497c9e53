"""Who asks, as metadata says."""

import pytest

from coordinator.api import caller
from coordinator.api.caller import Caller, caller_of
from runtime import request_id


def test_a_caller_has_the_names_it_gives() -> None:
    metadata = [("X-Request-Id", "r-1"), ("x-client-id", "team/a@b"), ("other", "x"), ("some-bin", b"\x00")]
    assert caller_of(metadata) == Caller("r-1", "team/a@b")


def test_a_request_without_an_id_gets_one_of_its_own() -> None:
    first, second = caller_of([]), caller_of([])
    assert first.request_id != second.request_id
    assert len(first.request_id) == 32
    assert first.client_id == ""


@pytest.mark.parametrize("client", ["", "a b", "a\nb", "ä", "a" * 129])
def test_a_client_id_that_logs_cannot_hold_is_none(client: str) -> None:
    assert caller_of([("x-client-id", client)]).client_id == ""


@pytest.mark.parametrize("id_", ["a b", "a\nb", "a" * 129])
def test_a_request_id_that_logs_cannot_hold_is_replaced(id_: str) -> None:
    assert caller_of([("x-request-id", id_)]).request_id != id_


def test_the_caller_and_the_id_in_logs_are_current_while_it_is_served_and_no_longer() -> None:
    with caller.serving(Caller("r-1", "c")):
        assert caller.current() == Caller("r-1", "c")
        assert request_id.current() == "r-1"
    assert caller.current() == Caller("")
    assert request_id.current() is None
