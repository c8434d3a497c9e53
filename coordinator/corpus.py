"""A corpus: one index, with the name and the stage of training that a cluster gives it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from coordinator.errors import ConfigurationError, GenerationGoneError, InvalidRequestError
from coordinator.values import DocumentId
from index_format.manifest import IndexManifest

NAME_PATTERN = r"[a-z0-9][a-z0-9_-]{0,62}"
"""What a name is made of. It stands in document ids, before a colon."""

MAX_NAMED_CORPORA = 1_000
"""Most names of corpora in a request."""

DEFAULT_NAME = "default"
"""Name of the corpus where there is only one and nobody named it."""

_MAX_SHOWN_CHARS = 100


@dataclass(frozen=True, slots=True)
class Corpus:
    """One index as a part of what is served.

    Attributes:
        name: Identifies the corpus in requests and document ids.
        display_name: What a page shows.
        stage: Stage of training that used it; may be empty.
        index: The index's manifest.
    """

    name: str
    display_name: str
    stage: str
    index: IndexManifest

    @classmethod
    def of_index(cls, index: IndexManifest, name: str = DEFAULT_NAME) -> "Corpus":
        """Returns the corpus of an index that nobody described further."""
        return cls(name, name, index.stage, index)


def check_corpora(corpora: Sequence[Corpus]) -> None:
    """Checks that one text is the same tokens in every corpus, and that each has a name of its own.

    Raises:
        ConfigurationError: two corpora have different tokenizers or the same name, or a name is none; says which.
    """
    for corpus in corpora:
        if not re.fullmatch(NAME_PATTERN, corpus.name):
            raise ConfigurationError(
                f"corpus name {corpus.name[:_MAX_SHOWN_CHARS]!r}, expected 1 to 63 lower-case letters, digits, '-' and "
                "'_', the first a letter or digit"
            )
    first = corpora[0]
    for corpus in corpora[1:]:
        if corpus.index.tokenizer_sha256 != first.index.tokenizer_sha256:
            raise ConfigurationError(
                f"corpus {corpus.name} has the tokenizer {corpus.index.tokenizer_sha256}, corpus {first.name} has "
                f"{first.index.tokenizer_sha256}; corpora that are served together must share one"
            )
    names = [corpus.name for corpus in corpora]
    if len(set(names)) != len(names):
        raise ConfigurationError(f"corpora are named {', '.join(names)}; a name may stand only once")


def check_generation(id_: DocumentId, wanted: str, served: str) -> None:
    """Checks that the id of a document is of the index that is served; an empty ``wanted`` says nothing.

    Raises:
        GenerationGoneError: it is of another one.
    """
    if wanted and wanted != served:
        raise GenerationGoneError(
            f"document {id_} of index {wanted[:_MAX_SHOWN_CHARS]!r}: index {served!r} is served by now, whose "
            "documents have other ids; trace the answer again"
        )


def chosen_corpora(wanted: Sequence[str], corpora: Mapping[str, Corpus]) -> tuple[Corpus, ...]:
    """Returns the corpora that a request names, in the order in which they are served; all if it names none.

    Raises:
        InvalidRequestError: there is no corpus of a name, or more names than a request may have.
    """
    if len(wanted) > MAX_NAMED_CORPORA:
        raise InvalidRequestError(f"{len(wanted)} names of corpora, the limit is {MAX_NAMED_CORPORA}", "corpora")
    for name in wanted:
        if name not in corpora:
            raise InvalidRequestError(
                f"there is no corpus {name[:63]!r}, expected some of {', '.join(corpora)}", "corpora"
            )
    return tuple(corpus for corpus in corpora.values() if not wanted or corpus.name in wanted)
