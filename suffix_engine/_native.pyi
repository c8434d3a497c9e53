"""The suffix-array engine: open a shard in infini-gram v4 layout, search it, read its text back; sort one.

Results, and the arrays of a trace, cross this line as little-endian ``bytes``: ``numpy.frombuffer``,
``array.tobytes()``. Every call that searches, reads or sorts releases the GIL. N is the number of positions of a
shard: its tokens and one separator a document.
"""

from collections.abc import Callable, Sequence
from os import PathLike
from typing import final

__all__ = [
    "MAX_PARTS",
    "MAX_PART_TOKENS",
    "DocumentSlice",
    "DocumentWithheldError",
    "EngineError",
    "InvalidQueryError",
    "LongestMatches",
    "ReadCounts",
    "ShardCorruptError",
    "ShardFormatError",
    "ShardIndex",
    "ThreadPool",
    "Vocabulary",
    "Window",
    "accelerate_memory_bytes",
    "accelerate_shard",
    "exit_on_lost_page",
    "fan_out_bytes",
    "longest_part",
    "merge_memory_bytes",
    "merge_parts",
    "run_bytes",
    "sort_memory_bytes",
    "sort_part",
    "sort_shard",
]

class EngineError(Exception):
    """The base of what the engine raises."""

class ShardFormatError(EngineError):
    """A file of the shard is missing, unreadable, or of a size that cannot be: it was never a shard of this layout."""

class ShardCorruptError(EngineError):
    """The files of the shard contradict one another, or became shorter: it was a shard once and no longer is."""

class InvalidQueryError(EngineError):
    """The caller asked for what cannot be: a token id, rank, document or length out of range."""

class DocumentWithheldError(EngineError):
    """The caller asked for a document that this view of the shard leaves out (`ShardIndex.without`)."""

@final
class ThreadPool:
    """Threads that searches run on. Several shards of one process share a pool."""

    def __new__(cls, num_threads: int = 0) -> ThreadPool:
        """Starts ``num_threads`` threads, at most 1,024; 0 means one a core.

        Raises:
            InvalidQueryError: there are too many, or the system cannot start them.
        """
    @property
    def num_threads(self) -> int:
        """Number of threads."""

@final
class Vocabulary:
    """The bytes of every token id; decodes as the tokenizer does (see ``index_format.vocabulary``)."""

    def __new__(
        cls,
        pieces: Sequence[bytes],
        *,
        fallback_ids: Sequence[int],
        byte_level: bool,
        strip_leading_space: bool,
    ) -> Vocabulary:
        """Copies ``pieces``; ``pieces[id]`` are the bytes of token ``id``.

        Raises:
            InvalidQueryError: a fallback id is outside ``pieces``, or its piece is not one byte.
        """
    @property
    def size(self) -> int:
        """Number of token ids."""
    def decode(self, token_ids: Sequence[int]) -> tuple[str, bytes]:
        """Returns the text of a token sequence and its n + 1 character boundaries (u32).

        Token i is ``text[b[i]:b[i + 1]]``; a character made of several tokens belongs to the last of them.

        Raises:
            InvalidQueryError: an id is outside the vocabulary.
        """

@final
class ReadCounts:
    """Random reads that a call asked of the files, cached or not: equal calls count equal reads.

    One read is one contiguous extent. Files that stay in RAM (directory, document starts, unigrams) are not counted.
    """

    @property
    def table(self) -> int:
        """Reads of the suffix array."""
    @property
    def fan_out(self) -> int:
        """Reads of the fan-out."""
    @property
    def text(self) -> int:
        """Reads of the tokens."""
    @property
    def documents(self) -> int:
        """Reads of metadata lines and of where they begin."""
    @property
    def size_bytes(self) -> int:
        """Bytes of the 4 KiB pages that all these reads touch."""

@final
class LongestMatches:
    """Longest allowed matches of one query that are maximal in one shard: each ends after all that begin earlier.

    Five arrays of one length, ascending by ``starts``.
    """

    @property
    def starts(self) -> bytes:
        """First query position of each match (u32)."""
    @property
    def ends(self) -> bytes:
        """End of each match in the query, exclusive (u32); always > start: zero-length matches are left out."""
    @property
    def rank_starts(self) -> bytes:
        """First rank of each match's interval (u64)."""
    @property
    def rank_ends(self) -> bytes:
        """End of each match's interval, exclusive (u64); count = end - start, never 0."""
    @property
    def withheld(self) -> bytes:
        """For each match, how often it occurs in the documents that the view leaves out (u64)."""
    @property
    def withheld_elsewhere(self) -> int:
        """Occurrences, all in documents left out, of what would be maximal in the shard and is no match in the view."""
    @property
    def unigram_counts(self) -> bytes:
        """How often each token of the query occurs in the shard (u64), as `ShardIndex.unigram_counts` says."""
    @property
    def reads(self) -> ReadCounts:
        """What the call read."""

