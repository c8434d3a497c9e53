"""Files leave the page cache, also while they are mapped, and what stays is noticed."""

import mmap
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench import page_cache
from bench.block_reads import BlockReads, Disk, own_read_bytes
from bench.cold_request import ColdIndex, ColdRequest
from bench.errors import BenchError

NUM_PAGES = 256

needs_root = pytest.mark.skipif(
    not os.access("/proc/sys/vm/drop_caches", os.W_OK), reason="needs root, to drop the page cache"
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    with (tmp_path / "folder" / "file").open("wb") as file:
        file.write(os.urandom(NUM_PAGES * mmap.PAGESIZE))
        os.fsync(file.fileno())
    (tmp_path / "empty").touch()
    try:
        Disk(tmp_path)
    except BenchError:
        pytest.skip("needs temporary files on a plain disk, not in memory")
    return tmp_path


def test_pages_that_were_just_written_are_in_the_page_cache(directory: Path) -> None:
    assert page_cache.resident_pages(directory) == (NUM_PAGES, NUM_PAGES)


@needs_root
def test_a_mapped_file_leaves_memory_and_is_read_from_the_disk_again(directory: Path) -> None:
    with (directory / "folder" / "file").open("rb") as file, mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ) as mapped:
        content = mapped[:]
        cold = ColdIndex(directory).request(lambda: mapped[:])
        assert cold.result == content
    assert cold.read.size_bytes >= NUM_PAGES * mmap.PAGESIZE
    assert cold.read.reads > 0


@needs_root
def test_pages_that_another_process_holds_are_reported(directory: Path) -> None:
    script = "import mmap, sys; file = open(sys.argv[1], 'rb'); m = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)"
    command = [sys.executable, "-c", f"{script}; sum(m[::4096]); print('ready', flush=True); sys.stdin.read()"]
    with subprocess.Popen(
        [*command, str(directory / "folder" / "file")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"ready\n"
        with pytest.raises(BenchError, match=r"pages stayed in the page cache; end the processes"):
            page_cache.make_cold(directory)
        holder.communicate()


def test_who_may_not_drop_the_page_cache_is_told_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_cache, "_DROP_CACHES", directory / "absent")
    with pytest.raises(BenchError, match="run as root"):
        ColdIndex(directory)


def test_a_file_system_without_a_disk_is_refused() -> None:
    with pytest.raises(BenchError, match="not on one block device"):
        Disk(Path("/proc/self"))


def test_the_counters_of_the_disk_and_of_this_process_do_not_go_back(directory: Path) -> None:
    disk = Disk(directory)
    before, own = disk.counted(), own_read_bytes()
    read = disk.counted() - before
    assert read.reads >= 0
    assert read.size_bytes >= 0
    assert own_read_bytes() >= own >= 0


def test_a_request_is_disturbed_when_others_read_more_than_measuring_allows() -> None:
    assert not ColdRequest(None, 1.0, BlockReads(1_000, 10 << 20), foreign_bytes=100 << 10).disturbed
    assert ColdRequest(None, 1.0, BlockReads(1_000, 10 << 20), foreign_bytes=1 << 20).disturbed
    assert not ColdRequest(None, 1.0, BlockReads(1, 4_096), foreign_bytes=0).disturbed
