"""Many records of the lab network: signed statements, and the node folder that holds them."""

import asyncio
import http.client
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ledger.node import LedgerNode
from resolver.settings import load_node_settings
from tests.lab_world import LAB, World
from tests.node_process import MANY, many

ITEMS_PER_STATEMENT = 500
STATEMENTS_PER_BODY = 10
CLIENTS = 2  # so that the next body is on its way while one is being stored


def name(number: int) -> str:
    """Return the identifier of one record."""
    return f"{LAB}/b{number}"


def creates(world: World, count: int, items: int, first: int = 0) -> list[bytes]:
    """Return statements that register `count` records, `items` by each."""
    return [
        world.create(
            *(name(number) for number in range(start, min(start + items, first + count))),
            signer=world.owner,
        )
        for start in range(first, first + count, items)
    ]


def fill(file: Path, world: World, statements: Sequence[bytes]) -> None:
    """Log statements in a node's folder through its engine; nothing may be refused."""
    asyncio.run(_fill(file, [world.genesis(), world.delegate(LAB), *statements]))


async def _fill(file: Path, statements: Sequence[bytes]) -> None:
    node = await asyncio.to_thread(LedgerNode.open, load_node_settings(file).ledger)
    try:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(node.run())
            for start in range(0, len(statements), 50):
                for outcome in await node.submit(statements[start : start + 50]):
                    assert not isinstance(outcome, Exception), outcome
            running.cancel()
    finally:
        await asyncio.to_thread(node.close)


def post(port: int, statements: Sequence[bytes], per_body: int = STATEMENTS_PER_BODY) -> None:
    """Register statements over HTTP, a few bodies at a time; nothing may be refused."""
    bodies = [
        many(statements[start : start + per_body]) for start in range(0, len(statements), per_body)
    ]
    with ThreadPoolExecutor(CLIENTS) as clients:
        for share in [
            clients.submit(_post_all, port, bodies[client::CLIENTS]) for client in range(CLIENTS)
        ]:
            share.result()


def _post_all(port: int, bodies: Sequence[bytes]) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for body in bodies:
        connection.request("POST", "/entries", body, MANY)
        answer = connection.getresponse()
        text = answer.read()
        assert answer.status == 200, text
        for result in json.loads(text)["results"]:
            assert "index" in result, result
    connection.close()
