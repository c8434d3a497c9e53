"""How much text a corpus holds, at least: from file sizes, Parquet footers and a look at a few files.

The estimate is low on purpose. It serves to refuse, before hours of work, a build that cannot end well, and must not
refuse one that can: what counts is checked again, exactly, before sorting.
"""

from collections.abc import Sequence
from itertools import islice

from indexing.documents import BadDocuments, DocumentFields
from indexing.plan import RawBytes, TokenizerChoice
from indexing.reading import read_part
from indexing.sources import Corpus, Packing, SourceFile, SourceKind, SplitFile

_SAMPLED_FILES = 8
_SAMPLED_DOCUMENTS = 500
_SAMPLED_TEXT_BYTES = 4 << 20
# The rest of a corpus may hold less text a byte than the sample does.
_SAMPLE_TRUST = 0.5
# English text takes 3 to 4.5 bytes a token with the tokenizers tried (Llama-2, GPT-NeoX, dolma2).
_MOST_BYTES_A_TOKEN = 8


def least_tokens(corpus: Corpus, fields: DocumentFields, choice: TokenizerChoice) -> int:
    """Returns a number of tokens that the corpus very probably exceeds."""
    text_bytes = least_text_bytes(corpus, fields)
    return text_bytes if isinstance(choice, RawBytes) else text_bytes // _MOST_BYTES_A_TOKEN


def least_text_bytes(corpus: Corpus, fields: DocumentFields) -> int:
    """Returns a number of bytes of text that the corpus very probably exceeds.

    Raises:
        SourceError: a file that was looked into cannot be read as what it is.
    """
    sizes: dict[SourceKind, int] = dict.fromkeys(SourceKind, 0)
    sampled: list[SourceFile] = []
    for file in corpus.files:
        if file.kind is SourceKind.PARQUET:
            sizes[file.kind] += _text_bytes_of_parquet(file, fields)
        elif file.kind is SourceKind.ID_ARRAY:
            # An id takes 8 bytes or less, and is counted below as so much text.
            sizes[file.kind] += file.size_bytes
        elif file.kind is SourceKind.TEXT and file.packing is Packing.NONE:
            sizes[file.kind] += file.size_bytes
        else:
            sampled.append(file)
    return sum(sizes.values()) + _sampled_text_bytes(sampled, fields)


def _text_bytes_of_parquet(file: SourceFile, fields: DocumentFields) -> int:
    from indexing.read_parquet import num_ids_of_parquet, text_bytes_of_parquet  # Arrow is slow to load

    if fields.ids is not None:
        return num_ids_of_parquet(file, fields.ids) * _MOST_BYTES_A_TOKEN
    return text_bytes_of_parquet(file, fields.text)


def _sampled_text_bytes(files: Sequence[SourceFile], fields: DocumentFields) -> int:
    step = max(1, len(files) // _SAMPLED_FILES)
    text_bytes = disk_bytes = 0
    for file in files[::step][:_SAMPLED_FILES]:
        text, disk = _look_into(file, fields)
        text_bytes += text
        disk_bytes += disk
    if disk_bytes == 0:
        return 0
    return int(sum(file.size_bytes for file in files) * (text_bytes / disk_bytes) * _SAMPLE_TRUST)


def _look_into(file: SourceFile, fields: DocumentFields) -> tuple[int, int]:
    """Returns the bytes of text in the first documents of a file and the bytes read from disk for them."""
    disk_bytes = text_bytes = 0

    def count(size: int) -> None:
        nonlocal disk_bytes
        disk_bytes += size

    documents = read_part(SplitFile.whole(file), fields, BadDocuments(skip=True), count)
    for document in islice(documents, _SAMPLED_DOCUMENTS):
        text_bytes += document.text_bytes
        if text_bytes >= _SAMPLED_TEXT_BYTES:
            break
    return text_bytes, disk_bytes
