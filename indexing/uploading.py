"""Moves a finished index from where it was built to storage.

Once it is there, the journal of the build says so, and only then is anything removed here. The journal goes last: a
build that ends in between is told by it, and the same command removes the rest.
"""

from contextlib import suppress

from index_format.layout import BUILD_FILE
from index_format.manifest import IndexManifest
from indexing.disk_needs import tree_bytes
from indexing.errors import OutputError
from indexing.output import BuildDirectory
from indexing.plan import BuildPlan
from indexing.progress import Stages

_URL = "url"
_MANIFEST = "manifest"
_INDEX_BYTES = "index_bytes"


def check_place(plan: BuildPlan) -> None:
    """Checks, before anything is built, that no index is in the way of the one that a plan wants on storage.

    Raises:
        OutputError: there is one, and no upload of this build that was interrupted.
        StorageError: the storage cannot be reached.
    """
    if plan.upload_to is None or (plan.output / BUILD_FILE).exists():
        return
    from indexing.remote_index import RemoteIndex  # clients of storage take long to import

    if (found := RemoteIndex.find(plan.upload_to)) is not None:
        raise OutputError(
            f"{plan.upload_to}: holds index {found.manifest.index_id} already; choose another URL, or remove it first"
        )


def uploaded_index(plan: BuildPlan, directory: BuildDirectory) -> IndexManifest | None:
    """Returns the manifest of the index if an earlier attempt brought it to storage, and did not remove it all here.

    Raises:
        OutputError: it is at another place than the plan says.
    """
    uploaded = directory.journal.uploaded
    if uploaded is None:
        return None
    if uploaded[_URL] != str(plan.upload_to):
        raise OutputError(
            f"{directory.path}: holds what is left of a build that was uploaded to {uploaded[_URL]}, not to "
            f"{plan.upload_to or 'here'}; run the command that began it, or remove the directory"
        )
    return IndexManifest.parse(uploaded[_MANIFEST].encode(), directory.path / BUILD_FILE)


def clear_up(plan: BuildPlan, directory: BuildDirectory, manifest: IndexManifest, stages: Stages) -> int:
    """Puts a published index where the plan wants it, leaves here what belongs here, and returns the index's bytes.

    Raises:
        StorageError: the storage refuses or cannot be reached; the same build goes on from there.
    """
    if plan.upload_to is None:
        directory.finish()
        return tree_bytes(directory.path)
    if directory.journal.uploaded is None:
        from indexing.remote_publishing import publish_to

        publish_to(directory.path, plan.upload_to, stages)
        directory.remove_work()
        index_bytes = tree_bytes(directory.path) - (directory.path / BUILD_FILE).stat().st_size
        directory.note_uploaded(
            {_URL: str(plan.upload_to), _MANIFEST: manifest.to_json().decode(), _INDEX_BYTES: index_bytes}
        )
    assert directory.journal.uploaded is not None
    directory.remove_index()
    return int(directory.journal.uploaded[_INDEX_BYTES])


def remove_folder(plan: BuildPlan) -> None:
    """Removes the folder that an uploaded index was built in, unless somebody put something there."""
    if plan.upload_to is not None:
        with suppress(OSError):
            plan.output.rmdir()
