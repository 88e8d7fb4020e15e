"""HTTP load in a process of its own: `wrk` where it is installed, else a small client over raw sockets.

Both keep CONNECTIONS connections open and ask one question at a time on each, for random identifiers
of the form PATH + number. wrk is the Debian package of that name and optional; the client in Python
takes about as much processor time as the server it loads, so its figures are lower on two cores —
for the raw limit as well.

Run as a program: `python -m tests.bench.http_load PORT PATH COUNT SECONDS` prints requests and errors.
"""

import asyncio
import random
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

CONNECTIONS = 32
_LUA = """
local random = math.random
function init(args) math.randomseed(os.time()) end
function request() return wrk.format("GET", "%s" .. random(0, %d)) end
"""
_RATE = re.compile(r"Requests/sec:\s+([0-9.]+)")
_BAD = re.compile(r"Non-2xx|Socket errors")


def loader() -> str:
    """Return the name of what `requests_per_s` uses."""
    return "wrk" if shutil.which("wrk") else "python client"


def requests_per_s(port: int, path: str, count: int, seconds: float, folder: Path) -> float:
    """Load a server on the loopback interface and return its requests per second.

    Every answer has to be a 200.
    """
    wrk = shutil.which("wrk")
    if wrk is None:
        arguments = [sys.executable, "-m", "tests.bench.http_load", str(port), path]
        out = _run([*arguments, str(count), str(seconds)])
        requests, errors, took_s = out.split()
        assert errors == "0", f"{errors} answers were no 200"
        return int(requests) / float(took_s)
    script = folder / "paths.lua"
    script.write_text(_LUA % (path, count - 1))
    url = f"http://127.0.0.1:{port}"
    out = _run(
        [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{max(1, round(seconds))}s", "-s", str(script), url]
    )
    found = _RATE.search(out)
    assert found is not None, out
    assert not _BAD.search(out), out
    return float(found[1])


def _run(arguments: list[str]) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def _ask(port: int, path: str, count: int, until_s: float) -> tuple[int, int]:
    """Ask on one connection until the time is over; returns requests and answers that are no 200."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    asked = errors = 0
    while time.monotonic() < until_s:
        number = random.randrange(count)
        writer.write(f"GET {path}{number} HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = head.partition(b"content-length: ")
        await reader.readexactly(int(rest.partition(b"\r\n")[0]))
        asked += 1
        errors += not head.startswith(b"http/1.1 200")
    writer.close()
    return asked, errors


async def _main(port: int, path: str, count: int, seconds: float) -> None:
    began_s = time.monotonic()
    asking = [_ask(port, path, count, began_s + seconds) for _ in range(CONNECTIONS)]
    done = await asyncio.gather(*asking)
    took_s = time.monotonic() - began_s
    print(sum(asked for asked, _ in done), sum(errors for _, errors in done), took_s)


if __name__ == "__main__":
    asyncio.run(_main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
