"""What a server says that it holds, against what a coordinator needs of it."""

from collections.abc import Sequence
from typing import NamedTuple

from coordinator.corpus import Corpus
from coordinator.values import ShardDescription, ShardId


class HeldShard(NamedTuple):
    """A shard as its server describes it. The server does not know under which name its index is served.

    Of its documents ``withheld_documents`` are taken down, which ``view_id`` names; ``takedown_epoch`` is the number of
    the list of takedowns that the server obeys, 0 if it has none. ``index_generation`` counts the changes of the index
    up to those that the server has opened.
    """

    number: int
    index_id: str
    format_version: int
    token_width: int
    tokenizer_sha256: str
    num_tokens: int
    num_documents: int
    view_id: str = ""
    withheld_documents: int = 0
    takedown_epoch: int = 0
    index_generation: int = 0

    def described(self, corpus: str, replicas: int, usable_replicas: int) -> ShardDescription:
        """Returns the description of the shard as one of ``corpus``."""
        return ShardDescription(
            shard=ShardId(corpus, self.number),
            index_id=self.index_id,
            format_version=self.format_version,
            token_width=self.token_width,
            tokenizer_sha256=self.tokenizer_sha256,
            num_tokens=self.num_tokens,
            num_documents=self.num_documents,
            replicas=replicas,
            usable_replicas=usable_replicas,
        )


class Mismatch(NamedTuple):
    """Why a server cannot be a replica of a shard: what it says, and what is needed."""

    field: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"found {self.field} {self.found}, expected {self.expected}"


def match(held: Sequence[HeldShard], corpus: Corpus, number: int) -> HeldShard | Mismatch:
    """Returns the shard of ``corpus`` with this number, or why a server that holds ``held`` cannot be asked for it."""
    numbered = [shard for shard in held if shard.number == number]
    if not numbered:
        return Mismatch("shards", ", ".join(str(shard.number) for shard in held) or "none", str(number))
    index = corpus.index
    # Of several, those of other indexes are not meant; the content's name says least, so it is compared last.
    shard = next((one for one in numbered if one.index_id == index.index_id), numbered[0])
    for field in ("format_version", "tokenizer_sha256", "token_width", "index_id"):
        found, expected = getattr(shard, field), getattr(index, field)
        if found != expected:
            return Mismatch(field, str(found), str(expected))
    return shard
