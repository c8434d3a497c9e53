"""The options of ``python -m loadtest``."""

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from loadtest.access import Access
from loadtest.addresses import check_target
from loadtest.errors import LoadTestError
from loadtest.find_rate import Search
from loadtest.schedule import Pace
from loadtest.texts_to_send import Sources
from loadtest.workloads import Texts, Workload

KEY_VARIABLE = "HEADWATER_API_KEY"
_LONGEST_S = 24 * 3600.0
_DEFAULT_WEIGHTS = {
    Workload.CONVERSATIONS: 0.4,
    Workload.CORPUS: 0.4,
    Workload.STREAM: 0.1,
    Workload.CONTAMINATION: 0.1,
}

_EPILOG = """\
Exit status: 0 if every target is met, 1 if one is missed (or, with --fail-on-regression, a number is worse than in the
earlier run), 2 if the load test could not be run. `python -m loadtest soak --help` is about soaks."""


def parser() -> argparse.ArgumentParser:
    """Returns the parser of the command line."""
    result = argparse.ArgumentParser(
        prog="python -m loadtest",
        description="Puts a served Headwater under load: requests are sent when they are due, whatever became of those "
        "before them, and latencies count from then.",
        epilog=_EPILOG,
    )
    _add_server(result.add_argument_group("which server"))
    _add_pace(result.add_argument_group("how fast"))
    _add_requests(result.add_argument_group("what is asked"))
    _add_reports(result.add_argument_group("what is reported"))
    return result


def access_of(arguments: argparse.Namespace) -> Access:
    """Returns the way to the server that was named.

    Raises:
        LoadTestError: it is not this machine's, or a file or key is wrong.
    """
    check_target(arguments.target, allow_remote=arguments.allow_remote)
    access = Access(
        target=arguments.target,
        protocol=arguments.protocol,
        tls=arguments.tls,
        ca=arguments.ca,
        certificate=arguments.cert,
        key=arguments.key,
        server_name=arguments.server_name,
        api_key=_api_key(arguments.api_key_file),
    )
    access.check()
    return access


def paces_of(arguments: argparse.Namespace) -> list[Pace]:
    """Returns the steps that were asked for; none when the highest rate is to be found."""
    if arguments.find_rate:
        return []
    fixed = (arguments.seconds, arguments.warm_up, arguments.arrivals)
    if arguments.ramp is not None:
        first, last = arguments.ramp
        return [Pace("ramp", first, last, *fixed)]
    return [Pace("rate", rate, rate, *fixed) for rate in arguments.rate]


def search_of(arguments: argparse.Namespace) -> Search:
    """Returns how the highest rate is to be looked for."""
    return Search(
        start_rate=arguments.start_rate,
        highest_rate=arguments.highest_rate,
        verify_s=arguments.verify_seconds,
        warm_up_s=arguments.warm_up,
        longest_s=arguments.search_seconds,
        arrivals=arguments.arrivals,
    )


def sources_of(arguments: argparse.Namespace) -> Sources:
    """Returns where the texts come from."""
    return Sources(
        conversations=arguments.conversations,
        corpus=arguments.corpus,
        documents=arguments.documents,
        novelty=arguments.novelty,
    )


def weights_of(arguments: argparse.Namespace, texts: Texts) -> dict[Workload, float]:
    """Returns the weight of each workload: as asked, else the usual ones of those that there are texts for.

    Raises:
        LoadTestError: a workload is unknown, or a weight is no number.
    """
    if arguments.mix is None:
        return {workload: weight for workload, weight in _DEFAULT_WEIGHTS.items() if texts.number(workload)}
    weights: dict[Workload, float] = {}
    for part in arguments.mix:
        name, _, weight = part.partition("=")
        try:
            weights[Workload(name)] = float(weight)
        except ValueError:
            raise LoadTestError(
                f"--mix {part}, expected WORKLOAD=WEIGHT with one of {', '.join(each.value for each in Workload)}"
            ) from None
    return weights


def _add_server(group: "argparse._ArgumentGroup") -> None:
    which = group.add_mutually_exclusive_group(required=True)
    which.add_argument("--target", metavar="HOST:PORT", help="a server that runs: where it answers gRPC, or HTTP")
    which.add_argument("--local", action="store_true", help="start a cluster on this machine for the test")
    group.add_argument("--index", type=Path, metavar="DIR", help="--local: serve this index instead of the demo's")
    group.add_argument("--protocol", choices=("grpc", "http"), default="grpc", help="what is spoken (default grpc)")
    group.add_argument(
        "--allow-remote", action="store_true", help="the target may be another machine, and bear the load"
    )
    group.add_argument("--tls", action="store_true", help="speak TLS")
    group.add_argument("--ca", type=Path, metavar="FILE", help="TLS: CAs that vouch for the server, PEM")
    group.add_argument("--cert", type=Path, metavar="FILE", help="TLS: certificate to show, PEM; goes with --key")
    group.add_argument("--key", type=Path, metavar="FILE", help="TLS: its private key, PEM")
    group.add_argument("--server-name", metavar="NAME", help="TLS: name that the server's certificate is for")
    group.add_argument(
        "--api-key-file", type=Path, metavar="FILE", help=f"key to show (or the variable {KEY_VARIABLE})"
    )


