"""About how many tokens and documents a corpus has, from a look at some of its files; nothing is refused by it."""

from collections import defaultdict
from dataclasses import dataclass

from indexing.documents import BadDocuments, DocumentFields
from indexing.read_parquet import row_groups
from indexing.reading import read_part
from indexing.sources import Corpus, SourceFile, SourceKind, SplitFile
from indexing.tokenizing import Encoder

# Of each kind of file, evenly over the corpus.
_SAMPLED_FILES = 16
# Of all of them together, as much from the beginning of each: some seconds' work for a tokenizer.
_SAMPLED_TEXT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class CorpusEstimate:
    """About what a corpus holds. ``num_tokens`` counts positions: a separator a document too."""

    num_tokens: int
    num_documents: int
    line_bytes: int
    sampled_text_bytes: int


@dataclass(slots=True)
class _Sample:
    """What was read of some files: of ``source_bytes`` of theirs."""

    source_bytes: float = 0
    text_bytes: int = 0
    tokens: int = 0
    documents: int = 0
    line_bytes: int = 0


def estimate_corpus(corpus: Corpus, fields: DocumentFields, encoder: Encoder) -> CorpusEstimate:
    """Returns what a corpus probably holds: its size on disk, at the rate of the documents that were looked at.

    Raises:
        SourceError: a file that was looked into cannot be read as what it is.
    """
    groups: dict[object, list[SourceFile]] = defaultdict(list)
    for file in corpus.files:
        groups[file.kind, file.packing].append(file)
    tokens = documents = lines = 0.0
    sampled_text_bytes = 0
    for files in groups.values():
        step = max(1, len(files) // _SAMPLED_FILES)
        sample = _Sample()
        chosen = files[::step][:_SAMPLED_FILES]
        for file in chosen:
            _look_into(file, fields, encoder, _SAMPLED_TEXT_BYTES // len(chosen), sample)
        if sample.source_bytes:
            times = sum(file.size_bytes for file in files) / sample.source_bytes
            tokens += times * (sample.tokens + sample.documents)
            documents += times * sample.documents
            lines += times * sample.line_bytes
            sampled_text_bytes += sample.text_bytes
    return CorpusEstimate(round(tokens), round(documents), round(lines), sampled_text_bytes)


def _look_into(file: SourceFile, fields: DocumentFields, encoder: Encoder, most_bytes: int, sample: _Sample) -> None:
    read_bytes = text_bytes = 0

    def count(size: int) -> None:
        nonlocal read_bytes
        read_bytes += size

    texts: list[str] = []
    num_documents = taken = 0
    documents = read_part(SplitFile.whole(file), fields, BadDocuments(skip=True), count)
    for document in documents:
        num_documents += 1
        text_bytes += document.text_bytes
        if document.token_ids is None:
            texts.append(document.text)
        else:
            sample.tokens += len(document.token_ids)
        sample.line_bytes += len(document.metadata_line) + 1
        taken += document.length
        if taken >= most_bytes:
            break
    if not num_documents:
        return
    if file.kind is SourceKind.PARQUET:
        # Arrow reads whole row groups: how far the documents are in the file is told by their rows.
        sample.source_bytes += file.size_bytes * num_documents / max(1, sum(row_groups(file)))
    else:
        sample.source_bytes += min(file.size_bytes, read_bytes)
    sample.text_bytes += text_bytes
    sample.documents += num_documents
    sample.tokens += sum(map(len, encoder.encode_batch(texts)))
