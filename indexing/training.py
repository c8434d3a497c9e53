"""Trains a byte-level BPE on the texts of a corpus, so that Ctrl-C still ends the build."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import tokenizers

from index_format.tokenizer import JsonTokenizer

# Training need not be exact at a cut, and the words of a longer piece would all be held at once.
_PIECE_CHARACTERS = 1 << 20
_SECONDS_TO_STOP = 2.0


class _StoppedError(Exception):
    """Ends a training whose result nobody waits for."""


def train(vocab_size: int, texts: Iterator[str]) -> JsonTokenizer:
    """Returns a byte-level BPE of at most ``vocab_size`` entries trained on ``texts``, read once, in another thread.

    The tokenizers package trains in one call that no signal interrupts, so it has a thread of its own. When this one
    is interrupted, reading stops at once; merging may go on for as long as the process does, and its result is dropped.
    """
    trained: Future[str] = Future()
    stop = threading.Event()
    thread = threading.Thread(target=_train, args=(trained, vocab_size, texts, stop), daemon=True)
    thread.start()
    try:
        content = trained.result()
    except BaseException:
        stop.set()
        thread.join(_SECONDS_TO_STOP)
        raise
    thread.join()
    return JsonTokenizer(content.encode(), "the trained tokenizer")


def _train(trained: "Future[str]", vocab_size: int, texts: Iterator[str], stop: threading.Event) -> None:
    try:
        tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE())
        tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = tokenizers.decoders.ByteLevel()
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=vocab_size,
            show_progress=False,
            initial_alphabet=sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet()),
        )
        tokenizer.train_from_iterator(_in_pieces(texts, stop), trainer)
        trained.set_result(tokenizer.to_str())
    except BaseException as error:  # the edge of the thread: who waits gets it, whatever it is
        trained.set_exception(error)


def _in_pieces(texts: Iterator[str], stop: threading.Event) -> Iterator[str]:
    for text in texts:
        if stop.is_set():
            raise _StoppedError
        for start in range(0, len(text), _PIECE_CHARACTERS):
            yield text[start : start + _PIECE_CHARACTERS]
