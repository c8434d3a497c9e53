"""Indexes that earlier versions wrote still open and answer."""

import numpy as np
import pytest

import headwater
from index_format.layout import shard_folder
from index_format.manifest import FORMAT_VERSION, IndexManifest
from suffix_engine import ShardIndex, ThreadPool
from tests.golden.datagen import GOLDEN, SHARDS

VERSIONS = range(1, FORMAT_VERSION + 1)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_index_opens_and_its_shards_are_sound(version):
    directory = GOLDEN / f"format_{version}"
    manifest = IndexManifest.load(directory)
    assert manifest.format_version == version
    for shard in manifest.load_shards(directory):
        folder = directory / shard_folder(shard.shard)
        ShardIndex.open(folder, token_width=manifest.token_width, pool=ThreadPool(1)).verify()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_index_gives_its_documents_back(version):
    with headwater.open(GOLDEN / f"format_{version}") as index:
        for shard, texts in enumerate(SHARDS):
            for number, text in enumerate(texts):
                assert index.document(f"{shard}:{number}").text == text


@pytest.mark.parametrize("version", VERSIONS)
def test_a_golden_index_is_traced_as_before(version):
    answer = "They say: The river rises in the hills. It runs dry."
    with headwater.open(GOLDEN / f"format_{version}") as index:
        assert index.count("The river rises in the").count == 2
        trace = index.trace(answer, options=headwater.TraceOptions(max_span_density=1.0))
    longest = max(trace.spans, key=lambda span: span.end - span.start)
    # At the start of its document the first word has no leading space, so it is another token.
    assert longest.text == " river rises in the hills."
    assert longest.count == 1
    assert np.isfinite(longest.unigram_logprob_sum)
