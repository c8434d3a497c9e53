"""What a service is to hold under load, from a YAML file."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from loadtest.errors import LoadTestError
from loadtest.results import Step, Verdict

_Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Share = Annotated[float, Field(ge=0, le=1)]


class Targets(BaseModel):
    """Targets; one that is not given is not judged.

    Attributes:
        p50_ms: Half of the answers take at most so long, from when their requests were due.
        p95_ms: The same for 95 % of the answers.
        p99_ms: The same for 99 % of the answers.
        error_rate: At most this share of the requests has no answer.
        coverage: At least this share of the answers had a part of every shard.
        goodput: At least this share of the requests had a good answer: complete, and within ``good_within_ms``.
        good_within_ms: See ``goodput``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    p50_ms: _Milliseconds | None = None
    p95_ms: _Milliseconds | None = None
    p99_ms: _Milliseconds | None = None
    error_rate: _Share | None = None
    coverage: _Share | None = None
    goodput: _Share | None = None
    good_within_ms: _Milliseconds | None = None

    @property
    def deciding_quantile(self) -> float:
        """The highest quantile that is judged: a step needs enough requests for it."""
        if self.p99_ms is not None:
            return 0.99
        return 0.95 if self.p95_ms is not None else 0.5

    @property
    def good_limit_ms(self) -> float:
        """An answer that comes later is not good."""
        return self.good_within_ms if self.good_within_ms is not None else math.inf

    def check_for_search(self) -> None:
        """Returns if a rate that meets these targets is one at which requests are answered.

        Raises:
            LoadTestError: requests that fail would miss no target, so that the faster a server refuses them the better.
        """
        if self.error_rate is None and self.goodput is None:
            raise LoadTestError(
                "no target counts requests that fail, expected error_rate or goodput for a search of the highest rate"
            )

    def judge(self, step: Step) -> Step:
        """Returns the step with its verdicts."""
        total = step.total
        latency = total.latency
        verdicts = [
            _at_most(name, wanted, getattr(latency, name) if latency else None)
            for name in ("p50_ms", "p95_ms", "p99_ms")
            if (wanted := getattr(self, name)) is not None
        ]
        # A step in which nothing was due says nothing: every target is missed.
        has_requests = total.intended > 0
        if self.error_rate is not None:
            verdicts.append(_at_most("error_rate", self.error_rate, total.error_rate if has_requests else None))
        if self.coverage is not None:
            verdicts.append(_at_least("coverage", self.coverage, total.complete_share if total.answered else None))
        if self.goodput is not None:
            verdicts.append(_at_least("goodput", self.goodput, total.goodput_share if has_requests else None))
        return replace(step, verdicts=tuple(verdicts))


def read_targets(path: Path) -> Targets:
    """Returns the targets of a file.

    Raises:
        LoadTestError: it cannot be read, is no YAML, or says what there is not.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LoadTestError(f"{path}: cannot read the targets ({error.strerror})") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LoadTestError(f"{path}: not YAML ({error})") from error
    try:
        targets = Targets.model_validate(found)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise LoadTestError(
            f"{path}: {where}: {first['msg']}; targets are {', '.join(Targets.model_fields)}"
        ) from error
    judged = [name for name in Targets.model_fields if name != "good_within_ms" and getattr(targets, name) is not None]
    if not judged:
        raise LoadTestError(f"{path}: names no target; targets are {', '.join(Targets.model_fields)}")
    return targets


def _at_most(name: str, wanted: float, measured: float | None) -> Verdict:
    return Verdict(name, "at most", wanted, measured, measured is not None and measured <= wanted)


def _at_least(name: str, wanted: float, measured: float | None) -> Verdict:
    return Verdict(name, "at least", wanted, measured, measured is not None and measured >= wanted)