@final
class Window:
    """The tokens round one occurrence, clipped to its document, as text. Character offsets count code points."""

    @property
    def rank(self) -> int:
        """The rank that was asked for."""
    @property
    def document(self) -> int:
        """Number of the document in this shard."""
    @property
    def document_length(self) -> int:
        """Tokens in the document."""
    @property
    def start(self) -> int:
        """Position of the window's first token in the document."""
    @property
    def end(self) -> int:
        """End of the window in the document, exclusive."""
    @property
    def match_start(self) -> int:
        """Position of the occurrence in the document."""
    @property
    def match_token_ids(self) -> bytes:
        """Token ids of the occurrence (u32)."""
    @property
    def text(self) -> str:
        """Text of the window."""
    @property
    def match_chars(self) -> tuple[int, int]:
        """The occurrence in ``text``, half-open."""
    @property
    def snippet_chars(self) -> tuple[int, int]:
        """The snippet (the occurrence and its nearest tokens) in ``text``, half-open."""
    @property
    def metadata(self) -> str:
        """The document's metadata line, without its newline; empty if the shard has none."""

@final
class DocumentSlice:
    """A run of tokens of one document, as text."""

    @property
    def document(self) -> int:
        """Number of the document in this shard."""
    @property
    def document_length(self) -> int:
        """Tokens in the document."""
    @property
    def start(self) -> int:
        """Position of the first token in the document."""
    @property
    def end(self) -> int:
        """End in the document, exclusive."""
    @property
    def text(self) -> str:
        """Text of the run."""
    @property
    def metadata(self) -> str:
        """The document's metadata line, without its newline; empty if the shard has none."""

