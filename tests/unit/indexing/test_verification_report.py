import math
from itertools import combinations
from pathlib import Path

import pytest

from index_format.errors import ManifestError
from index_format.manifest import IndexManifest
from indexing.errors import VerificationError
from indexing.verification_report import LookedAt, Problem, VerificationReport
from tests.tiny_index import write_index


def report(directory: Path, *problems: Problem) -> VerificationReport:
    manifest = IndexManifest.load(write_index(directory / "index", [["a"]]))
    return VerificationReport(manifest, True, None, 0, (), problems, False, (), ())


@pytest.mark.parametrize(("runs", "looked_at", "damaged"), [(10, 3, 2), (8, 8, 1), (12, 1, 11), (9, 4, 5), (6, 5, 1)])
def test_the_probability_to_miss_damage_is_that_of_drawing_without_it(runs: int, looked_at: int, damaged: int) -> None:
    draws = list(combinations(range(runs), looked_at))
    missed = sum(all(run >= damaged for run in draw) for draw in draws) / len(draws)
    assert LookedAt("ranks", looked_at, runs).missed(damaged / runs) == pytest.approx(missed)


def test_things_that_are_looked_at_in_runs_count_as_runs() -> None:
    each = LookedAt("ranks", 1_000, 100_000).missed(0.01)
    in_runs = LookedAt("ranks", 1_000, 100_000, run=100).missed(0.01)
    assert each < 1e-4
    assert in_runs == pytest.approx(math.comb(990, 10) / math.comb(1000, 10))


def test_whatever_is_looked_at_whole_misses_nothing() -> None:
    assert LookedAt("pages", 7, 7, run=3).missed(0.0001) == 0
    assert LookedAt("pages", 7, 7).is_everything


def test_a_single_problem_is_raised_as_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="one"):
        report(tmp_path, ManifestError("one")).raise_problems()


def test_several_problems_are_raised_as_a_list(tmp_path: Path) -> None:
    with pytest.raises(VerificationError, match=r"2 problems:\n  one\n  two"):
        report(tmp_path, ManifestError("one"), VerificationError("two")).raise_problems()
    report(tmp_path / "other").raise_problems()
