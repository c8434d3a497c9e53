import json
import random
import sys
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import pre_tokenizers

from index_format.tokenizer import JsonTokenizer
from indexing.byte_level_pieces import byte_level_cuts
from indexing.piece_encoder import PieceEncoder
from tests.unit.indexing.byte_level import GPT_4, MAKES, TEXTS, hard_texts, json_tokenizer, parsed_byte_level
from tests.unit.indexing.space_marked import parsed_tokenizer

TOKENIZERS = {make: json_tokenizer(parsed_byte_level(make)) for make in MAKES}


def encoder_of(tokenizer: JsonTokenizer) -> PieceEncoder:
    cuts = byte_level_cuts(json.loads(tokenizer.content))
    assert cuts is not None
    return PieceEncoder(tokenizer, cuts)


ENCODERS = {make: encoder_of(tokenizer) for make, tokenizer in TOKENIZERS.items()}


def assert_same_tokens(encoder: PieceEncoder, tokenizer: JsonTokenizer, texts: list[str]) -> None:
    found = [token_ids.tolist() for token_ids in encoder.encode_batch(texts)]
    assert found == [token_ids.tolist() for token_ids in tokenizer.encode_batch(texts)]


@pytest.mark.parametrize("make", MAKES)
@given(texts=st.lists(hard_texts, max_size=5))
def test_pieces_have_the_tokens_of_the_whole_text(make: str, texts: list[str]) -> None:
    assert_same_tokens(ENCODERS[make], TOKENIZERS[make], texts)


@pytest.mark.parametrize("make", MAKES)
@given(texts=st.lists(st.text(max_size=60), max_size=5))
def test_pieces_of_any_unicode_text_have_its_tokens(make: str, texts: list[str]) -> None:
    assert_same_tokens(ENCODERS[make], TOKENIZERS[make], texts)


@pytest.mark.parametrize("make", MAKES)
def test_every_character_between_others_has_its_tokens(make: str) -> None:
    """Each character of Unicode, surrogates aside, in places where its class decides how the text is split."""
    codes = [code for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000]
    random.Random(5).shuffle(codes)
    chosen = [*range(0x3000), *codes[:20_000]]
    texts = [f"a{c}b {c}1 '{c} .{c}\n {c}  {c}{c}x" for c in map(chr, chosen)]
    assert_same_tokens(ENCODERS[make], TOKENIZERS[make], texts)


def test_ordinary_texts_are_cut() -> None:
    for make in MAKES:
        cuts = byte_level_cuts(parsed_byte_level(make))
        assert cuts is not None
        for text in (*TEXTS, "na\u00efve \u4e2d\u6587 \U0001f600 \u2014 \u201cquoted\u201d"):
            pieces = cuts.pieces(text)
            assert pieces is not None
            assert "".join(pieces) == text


def test_runs_of_spaces_that_are_added_tokens_are_taken_out_first() -> None:
    tokenizer = TOKENIZERS["olmo"]
    vocabulary = {token["content"]: token["id"] for token in json.loads(tokenizer.content)["added_tokens"]}
    (token_ids,) = ENCODERS["olmo"].encode_batch(["x\n\n   the" + " " * 12 + "cat"])
    assert {vocabulary[" " * length] for length in (3, 9)} <= set(token_ids.tolist())


def changed(make: str, **fields: Any) -> dict[str, Any]:
    return parsed_byte_level(make) | fields


def with_split(**fields: Any) -> dict[str, Any]:
    parsed = parsed_byte_level("gpt-4")
    parsed["pre_tokenizer"]["pretokenizers"][0] |= fields
    return parsed


def with_dropout() -> dict[str, Any]:
    parsed = parsed_byte_level("gpt-2")
    parsed["model"]["dropout"] = 0.1
    return parsed


@pytest.mark.parametrize(
    "parsed",
    [
        changed("gpt-2", normalizer={"type": "NFKC"}),
        changed("gpt-2", pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "use_regex": True}),
        changed("gpt-2", pre_tokenizer={"type": "ByteLevel", "add_prefix_space": False, "use_regex": False}),
        changed("gpt-2", pre_tokenizer={"type": "Whitespace"}),
        changed("gpt-2", pre_tokenizer=None),
        with_split(behavior="MergedWithNext"),
        with_split(invert=True),
        with_split(pattern={"String": " "}),
        with_split(pattern={"Regex": GPT_4 + "|x"}),
        with_dropout(),
        parsed_tokenizer(),
    ],
    ids=lambda parsed: "",
)
def test_a_tokenizer_of_another_make_is_not_cut(parsed: dict[str, Any]) -> None:
    assert byte_level_cuts(parsed) is None


@pytest.mark.parametrize("missing", [2, 4])
def test_spaces_as_added_tokens_with_a_gap_are_found_as_any_other(missing: int) -> None:
    parsed = parsed_byte_level("olmo")
    parsed["added_tokens"] = [token for token in parsed["added_tokens"] if token["content"] != " " * missing]
    tokenizer = json_tokenizer(parsed)
    assert_same_tokens(encoder_of(tokenizer), tokenizer, ["a  b", "a    b", "a     b" * 3, *TEXTS])


def test_the_package_has_the_classes_that_were_asked_for() -> None:
    """Splitting by each class alone, in Python and in the package, agrees on texts of several characters."""
    chooser = random.Random(3)
    split = pre_tokenizers.Split(tokenizers.Regex(GPT_4), "isolated")
    cuts = byte_level_cuts(parsed_byte_level("gpt-4"))
    assert cuts is not None
    for _ in range(300):
        text = "".join(chr(chooser.choice((chooser.randrange(0x500), chooser.randrange(0xD800)))) for _ in range(40))
        if (pieces := cuts.pieces(text)) is not None:
            assert list(pieces) == [word for word, _ in split.pre_tokenize_str(text)]


@pytest.mark.parametrize("name", ["dolma2", "olmo-7b"])
def test_pieces_of_hard_and_real_texts_have_the_tokens_of_real_tokenizers(shared_data: Path, name: str) -> None:
    tokenizer = JsonTokenizer.from_file(shared_data / "tokenizers" / f"{name}.json")
    encoder = encoder_of(tokenizer)
    lines = (shared_data / "conversations.jsonl").read_text().splitlines()
    texts = [record[field] for record in map(json.loads, lines) for field in ("prompt", "response")]
    assert_same_tokens(encoder, tokenizer, texts)

    @given(texts=st.lists(hard_texts | st.text(max_size=40), max_size=10))
    def check(texts: list[str]) -> None:
        assert_same_tokens(encoder, tokenizer, texts)

    check()