@final
class ShardIndex:
    """One shard, opened from memory-mapped files. Immutable; safe to call from many threads.

    Every call that reads the files checks their sizes before and after: if one became shorter since it was opened, the
    call raises ShardCorruptError instead of answering from what is left (`exit_on_lost_page`).
    """

    @staticmethod
    def open(
        directory: str | PathLike[str],
        *,
        token_width: int,
        pool: ThreadPool,
        vocabulary: Vocabulary | None = None,
        number: int = 0,
    ) -> ShardIndex:
        """Opens the shard ``tokenized.<number>``, ``table.<number>``, ... in ``directory``.

        Args:
            directory: Where the files are. ``metadata``, ``metaoff`` and ``unigram`` may be absent, and so may the
                sidecars ``fanout`` and ``directory`` (`accelerate_shard`); searches are slower without them.
            token_width: Bytes a token: 1, 2 or 4. The files do not say.
            pool: Threads to search on.
            vocabulary: Decodes windows and documents; without it those calls raise InvalidQueryError.
            number: The number in the file names.

        Raises:
            ShardFormatError: a file is missing, empty or of an impossible size; or a sidecar has another version, was
                made of another shard, or fails its checksum.
            ShardCorruptError: offsets do not ascend, or the unigram counts do not add up to N.
        Cost: O(documents) to compress the document starts (about 2 + log2(mean tokens) bits each in RAM); the directory
            is read whole (about 0.02 bytes a token); of text and table, the first page and 64 more for the fingerprint.
        """
    def without(self, documents: bytes, *, num_threads: int = 0) -> ShardIndex:
        """Returns a view of the shard in which some documents have never been; files and threads are shared.

        In a view ranks are *net*: the number of surviving suffixes before one. Matches, counts, ``num_tokens`` and
        unigram counts are those of the survivors, exactly. Document numbers and positions stay those of the shard, and
        ``verify`` and ``inspect`` look at the whole shard. Documents that are left out have no text: what asks for it
        raises `DocumentWithheldError`.

        Args:
            documents: Numbers of the documents to leave out (u64), ascending. They replace those that this view
                leaves out; none gives the plain shard. What this view knows of documents that stay out is used again.
            num_threads: Threads to look up ranks on; 0 means the shard's pool.

        Raises:
            InvalidQueryError: there is no such document, or they are out of order.
            ShardCorruptError: the table does not hold each of their positions once.
        Cost: a search for every position of the documents in which the views differ, about two random reads each with
            sidecars, and a copy of what is known; or, if they are more than 0.2 % of the shard (0.02 % without
            sidecars, and a third of that if the table is not in memory), a pass over the table, about 3 ns a rank on
            one core, with at most N / 8 bytes of memory. RAM: about 2 + log2(N / positions left out) bits a position
            left out, and 8 bytes a token id.
        Searches cost more in a view: see ``docs/security.md``.
        """
    def saved_view(self) -> bytes:
        """Returns what this view knows of the documents that it leaves out, for `restored_without`.

        Cost: a copy of it, as large as it is in RAM. Nothing, if the view leaves out nothing.
        """
    def restored_without(self, documents: bytes, saved: bytes) -> ShardIndex:
        """Returns a view as `without` does, from what a view of the same shard, without the same documents, saved.

        Args:
            documents: As for `without`.
            saved: What `saved_view` returned, in this process or another.

        Raises:
            ShardFormatError: it is damaged, of another version, of another shard or without other documents.
            InvalidQueryError: as `without`.
        Cost: a pass over ``saved``, and 64 pages of the table and of the text to see that it is the same shard.
        """
    @property
    def withheld_documents(self) -> int:
        """Documents that this view leaves out."""
    @property
    def withheld_tokens(self) -> int:
        """Positions that this view leaves out: tokens and separators of its documents."""
    @property
    def num_tokens(self) -> int:
        """N: positions in the shard, separators included, without those left out."""
    @property
    def num_documents(self) -> int:
        """Documents in the shard, those left out included: their numbers are below this."""
    @property
    def token_width(self) -> int:
        """Bytes a token: 1, 2 or 4."""
    @property
    def pointer_width(self) -> int:
        """Bytes an entry of the suffix array, derived from the file sizes."""
    @property
    def memory_bytes(self) -> int:
        """RAM that the shard holds besides the page cache, the directory included."""
    @property
    def is_accelerated(self) -> bool:
        """Whether the shard has its sidecars."""
    @property
    def directory_bytes(self) -> int:
        """RAM of the directory; 0 without sidecars."""
    def find(self, token_ids: Sequence[int]) -> tuple[int, int]:
        """Returns the half-open rank interval of the suffixes that begin with ``token_ids``; all ranks if it is empty.

        Raises:
            InvalidQueryError: an id does not fit the shard's tokens, or is its separator.
        Cost: O(m log N) token comparisons, up to 4 log2(N) cold pages.
        """
    def longest_matches(self, token_ids: bytes, word_starts: bytes, cuts: bytes) -> LongestMatches:
        """Returns the longest allowed matches of a query that are maximal in the shard.

        A match may start at a position of ``word_starts`` and end at one, or at the end of the query. It never
        continues past a position of ``cuts`` (the position after a delimiter). Of the longest match at each start,
        those are returned that end after the match at every earlier start. The union over shards needs no others: where
        a start's match ends no later than an earlier one's in one shard, it is longer in another shard, or not maximal.

        Args:
            token_ids: The query (u32).
            word_starts: Query positions (u32), ascending, each < number of tokens.
            cuts: Query positions (u32), ascending, 0 < cut <= number of tokens.

        Raises:
            InvalidQueryError: an id does not fit the shard's tokens or is its separator, a position is out of
                range or order, or an argument is no whole number of integers.
        Cost: with sidecars about 2.2 random reads a start, whatever N is, on the calling thread; reads that are not
            cached are in flight together. Without, about 2 log2(N) reads a start, spread over the pool's threads.
        """
    def unigram_counts(self, token_ids: bytes) -> bytes:
        """Returns how often each of ``token_ids`` (u32) occurs in the shard (u64).

        No disk access if the shard has unigrams.

        Raises:
            InvalidQueryError: an id does not fit the shard's tokens, or is its separator.
        """
    def positions(self, ranks: Sequence[int]) -> bytes:
        """Returns the position of each rank (u64): the suffix array at ``ranks``.

        Raises:
            InvalidQueryError: a rank is >= N.
        """
    def locate(self, positions: Sequence[int]) -> tuple[bytes, bytes]:
        """Returns the document of each position and the offset in it (two u64 arrays); a separator has 2^64 - 1.

        Raises:
            InvalidQueryError: a position is not in the shard; those left out are.
        Cost: no disk access.
        """
    def tokens(self, start: int, end: int) -> bytes:
        """Returns the token ids (u32) at positions ``[start, end)``, separators as 2^32 - 1.

        Raises:
            InvalidQueryError: not 0 <= start <= end <= positions in the shard, those left out included.
            DocumentWithheldError: a document there is left out.
        """
    def windows(
        self, ranks: bytes, lengths: bytes, context_tokens: int, snippet_tokens: int
    ) -> tuple[list[Window], ReadCounts]:
        """Returns, for each of ``ranks`` (u64), the window round the occurrence of ``lengths[i]`` (u32) tokens there.

        ``context_tokens`` are taken on each side for the window and ``snippet_tokens`` for the snippet, both clipped to
        the document.

        Raises:
            InvalidQueryError: a rank is >= N, an occurrence reaches past its document, the two sequences differ in
                length, or the shard was opened without a vocabulary.
            ShardCorruptError: a token of the text is outside the vocabulary.
        Cost: one read of the table a rank, one of the text for each run of windows that overlap, two a document for its
            metadata; those of one file are in flight together. A token in several windows is looked up once.
        """
    def document(self, document: int, start: int, max_tokens: int) -> DocumentSlice:
        """Returns up to ``max_tokens`` tokens of a document from ``start`` on, as text.

        Raises:
            InvalidQueryError: there is no such document, ``start`` is past its end, or the shard has no vocabulary.
            DocumentWithheldError: it is left out.
        """
    def metadata(self, document: int) -> str:
        """Returns the metadata line of a document, without its newline; empty if the shard has none.

        Raises:
            InvalidQueryError: there is no such document.
            DocumentWithheldError: it is left out.
            ShardCorruptError: the line is not where the shard says, or not UTF-8.
        """
    def verify(self) -> None:
        """Checks what opening does not: the table is a sorted permutation, offsets and unigram counts match the text.

        Suffixes are compared up to their document's end and for at most 100,000 bytes: past either, order is free.
        Sidecars are compared with what the text says, page by page.

        Raises:
            ShardCorruptError: names the first rank, document or token that is wrong.
        Cost: O(N) plus the sum of the LCPs, on all threads of the pool. Memory does not grow with N, unless a position
            is in the table twice and has to be named: N / 8 bytes, at most 1 GiB.
        """
    def inspect(
        self,
        *,
        share: float = 1.0,
        seed: int = 0,
        max_problems: int = 20,
        progress: Callable[[int, int], object] | None = None,
    ) -> tuple[list[str], list[tuple[str, int, int]]]:
        """Checks as `verify` does, all or a share of it, and returns what is wrong and what was looked at.

        Args:
            share: Share of the documents, ranks, pages and unigram counts to look at; 1 is everything. That each
                position is in the table once is then checked by searching for some of them, at most 20,000.
            seed: Decides which.
            max_problems: The search ends after so many.
            progress: Called now and then with the work done and its total. What it raises stops the work and comes out
                of this call.

        Returns:
            One message a problem, in the order of the checks; and for each kind of thing how many were looked at and
            how many there are.

        Raises:
            ShardFormatError: a file cannot be read.
        Cost: that of `verify`, times the share; random reads of the text for the ranks, which are looked at in runs of
            some 10,000.
        """

