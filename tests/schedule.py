"""Which tests run side by side: files are handed out whole, the long ones first, and those that start Ray in turn.

Two workers halve the time on two cores. Ray takes all of them for a while and much memory, so one at a time is enough.
"""

from collections.abc import Sequence
from pathlib import PurePath

import pytest
from xdist.scheduler import LoadFileScheduling

_ON_RAY = "on ray"

# Files that start Ray. The first has it in the test's own process, which must not have imported it before: Ray looks at
# its environment once. Then the longest first.
_STARTING_RAY = (
    "test_ray_tasks.py",
    "test_index_build_on_ray.py",
    "test_serve_on_ray.py",
    "test_faults.py",
    "test_demo.py",
    "test_tls_on_ray.py",
    "test_streaming_on_ray.py",
    "test_admission_on_ray.py",
    "test_monitoring_ray.py",
)
# Others that take half a minute and more. What is long and comes last keeps one worker waiting for the other.
_LONG = (
    "test_fuzzed_readers.py",
    "test_index_build_killed.py",
    "test_index_build_interrupted.py",
    "test_index_accelerate_interrupted.py",
)
_FIRST = (*_STARTING_RAY, *_LONG)


class FilesInTurn(LoadFileScheduling):
    """Gives a worker one file after the other, and one worker all that start Ray."""

    def _split_scope(self, nodeid: str) -> str:
        file = super()._split_scope(nodeid)
        return _ON_RAY if PurePath(file).name in _STARTING_RAY else file


def longest_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Returns the tests with those of long files before the others, and else in their order."""
    places = {name: place for place, name in enumerate(_FIRST)}
    return sorted(items, key=lambda item: places.get(item.path.name, len(places)))
