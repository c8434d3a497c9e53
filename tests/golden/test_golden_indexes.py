"""Indexes that earlier versions wrote still open and answer."""

import shutil

import numpy as np
import pytest

import headwater
import indexing
from index_format.layout import SIDECARS, shard_folder
from index_format.manifest import FORMAT_VERSION, IndexManifest
from suffix_engine import ShardIndex, ThreadPool
from tests.golden.datagen import ACCELERATED, ACCELERATED_SHARDS, GOLDEN, SHARDS

VERSIONS = range(1, FORMAT_VERSION + 1)
INDEXES = [
    *((GOLDEN / f"format_{version}", version, SHARDS) for version in VERSIONS),
    (ACCELERATED, FORMAT_VERSION, ACCELERATED_SHARDS),
]
NAMES = [directory.name for directory, _, _ in INDEXES]


@pytest.mark.parametrize(("directory", "version", "shards"), INDEXES, ids=NAMES)
def test_a_golden_index_opens_and_is_whole(directory, version, shards):
    manifest = indexing.verify(directory, deep=True).manifest
    assert manifest.format_version == version
    for shard in manifest.load_shards(directory):
        folder = directory / shard_folder(shard.shard)
        opened = ShardIndex.open(folder, token_width=manifest.token_width, pool=ThreadPool(1))
        assert opened.is_accelerated == shard.is_accelerated == (directory == ACCELERATED)


@pytest.mark.parametrize(("directory", "version", "shards"), INDEXES, ids=NAMES)
def test_a_golden_index_gives_its_documents_back(directory, version, shards):
    with headwater.open(directory) as index:
        for shard, texts in enumerate(shards):
            for number, text in enumerate(texts):
                assert index.document(f"default:{shard}:{number}", max_tokens=10_000).text == text


@pytest.mark.parametrize(("directory", "version", "shards"), INDEXES, ids=NAMES)
def test_a_golden_index_is_traced_as_before(directory, version, shards):
    answer = "They say: The river rises in the hills. It runs dry."
    with headwater.open(directory) as index:
        assert index.count("The river rises in the").count == 2
        trace = index.trace(answer, options=headwater.TraceOptions(max_span_density=1.0))
    longest = max(trace.spans, key=lambda span: span.end - span.start)
    # At the start of its document the first word has no leading space, so it is another token.
    assert longest.text == " river rises in the hills."
    assert longest.count == 1
    assert np.isfinite(longest.unigram_logprob_sum)


def test_sidecars_built_today_are_the_golden_ones(tmp_path):
    # Other bytes are another version of the sidecars, and need its number and a folder of its own.
    directory = shutil.copytree(ACCELERATED, tmp_path / "index")
    indexing.accelerate(directory, force=True)
    for shard in range(IndexManifest.load(directory).num_shards):
        for name in SIDECARS:
            built, golden = (root / shard_folder(shard) / name for root in (directory, ACCELERATED))
            assert built.read_bytes() == golden.read_bytes()
