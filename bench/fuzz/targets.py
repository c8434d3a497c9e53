"""Every target by its name, with its share of the cases: the cheap ones, which strangers reach, have the most."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.fuzz import corpus_targets, file_targets, request_targets, trust_targets
from bench.fuzz.target import Maker

Kind: TypeAlias = Literal["messages", "index", "operators", "corpora"]
"""Who sends it: callers and servers, who gives an index, who runs the service, who gives a corpus."""


@dataclass(frozen=True, slots=True)
class Share:
    """A target, how many of each thousand cases are its own, and of which kind it is."""

    make: Maker
    per_thousand: int
    kind: Kind = "messages"


TARGETS = {
    "shard requests": Share(request_targets.shard_requests, 540),
    "coordinator requests": Share(request_targets.coordinator_requests, 15),
    "shard answers": Share(request_targets.shard_answers, 295),
    "metadata lines": Share(request_targets.metadata_lines, 50),
    "http requests": Share(request_targets.http_requests, 3),
    "probe requests": Share(request_targets.probe_requests, 3),
    "takedown requests": Share(trust_targets.takedown_requests, 3),
    "redacted texts": Share(trust_targets.redacted_texts, 5),
    "keys and takedowns": Share(trust_targets.key_and_takedown_files, 17, "operators"),
    "index files": Share(file_targets.index_files, 20, "index"),
    "manifests": Share(file_targets.manifests, 30, "index"),
    "tokenizers": Share(file_targets.tokenizers, 2, "index"),
    "operators' files": Share(file_targets.operators_files, 3, "operators"),
    "json lines": Share(corpus_targets.json_lines, 4, "corpora"),
    "packed lines": Share(corpus_targets.packed_lines, 3, "corpora"),
    "parquet files": Share(corpus_targets.parquet_files, 3, "corpora"),
    "id arrays": Share(corpus_targets.id_arrays, 3, "corpora"),
    "text files": Share(corpus_targets.text_files, 1, "corpora"),
}
