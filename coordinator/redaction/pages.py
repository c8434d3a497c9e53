"""A page of a document as it may be shown: where it is cut does not decide what is found."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from coordinator.errors import DocumentNotFoundError
from coordinator.redaction.display import Display
from coordinator.redaction.found import Passage
from coordinator.redaction.placeholders import RedactedText
from coordinator.redaction.rules import Treatment
from coordinator.results import DocumentText

# What is read on each side of a page: more than an address or number has, even if each token is a byte.
_MARGIN_TOKENS = 320

# Returns up to so many tokens of the document, from a token on.
Read = Callable[[int, int], Awaitable[DocumentText]]


# Runs what takes longer than an event loop may be blocked.
OffLoop = Callable[[Callable[[], Any]], Awaitable[Any]]


async def shown_page(
    display: Display, read: Read, start: int, max_tokens: int, most_tokens: int, off_loop: OffLoop
) -> DocumentText:
    """Returns up to ``max_tokens`` tokens of a document from ``start`` on, as they may be shown.

    A placeholder that stands for more than the page holds of it is shown whole. Where the page does not hold the whole
    document, some tokens on each side are read, too: ``most_tokens`` at once, so that the largest pages get shorter.

    Raises:
        DocumentNotFoundError: the policy of its source withholds it.
    """
    page = await read(start, max_tokens)
    treatment = display.rules.of(page.corpus, page.source)
    if treatment is Treatment.OFF:
        return page
    margin = min(_MARGIN_TOKENS, most_tokens // 8)
    first, last = max(0, page.start - margin), min(page.num_tokens, page.end + margin)
    if last - first > most_tokens:
        page = await read(start, max_tokens - 2 * margin)
        last = min(page.num_tokens, page.end + margin)
    text, in_text = await _redacted(display, read, page, (first, last), off_loop)
    metadata, in_metadata = display.metadata(page.metadata)
    if treatment is Treatment.WITHHOLD and (in_text or in_metadata):
        raise DocumentNotFoundError(
            f"document {page.id}: withheld, as it holds personal data and the policy of its source is to show none such"
        )
    if not in_text and not in_metadata:
        return page
    source, url = (RedactedText(part, display.find([Passage(part)])[0]).text for part in (page.source, page.url))
    withheld = replace(page.withheld, redacted=in_text + in_metadata)
    return replace(page, text=text, metadata=metadata, source=source, url=url, withheld=withheld)


async def _redacted(
    display: Display, read: Read, page: DocumentText, around: tuple[int, int], off_loop: OffLoop
) -> tuple[str, int]:
    """Returns the text of a page with placeholders, and how many; tokens ``around`` are looked at."""
    first, last = around
    whole = page if around == (page.start, page.end) else await read(first, last - first)
    passage = Passage(whole.text, cut_start=first > 0, cut_end=last < page.num_tokens)
    found = (await off_loop(lambda: display.find([passage])))[0]
    if not found:
        return page.text, 0
    start = await _length(read, whole.text, first, page.start)
    end = len(whole.text) if page.end == last else await _length(read, whole.text, first, page.end)
    number = sum(one.start < end and one.end > start for one in found)
    if not number:
        return page.text, 0
    redacted = RedactedText(whole.text, found)
    start, end = redacted.moved(start, end)
    return redacted.text[start:end], number


async def _length(read: Read, text: str, first: int, token: int) -> int:
    """Returns how many characters of ``text``, which begins at token ``first``, stand before another token.

    A character whose bytes the cut divides is not before it: alone they are a replacement character.
    """
    if token == first:
        return 0
    before = (await read(first, token - first)).text
    for part in (before, before.rstrip("\ufffd")):
        if text.startswith(part):
            return len(part)
    return next(number for number, pair in enumerate(zip(before, text, strict=False)) if pair[0] != pair[1])
