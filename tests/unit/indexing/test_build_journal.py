import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index_format.errors import TokenizerError
from indexing.build_journal import BuildJournal
from indexing.errors import UnfinishedBuildError
from indexing.plan import BuildPlan, HubTokenizer, RawBytes, TokenizerFile, TrainedTokenizer
from indexing.sources import find_corpus


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "corpus").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "corpus" / name).write_text(name)
    return tmp_path / "corpus"


def journal(source: Path, /, **fields: Any) -> BuildJournal:
    plan = BuildPlan(**{"sources": (source,), "output": Path("out"), "tokenizer": RawBytes(), **fields})
    return BuildJournal.of(plan, find_corpus(plan.sources))


def test_what_is_saved_is_loaded(source: Path, tmp_path: Path) -> None:
    saved = replace(journal(source, metadata_fields=("id", "url")), written={"shards": [[1, 2]]})
    assert BuildJournal.load(tmp_path) is None
    saved.save(tmp_path)
    assert BuildJournal.load(tmp_path) == saved


@pytest.mark.parametrize(
    "how",
    [
        {"output": Path("elsewhere")},
        {"memory_bytes": 1 << 30, "threads": 3, "parts": 5, "workers": 7, "ray_address": "auto"},
        {"work_dir": Path("/fast"), "fresh": True},
    ],
)
def test_how_the_work_is_done_may_change(source: Path, how: dict[str, Any], tmp_path: Path) -> None:
    found = journal(source)
    assert found.continued_by(journal(source, **how), tmp_path) == found


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tokenizer", TrainedTokenizer(300)),
        ("tokenizer", HubTokenizer("some/name")),
        ("shards", 2),
        ("text_field", "body"),
        ("metadata_fields", ("id",)),
        ("stage", "pretraining"),
        ("source", "cats"),
        ("accelerate", False),
    ],
)
def test_what_is_built_may_not(source: Path, field: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(UnfinishedBuildError, match=rf"cannot continue \({field}: .* there, .* asked for\)"):
        journal(source).continued_by(journal(source, **{field: value}), tmp_path)


def test_a_build_that_met_no_bad_line_may_begin_to_skip_them_but_not_the_other_way(
    source: Path, tmp_path: Path
) -> None:
    failing, skipping = journal(source), journal(source, skip_bad_lines=True)
    assert failing.continued_by(skipping, tmp_path) == replace(failing, options=skipping.options)
    with pytest.raises(UnfinishedBuildError, match="skip_bad_lines: True there, False asked for"):
        skipping.continued_by(failing, tmp_path)


def test_a_source_that_changed_is_named(source: Path, tmp_path: Path) -> None:
    found = journal(source)
    status = (source / "a.txt").stat()
    os.utime(source / "a.txt", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    with pytest.raises(UnfinishedBuildError, match=r"source a\.txt: changed since \(5 bytes then, 5 now\)"):
        found.continued_by(journal(source), tmp_path)


def test_sources_that_came_and_went_are_named(source: Path, tmp_path: Path) -> None:
    found = journal(source)
    (source / "a.txt").unlink()
    (source / "c.txt").write_text("x")
    with pytest.raises(UnfinishedBuildError, match=r"source a\.txt: gone since; source c\.txt: new since"):
        found.continued_by(journal(source), tmp_path)


def test_the_order_of_sources_decides_the_order_of_documents(source: Path, tmp_path: Path) -> None:
    one, other = (source / "a.txt", source / "b.txt"), (source / "b.txt", source / "a.txt")
    with pytest.raises(UnfinishedBuildError, match="sources: in another order"):
        journal(source, sources=one).continued_by(journal(source, sources=other), tmp_path)


def test_of_many_differences_the_first_are_told(source: Path, tmp_path: Path) -> None:
    for number in range(20):
        (source / f"{number}.txt").write_text("x")
    found = journal(source)
    for number in range(20):
        (source / f"{number}.txt").unlink()
    with pytest.raises(UnfinishedBuildError, match=r"; and 15 more\)"):
        found.continued_by(journal(source), tmp_path)


def test_a_tokenizer_is_told_by_its_content(source: Path, tmp_path: Path) -> None:
    for folder, content in (("one", b"x"), ("same", b"x"), ("other", b"y")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "tokenizer.json").write_bytes(content)
    found = journal(source, tokenizer=TokenizerFile(tmp_path / "one"))
    same = journal(source, tokenizer=TokenizerFile(tmp_path / "same" / "tokenizer.json"))
    assert found.continued_by(same, tmp_path) == found
    with pytest.raises(UnfinishedBuildError, match=r"tokenizer: 'sha256 .*' there, 'sha256 .*' asked for"):
        found.continued_by(journal(source, tokenizer=TokenizerFile(tmp_path / "other")), tmp_path)
    with pytest.raises(TokenizerError, match=r"absent: cannot read the tokenizer \(No such file"):
        journal(source, tokenizer=TokenizerFile(tmp_path / "absent"))


def test_only_a_trained_tokenizer_is_worth_keeping(source: Path) -> None:
    assert journal(source, tokenizer=TrainedTokenizer(300)).trains_tokenizer
    assert not journal(source).trains_tokenizer
