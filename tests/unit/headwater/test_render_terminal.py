"""The trace in a terminal, on values made by hand: golden text without colour, and what must never get through."""

import io
import unicodedata
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from coordinator.results import Trace
from headwater.render_terminal import print_trace

GOLDEN = """
ANSWER

  A list ⟦is a mutable sequence of items.⟧¹
  Use a tuple when ⟦nothing may change⟧²; it is ⟦a hashable value⟧³, too.

SPANS  50% of the answer, 4 kept of 9 found

  span  relevance  tokens      count  docs  text
  1a    high            6          3     2  is a mutable sequence of
  1b    high            7          1     1  a mutable sequence of items.
  2     medium          3         12     1  nothing may change
  3     low             3      1,204     1  a hashable value

DOCUMENTS  most relevant first

  1  HIGH   ━━━━━━━━━─ 0.91  Lists  Handbook
     https://example.org/lists
     document default:0:0, tokens 4 to 10 of 1,200, spans 1a, 1b
     │ In short, a list ⟦is a mutable sequence of⟧ items. It grows at its end.

  2  MEDIUM ━━━━━━──── 0.55  notes/frozen.txt:7
     document default:1:1, tokens 1 to 4 of 1,201, spans 1a, 2
     │ where ⟦nothing may change⟧
     │ once it was made,
     │ a frozen thing

  3  LOW    ────────── 0.04  document default:0:2  Glossary
     document default:0:2, tokens 3 to 6 of 1,202, span 3
     │ Every key is ⟦a hashable value⟧ in this table.

Searched 4,812,345 tokens in 3 of 3 shards, index 3f9a12cd00112233
12.3 ms: tokenize 0.4, search 4.1, filter 0.2, retrieve 5.0, rank 2.6
165 reads (2.5 a suffix and shard), 15 for documents, 0.7 MB
"""


def rendered(
    trace: Trace, width: int = 80, *, color: bool = False, encoding: str = "utf-8", documents: int = 10
) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(
        file=stream,
        width=width,
        color_system="truecolor" if color else None,
        force_terminal=color,
        highlight=False,
    )
    print_trace(trace, console, documents)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding)  # type: ignore[attr-defined]


def test_trace_without_colour_is_the_golden_text(trace: Trace) -> None:
    assert rendered(trace) == GOLDEN


@pytest.mark.parametrize("width", [60, 80, 120])
def test_no_line_is_wider_than_the_terminal(trace: Trace, width: int) -> None:
    long = " ".join(["mutable sequences of items"] * 30)
    document = replace(trace.documents[0], url=f"https://example.org/{'x' * 300}", metadata={"title": long})
    spans = (replace(trace.spans[0], text=long), *trace.spans[1:])
    found = replace(trace, answer=f"{trace.answer} {long}", spans=spans, documents=(document, *trace.documents[1:]))
    assert max(map(len, rendered(found, width).splitlines())) <= width


def test_wide_characters_do_not_widen_the_lines(trace: Trace) -> None:
    wide = "可变序列" * 60
    document = replace(trace.documents[0], url="", source=wide, metadata={"title": wide})
    spans = (replace(trace.spans[0], text=wide), *trace.spans[1:])
    found = replace(trace, answer=trace.answer + wide, spans=spans, documents=(document, *trace.documents[1:]))
    assert max(map(cell_len, rendered(found, 80).splitlines())) <= 80


def test_no_line_ends_in_a_space(trace: Trace) -> None:
    assert [line for line in rendered(trace).splitlines() if line.endswith(" ")] == []


def test_only_the_asked_number_of_documents_is_shown(trace: Trace) -> None:
    text = rendered(trace, documents=1)
    assert "DOCUMENTS  1 of 3, most relevant first" in text
    assert "Lists" in text
    assert "notes/frozen.txt" not in text


def test_colour_marks_spans_without_brackets(trace: Trace) -> None:
    text = rendered(trace, color=True)
    assert "\x1b[" in text
    assert "⟦" not in text
    assert "is a mutable sequence of items." in text


def test_ascii_terminal_gets_ascii_only(trace: Trace) -> None:
    text = rendered(trace, encoding="ascii")
    assert "[[is a mutable sequence of items.]][1]" in text


def test_incomplete_coverage_is_loud_and_names_the_shard(incomplete_trace: Trace) -> None:
    first, second = rendered(incomplete_trace).strip().splitlines()[:2]
    assert first.startswith("!! INCOMPLETE: 2 of 3 shards answered.")
    assert "!! shard default:2: no answer within 0.5 s" in rendered(incomplete_trace)
    assert "lower bounds" in first + second


