"""One table of all figures, printed when the last benchmark has run."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import records
from tests.bench.figures import Figure, table
from tests.conftest import free_port
from tests.lab_world import World
from tests.node_process import make_folder

RECORDS = 100_000


@pytest.fixture(scope="session")
def figures() -> Iterator[list[Figure]]:
    """The rows of the table."""
    found: list[Figure] = []
    yield found
    if found:
        print(f"\n\n{table(sorted(found, key=lambda one: one.name))}")


@pytest.fixture(scope="session")
def world() -> World:
    """The lab network."""
    return World()


@pytest.fixture(scope="session")
def full_node(tmp_path_factory: pytest.TempPathFactory, world: World) -> tuple[Path, int]:
    """The settings file and port of a node that holds `RECORDS` records; it does not run."""
    port = free_port()
    file = make_folder(tmp_path_factory.mktemp("full"), port)
    records.fill(file, world, records.creates(world, RECORDS, records.ITEMS_PER_STATEMENT))
    return file, port
