import json
from dataclasses import replace

import pytest

from headwater.index_report import print_build, source_lines
from index_format.manifest import IndexManifest
from indexing import BuildReport
from indexing.chunks import SourceCounts

MANIFEST = IndexManifest(1, "abc", 1, 1, 5000, 10, "bytes", "", 256, "", "", "headwater")
REPORT = BuildReport(10, 5000, 4990, 60_000, 0, 0, 0, (), (("sort", 2.0), ("merge", 0.5)), ())


def counts(name: str, num_documents: int = 1, skipped_bad: int = 0) -> SourceCounts:
    return SourceCounts(name, num_documents, 1200 * num_documents, 5000 * num_documents, 0, skipped_bad)


def test_a_single_source_of_which_all_was_taken_needs_no_table() -> None:
    assert source_lines([counts("a.jsonl")]) == []


def test_sources_are_listed_with_what_they_gave_and_what_was_left_out() -> None:
    assert source_lines([counts("a.jsonl"), counts("longer/b.parquet", 2000, skipped_bad=3)]) == [
        "  source            documents     tokens      text  empty  bad",
        "  a.jsonl                   1      1,200  4.88 KiB      0    0",
        "  longer/b.parquet      2,000  2,400,000  9.54 MiB      0    3",
    ]


def test_of_many_sources_the_rest_is_summed_up() -> None:
    lines = source_lines([counts(f"{number}.txt", skipped_bad=1) for number in range(50)])
    assert len(lines) == 1 + 40 + 1
    assert lines[-1].split() == ["10", "others", "10", "12,000", "48.8", "KiB", "0", "10"]


def test_the_name_of_a_source_moves_no_cursor() -> None:
    (_, line) = source_lines([counts("a\x1b[2Jb.jsonl", skipped_bad=1)])
    assert "\x1b" not in line


def test_the_rate_of_a_build_is_over_all_its_stages(capsys: pytest.CaptureFixture[str]) -> None:
    print_build("out", MANIFEST, REPORT, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out: index abc built in 2.5 s"
    assert lines[2] == "  tokens     5,000, 2,000 a second"


def test_a_build_that_went_on_has_no_rate(capsys: pytest.CaptureFixture[str]) -> None:
    report = replace(REPORT, continued=True)
    print_build("out", MANIFEST, report, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out: index abc finished, after an interruption, in 2.5 s"
    assert lines[2] == "  tokens     5,000"
    print_build("out", MANIFEST, report, as_json=True)
    summary = json.loads(capsys.readouterr().out)
    assert (summary["continued"], summary["tokens_per_second"], summary["seconds"]) == (True, None, 2.5)
