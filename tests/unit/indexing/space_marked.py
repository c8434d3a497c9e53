"""A SentencePiece-style tokenizer like Llama-2's, trained small, and texts that are hard to cut."""

import json
from collections.abc import Sequence
from typing import Any

import tokenizers
from hypothesis import strategies as st

from index_format.tokenizer import JsonTokenizer

_WORDS = (
    "the cat sat on a mat, (the mat) of: the cat's \u201cmat\u201d\u2014 "
    "the \u201cend.\u201d the end.)\u00b2 \u00b2, caf\u00e9"
)
TRAINING_TEXTS = (_WORDS, _WORDS.upper(), "aaa aa,, ,, \u201c\u201c. \u201d, .\u201d ,\u201d ((the the)) 2024")


def parsed_tokenizer(**model: Any) -> dict[str, Any]:
    """Returns a parsed ``tokenizer.json`` of Llama-2's make; ``model`` overrides fields of its model."""
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(split=True)
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = tokenizers.trainers.BpeTrainer(vocab_size=420, special_tokens=special, show_progress=False)
    tokenizer.train_from_iterator(TRAINING_TEXTS, trainer)
    parsed = json.loads(tokenizer.to_str())
    parsed["pre_tokenizer"] = None
    parsed["added_tokens"] = parsed["added_tokens"][:3]
    mark = "\u2581"
    parsed["normalizer"] = {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": mark},
            {"type": "Replace", "pattern": {"String": " "}, "content": mark},
        ],
    }
    parsed["decoder"] = {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": mark}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
            {"type": "Strip", "content": " ", "start": 1, "stop": 0},
        ],
    }
    parsed["model"] |= {"byte_fallback": True, "fuse_unk": True} | model
    return parsed


def json_tokenizer(parsed: dict[str, Any]) -> JsonTokenizer:
    """Returns the tokenizer of a parsed file."""
    return JsonTokenizer(json.dumps(parsed).encode())


# Every character that the cuts treat apart, and neighbours that a merge may or may not join.
_ALPHABET: Sequence[str] = (
    *"aAehnst", *"0129", *".,:()'-", " ", "  ", "\n", "\t", "\r\n", "\u2581", "\u201c", "\u201d", "\u2014", "\u00b2",
    "\u00e9", "e\u0301", "\u4e2d", "\U0001f600", "\u200e", "\x00", "\x7f", "<unk>", "<s>", "</s>", "<0x41>",
)  # fmt: skip
_PHRASES = ("the cat", " sat on", "the mat,", "\u201cend.\u201d", ".)\u00b2", "http://", "    def f(x):\n", "1,000.00")
hard_texts = st.lists(st.sampled_from(_ALPHABET) | st.sampled_from(_PHRASES), max_size=25).map("".join)
