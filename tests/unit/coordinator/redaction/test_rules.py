"""Rules by source and corpus, and what is wrong with a file of them."""

from pathlib import Path

import pytest

from coordinator.errors import ConfigurationError
from coordinator.redaction.open_display import open_display
from coordinator.redaction.rules import RedactionRules, Treatment, redaction_rules
from coordinator.redaction.settings import RedactionSettings

RULES = """
default: withhold
corpora: {code: off}
sources:
  wikipedia: off
  "forum-*": redact
  "forum-old-*": withhold
"""


def test_the_source_counts_before_the_corpus_and_the_corpus_before_the_default(tmp_path: Path) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    rules = redaction_rules(str(path))
    found = {(corpus, source): rules.of(corpus, source) for corpus in ("code", "web") for source in ("wikipedia", "x")}
    assert found == {
        ("code", "wikipedia"): Treatment.OFF,
        ("code", "x"): Treatment.OFF,
        ("web", "wikipedia"): Treatment.OFF,
        ("web", "x"): Treatment.WITHHOLD,
    }
    assert rules.of("code", "forum-a") is Treatment.REDACT
    assert rules.of("code", "forum-old-a") is Treatment.WITHHOLD


def test_a_rule_of_a_corpus_that_is_not_served_is_refused() -> None:
    rules = RedactionRules(corpora={"web": Treatment.OFF, "wbe": Treatment.WITHHOLD})
    with pytest.raises(ConfigurationError, match="there is no corpus 'wbe', expected some of code, web"):
        rules.check_corpora(["code", "web"])
    RedactionRules(corpora={"web": Treatment.OFF}).check_corpora(["code", "web"])


def test_a_word_is_the_rule_of_all_documents() -> None:
    assert redaction_rules("off").is_off
    assert redaction_rules("redact") == RedactionRules()
    assert redaction_rules("withhold").of("any", "any") is Treatment.WITHHOLD


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("default: hide", "'redact', 'withhold' or 'off'"),
        ("sources: [a]", "sources"),
        ("colour: red", "colour"),
        ("- a", "file"),
        ("a: [", "cannot read"),
        ("\x00", "cannot read"),
    ],
)
def test_a_wrong_file_is_refused_by_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "rules.yaml"
    path.write_text(content)
    with pytest.raises(ConfigurationError, match=said) as raised:
        redaction_rules(str(path))
    assert str(path) in str(raised.value)


def test_a_setting_that_is_no_word_and_no_file_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"'ofF', expected one of redact, withhold, off, or a file"):
        redaction_rules("ofF")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (RedactionSettings(redact_phone_region="Germany"), "two capitals"),
        (RedactionSettings(redactors=("nothing",)), "expected module:name"),
        (RedactionSettings(redactors=("no_such_module:x",)), "cannot be loaded"),
        (RedactionSettings(redactors=("json:JSONDecoder",)), "no method find"),
        (RedactionSettings(redactors=("presidio",)), "presidio"),
    ],
)
def test_wrong_settings_are_refused_by_name(settings: RedactionSettings, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        open_display(settings)
