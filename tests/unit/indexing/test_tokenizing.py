import json
from pathlib import Path

import numpy as np
import pytest

from index_format.errors import TokenizerError
from index_format.tokenizer import ByteTokenizer, JsonTokenizer
from indexing.errors import BadDocumentError, PlanError
from indexing.piece_encoder import PieceEncoder
from indexing.plan import BuildPlan, HubTokenizer, RawBytes, TokenizerChoice, TokenizerFile, TrainedTokenizer
from indexing.progress import SilentProgress, Stages
from indexing.sources import find_corpus
from indexing.tokenizing import choose_tokenizer, encoder_of, token_width
from indexing.training import train
from tests.tiny_index import byte_level_tokenizer
from tests.unit.indexing.reading import json_lines
from tests.unit.indexing.space_marked import json_tokenizer, parsed_tokenizer

TEXTS = ["the cat sat on the mat", "the mat sat on the cat", "der Kater saß"] * 5


def choose(source: Path, choice: TokenizerChoice) -> object:
    plan = BuildPlan(sources=(source,), output=source.parent / "out", tokenizer=choice)
    return choose_tokenizer(plan, find_corpus([source]), Stages(SilentProgress()))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    file = tmp_path / "a.jsonl"
    file.write_bytes(json_lines(*({"text": text} for text in TEXTS)))
    return file


def test_training_twice_on_the_same_texts_gives_the_same_tokenizer() -> None:
    assert train(300, iter(TEXTS)).content == train(300, iter(TEXTS)).content


def test_a_trained_tokenizer_knows_every_byte_and_the_words_of_the_corpus(corpus: Path) -> None:
    tokenizer = choose(corpus, TrainedTokenizer(300))
    assert isinstance(tokenizer, JsonTokenizer)
    assert 256 < tokenizer.vocabulary.size <= 300
    (token_ids,) = tokenizer.encode_batch([" the cat \U0001f600\x00"])
    assert b"".join(tokenizer.vocabulary.pieces[id_] for id_ in token_ids).decode() == " the cat \U0001f600\x00"


def test_a_bad_line_met_while_training_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_bytes(b'{"text": "x"}\nnot json\n')
    with pytest.raises(BadDocumentError, match=r"a\.jsonl:2: not valid JSON"):
        choose(file, TrainedTokenizer(300))


def test_a_tokenizer_comes_from_its_file_or_the_folder_of_it(tmp_path: Path, corpus: Path) -> None:
    content = byte_level_tokenizer(TEXTS).content
    (tmp_path / "tokenizer.json").write_bytes(content)
    for path in (tmp_path / "tokenizer.json", tmp_path):
        tokenizer = choose(corpus, TokenizerFile(path))
        assert isinstance(tokenizer, JsonTokenizer)
        assert tokenizer.content == content


@pytest.mark.parametrize("content", [b"", b"{}", b'{"model": ', b"\x00\xff", json.dumps({"version": "1.0"}).encode()])
def test_a_file_that_is_no_tokenizer_is_named(tmp_path: Path, corpus: Path, content: bytes) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(content)
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: not a tokenizer\.json file"):
        choose(corpus, TokenizerFile(file))


def test_a_truncated_tokenizer_is_named(tmp_path: Path, corpus: Path) -> None:
    file = tmp_path / "tokenizer.json"
    file.write_bytes(byte_level_tokenizer(TEXTS).content[:-50])
    with pytest.raises(TokenizerError, match=r"tokenizer\.json: not a tokenizer\.json file"):
        choose(corpus, TokenizerFile(file))


def test_a_missing_tokenizer_is_named(tmp_path: Path, corpus: Path) -> None:
    with pytest.raises(TokenizerError, match=r"absent\.json: cannot read the tokenizer \(No such file"):
        choose(corpus, TokenizerFile(tmp_path / "absent.json"))


def test_a_name_that_the_hub_does_not_give_is_named(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(TokenizerError, match="nobody/nothing: no such tokenizer file, and the Hugging Face hub"):
        choose(corpus, HubTokenizer("nobody/nothing"))


def test_a_tokenizer_that_would_lose_characters_is_refused(tmp_path: Path, corpus: Path) -> None:
    parsed = json.loads(byte_level_tokenizer(TEXTS).content)
    del parsed["model"]["vocab"]["z"]  # no merge of these texts has it
    (tmp_path / "tokenizer.json").write_text(json.dumps(parsed))
    with pytest.raises(TokenizerError, match="no token for 1 of the bytes that text is made of, 0x7a the first"):
        choose(corpus, TokenizerFile(tmp_path / "tokenizer.json"))


def with_vocabulary_of(size: int) -> JsonTokenizer:
    parsed = json.loads(byte_level_tokenizer(["a"], 300).content)
    vocabulary = parsed["model"]["vocab"]
    # Names outside the byte alphabet cannot collide with what is there.
    vocabulary.update({f"\u4e00{number}": number for number in range(len(vocabulary), size)})
    return JsonTokenizer(json.dumps(parsed).encode())


def test_the_width_leaves_room_for_the_separator() -> None:
    assert token_width(ByteTokenizer()) == 1
    assert token_width(with_vocabulary_of(65_535)) == 2
    assert token_width(with_vocabulary_of(65_536)) == 4


def test_the_fast_encoder_is_taken_where_it_is_proved() -> None:
    assert isinstance(encoder_of(json_tokenizer(parsed_tokenizer())), PieceEncoder)
    byte_level = byte_level_tokenizer(TEXTS)
    assert isinstance(encoder_of(byte_level), PieceEncoder)
    parsed = json.loads(byte_level.content)
    parsed["pre_tokenizer"]["add_prefix_space"] = True
    other = JsonTokenizer(json.dumps(parsed).encode())
    assert encoder_of(other) is other


def test_raw_bytes_need_no_tokenizer(corpus: Path) -> None:
    assert isinstance(choose(corpus, RawBytes()), ByteTokenizer)


def test_a_corpus_of_token_ids_needs_the_tokenizer_that_made_them(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[1, 2], [3, 4]]))
    with pytest.raises(PlanError, match=r"a\.npy: holds token ids, and no tokenizer is named"):
        choose(tmp_path / "a.npy", TrainedTokenizer(300))
    assert isinstance(choose(tmp_path / "a.npy", RawBytes()), ByteTokenizer)
