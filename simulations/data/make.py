"""Write the bundled series: `python -m simulations.data.make` in a checkout.

The files beside this script are its output, byte for byte, and a test says so. They are synthetic (see
`simulations.machines`), so they may ship under the project's licence, unlike the real recordings that tests use.
The stamps are UTC; one row a second, and one gap, because real recordings have gaps.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from simulations.machines import KINDS, Signal, SyntheticPlant
from simulations.world import World

SEED: Final = 20260302
START: Final = datetime(2026, 3, 2, 10, 0, 0, tzinfo=UTC)
ROWS: Final = 300
GAP: Final = range(180, 195)  # rows left out
NAMES: Final = {"pump": "pump-07", "motor": "motor-03", "oven": "oven-12"}
FILE_BYTES_MAX: Final = 20_000


def _cell(value: float, signal: Signal) -> str:
    return f"{value:.{max(signal.decimals, 1)}f}"


def make(kind: str) -> str:
    """Return the text of one machine's file."""
    signals = KINDS[kind]
    plant = SyntheticPlant(
        world=World(seed=SEED),
        counts=((kind, 1),),
        start_us=int(START.timestamp()) * 1_000_000,
        rows_max=ROWS,
    )
    lines = ["datetime;" + ";".join(f"{signal.title} [{signal.unit}]" for signal in signals)]
    for number, row in enumerate(plant.rows(lambda _: None)):
        if number in GAP:
            continue
        moment = datetime.fromtimestamp(row.us // 1_000_000, tz=UTC)
        cells = [_cell(row.values[signal.name], signal) for signal in signals]
        lines.append(f"{moment:%Y-%m-%d %H:%M:%S};" + ";".join(cells))
    text = "\n".join(lines) + "\n"
    assert len(text) <= FILE_BYTES_MAX, f"the series of {kind} outgrew its place in the wheel"
    return text


def main() -> None:
    """Write all files beside this script."""
    for kind, name in NAMES.items():
        Path(__file__).with_name(f"{name}.csv").write_text(make(kind))


if __name__ == "__main__":
    main()
