"""The ``headwater`` command: what it prints, and how it fails."""

import array
import fcntl
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import pytest
from click.testing import CliRunner, Result

import headwater
from coordinator.api.json_codec import from_json
from coordinator.results import Trace
from headwater.cli import cli
from tests.tiny_index import byte_level_tokenizer, write_index

TEXTS = (
    "The quick brown fox jumps over the lazy dog near the river bank.",
    "Every morning the baker sells warm bread near the river bank.",
)
ANSWER = "They say the quick brown fox jumps over the lazy dog."


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_index(tmp_path_factory.mktemp("cli") / "index", [TEXTS[:1], TEXTS[1:]])


def run(*arguments: str | Path, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=stdin)


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "headwater.cli", *map(str, arguments)]


def assert_one_line_error(result: Result, status: int, message: str) -> None:
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    assert re.search(message, result.stderr), result.stderr
    assert "Traceback" not in result.stderr
    if status == 1:
        assert len(result.stderr.strip().splitlines()) == 1, result.stderr


def test_trace_prints_the_answer_with_its_spans_and_documents(index: Path) -> None:
    result = run("trace", "--index", index, ANSWER)
    assert result.exit_code == 0, result.output
    assert "⟦the quick brown fox jumps over the lazy dog" in result.stdout
    assert "DOCUMENTS" in result.stdout
    assert "in 2 of 2 shards" in result.stdout
    assert "\x1b" not in result.stdout


