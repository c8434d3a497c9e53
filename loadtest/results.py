"""What a load test measured, and its JSON form: the one file that reports, comparisons and soaks read.

Times of a run are in seconds since the run began, latencies in milliseconds from when a request was *due*, not from
when it was sent: a client that falls behind makes latencies longer, never shorter.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from loadtest.errors import LoadTestError

FORMAT = "headwater-loadtest/1"

IN_FLIGHT_LIMIT = "IN_FLIGHT_LIMIT"
"""Error of a request that was due but not sent: as many as may be were in flight."""

NO_ANSWER = "NO_ANSWER"
"""Error of a request that had neither an answer nor a status at its deadline."""

NO_CONNECTION = "NO_CONNECTION"
"""Error of a request over HTTP whose connection failed; over gRPC that is UNAVAILABLE."""

BAD_ANSWER = "BAD_ANSWER"
"""Error of a request whose answer could not be read."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Quantiles of latencies, in milliseconds."""

    mean_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of some requests.

    Attributes:
        intended: Requests that were due.
        sent: Those that were sent: all but the ones that the limit of requests in flight kept back.
        answered: Those that had an answer with status OK.
        errors: The others, by code: name of a gRPC status, ``HTTP`` and a number, or a code of this module.
        complete: Answers that every shard had a part in.
        good: Answers that are complete and came within the time that the targets call good.
        cached: Answers that say that they were made for an earlier, equal request.
        coverage: Mean share of the tokens that the answers say were searched, 0 to 1; None without answers that say it.
        latency: Of the answers; None if there are none.
    """

    intended: int
    sent: int
    answered: int
    errors: Mapping[str, int]
    complete: int
    good: int
    cached: int
    coverage: float | None
    latency: Latency | None

    @property
    def num_errors(self) -> int:
        """Requests that had no answer."""
        return sum(self.errors.values())

    @property
    def error_rate(self) -> float:
        """Share of the requests that were due that had no answer."""
        return self.num_errors / self.intended if self.intended else 0.0

    @property
    def complete_share(self) -> float:
        """Share of the answers that every shard had a part in; 1 without answers."""
        return self.complete / self.answered if self.answered else 1.0

    @property
    def goodput_share(self) -> float:
        """Share of the requests that were due that had a good answer."""
        return self.good / self.intended if self.intended else 0.0


@dataclass(frozen=True, slots=True)
class Second:
    """One second of a run.

    Attributes:
        at_s: Its beginning, since the run began. The last of a step may be shorter than a second.
        tally: Of the requests that were *due* in it, whenever they were answered.
        sent: Requests that were sent in it, whenever they were due.
        done: Requests that were answered or failed in it, whenever they were due.
    """

    at_s: float
    tally: Tally
    sent: int
    done: int


@dataclass(frozen=True, slots=True)
class PercentilePoint:
    """A point of the distribution of latencies: so many answers took at most so long."""

    percentile: float
    latency_ms: float
    count: int


@dataclass(frozen=True, slots=True)
class ClientHealth:
    """Whether the load was what it was meant to be, or this side was too slow.

    Attributes:
        processes: Client processes.
        late_p99_ms: 99 % of the requests were sent at most so long after they were due.
        late_max_ms: The latest.
        cpu_share: Of the busiest process: share of one core, 0 to 1.
        most_in_flight: Most requests in flight at once, over all processes.
        in_flight_limit: How many may be.
        kept_schedule: Whether requests were sent when they were due. If not, latencies hold the lateness of the client,
            too: the server is better than what they say.
    """

    processes: int
    late_p99_ms: float
    late_max_ms: float
    cpu_share: float
    most_in_flight: int
    in_flight_limit: int
    kept_schedule: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target and what was measured.

    Attributes:
        target: Name in the file of targets, such as ``p99_ms``.
        bound: Whether the measured value may be at most or at least the wanted one.
        wanted: What the file says.
        measured: What was measured; None if nothing could be: then the target is missed.
        met: Whether it is met.
    """

    target: str
    bound: Literal["at most", "at least"]
    wanted: float
    measured: float | None
    met: bool


StepKind = Literal["rate", "ramp", "bracket", "bisect", "verify", "soak"]
_OF_SEARCHES = frozenset({"bracket", "bisect", "verify"})


