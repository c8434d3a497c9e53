"""Every target by its name, with its share of the cases: the cheap ones, which strangers reach, have the most."""

from dataclasses import dataclass

from bench.fuzz import corpus_targets, file_targets, request_targets, trust_targets
from bench.fuzz.target import Maker


@dataclass(frozen=True, slots=True)
class Share:
    """A target and how many of each thousand cases are its own."""

    make: Maker
    per_thousand: int


TARGETS = {
    "shard requests": Share(request_targets.shard_requests, 540),
    "coordinator requests": Share(request_targets.coordinator_requests, 15),
    "shard answers": Share(request_targets.shard_answers, 295),
    "metadata lines": Share(request_targets.metadata_lines, 50),
    "http requests": Share(request_targets.http_requests, 3),
    "probe requests": Share(request_targets.probe_requests, 3),
    "takedown requests": Share(trust_targets.takedown_requests, 3),
    "redacted texts": Share(trust_targets.redacted_texts, 5),
    "keys and takedowns": Share(trust_targets.key_and_takedown_files, 17),
    "index files": Share(file_targets.index_files, 20),
    "manifests": Share(file_targets.manifests, 30),
    "tokenizers": Share(file_targets.tokenizers, 2),
    "operators' files": Share(file_targets.operators_files, 3),
    "json lines": Share(corpus_targets.json_lines, 4),
    "packed lines": Share(corpus_targets.packed_lines, 3),
    "parquet files": Share(corpus_targets.parquet_files, 3),
    "id arrays": Share(corpus_targets.id_arrays, 3),
    "text files": Share(corpus_targets.text_files, 1),
}
