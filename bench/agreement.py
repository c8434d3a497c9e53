"""Whether both engines found the same: what a bench asserts before its numbers count."""

from collections.abc import Sequence

from bench.infini_gram_peer import PeerSpan
from bench.our_search import FoundSpans

_SHOWN = 3


def disagreements(found: FoundSpans, theirs: Sequence[PeerSpan]) -> list[str]:
    """Returns a line if the maximal spans or their counts are not the same, else nothing."""
    ours = {(span.start, span.end, span.count) for span in found.maximal}
    wanted = {(span.start, span.end, span.count) for span in theirs}
    if ours == wanted:
        return []
    only_ours, only_theirs = sorted(ours - wanted)[:_SHOWN], sorted(wanted - ours)[:_SHOWN]
    return [
        f"{len(ours)} spans, infini-gram {len(wanted)}; for instance only ours {only_ours}, only theirs {only_theirs}"
    ]
