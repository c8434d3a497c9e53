"""docs/operations.md on one machine: its commands, run as they stand, one after the other in one shell."""

import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.validators import ROOT

PAGE = ROOT / "docs" / "operations.md"
PORTS = (7001, 7002, 7011, 7012, 7021, 7022, 7023, 7031, 7032, 7033, 7041, 8000, 9000, 9464)
# Some 90 s on two idle cores.
MOST_S = 900


def walk() -> list[str]:
    """Returns the blocks of commands of the walk, without the one command that would build anew what is tested."""
    text = PAGE.read_text()
    begin, end = text.index("<!-- walk: begin -->"), text.index("<!-- walk: end -->")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text[begin:end], re.MULTILINE | re.DOTALL)
    return [re.sub(r"^(make build|source .*)\n", "", block, flags=re.MULTILINE) for block in blocks]


def test_commands_are_ones_that_a_shell_can_read() -> None:
    blocks = walk()
    assert len(blocks) > 10
    found = subprocess.run(["bash", "-n"], input="\n".join(blocks), capture_output=True, text=True, timeout=30)
    assert found.returncode == 0, found.stderr


def test_no_command_has_a_secret_among_its_words() -> None:
    assert "--from-env-file storage.env" in PAGE.read_text()
    assert not re.findall(r"--from-literal|--password[= ]", PAGE.read_text())


def test_links_lead_to_files_and_headings_that_are_there() -> None:
    def anchors(page: Path) -> set[str]:
        text = page.read_text()
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        return made | set(re.findall(r'<a id="([^"]+)">', text))

    for target in re.findall(r"\]\(([^)\s]+)\)", PAGE.read_text()):
        if target.startswith("http"):
            continue
        path, _, anchor = target.partition("#")
        page = (PAGE.parent / path).resolve() if path else PAGE
        assert page.exists(), target
        if anchor:
            assert anchor in anchors(page), target


@pytest.mark.slow
@pytest.mark.timeout(MOST_S + 60)
def test_a_new_operator_gets_through_by_copy_and_paste(tmp_path: Path) -> None:
    for port in PORTS:
        with socket.socket() as found:
            if found.connect_ex(("127.0.0.1", port)) == 0:
                pytest.skip(f"port {port} is in use on this machine, and the page names it")
    script = "set -euo pipefail\n" + "\n".join(f"echo '--- block {n}'\n{block}" for n, block in enumerate(walk()))
    environment = {
        **os.environ,
        "HW": str(tmp_path / "hw"),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    with (tmp_path / "said").open("w+") as said:
        shell = subprocess.Popen(
            ["bash", "-c", script], cwd=ROOT, env=environment, stdout=said, stderr=said, start_new_session=True
        )
        try:
            status = shell.wait(MOST_S)
        finally:
            if shell.poll() is None or status:
                os.killpg(shell.pid, signal.SIGTERM)
        said.seek(0)
        assert status == 0, said.read()[-8000:]
