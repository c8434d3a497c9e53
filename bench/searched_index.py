"""An index that both engines can open: one of Headwater's, or a bare folder in infini-gram's layout."""

from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from index_format.errors import IndexFormatError
from index_format.layout import INDEX_MANIFEST, TOKENIZED, shard_folder
from index_format.manifest import FORMAT_VERSION, IndexManifest
from index_format.tokenizer import JsonTokenizer, open_tokenizer

_FIRST_OF_FOUR_BYTES = 2**16 - 1


@dataclass(frozen=True, slots=True)
class ShardFiles:
    """One shard: the folder of its files, and the number at the end of their names."""

    folder: Path
    number: int


@dataclass(frozen=True, slots=True)
class SearchedIndex:
    """Shards in their order, what their tokens are, and what the coordinator wants to know of them."""

    name: str
    shards: tuple[ShardFiles, ...]
    tokenizer: JsonTokenizer
    manifest: IndexManifest

    @property
    def folders(self) -> list[Path]:
        """The folders, each once, in order."""
        return list(dict.fromkeys(shard.folder for shard in self.shards))


def searched_index(directory: Path, tokenizer: Path | None) -> SearchedIndex:
    """Returns the index in ``directory``; a bare one needs the path of its tokenizer.

    Raises:
        BenchError: there is no index of either kind, it is of raw bytes, or a bare one came without its tokenizer.
    """
    try:
        if (directory / INDEX_MANIFEST).exists():
            return _ours(directory)
        return _bare(directory, tokenizer)
    except IndexFormatError as error:
        raise BenchError(str(error)) from error


def _ours(directory: Path) -> SearchedIndex:
    manifest = IndexManifest.load(directory)
    tokenizer = open_tokenizer(directory, manifest)
    if not isinstance(tokenizer, JsonTokenizer):
        raise BenchError(f"{directory}: an index of raw bytes; infini-gram misreads their unigram counts")
    shards = tuple(ShardFiles(directory / shard_folder(number), 0) for number in range(manifest.num_shards))
    return SearchedIndex(directory.name, shards, tokenizer, manifest)


def _bare(directory: Path, tokenizer_file: Path | None) -> SearchedIndex:
    stem = TOKENIZED.removesuffix("0")
    numbers = sorted(int(path.name.removeprefix(stem)) for path in directory.glob(f"{stem}[0-9]*"))
    if not numbers:
        raise BenchError(f"{directory}: neither {INDEX_MANIFEST} nor {TOKENIZED}, so no index in either layout")
    if tokenizer_file is None:
        raise BenchError(f"{directory}: an index of infini-gram's own; name its tokenizer.json with --tokenizer")
    tokenizer = JsonTokenizer.from_file(tokenizer_file)
    # infini-gram's files do not say how wide a token is; two bytes are used wherever the vocabulary fits.
    width = 2 if tokenizer.vocabulary.size <= _FIRST_OF_FOUR_BYTES else 4
    manifest = IndexManifest(
        format_version=FORMAT_VERSION,
        index_id="bare",
        token_width=width,
        num_shards=len(numbers),
        num_tokens=sum((directory / f"{stem}{number}").stat().st_size for number in numbers) // width,
        num_documents=0,
        tokenizer=str(tokenizer_file),
        tokenizer_sha256=tokenizer.sha256,
        vocab_size=tokenizer.vocabulary.size,
        stage="",
        source="",
        built_by="infini-gram",
    )
    return SearchedIndex(directory.name, tuple(ShardFiles(directory, n) for n in numbers), tokenizer, manifest)
