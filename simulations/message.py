"""One reading as an MQTT message: topic `plant/{machine}/{channel}`, payload `{"v": …, "ts": …, "n": …}`.

`v` is the value (always a JSON float), `ts` the time of the reading in µs since 1970, `n` a sequence number that
counts per topic, without holes, from `first_sequence`. A receiver finds losses and doubles by `n`; so a plant
that starts again should begin with a number that it has not used, or a receiver that goes by `n` takes its readings for old ones.
"""

from typing import Final

import orjson

from simulations.source import Row

TOPIC_ROOT: Final = "plant"
TIME_UNIT: Final = "us"


def topic(machine: str, channel: str) -> str:
    """Return the MQTT topic of one channel."""
    return f"{TOPIC_ROOT}/{machine}/{channel}"


class RowEncoder:
    """Turns rows into messages and keeps each topic's sequence number."""

    def __init__(self, *, first_sequence: int = 0) -> None:
        self._first_sequence = first_sequence
        self._topics: dict[tuple[str, str], str] = {}
        self._next: dict[str, int] = {}

    def encode(self, row: Row) -> list[tuple[str, bytes]]:
        """Return (topic, payload) of every reading of `row`."""
        out = []
        for channel, value in row.values.items():
            name = self._topics.get((row.machine, channel))
            if name is None:
                name = self._topics[row.machine, channel] = topic(row.machine, channel)
                self._next[name] = self._first_sequence
            sequence = self._next[name]
            self._next[name] = sequence + 1
            out.append((name, orjson.dumps({"v": value, "ts": row.us, "n": sequence})))
        return out
