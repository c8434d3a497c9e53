import io

import pytest
from rich.console import Console
from rich.progress import Progress

import headwater.build_progress
from headwater.build_progress import PlainProgress, TerminalProgress, build_progress, format_seconds
from indexing import BuildReport

REPORT = BuildReport(1, 2, 3, 4, 5, 0, 0, (), (), ())


def run_stage(console: Console) -> None:
    with build_progress(console) as progress:
        progress.stage_started("sort", 2000, "tokens")
        progress.advanced(500)
        progress.noted("[a] note")
        progress.advanced(1500)
        progress.stage_finished("sort", 1.25)
        progress.finished(REPORT)
    assert progress.report is REPORT


def test_without_a_terminal_there_are_plain_lines() -> None:
    written = io.StringIO()
    run_stage(Console(file=written, force_terminal=False))
    assert written.getvalue() == "sort: 2 k tokens\n[a] note\nsort: done in 1.2 s\n"


def test_on_a_terminal_a_bar_gives_way_to_a_line() -> None:
    written = io.StringIO()
    run_stage(Console(file=written, force_terminal=True, width=80))
    assert "[a] note" in written.getvalue()
    assert "\x1b[" in written.getvalue()
    assert f"{'sort':<20} 1.2 s" in written.getvalue()


def test_plain_lines_tell_rate_and_time_left_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 101.0, 112.0, 113.0))
    monkeypatch.setattr(headwater.build_progress, "monotonic", lambda: next(clock))
    written = io.StringIO()
    progress = PlainProgress(Console(file=written, force_terminal=False))
    progress.stage_started("read", 10_000_000, "bytes")
    for _ in range(3):
        progress.advanced(1_000_000)
    assert written.getvalue() == "read: 9.54 MiB\nread: 20%, 163 KiB/s, 48.0 s left\n"


def test_plain_lines_count_what_was_done_before_but_not_for_the_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 112.0))
    monkeypatch.setattr(headwater.build_progress, "monotonic", lambda: next(clock))
    written = io.StringIO()
    progress = PlainProgress(Console(file=written, force_terminal=False))
    progress.stage_started("accelerate", 10_000_000, "tokens")
    progress.found_done(4_000_000)
    progress.advanced(1_200_000)
    assert written.getvalue() == (
        "accelerate: 10 M tokens\naccelerate: 4 M tokens were done before\n"
        "accelerate: 52%, 100 k tokens/s, 48.0 s left\n"
    )


def test_a_bar_begins_where_an_earlier_attempt_ended() -> None:
    written = io.StringIO()
    with build_progress(Console(file=written, force_terminal=True, width=80)) as progress:
        progress.stage_started("accelerate", 2000, "tokens")
        progress.found_done(500)
        progress.advanced(500)
        assert isinstance(progress, TerminalProgress)
        progress.stage_finished("accelerate", 1.0)
    assert " 25 %" in written.getvalue() or " 50 %" in written.getvalue()


def test_a_bar_goes_back_where_work_has_to_be_done_again_and_its_rate_is_never_negative() -> None:
    clock = iter(range(100))
    bars = Progress(console=Console(file=io.StringIO()), get_time=lambda: next(clock), auto_refresh=False)
    progress = TerminalProgress(bars)
    progress.stage_started("sort", 1000, "tokens")
    for amount in (300, 300, -600, 50, 50, 50):
        progress.advanced(amount)
    (bar,) = bars.tasks
    assert bar.completed == 150
    assert bar.speed is not None and bar.speed > 0


def test_plain_lines_go_back_where_work_has_to_be_done_again(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((100.0, 110.0, 120.0, 130.0))
    monkeypatch.setattr(headwater.build_progress, "monotonic", lambda: next(clock))
    written = io.StringIO()
    progress = PlainProgress(Console(file=written, force_terminal=False))
    progress.stage_started("sort", 1000, "tokens")
    for amount in (600, -600, 300):
        progress.advanced(amount)
    assert written.getvalue().splitlines()[1:] == [
        "sort: 60%, 60 tokens/s, 6.7 s left",
        "sort: 30%, 10 tokens/s, 1 min 10 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (200, "3 min 20 s"), (18_120, "5 h 02 min")]
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text
