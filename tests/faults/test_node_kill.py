"""kill -9 of a real node, again and again while it registers: nothing acknowledged is lost or doubled."""

import threading
from pathlib import Path

import httpx2
import pytest

from ledger.adapters.engine_local import LocalEngine
from ledger.adapters.store import Column
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.adapters.system import SystemClock
from ledger.core import identifier
from ledger.core.merkle import leaf_hash, tree_root
from ledger.core.policy import TrustFile
from ledger.core.prefix_map import PrefixMap
from ledger.core.proof import verify
from ledger.core.record import id_key, object_value
from tests.conftest import free_port
from tests.lab_world import NETWORK, World
from tests.node_process import COSE, MANY, NodeProcess, begin, make_folder, many

pytestmark = [pytest.mark.integration, pytest.mark.slow]

WORLD = World()
KILLS = 12
SUBMITTERS = 4
PER_CALL = 20
KILL_AFTER_S = 0.25


class Submitter:
    """Registers identifiers of its own in order, and repeats a call until it is answered."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.next = 0
        self.pending: list[bytes] = []
        self.acknowledged: dict[bytes, int] = {}

    def run(self, url: str, stop: threading.Event) -> None:
        """Submit until told to stop or until the node is gone."""
        with httpx2.Client(base_url=url, timeout=10) as client:
            while not stop.is_set():
                if not self.pending:
                    self.pending = [self._statement() for _ in range(PER_CALL)]
                try:
                    answer = client.post("/entries", content=many(self.pending), headers=MANY)
                except httpx2.TransportError:
                    return
                if answer.status_code != 200:
                    return
                results = answer.json()["results"]
                for statement, result in zip(self.pending, results, strict=True):
                    assert (
                        self.acknowledged.setdefault(statement, result["index"]) == result["index"]
                    )
                self.pending = []

    def _statement(self) -> bytes:
        self.next += 1
        return WORLD.create(f"hdl:lab.1/s{self.number}-{self.next:06}")


@pytest.mark.timeout(180)
def test_a_node_that_is_killed_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Each time it comes back by itself; in the end log, map and every receipt agree."""
    port = free_port()
    node = NodeProcess(make_folder(tmp_path, port), port)
    with node:
        assert httpx2.post(node.url + "/entries", content=begin(WORLD), headers=MANY).is_success
    submitters = [Submitter(number) for number in range(SUBMITTERS)]
    for _ in range(KILLS):
        with node:
            stop = threading.Event()
            threads = [
                threading.Thread(target=submitter.run, args=(node.url, stop))
                for submitter in submitters
            ]
            for thread in threads:
                thread.start()
            stop.wait(KILL_AFTER_S)
            node.kill()
            for thread in threads:
                thread.join()
    unanswered = [statement for submitter in submitters for statement in submitter.pending]
    acknowledged: dict[bytes, int] = {}
    for submitter in submitters:
        acknowledged |= submitter.acknowledged
    assert len(acknowledged) > KILLS * PER_CALL, "the node did get some work done between kills"
    with node:
        if unanswered:  # asked again, they get the receipt they never saw, or a first one
            again = httpx2.post(
                node.url + "/entries", content=many(unanswered), headers=MANY
            ).json()
            for statement, result in zip(unanswered, again["results"], strict=True):
                acknowledged[statement] = result["index"]
        _check_answers(node.url)
        assert node.stop() == 0
    _check_store(tmp_path / "data", acknowledged)


def _check_answers(url: str) -> None:
    with httpx2.Client(base_url=url) as client:
        receipt = client.post("/entries", content=WORLD.create("hdl:lab.1/last"), headers=COSE)
        assert receipt.status_code == 201
        answer = client.get(
            "/v1/resolve/lab.1/last", headers={"accept": "application/vnd.xinbiao.proof+cbor"}
        )
        found = verify(
            answer.content,
            "hdl:lab.1/last",
            network=NETWORK,
            trust=TrustFile.parse(WORLD.trust_text()),
            now=SystemClock().now_s() + 1,
            max_age=None,
        )
        assert found.kind == "present"


def _check_store(data: Path, acknowledged: dict[bytes, int]) -> None:
    store = RocksdbStore(data)
    try:
        engine = LocalEngine(store, SystemClock(), WORLD.signer())
        engine.open()
        entries = engine.entries(0, engine.size)
        assert len(entries) == engine.size
        assert len(set(entries)) == len(entries)
        for statement, index in acknowledged.items():
            assert entries[index] == statement
        root = tree_root([leaf_hash(entry) for entry in entries])
        assert engine._frontier.root() == root
        pairs = [(key, object_value(data)) for key, data in store.scan(Column.OBJECT)]
        assert PrefixMap.build(pairs).root == engine.published.commit.map_root
        keys = {key for key, _ in pairs}
        for submitter in range(SUBMITTERS):
            first = identifier.canonical(f"hdl:lab.1/s{submitter}-000001")
            assert id_key(first) in keys
    finally:
        store.close()