def test_counts_over_missing_shards_are_said_to_be_at_least_so(trace: Trace, incomplete_trace: Trace) -> None:
    heading = "  span  relevance  tokens   at least  docs  text"
    assert heading in rendered(incomplete_trace).splitlines()
    assert heading not in rendered(trace).splitlines()
    searched = "Searched 3,100,000 of 4,812,345 tokens (64.4%) in 2 of 3 shards, index 3f9a12cd00112233"
    assert searched in rendered(incomplete_trace, 100)


def test_shard_lost_after_the_search_leaves_the_counts_as_they_are(trace_without_some_windows: Trace) -> None:
    text = rendered(trace_without_some_windows)
    assert "!! INCOMPLETE: 3 of 4 shards answered. Every shard was searched," in text
    assert "!! shard sft:0: no answer within 0.5 s" in text
    assert "lower bound" not in text
    assert "at least" not in text


def test_documents_and_coverage_of_several_corpora_say_of_which_they_are(trace_of_two_corpora: Trace) -> None:
    text = rendered(trace_of_two_corpora, 100)
    assert "     corpus default (pre-training), document default:0:0, tokens 4 to 10 of 1,200, spans 1a, 1b\n" in text
    assert "     corpus sft (post-training), document sft:0:9, tokens 1 to 4 of 1,201, spans 1a, 2\n" in text
    assert (
        "Searched 4,813,345 tokens in 4 of 4 shards of 2 corpora\n"
        "  default: 4,812,345 tokens in 3 of 3 shards, index 3f9a12cd00112233\n"
        "  sft: 1,000 tokens in 1 of 1 shard, index 77aa\n"
    ) in text


def test_answer_without_spans_says_so(trace: Trace) -> None:
    text = rendered(replace(trace, spans=(), merged_spans=(), documents=()))
    assert "No passage of this answer occurs word for word in what was searched." in text
    assert "DOCUMENTS" not in text


@pytest.mark.parametrize("width", [60, 100])
def test_no_control_character_of_a_stranger_reaches_the_terminal(hostile_trace: Trace, width: int) -> None:
    text = rendered(hostile_trace, width)
    allowed = {"\n"}
    controls = {c for c in text if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp")} - allowed
    assert controls == set()


def test_markup_in_documents_is_shown_and_not_obeyed(hostile_trace: Trace) -> None:
    assert "[bold]" in rendered(hostile_trace, 100)


def test_coloured_output_has_only_the_renderers_own_escapes(trace: Trace, hostile_trace: Trace) -> None:
    text = rendered(hostile_trace, 100, color=True)
    assert "\x9b" not in text
    assert "\x1b[31m" not in text.replace("\x1b[1;31m", "")
    assert "␛[31m" in text


def test_tabs_are_expanded(trace: Trace) -> None:
    assert "\t" not in rendered(replace(trace, answer="\tA" + trace.answer[1:]))


def _with_one_span(trace: Trace, before: str, passage: str, after: str) -> Trace:
    start, end = len(before), len(before) + len(passage)
    place = {"start_char": start, "end_char": end, "text": passage}
    text = f"{before}{passage}{after}"
    snippet = replace(trace.documents[0].snippets[0], text=text, start_char=start, end_char=end)
    return replace(
        trace,
        answer=text,
        spans=(replace(trace.spans[0], documents=(0,), **place),),
        merged_spans=(replace(trace.merged_spans[0], spans=(0,), documents=(0,), **place),),
        documents=(replace(trace.documents[0], text=text, snippets=(snippet,), spans=(0,)),),
    )


def _section(text: str, name: str) -> str:
    return text.partition(f"{name}  ")[2].partition("\n\n")[2].partition("\n\n")[0]


def test_closing_mark_and_number_come_directly_after_the_visible_text(trace: Trace) -> None:
    text = rendered(_with_one_span(trace, "qq ", "z and women elected ", "7zz"))
    assert "  qq ⟦z and women elected⟧¹ 7zz\n" in text
    assert "│ qq ⟦z and women elected⟧ 7zz\n" in text


def test_span_that_ends_in_a_line_break_has_its_number_before_it(trace: Trace) -> None:
    assert "  qq ⟦women elected⟧¹\n  next\n" in rendered(_with_one_span(trace, "qq", " women elected\n", "next"))


@pytest.mark.parametrize(("passage", "line_break"), [(" ", ""), ("  \t", ""), ("\n", "\n  "), ("\u00a0", "")])
def test_span_of_white_space_alone_can_be_seen(trace: Trace, passage: str, line_break: str) -> None:
    found = _with_one_span(trace, "qq", passage, "zz")
    text = rendered(found)
    assert f"  qq⟦␣⟧¹{line_break}zz\n" in text
    assert _section(text, "SPANS").endswith("  ␣")
    assert "│ qq⟦␣⟧" in text
    assert "qq[[_]][1]" in rendered(found, encoding="ascii")
