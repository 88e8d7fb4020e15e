"""What a benchmark prints: each figure beside the raw limit of the same run, their ratio and the target.

A machine's speed is not ours to judge, so nothing here is asserted; a figure means something only
beside a limit that was measured minutes before or after it on the same machine.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

RUNS = 5


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One row of the table.

    Attributes:
        name: What was measured.
        value: How much.
        unit: Of `value` and `raw`.
        raw: The limit in the same run, or None where the target is absolute.
        limit: What the limit is.
        target: In words.
    """

    name: str
    value: float
    unit: str
    raw: float | None = None
    limit: str = ""
    target: str = ""


def table(figures: list[Figure]) -> str:
    """Return the figures as text, in columns."""
    rows: list[tuple[str, ...]] = [
        ("figure", "measured", "raw limit", "ratio", "target", "the limit is")
    ]
    rows += [_row(figure) for figure in figures]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.rjust(width) if 0 < column < 4 else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, ...]:
    raw = "" if figure.raw is None else f"{_short(figure.raw)} {figure.unit}"
    ratio = "" if figure.raw is None else f"{figure.value / figure.raw:.2f}"
    measured = f"{_short(figure.value)} {figure.unit}"
    return figure.name, measured, raw, ratio, figure.target, figure.limit


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def best_s(work: Callable[[], object], runs: int = RUNS) -> float:
    """Return the shortest of a few runs in seconds: the one that was disturbed least."""
    shortest = float("inf")
    with _quiet():
        for _ in range(runs):
            began = time.perf_counter()
            work()
            shortest = min(shortest, time.perf_counter() - began)
    return shortest


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the garbage collector out of a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
