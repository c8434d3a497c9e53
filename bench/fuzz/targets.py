"""Every target by its name, with its share of the cases: the cheap ones, which strangers reach, have the most."""

from dataclasses import dataclass

from bench.fuzz import corpus_targets, file_targets, request_targets
from bench.fuzz.target import Maker


@dataclass(frozen=True, slots=True)
class Share:
    """A target and how many of each thousand cases are its own."""

    make: Maker
    per_thousand: int


TARGETS = {
    "shard requests": Share(request_targets.shard_requests, 300),
    "coordinator requests": Share(request_targets.coordinator_requests, 100),
    "shard answers": Share(request_targets.shard_answers, 290),
    "metadata lines": Share(request_targets.metadata_lines, 150),
    "http requests": Share(request_targets.http_requests, 5),
    "probe requests": Share(request_targets.probe_requests, 5),
    "index files": Share(file_targets.index_files, 20),
    "manifests": Share(file_targets.manifests, 95),
    "tokenizers": Share(file_targets.tokenizers, 3),
    "operators' files": Share(file_targets.operators_files, 5),
    "json lines": Share(corpus_targets.json_lines, 9),
    "packed lines": Share(corpus_targets.packed_lines, 6),
    "parquet files": Share(corpus_targets.parquet_files, 3),
    "id arrays": Share(corpus_targets.id_arrays, 5),
    "text files": Share(corpus_targets.text_files, 4),
}
