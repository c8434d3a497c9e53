"""The house stays as ARCHITECTURE.md draws it: arrows, stubs, sizes, folders."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MAX_LINES = {".py": 400, ".rs": 500}
GENERATED = re.compile(r"_pb2(_grpc)?\.py$")


def source_files():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    paths = (ROOT / name for name in listed.splitlines())
    return [path for path in paths if path.suffix in MAX_LINES and path.exists() and not GENERATED.search(path.name)]


def test_no_file_is_longer_than_its_idea():
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in source_files()}
    assert {path: count for path, count in lines.items() if count > MAX_LINES[path.suffix]} == {}


def test_no_file_is_named_for_nothing():
    vague = {"utils", "util", "common", "helpers", "misc"}
    assert [path for path in source_files() if vague & set(path.relative_to(ROOT).with_suffix("").parts)] == []


def test_unsafe_code_lives_in_one_file():
    unsafe = re.compile(r"\bunsafe\s*[{f]")
    rust = [path for path in source_files() if path.suffix == ".rs"]
    assert [path.name for path in rust if unsafe.search(path.read_text())] == ["mapped.rs"]


def importers_of(module):
    pattern = re.compile(rf"^\s*(?:import|from) {module}\b", re.MULTILINE)
    names = (str(path.relative_to(ROOT)) for path in source_files() if pattern.search(path.read_text()))
    return {name for name in names if not name.startswith(("tests/", "bench/", "loadtest/"))}


def test_ray_is_imported_by_the_serve_application_and_the_tasks_of_builds_only():
    hook = "coordinator/local/loopback.py"  # runs in Ray's own processes, before the application does
    assert importers_of("ray") == {"coordinator/app.py", hook, "indexing/ray_tasks.py"}


def test_a_build_that_needs_no_workers_does_not_load_ray():
    script = "import sys, headwater.index_build_command; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode == 0


def test_grpc_is_imported_by_servers_and_clients_only():
    assert {name.split("/")[0] for name in importers_of("grpc")} == {"coordinator", "headwater", "shard_server"}


def test_arrows_between_packages_point_as_drawn():
    lint = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert lint.returncode == 0, lint.stdout


def test_the_engines_stub_is_its_api():
    stubtest = subprocess.run(
        [sys.executable, "-m", "mypy.stubtest", "suffix_engine"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert stubtest.returncode == 0, stubtest.stdout


def test_every_folder_is_on_the_map():
    tracked = {path.relative_to(ROOT).parts[0] for path in source_files() if len(path.relative_to(ROOT).parts) > 1}
    for page in ("README.md", "ARCHITECTURE.md"):
        text = (ROOT / page).read_text(encoding="utf-8")
        assert [folder for folder in sorted(tracked) if f"{folder}/" not in text] == [], page
