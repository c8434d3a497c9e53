"""What a search without some documents must be equal to: one of an index that was built without them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from coordinator.api.json_codec import to_json
from coordinator.results import Trace

# What a trace says of the files and of the run, which differ, and of what was left out.
_NOT_SHOWN = {"coverage", "timings", "stats", "cached", "withheld", "withheld_count"}


def kept_ids(sizes: Sequence[int], withheld: Sequence[Collection[int]], corpus: str = "default") -> dict[str, str]:
    """Returns the new id of each document that is kept.

    Args:
        sizes: Documents of each shard.
        withheld: Those of each that are left out; a shard of which nothing is left is dropped.
        corpus: Its name.
    """
    ids: dict[str, str] = {}
    place = 0
    for shard, size in enumerate(sizes):
        kept = [number for number in range(size) if number not in withheld[shard]]
        ids.update({f"{corpus}:{shard}:{old}": f"{corpus}:{place}:{new}" for new, old in enumerate(kept)})
        place += bool(kept)
    return ids


def shown(trace: Trace, ids: Mapping[str, str] | None = None, leave_out: Collection[str] = ()) -> Any:
    """Returns what is shown of a trace, with the new ids of ``ids``, without the fields called ``leave_out``."""
    return _shown(to_json(trace), ids or {}, {*_NOT_SHOWN, *leave_out})


def _shown(value: Any, ids: Mapping[str, str], leave_out: Collection[str]) -> Any:
    if isinstance(value, dict):
        return {key: _shown(inner, ids, leave_out) for key, inner in value.items() if key not in leave_out}
    if isinstance(value, list):
        return [_shown(inner, ids, leave_out) for inner in value]
    return ids.get(value, value) if isinstance(value, str) else value
