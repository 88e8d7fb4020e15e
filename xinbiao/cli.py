"""The command `xinbiao`: options of all commands, the commands by panel, errors as exit codes.

Parsing, calling and printing only. Every error of ours ends in one line that says what to do and in the
exit code of `xinbiao.errors`; anything else is a fault of ours and shows its traceback.
"""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer

from edge_agent.errors import EdgeError
from ledger.errors import LedgerError
from simulations.errors import SimulationError
from xinbiao.commands import ask, change, own, run, start
from xinbiao.commands.session import Session
from xinbiao.errors import FAILED, XinbiaoError, exit_code
from xinbiao.settings import choose_language
from xinbiao.words import Words, translate_help

_INTERRUPTED: Final = 130
_OURS: Final = (XinbiaoError, LedgerError, EdgeError, SimulationError)
_HELP: Final = (
    "Ask what a part or machine is, and check the proof yourself. "
    "问一个零件或设备是什么，并自己验证证明。"
)

app = typer.Typer(
    name="xinbiao",
    help=_HELP,
    epilog="First time? 第一次用？  xinbiao demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def options(
    ctx: typer.Context,
    directory: Annotated[
        Path | None,
        typer.Option("--dir", metavar="DIR", help="Folder of settings, keys and trust files"),
    ] = None,
    context: Annotated[
        str | None, typer.Option("-c", "--context", metavar="NAME", help="Which network")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print results as JSON")] = False,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Show what would happen, change nothing")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Ask nothing")] = False,
    language: Annotated[
        str | None, typer.Option("--lang", metavar="zh|en", help="Language of results")
    ] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Log what happens")] = False,
) -> None:
    """Take the options that every command shares."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    ctx.obj = Session(
        directory=directory,
        context_name=context,
        as_json=as_json,
        dry_run=dry_run,
        yes=yes,
        say=Words(choose_language(language)),
    )


for add in (start.add, ask.add, change.add, run.add, own.add, run.add_trials):
    add(app)


def main() -> NoReturn:
    """Run the command and end the process with its exit code."""
    sys.exit(run_command(_shared_first(sys.argv[1:])))


def run_command(arguments: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        command = typer.main.get_command(app)
        translate_help(command, Words(choose_language(_language(arguments))))
        result = command.main(arguments, prog_name="xinbiao", standalone_mode=False)
    except (typer.Abort, KeyboardInterrupt):
        return _INTERRUPTED
    except typer.TyperException as error:
        return _misused(error)
    except _OURS as error:
        print(f"xinbiao: {error}", file=sys.stderr)
        return exit_code(error)
    except BaseExceptionGroup as group:
        return _end_of_group(group)
    return result if isinstance(result, int) else 0


def _misused(error: typer.TyperException) -> int:
    """Tell what is wrong with the words of a command line; nothing at all gets the help."""
    text = error.format_message()
    if text:
        print(f"xinbiao: {text}\n`xinbiao --help` shows what there is", file=sys.stderr)
    return error.exit_code


def _end_of_group(group: BaseExceptionGroup[BaseException]) -> int:
    """Tell the errors of ours that tasks ended with; anything else among them is raised on."""
    ours, others = group.split(_OURS)
    if others is not None:
        raise others
    assert ours is not None, "a group is not empty"
    first = next(_leaves(ours))
    print(f"xinbiao: {first}", file=sys.stderr)
    return exit_code(first) if isinstance(first, Exception) else FAILED


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


def _language(arguments: list[str]) -> str | None:
    """Return the language asked for; the help is made before the options are read."""
    for at, argument in enumerate(arguments):
        if argument == "--lang" and at + 1 < len(arguments):
            return arguments[at + 1]
        if argument.startswith("--lang="):
            return argument.removeprefix("--lang=")
    return None


_WITH_VALUE: Final = frozenset(("--dir", "-c", "--context", "--lang"))
_WITHOUT: Final = frozenset(("--json", "-n", "--dry-run", "-y", "--yes", "-v", "--verbose"))


def _shared_first(arguments: list[str]) -> list[str]:
    """Move the shared options to the front: people write them after the command, too."""
    front: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        name, _, value = argument.partition("=")
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _WITHOUT or (value and name in _WITH_VALUE):
            front.append(argument)
        elif argument in _WITH_VALUE:
            front += [argument, *([given] if (given := next(waiting, None)) is not None else [])]
        else:
            rest.append(argument)
    return front + rest
