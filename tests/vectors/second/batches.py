"""Batches of readings of docs/spec/readings.md a second time."""

import hmac
from dataclasses import dataclass
from typing import Any

from tests.vectors.second import cbor, identifiers, trees
from tests.vectors.second.trees import h


def context(sequence: int, stream: str) -> bytes:
    """Return ctx."""
    name = identifiers.key_text(stream).encode()
    return h(b"xinbiao:batch\0", sequence.to_bytes(8, "big"), name)[:16]


def salt(key: bytes, leaf: int) -> bytes:
    """Return salt_i."""
    return hmac.digest(key, leaf.to_bytes(8, "big"), "sha256")[:16]


@dataclass(frozen=True)
class Batch:
    """Readings sealed together."""

    key: bytes
    readings: list[bytes]
    sequence: int
    stream: str

    @property
    def leaves(self) -> list[bytes]:
        """The leaf hashes."""
        ctx = context(self.sequence, self.stream)
        return [
            trees.leaf_hash(salt(self.key, number) + ctx + reading)
            for number, reading in enumerate(self.readings)
        ]

    @property
    def archive(self) -> bytes:
        """The archive body."""
        return cbor.encode([self.key, self.readings])

    def payload(self) -> dict[int, Any]:
        """Return the anchor's payload for the first batch of a stream."""
        times = [cbor.decode(reading, cbor.READING)[1] for reading in self.readings]
        return {
            0: 7,
            1: self.stream,
            2: self.sequence,
            3: None,
            4: trees.root(self.leaves),
            5: len(self.readings),
            6: min(times),
            7: max(times),
            8: "demo-1",
            9: "https://lab.example/archive/0",
            10: {1: times[0] // 1000, 2: 5000, 3: b"\x08" * 16, 4: 1, 5: 20},
            11: h(self.archive),
        }

    def disclosure(self, leaf: int) -> dict[int, Any]:
        """Return member 10 of a bundle."""
        return {
            1: self.readings[leaf],
            2: salt(self.key, leaf),
            3: leaf,
            4: trees.path(self.leaves, leaf),
        }
