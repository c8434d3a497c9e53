from dataclasses import replace

import pytest

from coordinator.corpus import Corpus, check_corpora, chosen_corpora
from coordinator.errors import ConfigurationError, InvalidRequestError
from tests.oracle_shard import corpus_of

PRE, MID, POST = (corpus_of(name, [["a"]]) for name in ("pre", "mid", "post"))
SERVED = {corpus.name: corpus for corpus in (PRE, MID, POST)}


def test_an_index_that_nobody_described_is_the_default_corpus_with_its_own_stage():
    corpus = Corpus.of_index(PRE.index)
    assert (corpus.name, corpus.display_name, corpus.stage) == ("default", "default", "pre-training")


def test_corpora_come_in_the_order_in_which_they_are_served():
    assert chosen_corpora([], SERVED) == (PRE, MID, POST)
    assert chosen_corpora(["post", "pre", "post"], SERVED) == (PRE, POST)


def test_a_corpus_that_is_not_served_is_named_with_those_that_are():
    with pytest.raises(InvalidRequestError, match="there is no corpus 'sft', expected some of pre, mid, post"):
        chosen_corpora(["pre", "sft"], SERVED)


def test_corpora_of_one_tokenizer_and_different_names_are_accepted():
    check_corpora([PRE, MID, POST])


def test_another_tokenizer_is_named_with_its_corpus():
    other = replace(MID, index=replace(MID.index, tokenizer_sha256="ff"))
    with pytest.raises(ConfigurationError, match="corpus mid has the tokenizer ff, corpus pre has"):
        check_corpora([PRE, other, POST])


def test_a_name_stands_once():
    with pytest.raises(ConfigurationError, match="named pre, mid, pre; a name may stand only once"):
        check_corpora([PRE, MID, PRE])


@pytest.mark.parametrize("name", ["", "a:b", "Pre", "-pre", "a" * 64, "prä", "pre\n"])
def test_a_name_that_could_not_stand_in_a_document_id_is_refused(name):
    with pytest.raises(ConfigurationError, match=r"corpus name .*, expected 1 to 63"):
        check_corpora([replace(PRE, name=name)])
