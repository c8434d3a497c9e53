"""What can go wrong in building and checking an index, by who must act.

IndexingError
|-- PlanError             the caller: the plan contradicts itself
|-- UnfinishedBuildError  the caller: the directory holds a build of something else, half done
|-- OutputError           the caller: the index cannot be written where it was asked for
|   `-- DiskFullError     the operator: the disk is too small
|-- SourceError           the owner of the corpus: a file cannot be read as what it is
|   |-- EmptyCorpusError  there is nothing to index
|   `-- BadDocumentError  one line or row holds no document; these are the ones that can be skipped
|-- MemoryBudgetError     the caller: a shard would not fit
|-- EngineCallError       the engine refused a call made in a process of its own
|   |-- SortError         a shard cannot be sorted
|   `-- AccelerationError a shard cannot be accelerated
|-- EngineKilledError     the operator: the process of such a call was killed
|-- WorkerKilledError     the operator: a process that counts something was killed
|-- BuildWorkerError      the operator: a worker, or Ray itself, did not do its part of a build
|-- StorageError          the caller: object storage refuses, lacks or loses what was asked for
|-- IndexBusyError        the caller: another process is changing the index
|-- ForeignShardError     the caller: the files in a folder are no shard of infini-gram's
`-- VerificationError     an index is not what its manifests say
"""

from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from indexing.remote_path import Place


class IndexingError(Exception):
    """The base of what building and verifying raise, beside the errors of the index format and of the engine."""


class PlanError(IndexingError):
    """A plan contradicts itself or asks for what cannot be."""


class UnfinishedBuildError(IndexingError):
    """The output directory holds an unfinished build that another command, or another state of its sources, began."""


class OutputError(IndexingError):
    """The output directory cannot be used."""


class DiskFullError(OutputError):
    """The disk has, or turned out to have, too little room for the index."""


class SourceError(IndexingError):
    """A source is missing, unreadable, or not what its name says."""


class EmptyCorpusError(SourceError):
    """The sources hold no document with a token."""


class BadDocumentError(SourceError):
    """One line or row of a source holds no usable document.

    ``linenum`` counts from 0, as in the index; the message counts lines from 1, as editors do.
    """

    def __init__(self, path: "Place", linenum: int, reason: str):
        self.path = path
        self.linenum = linenum
        self.reason = reason
        super().__init__(f"{path}:{linenum + 1}: {reason}")

    def __reduce__(self) -> "tuple[type[Self], tuple[Place, int, str]]":
        """Lets it be sent from a worker to the process that started the build."""
        return type(self), (self.path, self.linenum, self.reason)


class MemoryBudgetError(IndexingError):
    """A shard needs more memory to sort or accelerate than may be used."""


class EngineCallError(IndexingError):
    """The engine raised an error in a process of its own; the message is the engine's."""


class SortError(EngineCallError):
    """A shard cannot be sorted."""


class AccelerationError(EngineCallError):
    """A shard cannot be accelerated. What is done of it is kept, and continued by the next attempt."""


class EngineKilledError(IndexingError):
    """The process in which the engine was at work on a shard was killed."""


class WorkerKilledError(IndexingError):
    """A process that was counting something of an index was killed."""


class BuildWorkerError(IndexingError):
    """A worker of a build died again and again, or Ray could not be started or reached. The build can be continued."""


class IndexBusyError(IndexingError):
    """Another process is building the index, or adding sidecars to it."""


class StorageError(IndexingError):
    """A file on object storage, or the storage itself, is missing, forbidden or out of reach."""


class VerificationError(IndexingError):
    """A file of an index is not what was published."""


class ForeignShardError(IndexingError):
    """Files that should be a shard that infini-gram built are none, or none that this tokenizer belongs to."""
