"""docs/api.md: its error table, limits and paths are those of the code. Its examples run in test_serve_on_ray.py."""

import re
from pathlib import Path

from coordinator import errors
from coordinator.api.http_api import create_api
from coordinator.api.status import FAULTS, PROBLEM_METADATA
from coordinator.config import CoordinatorConfig
from coordinator.options import RequestLimits

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """Returns the cells of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_errors_is_that_of_the_code() -> None:
    assert errors.__doc__
    who = dict(re.findall(r"-- (\w+) +([^:]+): ", errors.__doc__)) | {"CoordinatorError": "the operator"}
    expected = [
        [error.__name__, str(fault.http_status.value), fault.grpc_status.name, fault.problem, who[error.__name__]]
        for error, fault in FAULTS.items()
    ]
    assert sorted(rows("Errors")) == sorted(expected)
    assert f"`{PROBLEM_METADATA}`" in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    limits, defaults = RequestLimits(), CoordinatorConfig.model_fields
    expected = [limits.max_answer_chars, limits.max_prompt_chars, limits.max_document_tokens]
    expected += [defaults[name].default for name in ("max_body_bytes", "default_timeout_ms", "max_timeout_ms")]
    assert [int(limit.split()[0].replace(",", "")) for _, limit, _ in rows("Limits")] == expected


def test_every_path_has_an_example() -> None:
    def never() -> None:
        raise AssertionError("no request is made")

    paths = create_api(never, lambda: 0).openapi()["paths"]  # type: ignore[arg-type]
    examples = re.findall(r"127\.0\.0\.1:8000(/[\w/:]+)", PAGE)
    assert sorted(examples) == sorted(path.replace("{document}", "0:0") for path in paths)
