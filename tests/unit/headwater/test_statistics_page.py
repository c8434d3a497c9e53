import re
from dataclasses import replace
from pathlib import Path

import pytest

from headwater.statistics_page import render_statistics, write_statistics
from indexing.statistics import IndexStatistics
from indexing.statistics.values import (
    DuplicateGroup,
    Duplicates,
    FrequentToken,
    Lengths,
    Repeats,
    RepeatShare,
    Source,
    Sources,
    TokenUse,
)

HOSTILE = '</td><script>alert("x")</script>\x1b[31m\u202e'


@pytest.fixture
def statistics() -> IndexStatistics:
    return IndexStatistics(
        index_id="0123456789abcdef",
        num_shards=2,
        num_documents=10,
        num_tokens=1010,
        token_width=2,
        sample=None,
        seed=0,
        lengths=Lengths(50, 200, 100.0, 90, (0, 0, 0, 0, 0, 0, 4, 5, 1)),
        repeats=Repeats(1010, (10, *[4] * 250, 0, 0, 0, 0), (10, *[4] * 250, 0, 0, 0, 0), (RepeatShare(8, 0.25),)),
        duplicates=Duplicates(10, 1000, 1, 2, 150, (DuplicateGroup(3, 75, 1, 4, HOSTILE),)),
        tokens=TokenUse(4000, 300, 20, (FrequentToken(7, HOSTILE, 90),), (FrequentToken(9, " x", 0),)),
        sources=Sources("source", 10, 1, False, (Source(HOSTILE, 10, 1000),), Source("others", 0, 0)),
        notes=(),
        stage_seconds=(),
    )


def test_nothing_of_a_stranger_is_markup_and_nothing_is_loaded(statistics: IndexStatistics) -> None:
    hostile = replace(statistics, sources=replace(statistics.sources, field=HOSTILE))  # type: ignore[type-var]
    page = render_statistics(hostile, Path("dir") / HOSTILE.replace("/", ""))
    assert "<script" not in page
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=|url\(|@import", page)


def test_the_page_tells_the_figures(statistics: IndexStatistics) -> None:
    page = render_statistics(statistics, Path("my-index"))
    for told in ("1,000", "15.00%", "1:4", "20 of 300 entries", "50 to 200", "3.91 KiB", "4.00 bytes a token"):
        assert told in page, told
    assert page.count("<svg") == 5
    assert page.count("<table") == 3
    assert "sample" not in re.sub(r"<style>.*</style>", "", page, flags=re.DOTALL)


def test_what_is_not_known_is_said(statistics: IndexStatistics) -> None:
    bare = replace(statistics, repeats=None, tokens=None, sources=None, sample=0.01)
    page = render_statistics(bare, Path("my-index"))
    for told in ("headwater index accelerate", "no unigram counts", "no metadata", "sample of 1.000%"):
        assert told in page, told


def test_the_page_is_written_whole_or_names_the_file(statistics: IndexStatistics, tmp_path: Path) -> None:
    write_statistics(tmp_path / "a.html", statistics, Path("my-index"))
    assert (tmp_path / "a.html").read_text().endswith("</html>\n")
    with pytest.raises(OSError, match="No such file") as raised:
        write_statistics(tmp_path / "no" / "a.html", statistics, Path("my-index"))
    assert raised.value.filename == str(tmp_path / "no" / "a.html")
