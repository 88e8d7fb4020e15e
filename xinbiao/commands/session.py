"""What every command shares: the options of all, the person's language, and how results are shown.

A result is a value and its lines: with `--json` the value is printed as JSON, else the lines. Results go
to standard output and nothing else does; questions, progress and errors go to standard error.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
import typer
from rich.cells import cell_len

from xinbiao.client import Client, read_trust
from xinbiao.describe import clean
from xinbiao.errors import InputError, UsageError
from xinbiao.last_seen import replace_file
from xinbiao.settings import Context, choose_folder, choose_trust, load_context
from xinbiao.words import Words

SEEN: Final = "seen.json"
INPUT_BYTES_MAX: Final = 64 * 1024 * 1024
_COLUMN_GAP: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One run of the command.

    Attributes:
        directory: What `--dir` says, or None.
        context_name: What `--context` says, or None.
        as_json: Print JSON.
        dry_run: Change nothing.
        yes: Ask nothing.
        say: Says sentences in the person's language.
    """

    directory: Path | None
    context_name: str | None
    as_json: bool
    dry_run: bool
    yes: bool
    say: Words

    @property
    def folder(self) -> Path:
        """Folder of settings and trust files."""
        return choose_folder(self.directory)

    def context(self) -> Context:
        """Return the context.

        Raises:
            UsageError: There is none.
        """
        return load_context(self.folder, self.context_name)

    def trust(self, given: Path | None = None) -> Path:
        """Return the trust file.

        Raises:
            UsageError: It is not clear which.
        """
        return choose_trust(self.folder, given, self.context_name)

    @asynccontextmanager
    async def client(self, context: Context) -> AsyncIterator[Client]:
        """Open a client that verifies, and remembers what it saw.

        Raises:
            UsageError: The trust file is another network's.
            TrustFileError: It cannot be used.
        """
        trust = await asyncio.to_thread(read_trust, context.trust)
        if trust.network != context.network:
            raise UsageError(
                f"{context.trust} is of network {trust.network}, the context says {context.network}"
            )
        async with Client(context.url, trust, memory=self.folder / SEEN) as client:
            yield client

    # ------------------------------------------------------------ output

    def show(self, value: Any, lines: Iterable[str]) -> None:
        """Print a result: the value as JSON, or its lines."""
        if self.as_json:
            print(orjson.dumps(value, option=orjson.OPT_INDENT_2).decode())
            return
        for line in lines:
            print(line)

    def note(self, text: str, /, **parts: object) -> None:
        """Tell a person something that is no result."""
        print(self.say(text, **parts), file=sys.stderr)

    def confirm(self, question: str) -> None:
        """Ask before something that cannot be undone.

        Raises:
            UsageError: Nobody is there to answer; `--yes` answers beforehand.
            Exit: The answer is no.
        """
        if self.yes:
            return
        if not sys.stdin.isatty():
            raise UsageError(self.say("this cannot be undone and nobody can be asked: add --yes"))
        print(question + " [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes", "是", "j"):
            raise typer.Exit(1)

    @contextmanager
    def progress(self, what: str) -> Iterator[Callable[[int, int], None]]:
        """Show progress: a bar on a terminal, else a plain line per tenth."""
        if sys.stderr.isatty():
            with _bar(what) as advance:
                yield advance
        else:
            yield _PlainProgress(what)


class _PlainProgress:
    """Prints a line whenever another tenth is done."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = -1

    def __call__(self, done: int, total: int) -> None:
        tenth = 10 * done // total if total else 10
        if tenth > self._told:
            self._told = tenth
            print(f"{self._what} {done}/{total}", file=sys.stderr)


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def session(ctx: typer.Context) -> Session:
    """Return what the options of this run say."""
    found = ctx.obj
    assert isinstance(found, Session), "the top callback makes it"
    return found


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of a table, as wide as it needs to be; cells are cleaned.

    A terminal gets rich's table, which fits the width; a pipe gets plain columns.
    """
    cells = [[clean(str(cell)) for cell in row] for row in rows]
    if sys.stdout.isatty():
        yield from _rich_table(head, cells)
        return
    widths = [max(cell_len(row[at]) for row in [list(head), *cells]) for at in range(len(head))]
    for row in [list(head), *cells]:
        padded = (
            cell + " " * (width - cell_len(cell) + _COLUMN_GAP)
            for cell, width in zip(row, widths, strict=True)
        )
        yield "".join(padded).rstrip()


def _rich_table(head: Sequence[str], cells: Sequence[Sequence[str]]) -> Iterator[str]:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False)
    for name in head:
        made.add_column(Text(name), overflow="fold")
    for row in cells:
        made.add_row(*(Text(cell) for cell in row))
    console = Console()
    with console.capture() as captured:
        console.print(made)
    yield from captured.get().splitlines()


def read_input(path: Path) -> bytes:
    """Read a file that the person named.

    Raises:
        InputError: It cannot be read, or is too large.
    """
    try:
        with path.open("rb") as file:
            data = file.read(INPUT_BYTES_MAX + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    if len(data) > INPUT_BYTES_MAX:
        raise InputError(f"{path}: more than {INPUT_BYTES_MAX} bytes")
    return data


def write_output(path: Path, data: bytes) -> None:
    """Write a file that the person named, as a whole.

    Raises:
        InputError: It cannot be written.
    """
    replace_file(path, data)


def until_signal(work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
    """Run until the work ends, or SIGTERM or SIGINT asks it to."""

    async def run() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        try:
            await work(stop)
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                with contextlib.suppress(ValueError):
                    loop.remove_signal_handler(number)

    asyncio.run(run())
