"""The one place of chance in the simulations: everything random comes from one seed.

Theory of operation: a `World` hands out generators by name. Each name has a stream of its own that depends on the
seed and the name only, so that adding a machine, or drawing more often in one of them, changes nothing in another:
the same seed always replays the same plant.

Nothing here is fit for keys, salts or nonces: those come from the packages' own `adapters/system.py`.
"""

import hashlib
import random
from dataclasses import dataclass

import numpy as np

SEED_MAX = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A seed, and the generators that follow from it."""

    seed: int

    def __post_init__(self) -> None:
        if not 0 <= self.seed <= SEED_MAX:
            raise ValueError(f"seed out of range: {self.seed}")

    def _entropy(self, name: str) -> int:
        digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
        return int.from_bytes(digest[:16], "big")

    def generator(self, name: str) -> np.random.Generator:
        """Return a fresh numpy generator for `name`; two calls with one name give equal streams."""
        return np.random.Generator(np.random.PCG64(self._entropy(name)))

    def random(self, name: str) -> random.Random:
        """Return a fresh `random.Random` for `name`, for code that takes one (back-off, order)."""
        return random.Random(self._entropy(name))
