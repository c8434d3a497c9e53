"""A small sound index to make wrong ones of."""

from pathlib import Path

import indexing

_TEXTS = (
    "The quick brown fox jumps over the lazy dog, as they say.",
    "A slow green turtle walks under the old stone bridge, naïvely.",
    "Nobody saw the quick brown fox jump, or so they say, near the river bank.",
    "",
    "The quick brown fox jumps over the lazy dog, as they say, again and again and again.",
)


def build_tiny_index(folder: Path) -> Path:
    """Builds an accelerated index of some sentences in one shard, and returns its directory."""
    corpus, index = folder / "corpus", folder / "index"
    corpus.mkdir()
    for number, text in enumerate(_TEXTS):
        (corpus / f"{number}.txt").write_text(text, encoding="utf-8")
    plan = indexing.BuildPlan(
        sources=(corpus,), output=index, tokenizer=indexing.TrainedTokenizer(400), source="tiny", accelerate=True
    )
    indexing.build(plan, indexing.SilentProgress())
    return index
