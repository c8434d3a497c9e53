import os
import subprocess
import sys


def test_a_process_that_aborts_dumps_no_core() -> None:
    code = "from runtime.core_dumps import forbid_core_dumps as f; f(); import os; os.abort()"
    started = subprocess.Popen([sys.executable, "-c", code])
    _, status = os.waitpid(started.pid, 0)
    started.returncode = -os.WTERMSIG(status)
    assert os.WIFSIGNALED(status)
    assert not os.WCOREDUMP(status)


def test_what_it_starts_dumps_none_either() -> None:
    code = (
        "from runtime.core_dumps import forbid_core_dumps as f; f(); f(); import subprocess, sys;"
        "subprocess.run([sys.executable, '-c', 'import resource; print(*resource.getrlimit(resource.RLIMIT_CORE))'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1", "1"] or (sys.platform != "linux" and done.stdout.split() == ["0", "0"])
