from indexing.token_types import separator_id


def test_separators_are_the_largest_ids() -> None:
    assert [separator_id(width) for width in (1, 2, 4)] == [255, 65_535, 4_294_967_295]
