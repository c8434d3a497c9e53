"""The redactor that is always there: patterns, and the checks that tell a card or an address from any other number."""

from collections.abc import Sequence

from coordinator.redaction import cut_words, edges
from coordinator.redaction.addresses import addresses
from coordinator.redaction.cards import cards
from coordinator.redaction.emails import emails
from coordinator.redaction.found import Found, Passage
from coordinator.redaction.keys import keys, passwords
from coordinator.redaction.phones import phones
from coordinator.redaction.plain_ends import ends_plainly, starts_plainly
from coordinator.redaction.prefilter import Places, places


class PatternRedactor:
    """Finds e-mail addresses, phone and card numbers, IP addresses and keys. Implements `found.Redactor`."""

    def __init__(self, phone_region: str | None = None):
        """Takes the country whose phone numbers are told without its code; see `phones.check_region`."""
        self._region = phone_region

    def find(self, passages: Sequence[Passage]) -> Sequence[Sequence[Found]]:
        """See `Redactor.find`.

        Cost: about 2 ns a character, and a few microseconds for whatever looks like something.
        """
        result = []
        for passage, here in zip(passages, places([passage.text for passage in passages]), strict=True):
            found = [] if here is None else self._look(passage, here)
            if passage.cut_start and not starts_plainly(passage.text):
                found += edges.at_start(passage.text)
                found += cut_words.rests(passage.text)
            if passage.cut_end:
                found += cut_words.spelled_beginning(passage.text)
                if not ends_plainly(passage.text):
                    found += edges.at_end(passage.text)
                    found += cut_words.beginnings(passage.text)
            result.append(found)
        return result

    def _look(self, passage: Passage, here: Places) -> list[Found]:
        text = passage.text
        found: list[Found] = []
        if here.keys:
            found += keys(text, here.keys, cut_start=passage.cut_start, cut_end=passage.cut_end)
        if here.signs:
            found += passwords(text, here.signs)
            found += emails(text, here.signs, passage.cut_start, passage.cut_end)
        if here.dots or here.groups:
            found += addresses(text, here.dots, here.groups)
        for first, last in here.runs:
            found += cards(text, first, last)
            found += phones(text, first, last, self._region)
        return found
