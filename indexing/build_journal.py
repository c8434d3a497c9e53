"""`build.json`: what an unfinished build is of, so that the same command continues it and no other does.

It holds everything that decides the bytes of the index: options, tokenizer, and every source with its size and its mark
(time of change, or version). How the work is done, with how many workers or how much memory, is not in it.
"""

import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self, assert_never

from index_format.errors import TokenizerError
from index_format.layout import BUILD_FILE, TOKENIZER_FILE
from index_format.manifest import write_durably
from indexing.errors import OutputError, UnfinishedBuildError
from indexing.plan import BuildPlan, HubTokenizer, RawBytes, TokenizerChoice, TokenizerFile, TrainedTokenizer
from indexing.sources import Corpus

_FORMAT = 1
_MOST_DIFFERENCES = 5
# Fields of a plan that do not decide what is in the index, or are told in another way.
_ELSEWHERE = {
    *("output", "memory_bytes", "threads", "parts", "workers", "ray_address", "work_dir", "upload_to", "fresh"),
    *("sources", "tokenizer"),
}
# A build that met no bad line so far may begin to skip them.
_SKIPS = "skip_bad_lines"
_TRAINED = "trained"


@dataclass(frozen=True, slots=True)
class BuildJournal:
    """What a build is of.

    Attributes:
        build_id: Tells builds apart, those of the same thing too.
        options: Every choice that decides the bytes, by name.
        sources: Size and mark of each file by its name in the index, in reading order.
        written: What the shards hold, as soon as they are assembled (see `written_corpus`).
        uploaded: The index that went to storage, as soon as it is there (see `uploading`); what is here has to go.
    """

    build_id: str
    options: Mapping[str, Any]
    sources: Mapping[str, tuple[int, str]]
    written: Mapping[str, Any] | None = None
    uploaded: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, plan: BuildPlan, corpus: Corpus) -> Self:
        """Returns the journal of a build of an index that begins.

        Raises:
            TokenizerError: the file of the tokenizer cannot be read.
        """
        chosen = {field.name: getattr(plan, field.name) for field in fields(plan) if field.name not in _ELSEWHERE}
        options = {
            "command": "build",
            "built by": f"headwater {version('headwater')}",
            "tokenizer": _describe(plan.tokenizer),
            **json.loads(json.dumps(chosen)),
        }
        sources = {file.name: (file.size_bytes, file.mark) for file in corpus.files}
        return cls(uuid.uuid4().hex[:16], options, sources)

    @classmethod
    def load(cls, directory: Path, unreadable_as: Self | None = None) -> Self | None:
        """Returns the journal of the unfinished build in a directory, None if there is none.

        Raises:
            OutputError: there is one that this version does not read, and nothing to take it for.
        """
        path = directory / BUILD_FILE
        try:
            raw = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except ValueError:
            raw = None
        if not isinstance(raw, dict) or raw.get("format") != _FORMAT:
            if unreadable_as is not None:
                return unreadable_as
            raise OutputError(
                f"{path}: not the journal of an unfinished build that this version reads; --fresh begins anew"
            )
        sources = {name: (size, mark) for name, size, mark in raw["sources"]}
        return cls(raw["build_id"], raw["options"], sources, raw["written"], raw.get("uploaded"))

    @property
    def trains_tokenizer(self) -> bool:
        """Whether the tokenizer is made of the corpus, which takes long."""
        return str(self.options.get("tokenizer", "")).startswith(_TRAINED)

    def save(self, directory: Path) -> None:
        """Writes the journal into the directory of the index, durably."""
        sources = [[name, size, mark] for name, (size, mark) in self.sources.items()]
        content = {
            "format": _FORMAT,
            "build_id": self.build_id,
            "options": self.options,
            "sources": sources,
            "written": self.written,
            "uploaded": self.uploaded,
        }
        write_durably(directory / BUILD_FILE, json.dumps(content).encode() + b"\n")

    def continued_by(self, asked: "BuildJournal", directory: Path) -> "BuildJournal":
        """Returns the journal with which ``asked`` goes on with this build.

        Raises:
            UnfinishedBuildError: it would not become the same index; says what differs.
        """
        goes_on = self
        if asked.options.get(_SKIPS):
            goes_on = replace(self, options={**self.options, _SKIPS: True})
        if found := _differences(goes_on, asked):
            more = f"; and {len(found) - _MOST_DIFFERENCES} more" if len(found) > _MOST_DIFFERENCES else ""
            raise UnfinishedBuildError(
                f"{directory}: holds an unfinished build that this command cannot continue "
                f"({'; '.join(found[:_MOST_DIFFERENCES])}{more}); "
                "run the command that began it, on the same sources, or begin anew with --fresh"
            )
        return goes_on


def _differences(found: BuildJournal, asked: BuildJournal) -> list[str]:
    options = [
        f"{name}: {found.options.get(name)!r} there, {asked.options.get(name)!r} asked for"
        for name in {**found.options, **asked.options}
        if found.options.get(name) != asked.options.get(name)
    ]
    missing = [f"source {name}: gone since" for name in found.sources if name not in asked.sources]
    added = [f"source {name}: new since" for name in asked.sources if name not in found.sources]
    changed = [
        f"source {name}: changed since ({found.sources[name][0]:,} bytes then, {size:,} now)"
        for name, (size, mark) in asked.sources.items()
        if name in found.sources and found.sources[name] != (size, mark)
    ]
    order = [] if list(found.sources) == list(asked.sources) or missing or added else ["sources: in another order"]
    return [*options, *missing, *added, *changed, *order]


def _describe(choice: TokenizerChoice) -> str:
    match choice:
        case TokenizerFile(path):
            file = path / TOKENIZER_FILE if path.is_dir() else path
            try:
                return f"sha256 {hashlib.sha256(file.read_bytes()).hexdigest()}"
            except OSError as error:
                raise TokenizerError(f"{file}: cannot read the tokenizer ({error.strerror})") from error
        case HubTokenizer(name):
            return f"{name} of the hub"
        case TrainedTokenizer(vocab_size):
            return f"{_TRAINED}, {vocab_size} entries"
        case RawBytes():
            return "raw bytes"
        case _ as never:
            assert_never(never)
