"""Answers made of a corpus."""

import random

import numpy as np
import pytest

from loadtest.access import Access
from loadtest.corpus_texts import PASSAGE_WORDS, CorpusWriter, FreshTexts
from loadtest.errors import LoadTestError
from loadtest.generator import Generator
from loadtest.messages import MessageMaker
from loadtest.plan import Load
from loadtest.schedule import Pace, draw_requests
from loadtest.workloads import Cuts, Question, Texts, Workload, mix_of

CHOOSER = random.Random(5)
DOCUMENTS = [
    " ".join(f"w{CHOOSER.randrange(3000)}{CHOOSER.choice(['', '.', ','])}" for _ in range(400)).replace(". ", ".\n")
    for _ in range(30)
]


def writer(novelty: float = 0.3, seed: int = 1, most_chars: int = 50_000) -> CorpusWriter:
    return CorpusWriter(DOCUMENTS, seed, novelty, most_chars)


def copied_share(answer: str) -> float:
    """The share of the runs of four words that stand in a document."""
    known = {tuple(words[at : at + 4]) for words in map(str.split, DOCUMENTS) for at in range(len(words) - 3)}
    words = answer.split()
    runs = [tuple(words[at : at + 4]) for at in range(len(words) - 3)]
    return sum(run in known for run in runs) / len(runs)


def test_an_answer_without_novelty_is_copied_with_its_spaces() -> None:
    answer = writer(novelty=0.0).answer()
    # Runs across two stretches are new; a stretch has 22 words on average.
    assert copied_share(answer) > 0.75
    assert "\n" in answer


def test_novelty_is_the_share_of_words_that_are_new() -> None:
    shares = []
    for novelty in (0.0, 0.25, 0.5, 0.75, 1.0):
        own = writer(novelty)
        shares.append(copied_share(" ".join(own.answer() for _ in range(30))))
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(0.0, abs=0.01)
    # Where two stretches meet, runs are new, so that the share is somewhat below.
    assert [share / shares[0] for share in shares] == pytest.approx([1, 0.75, 0.5, 0.25, 0], abs=0.1)


def test_lengths_are_mixed_like_those_of_answers() -> None:
    own = writer()
    lengths = sorted(len(own.answer().split()) for _ in range(400))
    assert 200 < lengths[200] < 310
    assert lengths[40] < 150
    assert lengths[-40] > 450
    assert min(lengths) >= 20
    assert max(lengths) <= 3_000


def test_passages_are_runs_of_thirteen_words_of_both_kinds() -> None:
    own = writer(novelty=0.5)
    passages = [own.passage() for _ in range(200)]
    assert {len(passage.split()) for passage in passages} == {PASSAGE_WORDS}
    known = sum(any(passage in document for document in DOCUMENTS) for passage in passages)
    assert 70 <= known <= 130


def test_equal_seeds_give_equal_answers() -> None:
    def some(seed: int) -> list[object]:
        own = writer(seed=seed)
        return [own.question() for _ in range(5)]

    assert some(1) == some(1)
    assert some(1) != some(2)


def test_no_answer_is_longer_than_the_server_takes() -> None:
    own = writer(most_chars=300)
    assert max(len(own.answer()) for _ in range(50)) == 300


def test_what_cannot_be_cut_from_is_refused() -> None:
    with pytest.raises(LoadTestError, match="2 documents of the corpus, none with 13 words"):
        CorpusWriter(["too short", "a b c"], 1, 0.3, 100)
    with pytest.raises(LoadTestError, match=r"novelty 1\.5, expected a share"):
        writer(novelty=1.5)


CUTS = Cuts(tuple(DOCUMENTS), seed=3, novelty=0.3, most_chars=50_000, most_prompt_chars=40)
RECORDED = Question("Who?", "A recorded answer.")
TEXTS = Texts((RECORDED,), (Question("", "made before"),), ("passage made before",), CUTS)


def test_every_cold_request_has_a_text_of_its_own_whoever_makes_it() -> None:
    one, other = FreshTexts(CUTS), FreshTexts(CUTS)
    answers = [one.question(number).answer for number in range(1, 200)]
    assert len(set(answers)) == len(answers)
    # Another process makes others of them, in another order.
    assert [other.question(number).answer for number in range(199, 0, -7)] == answers[::-7]
    # Few documents: two may well have the same thirteen words.
    assert len({one.passage(number) for number in range(200)}) > 190
    assert copied_share(" ".join(answers[:30])) == pytest.approx(0.6, abs=0.15)


def test_messages_of_cold_requests_are_made_anew_and_hot_and_recorded_ones_are_not() -> None:
    maker = MessageMaker(TEXTS, 1000, False, "run")
    for workload, text in ((Workload.CORPUS, 0), (Workload.STREAM, 1)):
        hot, again, cold, other = (maker.message(workload, text, serial) for serial in (0, 0, 7, 8))
        assert hot == again and hot.answer == "made before"  # type: ignore[union-attr]
        assert len({message.answer for message in (hot, cold, other)}) == 3  # type: ignore[union-attr]
    for workload in (Workload.CONVERSATIONS, Workload.STREAM):
        assert maker.message(workload, 0, 7).answer == RECORDED.answer  # type: ignore[union-attr]
    counted = [maker.message(Workload.CONTAMINATION, 0, serial).text for serial in (0, 7, 8)]  # type: ignore[union-attr]
    assert counted[0] == "passage made before" and len(set(counted)) == 3


def test_a_run_says_how_many_texts_were_asked() -> None:
    mix = mix_of({Workload.CORPUS: 1, Workload.CONVERSATIONS: 1}, TEXTS, 0.5)
    requests = draw_requests(Pace("rate", 50, 50, 4, 0, "constant"), mix, TEXTS, np.random.default_rng(1), 1)
    generator = Generator(Load(Access("127.0.0.1:1"), TEXTS, "run"), mix, 1, good_within_ms=1.0)
    generator._count_texts(requests)
    fresh = int(np.count_nonzero(requests.serial[requests.workload == list(Workload).index(Workload.CORPUS)]))
    assert 0 < fresh < len(requests)
    wanted = f"{fresh} texts were asked once, cut from {len(DOCUMENTS)} documents; 2 again and again"
    assert generator.told_of_texts() == wanted
    assert generator.configuration("constant").documents == len(DOCUMENTS)
