import numpy as np
import pytest

from coordinator.errors import InvalidRequestError
from coordinator.requests import TraceOptions
from coordinator.steps.tokenize import tokenize, whole_text
from index_format.tokenizer import ByteTokenizer, JsonTokenizer
from tests.shared_data import shared_tokenizer


def test_a_cut_stands_after_each_delimiter():
    query = tokenize("a. b\nc.", ByteTokenizer(), TraceOptions())
    assert query.cuts.tolist() == [2, 5, 7]


def test_without_delimiters_nothing_is_cut():
    assert tokenize("a. b\n", ByteTokenizer(), TraceOptions(delimiters=())).cuts.tolist() == []


def test_merged_tokens_do_not_cut():
    # As in OLMoTrace, delimiters are single token ids: ".\n" and "..." are other tokens.
    dolma = JsonTokenizer.from_file(shared_tokenizer("dolma2"))
    query = tokenize("One.\nTwo... three. Four", dolma, TraceOptions())
    assert [query.text[: query.boundaries[cut]] for cut in query.cuts] == ["One.\nTwo... three."]


def test_spans_may_start_inside_words_if_asked():
    strict = tokenize("abc de", ByteTokenizer(), TraceOptions())
    loose = tokenize("abc de", ByteTokenizer(), TraceOptions(allow_partial_words=True))
    assert strict.word_starts.tolist() == [0, 3, 4]
    assert loose.word_starts.tolist() == [0, 1, 2, 3, 4, 5]


def test_a_delimiter_of_several_tokens_is_refused():
    with pytest.raises(InvalidRequestError, match=r"delimiters\[1\], of 3 characters, is not one token") as caught:
        tokenize("text", ByteTokenizer(), TraceOptions(delimiters=("\n", "END")))
    assert "END" not in str(caught.value)


def test_a_whole_text_may_start_only_at_its_beginning():
    query = whole_text("some. words", ByteTokenizer())
    assert query.word_starts.tolist() == [0]
    assert not np.any(query.cuts)
