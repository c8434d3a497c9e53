"""A text that grows follows the corpus it is made of, whatever its size and the width of its tokens."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from bench import growing_text
from bench.growing_text import GrowingText, Tokens

RANDOM = np.random.default_rng(7)


def corpus(num_documents: int = 60) -> Tokens:
    documents = [np.append(65_535, RANDOM.integers(0, 9, RANDOM.integers(5, 200))) for _ in range(num_documents)]
    return np.concatenate(documents).astype(np.uint16)


def written(source: Tokens, path: Path, num_tokens: int, width: int, seed: int = 1) -> npt.NDArray[np.unsignedinteger]:
    GrowingText(source).write(path, num_tokens, width, seed)
    return np.fromfile(path, dtype={2: "<u2", 4: "<u4"}[width])


def test_it_has_the_size_asked_for_and_begins_with_a_document(tmp_path: Path) -> None:
    source = corpus()
    for num_tokens in (1, 100, 8_193, 50_001):
        made = written(source, tmp_path / "text", num_tokens, 2)
        assert len(made) == num_tokens
        assert made[0] == 65_535


def test_every_pair_of_tokens_is_one_of_the_corpus_but_where_a_passage_is_repeated(tmp_path: Path) -> None:
    # Ids fall in steps of one or stay: few pairs are in the corpus, and any two others side by side show.
    source = np.concatenate([np.append(65_535, np.repeat(np.arange(40, 0, -1), 3)) for _ in range(100)])
    source = source.astype(np.uint16)
    made = written(source, tmp_path / "text", 8_000, 2)  # one walker, so no seams
    pairs = set(map(tuple, np.lib.stride_tricks.sliding_window_view(source, 2).tolist()))
    others = sum(tuple(pair) not in pairs for pair in np.lib.stride_tricks.sliding_window_view(made, 2).tolist())
    assert 0 < others < 8_000 * growing_text._REPEATING


def test_equal_seeds_give_equal_texts_and_others_do_not(tmp_path: Path) -> None:
    source = corpus()
    first, same, other = (written(source, tmp_path / "text", 2_000, 2, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_pieces_differ_from_one_another(tmp_path: Path) -> None:
    piece = growing_text._WALKERS * growing_text._WALK_TOKENS
    source, path = corpus(), tmp_path / "text"
    GrowingText(source).write(path, piece + 5_000, 2, 1)
    made = np.memmap(path, dtype=np.uint16, mode="r")
    assert len(made) == piece + 5_000
    assert not np.array_equal(made[:5_000], made[piece:])


def test_four_bytes_hold_the_same_text_with_ids_past_those_of_two(tmp_path: Path) -> None:
    source = corpus()
    narrow, wide = (written(source, tmp_path / "text", 5_000, width) for width in (2, 4))
    ids = {(int(one), int(other)) for one, other in zip(narrow, wide, strict=True)}
    assert len(ids) == len(np.unique(narrow)) == len(np.unique(wide))
    assert dict(ids)[65_535] == 2**32 - 1
    assert all(wide_id < 100_278 for narrow_id, wide_id in ids if narrow_id != 65_535)
    whole = np.append(65_535, np.arange(40_000)).astype(np.uint16)
    assert (written(whole, tmp_path / "text", 50_000, 4) > 65_535).mean() > 0.2
