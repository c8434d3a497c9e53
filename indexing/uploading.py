"""Moves a finished index from where it was built to storage."""

import shutil

from index_format.layout import BUILD_FILE
from indexing.errors import OutputError
from indexing.plan import BuildPlan
from indexing.progress import Stages


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


def upload(plan: BuildPlan, stages: Stages) -> None:
    """Puts the index that was built to where the plan wants it on storage, if it does.

    Raises:
        StorageError: the storage refuses or cannot be reached; the same build goes on from there.
    """
    if plan.upload_to is None:
        return
    from indexing.remote_publishing import publish_to

    publish_to(plan.output, plan.upload_to, stages)


def remove_local(plan: BuildPlan) -> None:
    """Removes the index that was built here, once it is on storage; at once for who looks for it."""
    if plan.upload_to is None:
        return
    gone = plan.output.with_name(f"{plan.output.name}.uploaded")
    shutil.rmtree(gone, ignore_errors=True)  # of an earlier build that was ended here
    plan.output.rename(gone)
    shutil.rmtree(gone)