def exit_on_lost_page() -> None:
    """Ends the process with a message and status 135 when a page of a mapped file cannot be read, not by a bare SIGBUS.

    For servers: it replaces the process's handler of that signal. A file that is shorter than when it was opened is an
    error of the call, before or after it reads (`ShardCorruptError`); this is for one that is cut while it is read, and
    for a disk that fails.
    """

MAX_PART_TOKENS: int
"""Most tokens of a part, and so of a shard that is sorted in one."""

MAX_PARTS: int
"""Most parts that a shard is sorted in."""

def sort_memory_bytes(num_tokens: int, token_width: int, num_threads: int) -> int:
    """Returns the peak memory, in bytes, that `sort_part` needs for a part of this size on so many threads."""

def merge_memory_bytes(num_tokens: int, token_width: int, num_parts: int, num_threads: int) -> int:
    """Returns the least memory, in bytes, that `merge_parts` needs for a shard of this size.

    With as much more as the text takes it holds that in memory.
    """

def run_bytes(num_tokens: int) -> int:
    """Returns the disk, in bytes, that the run of a part of this size takes until it is merged."""

def longest_part(directory: str | PathLike[str], *, token_width: int, num_parts: int) -> int:
    """Returns the tokens of the longest part if the shard is cut into so many. Documents are not cut.

    Raises:
        ShardFormatError: the text is missing or not a whole number of tokens.
        InvalidQueryError: ``num_parts`` is not from 1 to `MAX_PARTS`.
    Cost: a few pages of the text a part, and the documents at their ends.
    """

