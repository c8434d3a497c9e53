from headwater.index_report import source_lines
from indexing.chunks import SourceCounts


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
