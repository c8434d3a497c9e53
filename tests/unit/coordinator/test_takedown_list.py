import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator.errors import InvalidRequestError
from coordinator.takedown_list import KeptTakedown, TakedownList, shard_takedowns, with_added
from coordinator.takedowns import Takedown, to_keep
from index_format.errors import TakedownError
from index_format.takedowns import ContentTarget, DocumentTarget, DomainTarget, SourceTarget, UrlTarget

PATH = Path("/takedowns.json")
CONTENT = ContentTarget("ab" * 32, 7)
TAKEDOWNS = (
    KeptTakedown("a", DomainTarget("example.org"), ("pre",), "request 17", 1_790_000_000),
    KeptTakedown("b", DocumentTarget("1f2e", 3, 2**40, CONTENT), ("pre",)),
    KeptTakedown("c", UrlTarget("https://x/ü"), (), "naïve"),
    KeptTakedown("d", SourceTarget("wiki"), ("pre", "post")),
    KeptTakedown("e", CONTENT),
)


def test_a_list_comes_back_the_same() -> None:
    kept = TakedownList(7, TAKEDOWNS)
    assert TakedownList.parse(kept.to_json(), PATH) == kept


def test_a_list_of_none_comes_back_the_same() -> None:
    assert TakedownList.parse(TakedownList(1, ()).to_json(), PATH) == TakedownList(1, ())


def test_a_server_is_told_what_concerns_its_corpora() -> None:
    kept = TakedownList(7, TAKEDOWNS)
    assert [one.id for one in shard_takedowns(kept, {"pre": "i1"})] == ["a", "b", "c", "d", "e"]
    assert [one.id for one in shard_takedowns(kept, {"post": "i2"})] == ["c", "d", "e"]
    assert [one.id for one in shard_takedowns(kept, {"other": "i3"})] == ["c", "e"]


def test_a_document_is_hidden_in_its_index_whatever_the_corpus_is_called() -> None:
    kept = TakedownList(7, TAKEDOWNS)
    assert [one.id for one in shard_takedowns(kept, {"other": "1f2e"})] == ["b", "c", "e"]


def test_an_id_in_force_is_not_given_to_something_else() -> None:
    before = (KeptTakedown("case-17", DomainTarget("a.org"), (), "first", 5),)
    for other in (KeptTakedown("case-17", DomainTarget("b.org")), KeptTakedown("case-17", before[0].target, ("pre",))):
        with pytest.raises(InvalidRequestError, match=r"'case-17' is in force for something else.*lift that one first"):
            with_added(before, [other])
    assert with_added(before, [KeptTakedown("case-17", before[0].target, (), "first", 9)]) == before
    renewed = KeptTakedown("case-17", before[0].target, (), "second", 9)
    assert with_added(before, [renewed]) == (renewed,)


def test_what_redaction_put_there_is_not_taken_down() -> None:
    for wanted in (Takedown(url="https://x/[EMAIL]/1"), Takedown(source="board [PHONE]")):
        with pytest.raises(InvalidRequestError, match=r"has \[(EMAIL|PHONE)\] in its (url|source).*take the document"):
            to_keep(wanted)
    assert to_keep(Takedown(source="board [2]")).target == SourceTarget("board [2]")


def written(**changes: Any) -> bytes:
    fields: dict[str, Any] = {"version": 1, "epoch": 3, "takedowns": [{"id": "a", "url": "https://x"}]}
    return json.dumps(fields | changes).encode()


def one(**fields: Any) -> dict[str, Any]:
    return {"takedowns": [{"id": "a"} | fields]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "cannot read"),
        (b"\xff", "cannot read"),
        (b"[" * 100_000, "cannot read"),
        (b"[]", "is a JSON list"),
        (written(version=2), "version is 2, this build reads 1"),
        (written(epoch=0), "epoch is 0"),
        (written(epoch=True), "epoch is True"),
        (written(epoch=2**63), "epoch is 9223372036854775808"),
        (written(extra=1), "unknown field 'extra'"),
        (written(takedowns={}), "takedowns is missing or no list"),
        (written(takedowns=[7]), "a takedown is a JSON int"),
        (written(takedowns=[{"url": "x"}]), "the id of a takedown is missing"),
        (written(takedowns=[{"id": "a", "url": "x"}, {"id": "a", "url": "y"}]), "twice"),
        (written(**one()), "found none of"),
        (written(**one(url="x", domain="y")), "found domain and url of"),
        (written(**one(url="x", glob="*")), "unknown field 'glob'"),
        (written(**one(url="x", corpora="pre")), "corpora is no list of names"),
        (written(**one(url="x", corpora=[""])), "a name in corpora is empty"),
        (written(**one(url="x", reason=7)), "reason is no string"),
        (written(**one(url="x", reason="a" * 501)), "501 characters, expected at most 500"),
        (written(**one(url="x", added_s=-1)), "added_s is -1"),
        (written(**one(document={"index_id": "x", "shard": 0, "number": 1})), "document with 0 corpora"),
    ],
)
def test_what_is_no_list_is_refused_whole_with_the_reason_and_the_file(content: bytes, message: str) -> None:
    with pytest.raises(TakedownError, match=message) as raised:
        TakedownList.parse(content, PATH)
    assert str(PATH) in str(raised.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_list_or_refused(content: bytes) -> None:
    try:
        kept = TakedownList.parse(content, PATH)
    except TakedownError:
        return
    assert TakedownList.parse(kept.to_json(), PATH) == kept
