import pytest

from coordinator.errors import InvalidRequestError
from coordinator.options import RequestLimits, check_document_range, check_request
from coordinator.requests import TraceOptions, TraceRequest

LIMITS = RequestLimits(max_answer_chars=100, max_prompt_chars=200)


@pytest.mark.parametrize("answer", ["", " ", "\n\t \u2003"])
def test_a_blank_answer_is_refused(answer):
    with pytest.raises(InvalidRequestError, match="answer is empty or only white space"):
        check_request(TraceRequest(answer), LIMITS)


def test_an_answer_over_the_limit_is_refused_with_both_numbers():
    check_request(TraceRequest("x" * 100), LIMITS)
    with pytest.raises(InvalidRequestError, match="answer has 101 characters, the limit is 100"):
        check_request(TraceRequest("x" * 101), LIMITS)


def test_a_prompt_over_the_limit_is_refused():
    with pytest.raises(InvalidRequestError, match="prompt has 201 characters, the limit is 200"):
        check_request(TraceRequest("x", prompt="y" * 201), LIMITS)


def test_a_lone_surrogate_is_refused():
    with pytest.raises(InvalidRequestError, match="answer has a lone surrogate"):
        check_request(TraceRequest("ab\ud800"), LIMITS)
    with pytest.raises(InvalidRequestError, match="prompt has a lone surrogate"):
        check_request(TraceRequest("ab", prompt="\ud800"), LIMITS)


@pytest.mark.parametrize("delimiters", [("",), ("\ud800",), ("x",) * 65])
def test_delimiters_that_are_none_or_too_many_are_refused(delimiters):
    with pytest.raises(InvalidRequestError, match="delimiter"):
        check_request(TraceRequest("x", options=TraceOptions(delimiters=delimiters)), LIMITS)


def test_a_delimiter_that_is_too_long_is_refused_by_its_place_and_length_and_not_repeated():
    options = TraceOptions(delimiters=("\n", "secret" * 1000))
    with pytest.raises(InvalidRequestError, match=r"delimiters\[1\] has 6000 characters, expected 1 to 256") as caught:
        check_request(TraceRequest("x", options=options), LIMITS)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("min_span_tokens", 0),
        ("max_count", 0),
        ("max_occurrences_per_span", 0),
        ("max_occurrences_per_span", 101),
        ("context_tokens", -1),
        ("context_tokens", 2001),
        ("snippet_tokens", 251),
        ("snippet_tokens", -1),
        ("seed", -1),
        ("max_span_density", 0.0),
        ("max_span_density", 1.1),
        ("max_span_density", float("nan")),
    ],
)
def test_an_option_out_of_range_is_refused_by_name(option, value):
    with pytest.raises(InvalidRequestError, match=f"{option} is {value}"):
        check_request(TraceRequest("x", options=TraceOptions(**{option: value})), LIMITS)


@pytest.mark.parametrize(("start", "max_tokens"), [(-1, 1), (0, 0), (0, 100_001)])
def test_a_document_range_out_of_bounds_is_refused(start, max_tokens):
    with pytest.raises(InvalidRequestError):
        check_document_range(start, max_tokens, RequestLimits())
