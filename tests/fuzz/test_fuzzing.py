"""The fuzzing itself: it finds what is there to be found, and repeats itself."""

from random import Random

import pytest

from bench.fuzz import child, suite, targets
from bench.fuzz.mutation import MOST_BYTES, Mutator
from bench.fuzz.structure import changed_json, changed_messages
from bench.fuzz.target import Target
from protos.shard.v1 import shard_pb2 as pb

_TARGET = Target(lambda content: None, [b'{"a": [1, 2, {"b": "text"}]}'], structured=changed_json())


def test_the_same_seed_gives_the_same_inputs_and_another_others() -> None:
    def inputs(seed: int) -> list[bytes]:
        mutator = Mutator(_TARGET, Random(seed))
        return [mutator.next() for _ in range(500)]

    assert inputs(1) == inputs(1)
    assert len(set(inputs(1)) - set(inputs(2))) > 200
    assert max(map(len, inputs(1))) <= MOST_BYTES


def test_changed_messages_are_messages_still_and_most_are_others() -> None:
    change = changed_messages([pb.GetWindowsRequest, pb.DescribeRequest])
    seed = b"\0" + pb.GetWindowsRequest(index_id="x", ranks=bytes(16), lengths=bytes(8)).SerializeToString()
    made = {change(Random(number), seed) for number in range(300)}
    assert len(made) > 100
    for content in made:
        pb.GetWindowsRequest.FromString(content[1:])
    assert change(Random(1), b"\1") == b"\1"


def test_an_error_that_must_not_be_is_kept_with_its_input(tmp_path, monkeypatch) -> None:
    def fragile(content: bytes) -> None:
        if content.count(b"[") != content.count(b"]"):
            raise IndexError("unbalanced")

    arguments = child._arguments(["json lines", "--index", "x", "--folder", str(tmp_path), "--cases", "500"])
    findings, cases, _ = child._fuzz(Target(fragile, _TARGET.seeds), arguments)
    assert cases == 500
    assert [kind.split(" at ")[0] for kind in findings] == ["IndexError"]
    (kept,) = findings.values()
    with pytest.raises(IndexError):
        fragile((tmp_path / kept).read_bytes())


def test_a_process_that_dies_is_a_crash_and_its_input_is_kept(tmp_path, monkeypatch) -> None:
    script = tmp_path / "python"
    script.write_text(
        '#!/bin/sh\nwhile [ "$1" != --folder ]; do shift; done\n'
        'printf "\\002\\0\\0\\0\\0\\0\\0\\0abcd" > "$2/current"\nkill -SEGV $$\n'
    )
    script.chmod(0o755)
    monkeypatch.setattr(suite.sys, "executable", str(script))
    monkeypatch.setattr(suite, "KEPT", tmp_path)
    outcome = suite.fuzz("text files", tmp_path, cases=2, seconds=5)
    assert len(outcome.crashes) == outcome.cases == 2
    assert "-11" in outcome.crashes[0]
    assert outcome.kept[0].read_bytes() == b"ab"


def test_shares_are_of_a_thousand() -> None:
    assert sum(share.per_thousand for share in targets.TARGETS.values()) == 1000