def _add_pace(group: "argparse._ArgumentGroup") -> None:
    how = group.add_mutually_exclusive_group(required=True)
    how.add_argument("--rate", type=_rate, nargs="+", metavar="N", help="requests a second; several: one step each")
    how.add_argument("--ramp", type=_rate, nargs=2, metavar=("FROM", "TO"), help="a rate that changes evenly")
    how.add_argument("--find-rate", action="store_true", help="look for the highest rate that meets the --targets")
    group.add_argument("--seconds", type=_seconds, default=30.0, metavar="S", help="length of each step (default 30)")
    group.add_argument(
        "--warm-up", type=_seconds_or_none, default=2.0, metavar="S", help="before each, not measured (default 2)"
    )
    group.add_argument(
        "--arrivals",
        choices=("poisson", "constant"),
        default="poisson",
        help="at random, as of many callers (default), or at even intervals",
    )
    group.add_argument(
        "--start-rate", type=_rate, default=10.0, metavar="N", help="--find-rate: first one (default 10)"
    )
    group.add_argument("--highest-rate", type=_rate, default=10_000.0, metavar="N", help="--find-rate: none above it")
    group.add_argument(
        "--verify-seconds", type=_seconds, default=30.0, metavar="S", help="--find-rate: last step (default 30)"
    )
    group.add_argument(
        "--search-seconds", type=_seconds, default=600.0, metavar="S", help="--find-rate: time to search (default 600)"
    )
    group.add_argument("--processes", type=_number, default=2, metavar="N", help="client processes (default 2)")
    group.add_argument("--connections", type=_number, default=2, metavar="N", help="gRPC channels of each (default 2)")
    group.add_argument(
        "--in-flight",
        type=_number,
        default=512,
        metavar="N",
        help="most requests in flight; more are errors (default 512)",
    )


def _add_requests(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--conversations", type=Path, metavar="FILE", help='JSONL of {"prompt", "response"}')
    group.add_argument(
        "--corpus", type=Path, metavar="FILE", help='JSONL of {"text"} to cut answers from (default: what is served)'
    )
    group.add_argument(
        "--documents",
        type=_number,
        default=200,
        metavar="N",
        help="documents that answers are cut from (default 200); more where the index is larger than memory",
    )
    group.add_argument(
        "--mix",
        nargs="+",
        metavar="WORKLOAD=WEIGHT",
        help=f"workloads: {', '.join(each.value for each in Workload)} "
        f"(default {' '.join(f'{name}={weight:g}' for name, weight in _DEFAULT_WEIGHTS.items())})",
    )
    group.add_argument(
        "--novelty", type=float, default=0.3, metavar="SHARE", help="words of made answers that are new (default 0.3)"
    )
    group.add_argument(
        "--hot-share", type=float, default=0.2, metavar="SHARE", help="traces that ask a few texts again (default 0.2)"
    )
    group.add_argument(
        "--hot-texts", type=int, default=16, metavar="N", help="so many of each workload; 0: all (default 16)"
    )
    group.add_argument(
        "--timeout", type=_seconds, default=10.0, metavar="S", help="time the server is given (default 10)"
    )
    group.add_argument("--require-complete", action="store_true", help="an answer that misses a shard is an error")
    group.add_argument("--seed", type=int, default=1, metavar="N", help="another seed, other requests (default 1)")


def _add_reports(group: "argparse._ArgumentGroup") -> None:
    group.add_argument("--targets", type=Path, metavar="FILE", help="YAML of what is to be met")
    group.add_argument("--json", type=Path, metavar="FILE", help="write the results here")
    group.add_argument("--html", type=Path, metavar="FILE", help="write the report here")
    group.add_argument(
        "--compare", type=Path, metavar="FILE", help="results of an earlier run (--json) to compare with"
    )
    group.add_argument("--fail-on-regression", action="store_true", help="--compare: exit with 1 if a number is worse")


def _api_key(path: Path | None) -> str | None:
    if path is None:
        return os.environ.get(KEY_VARIABLE) or None
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise LoadTestError(f"{path}: cannot read the API key ({error})") from error


def _between(least: float, most: float, what: str) -> Callable[[str], float]:
    def convert(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"{text}, expected {what} from {least:g} to {most:g}")
        return number

    return convert


_rate = _between(0.01, 100_000.0, "requests a second")
_seconds = _between(0.1, _LONGEST_S, "seconds")
_seconds_or_none = _between(0.0, _LONGEST_S, "seconds")


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text}, expected a number of at least 1")
    return int(text)
