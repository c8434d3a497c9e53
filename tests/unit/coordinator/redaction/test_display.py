"""Windows and metadata as they may be shown."""

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator.redaction.display import Display
from coordinator.redaction.found import Found, Passage
from coordinator.redaction.presidio import PresidioRedactor
from coordinator.redaction.rules import RedactionRules, Treatment
from coordinator.values import DocumentId, Occurrence, Window

ADDRESS = "jo.doe@example.com"


def window(text: str, match: str, snippet: str, number: int = 0, **changed: Any) -> Window:
    fields: dict[str, Any] = {
        "document": DocumentId("pre", 0, number),
        "document_tokens": 100,
        "start": 0,
        "end": 100,
        "match_start": 5,
        "match_token_ids": (1, 2),
        "text": text,
        "match_chars": (text.index(match), text.index(match) + len(match)),
        "snippet_chars": (text.index(snippet), text.index(snippet) + len(snippet)),
        "metadata": "",
    }
    return Window(**(fields | changed))


def shown(*windows: Window, treatment: Treatment = Treatment.REDACT) -> tuple[list[Window], dict[Any, int], Any]:
    found = Display(RedactionRules(treatment)).shown([Occurrence(0, one) for one in windows])
    return [one.window for one in found.occurrences], dict(found.redacted), found.withheld


def part(one: Window, chars: tuple[int, int]) -> str:
    return one.text[slice(*chars)]


def test_the_match_and_the_snippet_are_where_their_characters_are_now() -> None:
    text = f"mail {ADDRESS} about the old mill, or {ADDRESS} too"
    [one], redacted, _ = shown(window(text, "old mill", "about the old mill, or"))
    assert one.text == "mail [EMAIL] about the old mill, or [EMAIL] too"
    assert (part(one, one.match_chars), part(one, one.snippet_chars)) == ("old mill", "about the old mill, or")
    assert redacted == {one.document: 2}


def test_a_match_inside_an_address_and_a_snippet_that_cuts_it_become_the_placeholder() -> None:
    [one], _, _ = shown(window(f"mail {ADDRESS} now", "doe@ex", "il jo.doe@exam"))
    assert (part(one, one.match_chars), part(one, one.snippet_chars)) == ("[EMAIL]", "il [EMAIL]")


def test_of_further_windows_of_a_document_the_snippet_is_right_and_only_it_counts() -> None:
    first = window("nothing here", "here", "here")
    far = "word " * 200
    second = window(f"{ADDRESS} {far}near {ADDRESS} the mill {far}{ADDRESS}", "mill", f"near {ADDRESS} the mill")
    [_, one], redacted, _ = shown(first, second)
    assert part(one, one.match_chars) == "mill"
    assert part(one, one.snippet_chars) == "near [EMAIL] the mill"
    assert redacted == {one.document: 1}


def test_a_snippet_that_cuts_an_address_in_a_further_window_shows_none_of_it() -> None:
    first = window("nothing here", "here", "here")
    second = window(f"see {ADDRESS} the mill", "mill", "ample.com the mill")
    [_, one], _, _ = shown(first, second)
    assert part(one, one.snippet_chars) == "[EMAIL] the mill"


def test_an_edge_of_a_window_that_cuts_its_document_shows_no_half() -> None:
    text = "ample.com said the mill to jo.doe@exa"
    [one], _, _ = shown(window(text, "mill", "said the mill", start=3, end=90))
    assert one.text == "[EMAIL] said the mill to [EMAIL]"
    [whole], _, _ = shown(window(text, "mill", "said the mill"))
    assert whole.text == text


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ({"metadata": {"url": f"https://a.org/?q={ADDRESS}", "n": 4111111111111111}}, True),
        ({"contact": {ADDRESS: [ADDRESS, 3, None]}}, True),
        ({"text": f"line\n+1 212-555-0123 {ADDRESS}"}, True),
        ({"source": "part-00001.jsonl", "linenum": 2125550123}, False),
    ],
)
def test_metadata_is_redacted_in_its_names_and_texts(line: dict[str, Any], wanted: bool) -> None:
    written = json.dumps(line)
    [one], redacted, _ = shown(window("the mill", "mill", "mill", metadata=written))
    assert (ADDRESS in one.metadata, bool(redacted)) == (False, wanted)
    assert "212-555" not in one.metadata
    if wanted:
        assert "[EMAIL]" in one.metadata
        json.loads(one.metadata)
    else:
        assert one.metadata == written


def test_an_escape_hides_nothing_in_metadata() -> None:
    [one], _, _ = shown(window("the mill", "mill", "mill", metadata='{"by": "jo\\u002edoe\\u0040example.com"}'))
    assert json.loads(one.metadata) == {"by": "[EMAIL]"}


def test_withholding_names_the_documents_and_off_does_nothing() -> None:
    windows = [
        window(f"mail {ADDRESS} the mill", "mill", "mill"),
        window("the mill", "mill", "mill", 1),
        window("the mill", "mill", "mill", 2, metadata=json.dumps({"by": ADDRESS})),
    ]
    _, redacted, withheld = shown(*windows, treatment=Treatment.WITHHOLD)
    assert (redacted, withheld) == ({}, {windows[0].document, windows[2].document})
    assert shown(*windows, treatment=Treatment.OFF) == (windows, {}, frozenset())


def test_presidios_pattern_recognizers_are_a_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a stand-in with the names of Presidio that are used."""

    class PatternRecognizer:
        def __init__(self, entity: str, text: str, score: float):
            self.supported_entities, self._text, self._score = [entity], text, score

        def analyze(self, text: str, entities: list[str]) -> list[Any]:
            start = text.find(self._text)
            result = SimpleNamespace(
                start=start, end=start + len(self._text), entity_type=entities[0], score=self._score
            )
            return [] if start < 0 else [result]

    class RecognizerRegistry:
        recognizers = (
            PatternRecognizer("EMAIL_ADDRESS", ADDRESS, 1.0),
            PatternRecognizer("US_SSN", "078-05-1120", 0.85),
            PatternRecognizer("US_BANK_NUMBER", "12345678", 0.05),
            PatternRecognizer("URL", "a.org", 0.9),
            object(),
        )

        def load_predefined_recognizers(self, languages: list[str]) -> None:
            assert languages == ["en"]

    module = SimpleNamespace(PatternRecognizer=PatternRecognizer, RecognizerRegistry=RecognizerRegistry)
    monkeypatch.setitem(sys.modules, "presidio_analyzer", module)
    # Its list of domains must be the one that it has, and not be fetched when the first address is looked at.
    domains = SimpleNamespace(tldextract=SimpleNamespace(TLD_EXTRACTOR="fetches"), TLDExtract=dict)
    monkeypatch.setitem(sys.modules, "tldextract", domains)
    [found, nothing] = PresidioRedactor().find([Passage(f"{ADDRESS} 078-05-1120 12345678 a.org"), Passage("-")])
    assert list(found) == [Found(0, 18, "EMAIL"), Found(19, 30, "US_SSN")]
    assert list(nothing) == []
    assert domains.tldextract.TLD_EXTRACTOR == {"suffix_list_urls": (), "cache_dir": None}
