"""A search that leaves documents out is, in everything it shows, one of an index that was built without them."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

import headwater
from coordinator.requests import TraceOptions
from coordinator.results import Trace
from coordinator.takedown_list import KeptTakedown, TakedownList
from headwater.embedded import EmbeddedIndex
from index_format.manifest import IndexManifest
from index_format.takedown_resolution import content_of
from index_format.takedowns import DocumentTarget
from tests.takedown_oracle import kept_ids, shown
from tests.tiny_index import write_index


@dataclass(frozen=True, slots=True)
class Case:
    """The texts of each shard, and which of them are taken down."""

    shards: list[list[str]]
    withheld: list[set[int]]

    def kept(self) -> dict[str, str]:
        """Returns the new id of each document that is kept."""
        return kept_ids([len(texts) for texts in self.shards], self.withheld)

    def kept_texts(self) -> list[list[str]]:
        """Returns the texts of the shards that are left."""
        kept = [
            [text for number, text in enumerate(texts) if number not in self.withheld[shard]]
            for shard, texts in enumerate(self.shards)
        ]
        return [texts for texts in kept if texts]


def takedown_file(path: Path, index: Path, case: Case) -> Path:
    """Writes takedowns of the documents of a case: by number, and some by content where no other document has it."""
    index_id = IndexManifest.load(index).index_id
    texts = [text for shard in case.shards for text in shard]
    kept = []
    for shard, numbers in enumerate(case.withheld):
        for number in sorted(numbers):
            text = case.shards[shard][number]
            content = content_of(np.frombuffer(text.encode(), dtype=np.uint8))
            is_only = number % 2 and texts.count(text) == 1
            target = content if is_only else DocumentTarget(index_id, shard, number, content)
            corpora = () if is_only else ("pre",)
            kept.append(KeptTakedown(f"t-{shard}-{number}", target, corpora))
    path.write_bytes(TakedownList(1, tuple(kept)).to_json())
    return path


def same_of_any_order(trace: Trace) -> list[tuple[int, int, int]]:
    """Returns what does not hang on which occurrences were drawn."""
    return [(span.start, span.end, span.count) for span in trace.spans]


TEXTS = st.text(alphabet="ab c", max_size=14)
SHARDS = st.lists(st.lists(TEXTS, min_size=1, max_size=6), min_size=1, max_size=3)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    shards = draw(SHARDS)
    withheld = [draw(st.sets(st.integers(0, len(texts) - 1))) for texts in shards]
    if all(len(texts) == len(numbers) for texts, numbers in zip(shards, withheld, strict=True)):
        withheld[0].discard(0)
    return Case(shards, withheld)


def ends_differ(case: Case) -> bool:
    """Says whether a shard's last document is taken down.

    Its last suffixes, cut off by the end of the file, sort before those that a separator ends; so the new last
    document's stand elsewhere in the table of an index that is built anew, and other occurrences may be drawn.
    """
    return any(len(texts) - 1 in numbers for texts, numbers in zip(case.shards, case.withheld, strict=True))


@given(
    case=cases(),
    answers=st.lists(st.text(alphabet="ab c.", min_size=1, max_size=24).filter(str.strip), min_size=1, max_size=3),
    accelerated=st.booleans(),
    most=st.sampled_from([1, 3, 10]),
)
def test_what_is_left_out_was_never_there(case: Case, answers: list[str], accelerated: bool, most: int) -> None:
    options = TraceOptions(
        allow_partial_words=True,
        max_span_density=1.0,
        max_occurrences_per_span=most,
        context_tokens=4,
        snippet_tokens=2,
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        index = write_index(directory / "index", case.shards, accelerated=accelerated)
        rebuilt = write_index(directory / "rebuilt", case.kept_texts(), accelerated=accelerated)
        takedowns = takedown_file(directory / "takedowns.json", index, case)
        with (
            headwater.open(index, takedowns=takedowns) as left,
            headwater.open(rebuilt) as right,
            headwater.open(index) as whole,
        ):
            for answer in answers:
                check_traces(left, right, answer, options, case)
                check_counts(left, right, whole, answer)
            check_documents(left, right, case.kept())


def check_traces(left: EmbeddedIndex, right: EmbeddedIndex, answer: str, options: TraceOptions, case: Case) -> None:
    found, expected = (index.trace(answer, "a prompt", options) for index in (left, right))
    assert same_of_any_order(found) == same_of_any_order(expected)
    assert found.num_maximal_spans == expected.num_maximal_spans
    if not ends_differ(case):
        assert shown(found, case.kept(), ["linenum"]) == shown(expected, leave_out=["linenum"])
    withheld = {f"default:{shard}:{number}" for shard, numbers in enumerate(case.withheld) for number in numbers}
    assert withheld.isdisjoint(str(document.id) for document in found.documents)


def check_counts(left: EmbeddedIndex, right: EmbeddedIndex, whole: EmbeddedIndex, text: str) -> None:
    found = left.count(text)
    assert found.count == right.count(text).count
    assert found.withheld.occurrences == whole.count(text).count - found.count


def check_documents(left: EmbeddedIndex, right: EmbeddedIndex, kept: Mapping[str, str]) -> None:
    for old, new in kept.items():
        assert left.document(old).text == right.document(new).text


def test_spans_that_only_removed_documents_hold_give_way_to_shorter_ones(tmp_path: Path) -> None:
    texts: Sequence[str] = ["the cat sat on the mat", "the cat sat there", "on the mat it lay"]
    index = write_index(tmp_path / "index", [[*texts, "end"]])
    case = Case([[*texts, "end"]], [{0}])
    takedowns = takedown_file(tmp_path / "takedowns.json", index, case)
    options = TraceOptions(max_span_density=1.0)
    with headwater.open(index, takedowns=takedowns) as opened:
        trace = opened.trace("the cat sat on the mat", "", options)
        assert [span.text for span in trace.spans] == ["the cat sat ", "on the mat"]
        assert json.loads(takedowns.read_text())["takedowns"][0]["document"]["number"] == 0
