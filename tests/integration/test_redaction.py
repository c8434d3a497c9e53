"""Personal data in documents, over the whole path: embedded, over gRPC, as a stream and by pages."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headwater
from coordinator.errors import DocumentNotFoundError, InvalidRequestError
from coordinator.redaction.display import Display
from coordinator.redaction.found import Passage
from coordinator.redaction.placeholders import RedactedText
from coordinator.redaction.settings import RedactionSettings
from coordinator.requests import TraceOptions
from coordinator.results import DocumentsFound, Trace
from coordinator.streaming import trace_of
from headwater.remote import RemoteIndex
from tests.running_servers import shard_server
from tests.served_coordinator import served
from tests.tiny_index import byte_level_tokenizer, write_index

SECRETS = ("jo.doe@example.com", "+1 212-555-0123", "93.184.216.34", "AKIAIOSFODNN7EXAMPLE", "4111 1111 1111 1111")
TEXTS = (
    "Once the heron waited by the old mill until dusk. Write to jo.doe@example.com or call +1 212-555-0123 for more.",
    "Thrice the heron waited by the old mill until dusk, said 93.184.216.34, and nobody saw it leave that night.",
    "Key AKIAIOSFODNN7EXAMPLE and card 4111 1111 1111 1111 lay where the heron waited by the old mill until dusk!",
    "A plain page: the heron waited by the old mill until dusk, and the moon came up over the water.",
)
ANSWER = "They say the heron waited by the old mill until dusk; he wrote to jo.doe@example.com about it."
OPTIONS = TraceOptions(delimiters=("\n",), max_span_density=1.0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("redaction") / "index"
    return write_index(place, [TEXTS[:2], TEXTS[2:]], byte_level_tokenizer(TEXTS, 320))


def shown_in(trace: Trace) -> str:
    """All that a trace shows of documents."""
    return json.dumps(
        [
            (one.text, one.source, one.url, dict(one.metadata), [snippet.text for snippet in one.snippets])
            for one in trace.documents
        ]
    )


def check_redacted(trace: Trace) -> None:
    assert len(trace.documents) == len(TEXTS)
    shown = shown_in(trace)
    assert [secret for secret in SECRETS if secret in shown] == []
    assert all(f"[{kind}]" in shown for kind in ("EMAIL", "PHONE", "IP", "KEY", "CARD"))
    assert trace.answer == ANSWER
    assert any("jo.doe" in span.text for span in trace.spans), "the answer is the caller's own text"
    assert trace.withheld.redacted == sum(document.num_redacted for document in trace.documents) > 0
    assert trace.withheld.documents == 0
    for document in trace.documents:
        for snippet in document.snippets:
            marked = snippet.text[snippet.start_char : snippet.end_char]
            # What is marked is the span, or has the placeholder of what the span is part of.
            assert marked == trace.spans[snippet.span].text or "[" in marked, (marked, trace.spans[snippet.span].text)


def test_a_trace_shows_placeholders_and_its_highlights_are_right(index: Path) -> None:
    with headwater.open(index) as opened:
        check_redacted(opened.trace(ANSWER, options=OPTIONS))


def test_spans_and_counts_do_not_change(index: Path) -> None:
    with headwater.open(index) as opened, headwater.open(index, redaction="off") as plain:
        redacted, whole = opened.trace(ANSWER, options=OPTIONS), plain.trace(ANSWER, options=OPTIONS)
    assert redacted.spans == whole.spans
    assert {one.id for one in redacted.documents} == {one.id for one in whole.documents}
    assert all(secret in shown_in(whole) for secret in SECRETS)
    assert whole.withheld.redacted == 0


@pytest.mark.parametrize("redaction", ["redact", "withhold", "off"])
def test_no_score_tells_whether_a_guessed_word_is_hidden(index: Path, redaction: str) -> None:
    """A prompt is a list of words to score by: of what is not shown, none may count."""
    with headwater.open(index, redaction=redaction) as opened:

        def scores(prompt: str) -> list[tuple[str, float]]:
            trace = opened.trace("the old mill", prompt, OPTIONS)
            return [(str(one.id), one.score) for one in trace.documents]

        told = [scores(secret) != scores("nowhere") for secret in SECRETS]
    assert any(told) == (redaction == "off")


def ask(directory: Path, index: Path, question: Callable[[RemoteIndex], Any], **settings: Any) -> Any:
    """Returns what a client of a coordinator over gRPC gets."""

    def connected(target: str) -> Any:
        with headwater.connect(target) as remote:
            return question(remote)

    async def run() -> Any:
        async with shard_server(index) as address, served(directory, index, [address, address], **settings) as target:
            return await asyncio.to_thread(connected, target)

    return asyncio.run(run())


def test_it_is_the_same_over_grpc_cached_and_streamed(index: Path, tmp_path: Path) -> None:
    def question(remote: RemoteIndex) -> Any:
        traces = [remote.trace(ANSWER, options=OPTIONS) for _ in range(2)]
        # Another seed, which nothing here depends on, so that the cache has no answer.
        fresh = replace(OPTIONS, seed=7)
        events = list(remote.trace_stream(ANSWER, options=fresh))
        return traces, events, remote.document("default:0:0"), remote.count(" jo.doe@example.com")

    traces, events, page, count = ask(tmp_path, index, question, result_cache_bytes=1_000_000)
    assert [trace.cached for trace in traces] == [False, True]
    for trace in (*traces, trace_of(ANSWER, events)):
        check_redacted(trace)
    for event in events:
        if isinstance(event, DocumentsFound):
            assert [secret for secret in SECRETS if secret in repr(event)] == []
    assert page.text.endswith("Write to [EMAIL] or call [PHONE] for more.")
    assert page.withheld.redacted == 2
    assert count.count == 1


def test_a_source_can_be_withheld_and_another_left_alone(index: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("default: redact\nsources: {tiny: withhold}\n")
    with headwater.open(index, redaction=str(rules)) as opened:
        trace = opened.trace(ANSWER, options=OPTIONS)
        assert [str(document.id) for document in trace.documents] == ["default:1:1"]
        assert (trace.withheld.documents, trace.withheld.redacted) == (3, 0)
        assert all(number == 0 for span in trace.spans for number in span.documents)
        with pytest.raises(DocumentNotFoundError, match="the policy of its source"):
            opened.document("default:0:0")
        assert opened.document("default:1:1").text == TEXTS[3]
        streamed = trace_of(ANSWER, opened.trace_stream(ANSWER, options=OPTIONS))
        assert [document.id for document in streamed.documents] == [document.id for document in trace.documents]
    rules.write_text("corpora: {default: off}\n")
    with headwater.open(index, redaction=str(rules)) as opened:
        assert opened.document("default:0:0").text == TEXTS[0]


def test_strict_refuses_what_tells_of_a_person_and_tells_no_such_span(index: Path, tmp_path: Path) -> None:
    def question(remote: RemoteIndex) -> Any:
        for text in ("jo.doe@example.com", " jo.doe@exam", "4111 1111 1111 1111", "+1 212-555"):
            with pytest.raises(InvalidRequestError, match="holds personal data") as raised:
                remote.count(text)
            assert text.strip() not in str(raised.value)
            with pytest.raises(InvalidRequestError, match="mostly personal"):
                remote.trace(text)
        for whole in ("jo.doe@example.com", "4111 1111 1111 1111"):
            with pytest.raises(InvalidRequestError, match="holds personal data"):
                remote.count(f"write to {whole} or to whoever else was guessed to be named in the words round it")
        return remote.trace(ANSWER, options=OPTIONS), remote.count(" the old mill")

    trace, count = ask(tmp_path, index, question, refuse_personal_queries=True)
    assert count.count == 4
    assert not any("doe" in span.text for span in trace.spans)
    assert any("old mill" in span.text for span in trace.spans)


def test_redactors_of_others_are_asked_besides(index: Path) -> None:
    settings = RedactionSettings(redactors=("tests.integration.heron_redactor:HeronRedactor",))
    with headwater.open(index, redaction=settings) as opened:
        shown = shown_in(opened.trace(ANSWER, options=OPTIONS))
    assert "heron" not in shown
    assert "[BIRD]" in shown
    assert "[EMAIL]" in shown


PAGED = "é1@" * 3 + " Zoë: jo.doe@example.com — +1 212-555-0123, 93.184.216.34 ok " + "AKIAIOSFODNN7EXAMPLE ünd"


@pytest.fixture(scope="module")
def paged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of raw bytes: a token is a byte, so that a page may begin and end anywhere, inside a character too."""
    return write_index(tmp_path_factory.mktemp("paged") / "index", [[PAGED * 8, "short jo@doe.org"]])


@given(st.integers(min_value=0, max_value=len(PAGED.encode()) * 8), st.integers(min_value=1, max_value=90))
def test_a_page_shows_what_the_whole_document_does_wherever_it_is_cut(paged: Path, start: int, size: int) -> None:
    text = PAGED * 8
    with headwater.open(paged) as opened:
        page = opened.document("default:0:0", start, size)
    content = text.encode()
    # Characters that are whole before a cut; one that it divides is on the page.
    first = len(content[:start].decode(errors="ignore"))
    last = len(content[: start + size].decode(errors="ignore"))
    [found] = Display().find([Passage(text)])
    redacted = RedactedText(text, found)
    low, high = redacted.moved(first, last)
    touched = any(one.start < last and one.end > first for one in found)
    if touched:
        assert page.text == redacted.text[low:high]
    else:
        assert page.text == content[start : start + size].decode(errors="replace")
    assert page.start == start
    assert page.withheld.redacted == sum(one.start < last and one.end > first for one in found)