@dataclass(frozen=True, slots=True)
class Step:
    """A part of a run at one rate, or at one that rises evenly. Its warm-up is not in it.

    Attributes:
        kind: What it is for; ``bracket``, ``bisect`` and ``verify`` are steps of the search for the highest rate.
        rate: Requests a second that were due, at its beginning.
        rate_end: The same at its end; equal to ``rate`` but for a ramp.
        began_s: When its first request was due, since the run began.
        seconds: How long requests were due.
        total: Of all its requests.
        workloads: The same by workload.
        timeline: The same by second.
        percentiles: Distribution of the latencies, percentiles ascending.
        histogram: The latencies in microseconds, as an HdrHistogram in its compressed form (V2, base64).
        client: How this side did.
        verdicts: The targets; empty if there are none.
    """

    kind: StepKind
    rate: float
    rate_end: float
    began_s: float
    seconds: float
    total: Tally
    workloads: Mapping[str, Tally]
    timeline: tuple[Second, ...]
    percentiles: tuple[PercentilePoint, ...]
    histogram: str
    client: ClientHealth
    verdicts: tuple[Verdict, ...]

    @property
    def goodput_per_s(self) -> float:
        """Good answers a second."""
        return self.total.good / self.seconds if self.seconds else 0.0

    @property
    def passed(self) -> bool:
        """Whether every target is met."""
        return all(verdict.met for verdict in self.verdicts)


@dataclass(frozen=True, slots=True)
class Window:
    """A time in which targets need not be met, such as a fault and the recovery from it.

    Attributes:
        start_s: Since the run began.
        end_s: The same.
        label: What happens in it.
    """

    start_s: float
    end_s: float
    label: str


@dataclass(frozen=True, slots=True)
class ProcessSeries:
    """What a process used over time. The sequences are equally long.

    Attributes:
        name: Its part, such as ``shard server 2``.
        at_s: When it was looked at, since the run began.
        rss_bytes: Memory of its own and shared that is resident.
        num_fds: Open file descriptors.
        num_threads: Threads.
    """

    name: str
    at_s: tuple[float, ...]
    rss_bytes: tuple[int, ...]
    num_fds: tuple[int, ...]
    num_threads: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Configuration:
    """What was asked for; two runs with equal ones may be compared.

    Attributes:
        target: Address of the coordinator.
        protocol: How it was spoken to.
        tls: Whether over TLS.
        with_key: Whether with an API key.
        arrivals: Whether requests were due at even intervals, or at random ones as of many independent callers.
        workloads: Share of each workload in the requests.
        hot_share: Share of the requests that repeat one of a few.
        seed: Of everything random.
        timeout_s: Time that each request gives the server.
        processes: Client processes.
        connections: Connections of each; over HTTP as many as there are requests in flight.
        in_flight_limit: Most requests in flight, over all processes.
        documents: Documents that an answer was cut from for each cold request; 0: none was.
    """

    target: str
    protocol: Literal["grpc", "http"]
    tls: bool
    with_key: bool
    arrivals: Literal["constant", "poisson"]
    workloads: Mapping[str, float]
    hot_share: float
    seed: int
    timeout_s: float
    processes: int
    connections: int
    in_flight_limit: int
    documents: int = 0


@dataclass(frozen=True, slots=True)
class Machine:
    """What a run ran on: numbers of a busy machine mean little without it."""

    processor: str
    cores: int
    memory_gib: float
    kernel: str
    load_before: float
    load_after: float


@dataclass(frozen=True, slots=True)
class Run:
    """One load test.

    Attributes:
        started_at: When it began: UTC, ISO 8601.
        configuration: What was asked for.
        machine: What it ran on.
        steps: In the order in which they ran.
        highest_rate: Highest rate that met the targets in the final, longer step; None if none was looked for or found.
        passed: Whether every step met its targets; of a search for the highest rate, whether there is one.
        notes: What a reader should know.
        windows: Times in which faults were injected.
        processes: What the processes of the system used meanwhile.
        format: Name and version of this form.
    """

    started_at: str
    configuration: Configuration
    machine: Machine
    steps: tuple[Step, ...]
    highest_rate: float | None
    passed: bool
    notes: tuple[str, ...] = ()
    windows: tuple[Window, ...] = ()
    processes: tuple[ProcessSeries, ...] = ()
    format: str = field(default=FORMAT)

    @property
    def searched(self) -> bool:
        """Whether the highest rate was looked for, found or not."""
        return any(step.kind in _OF_SEARCHES for step in self.steps)


_RUN = TypeAdapter(Run)


def write_run(run: Run, path: Path) -> None:
    """Writes a run as JSON."""
    path.write_bytes(_RUN.dump_json(run, indent=1) + b"\n")


def read_run(path: Path) -> Run:
    """Returns the run of a file that `write_run` wrote.

    Raises:
        LoadTestError: the file cannot be read, or is not of this form.
    """
    try:
        run = _RUN.validate_json(path.read_bytes())
    except OSError as error:
        raise LoadTestError(f"{path}: cannot read the results ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise LoadTestError(f"{path}: not results of a load test ({where}: {first['msg']})") from error
    if run.format != FORMAT:
        raise LoadTestError(f"{path}: results of format {run.format!r}, expected {FORMAT!r}; run the load test again")
    return run
