"""Are our spans those of infini-gram? Every maximal span, count, unigram sum and kept span of every conversation."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bench.conversations import Conversation, read_conversations
from bench.corpus import Inputs, inputs
from bench.errors import BenchError
from bench.infini_gram_peer import InfiniGramPeer, kept_spans
from bench.options import BenchOptions
from bench.our_search import FoundSpans, opened_search
from bench.report import Report
from bench.searched_index import SearchedIndex, searched_index

# The reference file holds sums to six decimals.
_SUM_TOLERANCE = 1e-6
_SHOWN_DIFFERENCES = 20


@dataclass(frozen=True, slots=True)
class Expected:
    """What the reference found: the sum of each maximal span ``(start, end, count)``, and the kept ``(start, end)``."""

    num_tokens: int
    spans: dict[tuple[int, int, int], float]
    kept: list[tuple[int, int]]


def run(options: BenchOptions, console: Console) -> Report:
    """Compares over 1 and over 4 shards with the reference file, or live with infini-gram on the caller's index."""
    given = inputs(options.index, options.conversations, shards=(1, 4), console=console)
    conversations = read_conversations(given.conversations)
    rows, failures, checked = [], [], 0
    for directory in given.directories:
        with console.status(f"comparing {directory}"):
            index = searched_index(directory, options.tokenizer)
            spans, differences = _compare(index, conversations, _reference(given, index))
        rows.append([directory.name, str(len(conversations)), f"{spans:,}", str(len(differences))])
        failures += [f"{directory.name}: {difference}" for difference in differences]
        checked += spans
    shown = failures[:_SHOWN_DIFFERENCES]
    if len(failures) > len(shown):
        shown.append(f"and {len(failures) - len(shown)} more")
    return Report(
        title="parity with infini-gram 2.6.0, " + ("live" if given.reference is None else "reference file"),
        columns=("index", "conversations", "spans checked", "differences"),
        rows=rows,
        figures={"spans_checked": checked, "differences": len(failures)},
        failures=shown,
        notes=("compared: every maximal span, its count, its unigram sum (1e-6), and which spans are kept",),
    )


def _compare(
    index: SearchedIndex, conversations: list[Conversation], expected: Callable[[Conversation], Expected]
) -> tuple[int, list[str]]:
    spans, differences = 0, []
    with opened_search(index) as ours:
        for conversation in conversations:
            wanted = expected(conversation)
            spans += len(wanted.spans)
            found = ours.search(conversation.response).found()
            differences += [f"{conversation.id}: {line}" for line in compare_spans(found, wanted)]
    return spans, differences


def compare_spans(found: FoundSpans, wanted: Expected) -> list[str]:
    """Returns one line for every difference."""
    ours = {(s.start, s.end, s.count): s.unigram_logprob_sum for s in found.maximal}
    lines = [f"span {span} is missing" for span in wanted.spans.keys() - ours.keys()]
    lines += [f"span {span} is not in the reference" for span in ours.keys() - wanted.spans.keys()]
    for span in ours.keys() & wanted.spans.keys():
        if abs(ours[span] - wanted.spans[span]) > _SUM_TOLERANCE:
            lines.append(f"span {span} has unigram sum {ours[span]}, the reference {wanted.spans[span]}")
    kept = [(span.start, span.end) for span in found.kept]
    if kept != wanted.kept:
        lines.append(f"kept {kept}, the reference {wanted.kept}")
    if found.num_tokens != wanted.num_tokens:
        lines.append(f"{found.num_tokens} tokens, the reference {wanted.num_tokens}")
    return sorted(lines)


def _reference(given: Inputs, index: SearchedIndex) -> Callable[[Conversation], Expected]:
    if given.reference is None:
        peer = InfiniGramPeer(index, given.scratch)
        return lambda conversation: _live(peer, conversation)
    read = _read_reference(given.reference)
    return lambda conversation: read[conversation.id]


def _live(peer: InfiniGramPeer, conversation: Conversation) -> Expected:
    num_tokens, spans = peer.search(conversation.response)
    return Expected(
        num_tokens,
        {(s.start, s.end, s.count): s.unigram_logprob_sum for s in spans},
        [(s.start, s.end) for s in kept_spans(spans, num_tokens)],
    )


def _read_reference(path: Path) -> dict[str, Expected]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise BenchError(f"{path}: cannot read the reference spans ({error.strerror})") from error
    expected = {}
    for record in map(json.loads, lines):
        spans = {(start, end, count): total for start, end, count, total in record["spans"]}
        expected[record["id"]] = Expected(record["num_tokens"], spans, [(s, e) for s, e in record["kept"]])
    return expected
