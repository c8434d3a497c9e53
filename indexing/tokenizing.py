"""Turns the texts of a corpus into token ids: which tokenizer, how wide its tokens are, and who encodes."""

import json
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Protocol, assert_never

import tokenizers

from index_format.errors import TokenizerError
from index_format.layout import TOKENIZER_FILE
from index_format.tokenizer import ByteTokenizer, JsonTokenizer, TokenIds, Tokenizer
from indexing.byte_level_pieces import byte_level_cuts
from indexing.documents import BadDocuments, DocumentFields
from indexing.errors import PlanError
from indexing.estimate import least_text_bytes
from indexing.piece_encoder import DEFAULT_MEMORY_BYTES, PieceEncoder
from indexing.plan import BuildPlan, HubTokenizer, RawBytes, TokenizerFile, TrainedTokenizer
from indexing.progress import Stages
from indexing.reading import read_documents
from indexing.sources import Corpus, SourceKind
from indexing.training import train
from indexing.word_pieces import word_cuts

# Of more text than about this every so many-th document is taken: a BPE learns little more, and holds its words in RAM.
# With 98 MiB of web text the process takes 484 MiB at its peak.
_TRAINING_BYTES = 96 << 20
# Estimates are low by about this factor.
_LOW_BY = 2

_WIDTH_OF_BYTES = 1
_BYTES_OF_UTF8 = (*range(0x00, 0xC0), *range(0xC2, 0xF5))
# The separator takes the last id of a width: 65,535 of two bytes.
_MOST_TWO_BYTE_TOKENS = (1 << 16) - 1


class Encoder(Protocol):
    """What encodes documents."""

    def encode_batch(self, texts: Sequence[str]) -> list[TokenIds]:
        """Returns the token ids of each text. No special tokens are added."""


def choose_tokenizer(plan: BuildPlan, corpus: Corpus, stages: Stages) -> Tokenizer:
    """Returns the tokenizer of a plan, after training it on the corpus if that is the choice.

    Raises:
        TokenizerError: there is no such file or name, it is no supported tokenizer, or one that loses text.
        SourceError: the corpus, read to train, cannot be read.
        PlanError: a tokenizer is to be trained on a corpus of tokens.
    """
    if isinstance(plan.tokenizer, TrainedTokenizer):
        for file in corpus.files:
            if file.kind is SourceKind.ID_ARRAY:
                raise PlanError(f"{file.path}: holds token ids, and no tokenizer is named; name the one that made them")
    tokenizer = _load(plan, corpus, stages)
    pieces = frozenset(tokenizer.vocabulary.pieces)
    if lost := [byte for byte in _BYTES_OF_UTF8 if bytes([byte]) not in pieces]:
        raise TokenizerError(
            f"the tokenizer has no token for {len(lost)} of the bytes that text is made of, 0x{lost[0]:02x} the first: "
            "characters with them would be lost; choose one with all bytes, or train one"
        )
    return tokenizer


def _load(plan: BuildPlan, corpus: Corpus, stages: Stages) -> Tokenizer:
    match plan.tokenizer:
        case TokenizerFile(path):
            return JsonTokenizer.from_file(path / TOKENIZER_FILE if path.is_dir() else path)
        case HubTokenizer(name):
            return _from_hub(name)
        case TrainedTokenizer(vocab_size):
            with stages.stage("train the tokenizer", corpus.size_bytes, "bytes") as progress:
                fields = DocumentFields(plan.text_field, ())
                bad = BadDocuments(skip=plan.skip_bad_lines)
                documents = read_documents(corpus, fields, bad, progress.advanced)
                step = max(1, _LOW_BY * least_text_bytes(corpus, fields) // _TRAINING_BYTES)
                return train(vocab_size, (document.text for document in islice(documents, 0, None, step)))
        case RawBytes():
            return ByteTokenizer()
        case _ as never:
            assert_never(never)


def token_width(tokenizer: Tokenizer) -> int:
    """Returns the bytes a token of the index takes: the fewest that leave room for the separator."""
    if isinstance(tokenizer, ByteTokenizer):
        return _WIDTH_OF_BYTES  # UTF-8 never holds the byte 0xFF, so it is free to separate
    return 2 if tokenizer.vocabulary.size <= _MOST_TWO_BYTE_TOKENS else 4


def encoder_of(tokenizer: Tokenizer, memory_bytes: int = DEFAULT_MEMORY_BYTES) -> Encoder:
    """Returns the fastest encoder that gives the tokens of ``tokenizer.encode_batch``.

    It remembers words in about ``memory_bytes``.
    """
    if not isinstance(tokenizer, JsonTokenizer):
        return tokenizer
    parsed = json.loads(tokenizer.content)
    cuts = word_cuts(parsed) or byte_level_cuts(parsed)
    return tokenizer if cuts is None else PieceEncoder(tokenizer, cuts, memory_bytes)


def _from_hub(name: str) -> JsonTokenizer:
    # The hub refuses names with more than one slash with a long explanation; a path is what was meant.
    if name.count("/") > 1 or name.startswith((".", "~", "/")) or name.endswith(".json"):
        raise TokenizerError(f"{Path(name)}: cannot read the tokenizer (No such file or directory)")
    try:
        tokenizer = tokenizers.Tokenizer.from_pretrained(name)
    except Exception as error:  # the package raises what the network, the hub and the file raise, in no common class
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TokenizerError(
            f"{name}: no such tokenizer file, and the Hugging Face hub does not give one of that name ({reason})"
        ) from error
    return JsonTokenizer(tokenizer.to_str().encode(), name)
