"""The speeds that this project promises, each beside the raw limit of the same run (`make bench`).

Timings are printed and never judged; that the answers are right is asserted. Two figures of one run may
be compared, two machines may not. Load runs in processes of its own; nothing else should run.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ledger.adapters.store import Column
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.core import block, bundle_build, derived, keys, merkle, proof, record, state
from ledger.core import statement as statements
from ledger.core.policy import TrustFile
from tests.bench import http_load, records
from tests.bench.children import child
from tests.bench.conftest import RECORDS
from tests.bench.figures import Figure, best_s
from tests.conftest import free_port
from tests.lab_world import NETWORK, World
from tests.node_process import NodeProcess, begin, make_folder

pytestmark = [pytest.mark.bench, pytest.mark.timeout(600)]

LOAD_S = 8.0
BULK = 50_000
SINGLE = 5_000
BLOCK_ROWS = 5_000
OBJECT_BYTES = 180
PATH = "/v1/resolve/" + records.name(0)[:-1]
PROOF = {"accept": "application/vnd.xinbiao.proof+cbor"}


def test_resolve(full_node: tuple[Path, int], figures: list[Figure], tmp_path: Path) -> None:
    """(a) One worker answers random identifiers out of 1e5."""
    file, port = full_node
    with NodeProcess(file, port) as node:
        answer = httpx2.get(f"{node.url}{PATH}77")
        assert answer.json()["record"]["identifier"] == records.name(77)
        http_load.requests_per_s(port, PATH, RECORDS, 2, tmp_path)
        ours = http_load.requests_per_s(port, PATH, RECORDS, LOAD_S, tmp_path)
    raw_port = free_port()
    with child("tests.bench.raw_http", raw_port, len(answer.content)):
        http_load.requests_per_s(raw_port, PATH, RECORDS, 2, tmp_path)
        raw = http_load.requests_per_s(raw_port, PATH, RECORDS, LOAD_S, tmp_path)
    figures.append(
        Figure(
            name=f"a  resolve, 1 worker, {RECORDS:,} records",
            value=ours,
            unit="req/s",
            raw=raw,
            limit=f"Granian, fixed {len(answer.content)} B, by {http_load.loader()}",
            target="ratio ≥ 0.5",
        )
    )


def test_bulk_registration(tmp_path: Path, world: World, figures: list[Figure]) -> None:
    """(b) Identifiers per second through `POST /entries`, durable, 500 by a statement."""
    made = records.creates(world, BULK, records.ITEMS_PER_STATEMENT)
    seconds = _registered_s(tmp_path, world, made)
    figures.append(
        Figure(
            name="b1 registration, 500 by a statement",
            value=BULK / seconds,
            unit="id/s",
            raw=_synced_rows_per_s(tmp_path / "raw"),
            limit=f"RocksDB, synced batches of {BLOCK_ROWS:,} rows",
            target="≥ 3,000 id/s",
        )
    )


def test_single_registration(tmp_path: Path, world: World, figures: list[Figure]) -> None:
    """(b) The same, one identifier by a statement: a signature each."""
    made = records.creates(world, SINGLE, 1)
    seconds = _registered_s(tmp_path, world, made, per_body=500)
    figures.append(
        Figure(
            name="b2 registration, 1 by a statement",
            value=SINGLE / seconds,
            unit="id/s",
            raw=_verifications_per_s(world, made[:1_000]),
            limit="Ed25519 verifications, one thread",
        )
    )


def test_verify(full_node: tuple[Path, int], world: World, figures: list[Figure]) -> None:
    """(d) A stranger verifies one bundle of a ledger with 1e5 records."""
    file, port = full_node
    with NodeProcess(file, port) as node:
        bundle = httpx2.get(f"{node.url}{PATH}77", headers=PROOF).content
    trust = TrustFile.parse(world.trust_text())
    now = int(time.time())

    def verify() -> None:
        verdict = proof.verify(
            bundle, records.name(77), network=NETWORK, trust=trust, now=now, max_age=600
        )
        assert verdict.record is not None
        assert verdict.record.id == records.name(77)

    clear = _cache_clearers()

    def cold() -> float:
        for one in clear:
            one()
        return best_s(verify, runs=1)

    checks = _verifications_per_s(world, records.creates(world, 1_000, 1))
    for name, seconds in (("cold", min(cold() for _ in range(20))), ("warm", best_s(verify, 50))):
        figures.append(
            Figure(
                name=f"d  bundle verify, {name}, {len(bundle):,} B",
                value=seconds * 1e3,
                unit="ms",
                raw=2e3 / checks,
                limit="two Ed25519 verifications",
                target="< 1 ms" if name == "cold" else "",
            )
        )


def _registered_s(folder: Path, world: World, made: list[bytes], **how: int) -> float:
    """Return how long an empty node takes to register statements; its log must hold all of them."""
    port = free_port()
    with NodeProcess(make_folder(folder, port), port) as node:
        headers = {"content-type": "application/vnd.xinbiao.statements"}
        begun = httpx2.post(f"{node.url}/entries", content=begin(world), headers=headers)
        assert begun.status_code == 200, begun.text
        began_s = time.perf_counter()
        records.post(port, made, **how)
        seconds = time.perf_counter() - began_s
        last = statements.parse(made[-1])
        found = httpx2.get(f"{node.url}{PATH}0").json()
        assert found["record"]["owner"] == last.iss
    return seconds


def _verifications_per_s(world: World, made: list[bytes]) -> float:
    parsed = [statements.parse(one) for one in made]

    def verify() -> None:
        for one in parsed:
            assert one.is_signed_by(world.owner.public)

    return len(made) / best_s(verify, runs=3)


def _synced_rows_per_s(folder: Path) -> float:
    """Return rows per second of nothing but the store: an object's key and value, synced batches."""
    rows = {index.to_bytes(64, "little"): bytes(OBJECT_BYTES) for index in range(BLOCK_ROWS)}

    async def write(store: RocksdbStore, batches: int) -> float:
        began_s = time.perf_counter()
        for number in range(batches):
            head = number.to_bytes(4, "big")
            await store.commit({Column.OBJECT: {head + key[4:]: v for key, v in rows.items()}})
        return batches * len(rows) / (time.perf_counter() - began_s)

    store = RocksdbStore(folder)
    try:
        return asyncio.run(write(store, 10))
    finally:
        store.close()


def _cache_clearers() -> list[Callable[[], Any]]:
    """Return what empties every cache that the verifier's modules keep."""
    modules = (block, bundle_build, derived, keys, merkle, proof, record, state)
    cached = {
        id(one): one.cache_clear
        for module in (*modules, __import__("ledger.core.prefix_map", fromlist=["_"]))
        for one in vars(module).values()
        if hasattr(one, "cache_clear")
    }
    assert cached, "the verifier keeps caches of keys and heads"
    return list(cached.values())
