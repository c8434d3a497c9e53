import numpy as np
import pytest

from index_format.token_boundaries import boundaries_of_offsets, boundaries_of_pieces, characters_before


def boundaries(text, pieces):
    return boundaries_of_pieces(text, b"".join(pieces), np.array([len(piece) for piece in pieces], dtype=np.int64))


@pytest.mark.parametrize(
    ("text", "pieces", "wanted"),
    [
        ("", [], [0]),
        ("the mill", [b"the", b" mill"], [0, 3, 8]),
        ("the mill", [b" the", b" mill"], [0, 3, 8]),
        ("7 mills", [b" ", b"7", b" mills"], [0, 0, 1, 7]),
        (" mill", [b"  ", b"mill"], [0, 1, 5]),
        ("née", [b"n", b"\xc3", b"\xa9e"], [0, 1, 1, 3]),
        ("水の", [b"\xe6\xb0", b"\xb4\xe3", b"\x81\xae"], [0, 0, 1, 2]),
        ("a", [b"", b"a"], [0, 0, 1]),
    ],
)
def test_boundaries_count_the_characters_that_are_complete(text, pieces, wanted):
    assert boundaries(text, pieces).tolist() == wanted


@pytest.mark.parametrize(
    ("text", "pieces"),
    [("mill", [b"mil"]), ("mill", [b"mile"]), ("mill", [b"  mill"]), ("mill", [b"xmill"]), ("é", [b"e\xcc\x81"])],
)
def test_pieces_that_do_not_give_the_text_back_have_no_boundaries_in_it(text, pieces):
    assert boundaries(text, pieces) is None


@pytest.mark.parametrize(
    ("text", "offsets", "wanted"),
    [
        ("", [], [0]),
        ("the mill", [(0, 3), (4, 8)], [0, 3, 8]),
        ("7 mills", [(0, 1), (0, 1), (1, 7)], [0, 0, 1, 7]),
        ("🚀!", [(0, 1), (0, 1), (0, 1), (0, 1), (1, 2)], [0, 0, 0, 0, 1, 2]),
    ],
)
def test_boundaries_of_offsets_close_gaps_and_give_overlaps_to_the_last(text, offsets, wanted):
    assert boundaries_of_offsets(text, offsets).tolist() == wanted


def test_a_character_ends_with_its_last_byte():
    assert characters_before("né水".encode()).tolist() == [0, 1, 1, 2, 2, 2, 3]
    assert characters_before(b"").tolist() == [0]
