from pathlib import Path

import pytest

import indexing
import indexing.publishing
from index_format.layout import INDEX_MANIFEST, SHARD_MANIFEST, shard_folder
from indexing.plan import BuildPlan, RawBytes


def test_everything_is_on_disk_before_the_manifest_is_renamed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.txt").write_text("the cat sat")
    directory = tmp_path / "index"
    seen: list[tuple[bool, bool]] = []

    def flush(folder: Path) -> None:
        assert folder == directory
        seen.append(((folder / shard_folder(0) / SHARD_MANIFEST).exists(), (folder / INDEX_MANIFEST).exists()))

    monkeypatch.setattr(indexing.publishing, "flush_directory", flush)
    indexing.build(BuildPlan(sources=(tmp_path / "a.txt",), output=directory, tokenizer=RawBytes()))
    assert seen == [(True, False)]
