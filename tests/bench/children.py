"""Child processes of a benchmark: started, waited for, ended."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
STOP_S = 20.0


@contextmanager
def child(module: str, *arguments: object) -> Iterator["subprocess.Popen[str]"]:
    """Start `python -m MODULE ARGUMENTS`; yields when it has printed `ready`, and ends it after."""
    command = [sys.executable, "-m", module, *(str(one) for one in arguments)]
    process = subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said == "ready\n", f"{module} did not start: {said!r}"
        yield process
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def peak_rss_mib(pid: int) -> float:
    """Return the most memory that a process has ever held, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024
