"""The published figures of each bench, from what it measured."""

import math

import pytest

from bench import cold, fio, reads, throughput
from bench.agreement import disagreements
from bench.clients import Outcome
from bench.cold import Measured
from bench.infini_gram_peer import PeerSpan
from bench.our_search import FoundSpans
from bench.projection import Assumed, project
from bench.projection import Measured as MeasuredHere
from bench.reads import SizeReads
from coordinator.values import MaximalSpan


def size(name: str, counted: float, ours: float, theirs: float) -> SizeReads:
    return SizeReads(name, 1_000, 400.0, counted, ours, theirs, disturbed=0)


def test_reads_ratio_is_of_the_largest_size_and_growth_of_the_worst_step() -> None:
    sizes = [size("tenth", 2.0, 500, 2_000), size("whole", 2.2, 900, 8_000), size("tenfold", 2.1, 1_000, 15_000)]
    assert reads.figures(sizes, "whole") == {
        "reads_per_suffix": 2.2,
        "reads_ratio": 15.0,
        "reads_growth": pytest.approx(1.1),
    }


def test_one_size_shows_no_growth() -> None:
    assert reads.figures([size("mine", 2.0, 500, 2_000)], "mine") == {"reads_per_suffix": 2.0, "reads_ratio": 4.0}


def test_cold_ratios_are_theirs_over_ours_at_each_percentile() -> None:
    sides = {
        name: Measured(milliseconds, [1.0, 1.0], [4096.0, 4096.0])
        for name, milliseconds in {
            "ours": [10.0, 20.0],
            "theirs": [100.0, 300.0],
            "search": [5.0, 8.0],
            "their search": [90.0, 280.0],
            "bare": [50.0, 64.0],
        }.items()
    }
    figures = cold.figures(sides)
    assert figures["cold_ratio_p50"] == 10.0
    assert figures["cold_ms_p50"] == 10.0
    assert figures["cold_ratio_p95"] == 15.0
    assert figures["cold_search_ratio_p50"] == 18.0
    assert figures["cold_search_ratio_bare_p50"] == 10.0


def test_scaling_is_within_ours_and_the_ratio_against_theirs() -> None:
    ours, theirs = ({n: Outcome(rate * n, 49, 0) for n in (1, 2, 4, 8)} for rate in (100.0, 0.5))
    figures = throughput.figures(ours, theirs)
    assert figures["scaling_8"] == 8.0
    assert figures["throughput_ratio_8"] == 200.0


def test_a_span_that_only_one_engine_found_is_named() -> None:
    found = FoundSpans(9, [MaximalSpan(0, 3, 5, (), -20.0)], [])
    assert disagreements(found, [PeerSpan(0, 3, 5, -20.0, ())]) == []
    [line] = disagreements(found, [PeerSpan(0, 3, 4, -20.0, ())])
    assert "only ours [(0, 3, 5)], only theirs [(0, 3, 4)]" in line


def test_the_projection_is_the_model_that_its_page_states() -> None:
    measured = MeasuredHere(
        on_tokens=1_000,
        starts_per_token=0.8,
        reads_per_suffix=2.5,
        window_reads=500.0,
        text_bytes_per_token=2,
        fanout_bytes_per_token=3.0,
        directory_bytes_per_token=0.02,
    )
    assumed = Assumed(tokens=4e12, shards=10, servers=2, answer_tokens=500, network_disk_reads=1e4)
    projected = project(measured, assumed)
    assert projected.search_reads == 500 * 0.8 * 2.5 * 10
    assert projected.network_disk_ms == pytest.approx(1000 * (10_000 + 500) / 2 / 1e4)
    assert projected.ram_bytes == pytest.approx(0.02 * 4e12)
    # A shard of 4e11 tokens of 2 bytes takes offsets of 5 bytes.
    assert math.isclose(projected.disk_bytes, (2 + 5 + 1.4 + 3.02) * 4e12)


def test_fio_says_reads_a_second_and_the_median_of_one() -> None:
    output = '{"jobs": [{"read": {"iops": 56379.9, "clat_ns": {"percentile": {"50.000000": 150528}}}}]}'
    assert fio._parse(output, 32) == fio.RandomReads(32, 56379.9, 150.528)