def sort_shard(directory: str | PathLike[str], *, token_width: int, num_threads: int = 0) -> None:
    """Sorts the suffixes of ``tokenized.0`` in ``directory`` and writes ``table.0``: `sort_part` of the only part."""

def sort_part(
    directory: str | PathLike[str],
    *,
    token_width: int,
    part: int,
    num_parts: int,
    num_threads: int = 0,
    accelerate: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Sorts one part of ``tokenized.0`` in ``directory`` into the run ``sorted_part.PPP-of-NNN`` there.

    The only part of a shard becomes ``table.0`` at once, with ``accelerate`` the sidecars before it. Suffixes are
    ordered by the little-endian bytes of their tokens to the end of their documents, the separator after every token,
    the end of the file before; those that are equal up to there by their positions. So the files do not depend on the
    number of parts. Each is flushed to disk and renamed into place.

    Args:
        directory: Where ``tokenized.0`` is; no other file is read.
        token_width: Bytes a token: 1, 2 or 4.
        part: Which part, below ``num_parts``.
        num_parts: Parts of the shard, 1 to `MAX_PARTS`; about equal, of whole documents.
        num_threads: Threads; 0 means one a core.
        accelerate: Write the sidecars as well; of several parts, `merge_parts` does.
        progress: Called now and then with the tokens done and those of the part. What it raises stops the work and
            comes out of this call.

    Raises:
        ShardFormatError: the text is missing or not a whole number of tokens, or a file cannot be written.
        ShardCorruptError: the text does not begin with a separator.
        InvalidQueryError: a number is out of range, or the part has more than `MAX_PART_TOKENS`.
    Cost: docs/indexing.md has rates. Memory: `sort_memory_bytes`; disk: `run_bytes`, or the files themselves.
    """

def merge_parts(
    directory: str | PathLike[str],
    *,
    token_width: int,
    num_parts: int,
    memory_bytes: int,
    num_threads: int = 0,
    accelerate: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Merges the runs of all parts of a shard into ``table.0``, with ``accelerate`` the sidecars before it.

    The runs are removed at the end.

    Args:
        directory: Where ``tokenized.0`` and the runs are.
        token_width: Bytes a token: 1, 2 or 4.
        num_parts: Parts of the shard.
        memory_bytes: If the text fits into it besides `merge_memory_bytes`, it is held in memory; else it is read from
            disk where eight bytes behind the LCP do not tell two suffixes apart.
        num_threads: Threads; 0 means one a core.
        accelerate: Write the sidecars as well.
        progress: As in `sort_part`.

    Raises:
        ShardFormatError: a run or the text is missing, damaged or of another shard, or a file cannot be written.
        InvalidQueryError: ``num_parts`` is out of range.
    Cost: one pass over the runs; each token of a suffix is compared once, and none past the end of a document.
    """

def fan_out_bytes(num_tokens: int, token_width: int) -> int:
    """Returns the size in bytes of the fan-out file of a shard of this size."""

def accelerate_memory_bytes(num_tokens: int, token_width: int) -> int:
    """Returns the most memory, in bytes, that `accelerate_shard` needs besides the page cache."""

def accelerate_shard(
    directory: str | PathLike[str],
    *,
    token_width: int,
    number: int = 0,
    num_threads: int = 0,
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Builds the sidecars ``fanout.<number>`` and ``directory.<number>`` of a shard, flushed to disk.

    The directory comes last: a shard counts as accelerated once it is there. Until then the work is in
    ``fanout.<number>.partial``, and ``fanout.<number>.journal`` says how far it is: after a stop or a crash the same
    call goes on from there. Sidecars that are there already are replaced.

    Args:
        directory: Where ``tokenized`` and ``table`` are; no other file is read.
        token_width: Bytes a token: 1, 2 or 4.
        number: The number in the file names.
        num_threads: Threads; 0 means one a core.
        progress: Called now and then with the ranks done and N. What it raises stops the work and comes out of this
            call.

    Raises:
        ShardFormatError: a file is missing or of an impossible size, or a sidecar cannot be written.
    Cost: one pass over the table, and one look at the text for every rank, at random places: as fast as sorting while
        the text is in the page cache. Memory: `accelerate_memory_bytes`; disk: `fan_out_bytes` and at most 0.06 bytes a
        token of two bytes.
    """
