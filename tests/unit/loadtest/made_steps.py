"""Steps of a load test that were never run."""

from loadtest.results import ClientHealth, Latency, Step, StepKind, Tally


def made_step(
    total: Tally, kind: StepKind = "rate", rate: float = 10.0, seconds: float = 10.0, *, kept_schedule: bool = True
) -> Step:
    """Returns a step with this tally."""
    client = ClientHealth(
        processes=1,
        late_p99_ms=1.0 if kept_schedule else 99.0,
        late_max_ms=100.0,
        cpu_share=0.1,
        most_in_flight=1,
        in_flight_limit=2,
        kept_schedule=kept_schedule,
    )
    return Step(kind, rate, rate, 0.0, seconds, total, {}, (), (), "", client, ())


def answered(number: int, p99_ms: float, errors: int = 0) -> Tally:
    """Returns the tally of so many answers and errors, of which all but the slowest are ten times as fast."""
    latency = Latency(p99_ms / 5, p99_ms / 10, p99_ms / 4, p99_ms / 2, p99_ms, p99_ms * 2) if number else None
    return Tally(
        intended=number + errors,
        sent=number + errors,
        answered=number,
        errors={"UNAVAILABLE": errors} if errors else {},
        complete=number,
        good=number,
        cached=0,
        coverage=1.0 if number else None,
        latency=latency,
    )