@pytest.mark.parametrize("way", ["argument", "file", "dash", "nothing"])
def test_answer_comes_from_an_argument_a_file_or_standard_input(index: Path, way: str, tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    path.write_text(ANSWER)
    arguments: dict[str, Sequence[str | Path]] = {
        "argument": [ANSWER],
        "file": ["--file", path],
        "dash": ["-"],
        "nothing": [],
    }
    stdin = ANSWER if way in ("dash", "nothing") else None
    result = run("trace", "--index", index, "--json", *arguments[way], stdin=stdin)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["answer"] == ANSWER


def test_json_is_the_very_trace_that_python_gets(index: Path) -> None:
    result = run("trace", "--index", index, "--json", "--prompt", "A fox?", "--seed", "7", ANSWER)
    printed = from_json(Trace, json.loads(result.stdout))
    with headwater.open(index) as opened:
        found = opened.trace(ANSWER, "A fox?", headwater.TraceOptions(seed=7))
    assert {**_fields(printed), "timings": None} == {**_fields(found), "timings": None}


def _fields(trace: Trace) -> dict[str, object]:
    return {name: getattr(trace, name) for name in Trace.__dataclass_fields__}


def test_options_reach_the_trace(index: Path) -> None:
    few = json.loads(run("trace", "--index", index, "--json", ANSWER).stdout)
    many = json.loads(run("trace", "--index", index, "--json", "--max-span-density", "1", ANSWER).stdout)
    assert len(few["spans"]) < len(many["spans"]) == many["num_maximal_spans"]


def test_html_report_is_written_beside_the_output(index: Path, tmp_path: Path) -> None:
    page = tmp_path / "trace.html"
    result = run("trace", "--index", index, "--html", page, "--prompt", "A <fox>?", ANSWER)
    assert result.exit_code == 0, result.output
    assert "A &lt;fox&gt;?" in page.read_text()
    assert f"Report written to {page}" in result.stderr


def test_documents_flag_limits_what_is_shown(index: Path) -> None:
    result = run("trace", "--index", index, "--documents", "0", ANSWER)
    assert "DOCUMENTS  0 of " in result.stdout


def test_count_prints_the_number_alone(index: Path) -> None:
    assert run("count", "--index", index, "near the river bank.").stdout == "2\n"
    assert run("count", "--index", index, "-", stdin="no such text").stdout == "0\n"
    assert json.loads(run("count", "--index", index, "--json", "river").stdout)["coverage"]["complete"] is True


def test_count_says_how_many_more_stand_after_a_space(tmp_path: Path) -> None:
    texts = ["river bank", "a river bank", "the river bank", "no bank"] * 5
    index = write_index(tmp_path / "index", [texts], byte_level_tokenizer(texts))
    result = run("count", "--index", index, "river")
    assert (result.stdout, result.stderr) == (
        "5\n",
        "note: 10 more with a space before it; a word at the start of a text and inside one are different tokens\n",
    )
    assert (run("count", "--index", index, " river").stdout, run("count", "--index", index, " river").stderr) == (
        "10\n",
        "",
    )
    assert run("count", "--index", index, "--json", "river").stderr == ""


def test_count_of_raw_bytes_holds_what_stands_after_a_space(index: Path) -> None:
    result = run("count", "--index", index, "he")  # inside "The" and "the", never after a space
    assert result.stderr == ""
    result = run("count", "--index", index, "b")  # "brown" and "baker" stand after a space and are counted
    assert (int(result.stdout) > 2, result.stderr) == (True, "")


@pytest.mark.parametrize("line_end", ["", "\n", "\r\n"])
def test_line_end_of_a_file_or_of_standard_input_is_not_part_of_the_text(
    index: Path, line_end: str, tmp_path: Path
) -> None:
    path = tmp_path / "text.txt"
    path.write_bytes(f"\ufeffriver bank{line_end}".encode())
    content = path.read_bytes()
    for result in (run("count", "--index", index, "--file", path), run("count", "--index", index, "-", stdin=content)):
        assert result.stdout == "2\n", result.output
    for result in (
        run("trace", "--index", index, "--json", "--prompt-file", path, "--file", path),
        run("trace", "--index", index, "--json", "-", stdin=content),
    ):
        assert json.loads(result.stdout)["answer"] == "river bank"


@pytest.mark.parametrize("blank", ["", "  \n"])
@pytest.mark.parametrize("subcommand", ["trace", "count"])
def test_blank_text_is_refused(index: Path, subcommand: str, blank: str) -> None:
    assert_one_line_error(run(subcommand, "--index", index, "-", stdin=blank), 1, "empty or only white space")


def test_missing_file_is_refused(index: Path, tmp_path: Path) -> None:
    result = run("trace", "--index", index, "--file", tmp_path / "none.txt")
    assert_one_line_error(result, 1, "none.txt: cannot read the file")


def test_text_that_is_not_utf8_is_refused_with_the_place(index: Path, tmp_path: Path) -> None:
    (tmp_path / "latin.txt").write_bytes(b"caf\xe9 au lait")
    for result in (
        run("trace", "--index", index, "--file", tmp_path / "latin.txt"),
        run("trace", "--index", index, "-", stdin=b"caf\xe9 au lait"),
        run("trace", "--index", index, "--prompt-file", tmp_path / "latin.txt", ANSWER),
        run("count", "--index", index, "caf\udce9 au lait"),
    ):
        assert_one_line_error(result, 1, "not UTF-8 text .byte 0xe9 at offset 3.")


def test_index_that_is_not_there_is_refused(tmp_path: Path) -> None:
    assert_one_line_error(run("trace", "--index", tmp_path / "none", ANSWER), 1, "index.json: not found")


def test_damaged_index_is_refused(index: Path, tmp_path: Path) -> None:
    (tmp_path / "index.json").write_text("{")
    assert_one_line_error(run("trace", "--index", tmp_path, ANSWER), 1, "not valid JSON")


def test_option_out_of_range_is_refused(index: Path) -> None:
    result = run("trace", "--index", index, "--max-span-density", "7", ANSWER)
    assert_one_line_error(result, 1, "max_span_density is 7.0")


def test_coordinator_that_does_not_answer_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        result = run("trace", "--connect", f"127.0.0.1:{port}", ANSWER)
    assert_one_line_error(result, 1, f"127.0.0.1:{port}")


def _answer_http2_without_grpc(listener: socket.socket) -> None:
    """Answers the one request of one connection as an HTTP server does that speaks HTTP/2: with status 404."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as received:
        received.read(len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
        connection.sendall(_http2_frame(4, 0, 0) + _http2_frame(4, 1, 0))  # settings, and that the client's are known
        while header := received.read(9):
            received.read(int.from_bytes(header[:3]))
            if header[3] == 1:  # the request's headers
                # 0x8d is ":status: 404" in the table that HPACK begins with; 5: end of headers and of stream.
                connection.sendall(_http2_frame(1, 5, int.from_bytes(header[5:9]), b"\x8d"))


def _http2_frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def _answer_http1(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


@pytest.mark.parametrize("answer", [_answer_http2_without_grpc, _answer_http1])
def test_http_port_is_told_from_the_grpc_port(answer: Callable[[socket.socket], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=answer, args=(listener,), daemon=True)
        server.start()
        result = run("count", "--connect", f"127.0.0.1:{listener.getsockname()[1]}", "text")
        server.join(10)
    assert_one_line_error(result, 1, "looks like the coordinator's HTTP port, connect to its gRPC port")


def test_report_without_a_folder_is_refused_before_anything_is_read(index: Path, tmp_path: Path) -> None:
    page = tmp_path / "no" / "such" / "page.html"
    result = run("trace", "--index", index, "--html", page, "--file", tmp_path / "none.txt")
    assert_one_line_error(result, 1, f"{page}: cannot write the page, no such folder: {page.parent}$")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trace", "text"], "either --index DIR or --connect HOST:PORT"),
        (["trace", "--index", "a", "--connect", "b:1", "text"], "--index DIR or --connect HOST:PORT, not both"),
        (["trace", "--connect", "127.0.0.1", "text"], "'127.0.0.1', expected host:port with a port of 1 to 65535"),
        (["trace", "--index", "a", "--file", "f", "text"], "as an argument or with --file, not both"),
        (["trace", "--index", "a", "--prompt", "p", "--prompt-file", "f", "text"], "--prompt or --prompt-file"),
        (["trace", "--index", "a", "--seed", "x", "text"], "--seed"),
        (["nonsense"], "No such command 'nonsense'"),
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str], message: str) -> None:
    assert_one_line_error(run(*arguments), 2, message)


@pytest.mark.parametrize("text", ["- the first item", "-5 degrees", "-- he said", "--- Heading"])
@pytest.mark.parametrize("subcommand", ["trace", "count"])
def test_text_that_begins_with_a_dash_is_told_where_to_go(index: Path, subcommand: str, text: str) -> None:
    assert_one_line_error(run(subcommand, "--index", index, text), 2, "No such option.* goes last, after '--', or")
    assert run(subcommand, "--index", index, "--json", "--", text).exit_code == 0


def test_misspelt_option_is_no_text() -> None:
    result = run("trace", "--indx", "a", "text")
    assert_one_line_error(result, 2, "--index")
    assert "goes last" not in result.stderr


def test_help_lists_the_subcommands() -> None:
    result = run("--help")
    assert result.exit_code == 0
    for name in ("trace", "count", "index", "serve", "demo"):
        assert re.search(rf"^  {name} ", result.stdout, re.MULTILINE)


def test_version_is_printed() -> None:
    assert re.fullmatch(r"headwater, version \d+\.\d+\.\d+\S*\n", run("--version").stdout)


def _in_a_terminal(*arguments: str | Path, **environment: str) -> str:
    """Returns what a command writes to a terminal."""
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        command(*arguments),
        stdin=inside,
        stdout=inside,
        stderr=inside,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "90"} | environment,
    )
    os.close(inside)
    output = b""
    with process:
        while True:
            try:
                output += (read := os.read(terminal, 65_536))
            except OSError:  # Linux says EIO when the last writer is gone
                break
            if not read:
                break
    os.close(terminal)
    assert process.returncode == 0, output
    return output.decode()


def test_terminal_gets_colour_and_no_brackets(index: Path) -> None:
    text = _in_a_terminal("trace", "--index", index, ANSWER)
    assert "\x1b[" in text
    assert "⟦" not in text


@pytest.mark.parametrize(("flags", "environment"), [(["--no-color"], {}), ([], {"NO_COLOR": "1"})])
def test_terminal_without_colour_gets_brackets(index: Path, flags: list[str], environment: dict[str, str]) -> None:
    text = _in_a_terminal("trace", "--index", index, *flags, ANSWER, **environment)
    assert "\x1b" not in text
    assert "⟦the quick brown fox" in text


def test_process_fails_with_one_line_and_status_1(tmp_path: Path) -> None:
    found = subprocess.run(
        command("trace", "--index", tmp_path, ANSWER), capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 1
    assert found.stdout == ""
    assert found.stderr.startswith("Error: ")
    assert found.stderr.count("\n") == 1


def test_interrupt_ends_the_process_quietly_with_130(index: Path) -> None:
    process = subprocess.Popen(
        command("trace", "--index", index, "-"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin
        _wait_until_it_reads(process.stdin)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert (output, errors.strip()) == ("", "")


def _wait_until_it_reads(pipe: IO[str]) -> None:
    """Writes to a pipe and waits until the reader has taken it all: then it waits for more."""
    pipe.write("An answer that never ends")
    pipe.flush()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        unread = array.array("i", [0])
        fcntl.ioctl(pipe, termios.FIONREAD, unread)
        if unread[0] == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the command did not come to read its input")


def test_reader_that_leaves_early_causes_no_complaint(index: Path, tmp_path: Path) -> None:
    answer = tmp_path / "long.txt"
    answer.write_text("\n".join([ANSWER] * 800))  # more than a pipe holds
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        command("trace", "--index", index, "--json", "--file", answer), stdout=write_end, stderr=subprocess.PIPE
    )
    os.close(write_end)
    os.close(read_end)
    with process:
        _, errors = process.communicate(timeout=60)
    assert errors == b""
