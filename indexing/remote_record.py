"""What of an index has been moved so far: one small JSON file, so that an interrupted move goes on file by file."""

import json
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True, slots=True)
class MovedFile:
    """A file that has arrived whole: its checksum, and its size and version where it arrived."""

    sha256: str
    size_bytes: int
    mark: str


@dataclass(frozen=True, slots=True)
class MoveReport:
    """What a push or pull did: the index, its bytes in all, those moved now, and seconds."""

    index_id: str
    num_shards: int
    size_bytes: int
    moved_bytes: int
    seconds: float


@dataclass(slots=True)
class MoveRecord:
    """The files that have arrived, by name. One that was changed since has another size or mark and does not count."""

    files: dict[str, MovedFile] = field(default_factory=dict)

    @classmethod
    def parse(cls, content: bytes) -> "MoveRecord":
        """Returns the record that ``content`` is; an unreadable one is empty, and everything is moved again."""
        try:
            return cls({name: MovedFile(**entry) for name, entry in json.loads(content)["files"].items()})
        except (ValueError, TypeError, KeyError, AttributeError):
            return cls()

    def to_json(self) -> bytes:
        """Returns what `parse` reads."""
        entries = {name: asdict(file) for name, file in self.files.items()}
        return (json.dumps({"files": entries}, indent=2) + "\n").encode()
