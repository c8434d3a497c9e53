"""The report page, on values made by hand: structure, offsets, and that no stranger's text becomes markup."""

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from coordinator.results import MergedSpan, Relevance, Trace, Withheld
from headwater.plain_text import visible
from headwater.render_html import check_report_place, render_report, write_report

_VOID = {"meta", "br", "link"}


class Page(HTMLParser):
    """Tags, attributes and text of a page; fails on a tag that is not closed in its place."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.answer = ""
        self._open: list[str] = []
        self._answer_depth = 0
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)
        if dict(attrs).get("class") == "answer":
            self._answer_depth = len(self._open)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if len(self._open) < self._answer_depth:
            self._answer_depth = 0

    def handle_data(self, data: str) -> None:
        if self._answer_depth and self._open[-1] != "sup":
            self.answer += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def test_what_is_not_shown_is_said(trace: Trace) -> None:
    assert "Not shown" not in render_report(trace)
    documents = (replace(trace.documents[0], num_redacted=2), *trace.documents[1:])
    page = render_report(replace(trace, documents=documents, withheld=Withheld(redacted=2)))
    assert "<p>Not shown: 2 placeholders for personal data.</p>" in page
    assert ", 2 redacted</span>" in page


def test_answer_reads_as_it_was_written(trace: Trace) -> None:
    assert Page(render_report(trace)).answer == trace.answer


def test_highlight_is_placed_by_offset_when_the_passage_occurs_twice(trace: Trace) -> None:
    answer = "one two. one two."
    merged = MergedSpan(3, 5, 9, 16, "one two", Relevance.LOW, (0,), (0,))
    spans = (replace(trace.spans[0], start_char=9, end_char=16, text="one two"),)
    page = render_report(replace(trace, answer=answer, spans=spans, merged_spans=(merged,), documents=()))
    assert re.search(r'<div class="answer">one two\. <mark [^>]*>one two<sup>1</sup></mark>\.</div>', page)


def test_highlights_are_buttons_that_know_their_documents(trace: Trace) -> None:
    marks = [m for m in Page(render_report(trace)).all("mark") if "span" in (m.get("class") or "").split()]
    assert [m["data-documents"] for m in marks] == ["0 1", "1", "2"]
    assert [m["class"] for m in marks] == ["span high", "span medium", "span low"]
    assert {(m["role"], m["tabindex"], m["aria-pressed"]) for m in marks} == {("button", "0", "false")}
    assert marks[0]["aria-description"] == "high relevance, 2 documents"


def test_documents_know_their_highlights(trace: Trace) -> None:
    cards = [e for e in Page(render_report(trace)).all("li") if "data-document" in e]
    assert [(card["data-level"], card["data-highlights"]) for card in cards] == [
        ("high", "0"),
        ("medium", "0 1"),
        ("low", "2"),
    ]


def test_hostile_text_adds_no_element_and_no_attribute(trace: Trace, hostile_trace: Trace) -> None:
    hostile = render_report(hostile_trace, prompt="</p><script>alert(2)</script>")
    page = Page(hostile)
    assert len(page.all("script")) == 1
    assert "<script>alert" not in hostile
    assert page.answer == visible(hostile_trace.answer)
    assert {name for _, attributes in page.elements for name in attributes if name.startswith("on")} == set()


def test_hostile_text_carries_no_control_character(hostile_trace: Trace) -> None:
    page = render_report(hostile_trace, prompt="\x1b\x00\u202e")
    assert re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", page) == []


def test_only_web_addresses_become_links(trace: Trace, hostile_trace: Trace) -> None:
    assert [a["href"] for a in Page(render_report(trace)).all("a")] == ["#documents", "https://example.org/lists"]
    assert [a["href"] for a in Page(render_report(hostile_trace)).all("a")] == ["#documents"]
    broken = replace(trace.documents[0], url="https://[broken")
    assert len(Page(render_report(replace(trace, documents=(broken, *trace.documents[1:])))).all("a")) == 1


@pytest.mark.parametrize(
    "url", ["javascript://example.org/%0aalert(1)", "data:text/html,x", "//example.org", "ftp://a.b"]
)
def test_address_of_another_scheme_stays_text(trace: Trace, url: str) -> None:
    document = replace(trace.documents[0], url=url)
    page = Page(render_report(replace(trace, documents=(document, *trace.documents[1:]))))
    assert [a["href"] for a in page.all("a")] == ["#documents"]


def test_page_asks_for_nothing_from_anywhere(trace: Trace) -> None:
    page = Page(render_report(trace))
    assert [name for name, _ in page.elements if name in ("link", "img", "iframe", "object", "embed")] == []
    assert page.all("script") == [{}]
    style = re.search("<style>(.*?)</style>", render_report(trace), re.DOTALL)
    assert style and not re.search(r"@import|url\(", style[1])


def test_policy_allows_the_one_script_by_its_hash(trace: Trace) -> None:
    page = render_report(trace)
    script = re.search("<script>(.*?)</script>", page, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    policies = [m["content"] for m in Page(page).all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert len(policies) == 1
    assert policies[0] and f"script-src 'sha256-{digest}'" in policies[0] and "default-src 'none'" in policies[0]


def test_incomplete_coverage_is_an_alert(incomplete_trace: Trace) -> None:
    page = render_report(incomplete_trace)
    assert 'role="alert"' in page
    assert "Incomplete: 2 of 3 shards answered" in page
    assert "Shard default:2: no answer within 0.5 s" in page


def test_counts_over_missing_shards_are_said_to_be_at_least_so(trace: Trace, incomplete_trace: Trace) -> None:
    page, whole = render_report(incomplete_trace), render_report(trace)
    assert '<th scope="col" class="number">at least</th>' in page
    assert 'title="6 tokens, at least 3 times in the corpus"' in page
    assert "<dd>3,100,000</dd><dt>of 4,812,345 tokens searched, 2 of 3 shards</dt>" in page
    assert "at least" not in whole
    assert "<dd>4,812,345</dd><dt>tokens searched, 3 of 3 shards</dt>" in whole


def test_shard_lost_after_the_search_leaves_the_counts_as_they_are(trace_without_some_windows: Trace) -> None:
    page = render_report(trace_without_some_windows)
    assert "Incomplete: 3 of 4 shards answered" in page
    assert "Every shard was searched, but documents may be missing." in page
    assert "lower bound" not in page
    assert "at least" not in page


def test_documents_of_several_corpora_say_of_which_they_are(trace: Trace, trace_of_two_corpora: Trace) -> None:
    page = render_report(trace_of_two_corpora)
    sources = re.findall('<p class="source">(.*?)</p>', page)
    assert [source.split(" &middot; ")[0] for source in sources] == [
        "corpus default (pre-training)",
        "corpus sft (post-training)",
        "corpus default (pre-training)",
    ]
    assert '<span class="index">2 corpora</span>' in page
    assert "<tr><td>sft</td><td>77aa</td><td>1,000 tokens in 1 of 1 shard</td></tr>" in page
    assert '<span class="index">index 3f9a12cd00112233</span>' in render_report(trace)
    assert "corpora" not in render_report(trace)


def test_hostile_name_of_a_corpus_or_stage_is_no_markup(trace_of_two_corpora: Trace) -> None:
    attack = "<b>x</b>"
    documents = tuple(replace(each, corpus=attack, stage=attack) for each in trace_of_two_corpora.documents)
    parts = tuple(replace(part, corpus=attack, index_id=attack) for part in trace_of_two_corpora.coverage.corpora)
    coverage = replace(trace_of_two_corpora.coverage, corpora=parts)
    page = render_report(replace(trace_of_two_corpora, documents=documents, coverage=coverage))
    assert attack not in page
    assert page.count("&lt;b&gt;x&lt;/b&gt;") == 2 * len(documents) + 2 * len(parts)


def test_legend_names_the_levels_that_a_finished_trace_has(trace: Trace) -> None:
    (legend,) = re.findall('<div class="legend">(.*?)</div>', render_report(trace))
    assert re.findall("<mark[^>]*>(.*?)</mark>", legend) == ["high", "medium", "low"]


def test_answer_without_spans_says_so(trace: Trace) -> None:
    page = render_report(replace(trace, spans=(), merged_spans=(), documents=()))
    Page(page)
    assert "No passage of this answer occurs word for word" in page


def test_report_that_cannot_be_written_leaves_the_old_one(
    trace: Trace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trace.html"
    write_report(path, trace)
    before = path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("index_format.manifest.os.fsync", fail)
    with pytest.raises(OSError, match="No space left") as raised:
        write_report(path, trace, "another prompt")
    assert raised.value.filename == str(path)
    assert path.read_bytes() == before


def test_highlight_of_white_space_alone_can_be_seen(trace: Trace) -> None:
    at = {"start_char": 1, "end_char": 2, "text": " "}
    spans = (replace(trace.spans[0], **at), trace.spans[1])
    merged = (replace(trace.merged_spans[0], **at),)
    page = render_report(replace(trace, spans=spans, merged_spans=merged, documents=trace.documents[:1]))
    assert re.search(r"A<mark [^>]*>␣<sup>1</sup></mark>list", page)
    assert "<td>␣</td>" in page


def test_place_of_a_report_is_a_file_in_a_folder_that_exists(tmp_path: Path) -> None:
    check_report_place(tmp_path / "trace.html")
    check_report_place(Path("trace.html"))
    with pytest.raises(FileNotFoundError, match="no such folder"):
        check_report_place(tmp_path / "none" / "trace.html")
    with pytest.raises(IsADirectoryError, match="it is a folder"):
        check_report_place(tmp_path)
