import pytest

from coordinator.access.keyring import KeyHolder, Limits
from coordinator.access.roles import Role
from coordinator.access.settings import AccessSettings
from coordinator.access.text_budgets import TextBudgets, num_bytes
from coordinator.errors import BudgetSpentError
from coordinator.results import Document, Relevance, Snippet
from coordinator.values import DocumentId

HOUR = 3_600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def budgets(
    clock: Clock | None = None, num_replicas: int = 1, max_documents: int = 1000, **settings: int
) -> TextBudgets:
    settings = {"tokens_of_a_document_per_day": 0, **settings}
    return TextBudgets(AccessSettings(**settings), num_replicas, clock=clock or Clock(), max_documents=max_documents)


def holder(id: str = "a", **limits: int) -> KeyHolder:
    return KeyHolder(id, frozenset({Role.TRACE}), Limits(**limits))


def shows(asked: TextBudgets, who: KeyHolder, shown: Document, snippet_tokens: int) -> bool:
    return not asked.left_out(who, [shown], snippet_tokens)


def document(start: int, end: int, text: str, *snippets: tuple[int, int], num_tokens: int = 1000) -> Document:
    return Document(
        DocumentId("pre", 0, 1), "pre", "", "", "", {}, num_tokens, start, end, text, 0.0, 0.0, Relevance.LOW,
        tuple(Snippet("12345", 0, 1, 0, *each) for each in snippets), (0,),
    )  # fmt: skip


def test_bytes_are_never_overdrawn_and_come_back_when_their_time_is_over() -> None:
    clock = Clock()
    asked = budgets(clock, document_bytes_per_hour=100)
    assert asked.take(holder(), "d", [], 60)
    assert not asked.take(holder(), "d", [], 41)
    assert asked.take(holder(), "d", [], 40)
    with pytest.raises(BudgetSpentError, match="bytes of documents' text in an hour") as raised:
        asked.check(holder())
    assert HOUR <= raised.value.retry_after_s < HOUR * 1.1
    asked.check(holder("another"))
    clock.now += raised.value.retry_after_s + 1
    asked.check(holder())
    assert asked.take(holder(), "d", [], 100)


def test_a_day_counts_besides_the_hours() -> None:
    clock = Clock()
    asked = budgets(clock, document_bytes_per_hour=100, document_bytes_per_day=250)
    taken = 0
    for _ in range(20):
        taken += 100 * asked.take(holder(), "d", [], 100)
        clock.now += HOUR * 1.05
    assert taken == 200
    with pytest.raises(BudgetSpentError, match="in a day"):
        budgets_of_day = budgets(clock, document_bytes_per_day=1)
        budgets_of_day.take(holder(), "d", [], 1)
        budgets_of_day.check(holder())


def test_a_holder_may_have_its_own_budgets() -> None:
    asked = budgets(document_bytes_per_hour=100, tokens_of_a_document_per_day=10)
    rich = holder("rich", document_bytes_per_hour=0, tokens_of_a_document_per_day=0)
    poor = holder("poor", document_bytes_per_hour=1, tokens_of_a_document_per_day=1)
    assert asked.take(rich, "d", [(0, 1000)], 10**9)
    assert not asked.take(poor, "d", [(0, 1)], 2)
    assert not asked.take(poor, "d", [(0, 2)], 1)
    assert asked.take(poor, "d", [(0, 1)], 1)


def test_replicas_share_the_budgets_out() -> None:
    asked = budgets(num_replicas=4, document_bytes_per_hour=100, tokens_of_a_document_per_day=40)
    assert not asked.take(holder(), "d", [(0, 11)], 1)
    assert not asked.take(holder(), "d", [(0, 1)], 26)
    assert asked.take(holder(), "d", [(0, 10)], 25)


def test_a_document_cannot_be_put_together_from_its_windows() -> None:
    clock = Clock()
    asked = budgets(clock, tokens_of_a_document_per_day=100)
    seen: set[int] = set()
    for number in range(200):
        start = number * 5
        if shows(asked, holder(), document(start, start + 50, "text"), 0):
            seen.update(range(start, start + 50))
        assert len(seen) <= 100
        clock.now += 60
    assert len(seen) == 100
    assert shows(asked, holder(), document(0, 50, "text"), 0), "what was seen may be seen again"
    assert shows(asked, holder("b"), document(900, 950, "text"), 0)


def test_snippets_count_as_far_as_they_are_shown() -> None:
    asked = budgets(tokens_of_a_document_per_day=70)
    # Text [0, 10), then [80, 122) and, cut at the end, [960, 1000).
    assert not shows(asked, holder(), document(0, 10, "text", (100, 102), (980, 990)), 20)
    asked = budgets(tokens_of_a_document_per_day=92)
    assert shows(asked, holder(), document(0, 10, "text", (100, 102), (980, 990)), 20)


def test_a_snippet_counts_where_it_goes_beyond_the_text() -> None:
    asked = budgets(tokens_of_a_document_per_day=100)
    assert shows(asked, holder(), document(0, 100, "text", (40, 60)), 20)
    asked = budgets(tokens_of_a_document_per_day=100)
    # [0, 90) and [60, 102), which is 102 together.
    assert not shows(asked, holder(), document(0, 90, "text", (80, 82)), 20)


def test_documents_of_one_trace_count_together() -> None:
    asked = budgets(document_bytes_per_hour=10)
    shown = [document(0, 10, text) for text in ("1234", "12345", "12", "1", "")]
    assert asked.left_out(holder(), shown, 0) == {2}


def test_a_trace_of_which_nothing_is_shown_does_not_tell_when_to_come_back() -> None:
    clock = Clock()
    asked = budgets(clock, document_bytes_per_hour=100)
    assert not shows(asked, holder(), document(0, 10, "x" * 101), 0)
    clock.now += HOUR / 2
    assert shows(asked, holder(), document(0, 10, "x" * 100), 0)
    with pytest.raises(BudgetSpentError) as raised:
        asked.check(holder())
    assert raised.value.retry_after_s >= HOUR


def test_all_text_of_a_document_counts_in_bytes() -> None:
    asked = budgets(document_bytes_per_hour=12)
    assert not shows(asked, holder(), document(0, 10, "äöü", (1, 2), (3, 4)), 0)  # 6 and twice 5
    assert shows(asked, holder(), document(0, 10, "äö", (1, 2)), 0)
    assert num_bytes("a\ud800") == 2


def test_reading_goes_as_far_as_the_budget_of_the_document() -> None:
    clock = Clock()
    asked = budgets(clock, tokens_of_a_document_per_day=100)
    assert asked.reach(holder(), "d", 0, 1000) == 100
    assert asked.take(holder(), "d", [(0, 60)], 1)
    assert asked.reach(holder(), "d", 30, 1000) == 70
    assert asked.reach(holder(), "d", 500, 1000) == 40
    assert asked.take(holder(), "d", [(500, 540)], 1)
    assert asked.reach(holder(), "d", 0, 1000) == 60
    with pytest.raises(BudgetSpentError, match="tokens of this document in a day") as raised:
        asked.reach(holder(), "d", 700, 1)
    assert raised.value.retry_after_s == pytest.approx(24 * HOUR)
    clock.now += raised.value.retry_after_s
    assert asked.reach(holder(), "d", 700, 1000) == 100


def test_no_more_documents_are_remembered_than_so_many() -> None:
    asked = budgets(max_documents=3, tokens_of_a_document_per_day=10)
    for name in "abcda":
        assert asked.take(holder(), name, [(0, 10)], 1)
    assert len(asked._documents) == 3
    assert not asked.take(holder(), "d", [(10, 11)], 1)
