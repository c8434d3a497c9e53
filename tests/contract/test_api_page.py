"""docs/api.md: its tables and examples are those of the code. Its examples run in test_serve_on_ray.py."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool, json_format, message_factory
from grpc_health.v1 import health_pb2

from coordinator import errors
from coordinator.api.caller import CLIENT_ID_KEY
from coordinator.api.http_api import create_api
from coordinator.api.message_size import MAX_MESSAGE_BYTES
from coordinator.api.rich_status import DETAILS_KEY
from coordinator.api.status import FAULTS
from coordinator.config import CoordinatorConfig
from coordinator.options import RequestLimits
from protos.coordinator.v1 import coordinator_pb2
from runtime.request_id import METADATA_KEY

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
GRPCURL = [shlex.split(code) for language, code in BLOCKS if language == "sh" and code.startswith("grpcurl")]
CURL = [shlex.split(code) for language, code in BLOCKS if language == "sh" and code.startswith("curl")]


def never() -> Any:
    raise AssertionError("no request is made")


API = create_api(never, never)


def rows(heading: str) -> list[list[str]]:
    """Returns the cells of the table under a heading, without its head."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines[2:]]


def when(error: type[errors.CoordinatorError]) -> str:
    if issubclass(error, errors.OverloadedError):
        return "as it says"
    seconds = FAULTS[error].retry_after_s
    return "no" if seconds is None else f"after {seconds:g} s"


def test_the_table_of_errors_is_that_of_the_code() -> None:
    assert errors.__doc__
    who = dict(re.findall(r"-- (\w+) +([^:]+): ", errors.__doc__)) | {"CoordinatorError": "the operator"}
    expected = [
        [
            error.__name__,
            str(fault.http_status.value),
            fault.grpc_status.name,
            fault.problem,
            when(error),
            who[error.__name__],
        ]
        for error, fault in FAULTS.items()
    ]
    assert sorted(rows("Errors")) == sorted(expected)


def test_the_names_of_headers_and_metadata_are_those_of_the_code() -> None:
    assert [row[0] for row in rows("Request ids, clients and distributed traces")] == [
        METADATA_KEY,
        CLIENT_ID_KEY,
        "traceparent",
    ]
    assert f"`{DETAILS_KEY}`" in PAGE


def test_the_limits_are_those_of_the_code() -> None:
    limits, defaults = RequestLimits(), CoordinatorConfig.model_fields
    expected = [limits.max_answer_chars, limits.max_prompt_chars, limits.max_window_tokens, limits.max_document_tokens]
    expected += [defaults["max_body_bytes"].default, MAX_MESSAGE_BYTES]
    expected += [defaults[name].default for name in ("default_timeout_ms", "max_timeout_ms")]
    assert [int(limit.split()[0].replace(",", "")) for _, limit, _ in rows("Limits")] == expected


def test_every_path_has_an_example_with_curl() -> None:
    examples = re.findall(r"127\.0\.0\.1:8000(/[\w/:]+)", PAGE)
    paths = [route.path for route in API.routes if route.path != "/openapi.json"]  # type: ignore[attr-defined]
    assert sorted(examples) == sorted(path.replace("{document}", "default:0:0") for path in paths)


def test_every_method_has_an_example_with_grpcurl() -> None:
    service = coordinator_pb2.DESCRIPTOR.services_by_name["CoordinatorService"]
    methods = [f"{service.full_name}/{method.name}" for method in service.methods]
    assert sorted(words[-1] for words in GRPCURL) == sorted([*methods, "grpc.health.v1.Health/Check"])


def test_every_method_has_an_example_in_python() -> None:
    code = "".join(code for language, code in BLOCKS if language == "python")
    assert set(re.findall(r"\bindex\.(\w+)\(", code)) == {"trace", "trace_stream", "count", "document", "describe"}


@pytest.mark.parametrize("words", GRPCURL, ids=lambda words: words[-1])
def test_the_messages_given_to_grpcurl_are_those_of_the_proto(words: list[str]) -> None:
    assert health_pb2.DESCRIPTOR.pool is descriptor_pool.Default()
    service, _, method = words[-1].partition("/")
    described = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    message = message_factory.GetMessageClass(described.input_type)()
    content = words[words.index("-d") + 1]
    json_format.Parse(content, message)  # fails on a field that is not there
    assert words[-2] == "127.0.0.1:9000"
    if method != "Describe":
        assert message.ByteSize() > 0


def test_the_same_is_asked_with_curl_and_with_grpcurl() -> None:
    def contents(commands: list[list[str]]) -> list[Any]:
        return [json.loads(words[words.index("-d") + 1]) for words in commands if "-d" in words]

    assert contents(CURL) == contents(GRPCURL)[:3]
