"""A coordinator's answer as the suite compares it: a digest of what must not differ, and what it says it searched."""

import hashlib

from bench.faults.outcomes import Searched
from protos.coordinator.v1 import coordinator_pb2 as pb

# These tell how the answer came about: they may differ between equal requests.
_MAY_DIFFER = frozenset({"timings", "stats", "cached"})


def digest(trace: pb.Trace) -> bytes:
    """Returns a digest of an answer and its coverage, but for how it came about and why shards failed."""
    kept = pb.Trace()
    kept.CopyFrom(trace)
    for field in pb.Trace.DESCRIPTOR.fields:
        if field.name in _MAY_DIFFER:
            # The names are typed as literals, which a loop cannot give.
            kept.ClearField(field.name)  # type: ignore[arg-type]
    for corpus in kept.coverage.corpora:
        for failed in corpus.failed_shards:
            failed.ClearField("reason")
    return hashlib.sha256(kept.SerializeToString(deterministic=True)).digest()


def searched(trace: pb.Trace) -> Searched:
    """Returns what an answer says that it searched."""
    coverage = trace.coverage
    return Searched(
        complete=coverage.complete,
        missing=frozenset(failed.shard for corpus in coverage.corpora for failed in corpus.failed_shards),
        index_ids=tuple(corpus.index_id for corpus in coverage.corpora),
    )


def reasons(trace: pb.Trace) -> str:
    """Returns why shards are missing, as the answer says."""
    failed = (one for corpus in trace.coverage.corpora for one in corpus.failed_shards)
    return "; ".join(f"{one.shard}: {one.reason}" for one in failed)
