"""Which files lie below the URLs that a corpus is given by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexing.errors import SourceError
from indexing.remote_path import RemotePath


@dataclass(frozen=True, slots=True)
class RemoteSource:
    """One file: its path with its size, its name relative to what all URLs have in common, and its version."""

    path: RemotePath
    name: str
    mark: str


def find_remote(sources: Sequence[RemotePath]) -> dict[RemotePath, list[RemoteSource]]:
    """Returns the files of each URL, which is a file or a folder, in the order in which local ones would come.

    Hidden files, and those in hidden folders, are passed over.

    Raises:
        SourceError: there is nothing at a URL.
        StorageError: it cannot be listed.
    """
    found = {source: _files_of(source) for source in sources}
    # The folder of a single file, or the folder itself.
    folders = [_parts(source)[:-1] if _is_file(source, files) else _parts(source) for source, files in found.items()]
    levels = enumerate(zip(*folders, strict=False))
    depth = next((depth for depth, names in levels if len(set(names)) > 1), min(map(len, folders), default=0))
    return {
        source: [replace(file, name="/".join(_parts(file.path)[depth:])) for file in files]
        for source, files in found.items()
    }


def _files_of(source: RemotePath) -> list[RemoteSource]:
    from indexing.storage import open_store  # Arrow and fsspec take a quarter of a second to load

    store = open_store(source)
    if not str(source).endswith("/") and (file := store.find(source)) is not None:
        return [RemoteSource(RemotePath(source.url, file.size_bytes), "", file.mark)]
    listed = sorted(store.files_below(source), key=lambda entry: entry[0].split("/"))
    if not listed:
        raise SourceError(f"{source}: no such file or folder; check the bucket's name and the path")
    return [
        RemoteSource(replace(source.joined(name), size_bytes=file.size_bytes), "", file.mark)
        for name, file in listed
        if not any(part.startswith(".") for part in name.split("/"))
    ]


def _is_file(source: RemotePath, files: Sequence[RemoteSource]) -> bool:
    return len(files) == 1 and files[0].path.url == source.url


def _parts(path: RemotePath) -> list[str]:
    return str(path).partition("://")[2].strip("/").split("/")
