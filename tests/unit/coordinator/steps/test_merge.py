from coordinator.steps.merge import merge_documents, merge_spans
from coordinator.values import DocumentId, MaximalSpan, Occurrence, Window


def spans(*ranges):
    return [MaximalSpan(start, end, 1, (), -1.0) for start, end in ranges]


def occurrence(span, number, text="some text round it", match=(5, 9), snippet=(0, 18)):
    return Occurrence(
        span,
        Window(
            document=DocumentId("default", 0, number),
            document_tokens=50,
            start=10,
            end=20,
            match_start=12,
            match_token_ids=(1, 2),
            text=text,
            match_chars=match,
            snippet_chars=snippet,
            metadata="",
        ),
    )


def test_spans_that_overlap_merge_through_one_another():
    assert merge_spans(spans((0, 4), (3, 6), (5, 9), (12, 13))) == [(0, 1, 2), (3,)]


def test_spans_that_only_touch_stay_apart():
    assert merge_spans(spans((0, 4), (4, 6))) == [(0,), (1,)]


def test_a_span_inside_a_group_does_not_end_it():
    assert merge_spans(spans((0, 9), (1, 2), (8, 12))) == [(0, 1, 2)]


def test_no_spans_give_no_groups():
    assert merge_spans([]) == []


def test_a_document_appears_once_with_its_spans_sorted():
    merged = merge_documents([occurrence(2, 5), occurrence(0, 9), occurrence(0, 5, "other words here..")])
    assert [(document.id.number, document.first, document.spans) for document in merged] == [
        (5, 0, (0, 2)),
        (9, 1, (0,)),
    ]


def test_equal_snippets_of_a_document_are_shown_once():
    merged = merge_documents([occurrence(0, 5), occurrence(1, 5), occurrence(1, 5, "a different snippet")])
    assert [snippet.span for snippet in merged[0].snippets] == [0, 1]


def test_a_snippet_is_cut_from_its_window_with_the_match_in_place():
    (document,) = merge_documents([occurrence(0, 5, "before [match] after", match=(7, 14), snippet=(3, 17))])
    snippet = document.snippets[0]
    assert snippet.text == "ore [match] af"
    assert snippet.text[snippet.start_char : snippet.end_char] == "[match]"
    assert (snippet.start, snippet.end) == (12, 14)
