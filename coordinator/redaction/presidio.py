"""Presidio's pattern recognizers as a redactor: docs/security.md says how to install it; then ``redactors: presidio``.

Only those that need no language model; they take many times as long as the patterns of our own.
"""

from collections.abc import Sequence

from coordinator.redaction.found import Found, Kind, Passage

_KINDS = {
    "EMAIL_ADDRESS": Kind.EMAIL,
    "PHONE_NUMBER": Kind.PHONE,
    "IP_ADDRESS": Kind.IP,
    "CREDIT_CARD": Kind.CARD,
}
# Presidio's patterns without their context or check digit score below this.
_LEAST_SCORE = 0.6
# Any date and any web address is no personal data.
_IGNORED = frozenset({"DATE_TIME", "URL"})


class PresidioRedactor:
    """Finds what Presidio's English pattern recognizers find. Implements `found.Redactor`."""

    def __init__(self) -> None:
        """Loads the recognizers.

        Raises:
            ImportError: Presidio is not installed.
        """
        import presidio_analyzer
        import tldextract

        # Presidio asks it about e-mail addresses, and it would fetch its list from the internet at the first one.
        tldextract.tldextract.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
        registry = presidio_analyzer.RecognizerRegistry()
        registry.load_predefined_recognizers(languages=["en"])
        self._recognizers = [
            one for one in registry.recognizers if isinstance(one, presidio_analyzer.PatternRecognizer)
        ]

    def find(self, passages: Sequence[Passage]) -> Sequence[Sequence[Found]]:
        """See `Redactor.find`. Halves at the cut ends of a passage are not told."""
        return [self._found(passage.text) for passage in passages]

    def _found(self, text: str) -> list[Found]:
        return [
            Found(result.start, result.end, str(_KINDS.get(result.entity_type, result.entity_type)))
            for recognizer in self._recognizers
            for result in recognizer.analyze(text, recognizer.supported_entities) or ()
            if result.score >= _LEAST_SCORE and result.entity_type not in _IGNORED
        ]
