"""What is served, from and to the messages of protos/coordinator/v1."""

from coordinator.api.codec import decode_failed, encode_failed
from coordinator.api.json_codec import parse_shard_id
from coordinator.results import CorpusDescription, Description
from coordinator.values import ShardDescription
from protos.coordinator.v1 import coordinator_pb2 as pb

_CORPUS_FIELDS = (
    "name",
    "display_name",
    "stage",
    "source",
    "index_id",
    "tokenizer_sha256",
    "token_width",
    "num_tokens",
    "num_documents",
    "num_shards",
)
_SHARD_FIELDS = (
    "index_id",
    "format_version",
    "token_width",
    "tokenizer_sha256",
    "num_tokens",
    "num_documents",
    "replicas",
    "usable_replicas",
)
_LIMITS = ("max_answer_chars", "max_prompt_chars", "max_document_tokens")


def encode_description(description: Description) -> pb.Description:
    """Returns the message of a description."""
    return pb.Description(
        corpora=[
            pb.CorpusDescription(
                **{name: getattr(corpus, name) for name in _CORPUS_FIELDS},
                shards=[
                    pb.Shard(shard=str(shard.shard), **{name: getattr(shard, name) for name in _SHARD_FIELDS})
                    for shard in corpus.shards
                ],
                failed_shards=encode_failed(corpus.failed_shards),
            )
            for corpus in description.corpora
        ],
        **{name: getattr(description, name) for name in _LIMITS},
    )


def decode_description(description: pb.Description) -> Description:
    """Returns the description of a message."""
    return Description(
        corpora=tuple(
            CorpusDescription(
                **{name: getattr(corpus, name) for name in _CORPUS_FIELDS},
                shards=tuple(
                    ShardDescription(
                        shard=parse_shard_id(shard.shard), **{name: getattr(shard, name) for name in _SHARD_FIELDS}
                    )
                    for shard in corpus.shards
                ),
                failed_shards=decode_failed(corpus.failed_shards),
            )
            for corpus in description.corpora
        ),
        **{name: getattr(description, name) for name in _LIMITS},
    )
