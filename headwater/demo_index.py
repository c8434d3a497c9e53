"""The demo's index: built from the demo's corpus, and built again only when it would differ."""

import json
import platform
import shutil
from importlib.metadata import version
from pathlib import Path

from headwater.demo_corpus import write_corpus
from headwater.demo_steps import Steps
from headwater.labels import plural
from index_format.errors import IndexFormatError
from index_format.layout import check_path_name
from index_format.manifest import IndexManifest, write_durably
from indexing import BuildPlan, TrainedTokenizer, build
from indexing.errors import OutputError

NUM_SHARDS = 3
_VOCABULARY = 16_000
_MEGABYTE = 1_000_000


def prepare_index(directory: Path, steps: Steps, *, rebuild: bool) -> Path:
    """Returns the directory of the demo's index inside ``directory``, building it if there is none that is up to date.

    Raises:
        PathNameError: the path holds a word that an index's path must not hold.
        OutputError: an index is in the way that the demo did not build.
    """
    output, record = directory / "index", directory / "built.json"
    check_path_name(output)
    if output.exists() and not record.exists():
        raise OutputError(f"{output}: not built by the demo, which would replace it; choose another --directory")
    directory.mkdir(parents=True, exist_ok=True)
    corpus = directory / "corpus.jsonl"
    with steps.step("Collect") as step:
        sha256, number, size = write_corpus(corpus, lambda _: None)
        python = f"Python {platform.python_version()}"
        step.summary = f"{plural(number, 'document')}, {size / _MEGABYTE:.1f} MB: what {python} says of itself"
    wanted = {
        "corpus": sha256,
        "shards": NUM_SHARDS,
        "vocabulary": _VOCABULARY,
        "accelerated": True,
        "headwater": version("headwater"),
    }
    with steps.step("Index") as step:
        manifest = None if rebuild else _up_to_date(output, record, wanted)
        if manifest is None:
            write_durably(record, b"{}\n")
            if output.exists():
                shutil.rmtree(output)
            manifest = build(_plan(corpus, output), steps)
            write_durably(record, (json.dumps(wanted, indent=2) + "\n").encode())
        else:
            steps.say("up to date, kept from the last run")
        step.summary = (
            f"{plural(manifest.num_tokens, 'token')} in {plural(manifest.num_shards, 'shard')}, "
            f"vocabulary of {manifest.vocab_size:,}"
        )
    return output


def _plan(corpus: Path, output: Path) -> BuildPlan:
    return BuildPlan(
        sources=(corpus,),
        output=output,
        tokenizer=TrainedTokenizer(_VOCABULARY),
        shards=NUM_SHARDS,
        stage="demo",
        source="Python installation",
    )


def _up_to_date(output: Path, record: Path, wanted: dict[str, object]) -> IndexManifest | None:
    """Returns the manifest of the index if it was built as ``wanted`` and its files are still as they were."""
    try:
        if json.loads(record.read_bytes()) != wanted:
            return None
        manifest = IndexManifest.load(output)
        manifest.load_shards(output)
    except (OSError, ValueError, IndexFormatError):
        return None
    return manifest
