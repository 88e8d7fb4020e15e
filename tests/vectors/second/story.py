"""The network that the vectors tell of: seven blocks, every operation of First light."""

from dataclasses import dataclass
from typing import Any

from tests.vectors.second import cbor, identifiers
from tests.vectors.second.batches import Batch
from tests.vectors.second.chain import (
    KEYS,
    LIMITS,
    MS0,
    NETWORK,
    QUORUM,
    Chain,
    commitment,
    members,
    new_keys,
    value,
)
from tests.vectors.second.trees import h

LAB, PUMP, GATEWAY, VALVE = "hdl:lab.1", "hdl:lab.1/Pump-07", "hdl:lab.1/gw-1", "hdl:lab.1/valve-1"
AWAY, GCP = "hdl:away.1", "gs1:gcp/9506000"
GTIN = "gs1:01/09506000134352"
MINUTE = 60_000


@dataclass
class Story:
    """The chain, and the pieces that cases refer to."""

    chain: Chain
    batch: Batch
    statements: dict[str, bytes]


def payloads() -> dict[str, dict[int, Any]]:
    """Return the payload of each statement that depends on no earlier bytes."""
    quota = {1: 1000, 2: 1_000_000}
    secret = commitment(3, "EMAIL", PUMP, b"\x21" * 32, b"li.hua@example.com")
    lab_keys = new_keys(("owner", [1]), ("registrar", [2]), ("agent", [3]), ("recovery", [7]))
    return {
        "genesis": {
            0: 0,
            1: NETWORK,
            2: members(),
            3: QUORUM,
            4: new_keys(("root", [1, 2]), ("recovery", [7])),
            5: LIMITS,
        },
        "delegate": {
            0: 1,
            1: LAB,
            2: 0,
            3: "Lab One 一号实验室",
            4: lab_keys,
            5: [value(1, "URL", "https://lab.example/")],
            6: quota,
        },
        "create": {
            0: 3,
            1: [
                {0: PUMP, 1: [value(1, "URL", "https://lab.example/pump"), secret]},
                {0: GATEWAY, 1: []},
                {0: "hdl:lab.1/泵-8", 1: [value(2, "DESC", "泵 8")]},
            ],
        },
        "create by registrar": {0: 3, 1: [{0: VALVE, 1: [value(1, "URL", "https://v.example/")]}]},
        "update": {
            0: 4,
            1: PUMP,
            2: 1,
            3: [
                value(1, "URL", "https://lab.example/pump/2"),
                value(9, "DESC", "pump, overhauled"),
            ],
            4: [3],
        },
        "retire": {0: 6, 1: VALVE, 2: 1, 3: 1},
        "prefix update": {
            0: 2,
            1: LAB,
            2: 1,
            3: new_keys(("spare", [1, 2])),
            4: [[KEYS["registrar"].kid, 2, 6]],
        },
        "quota": {0: 2, 1: LAB, 2: 2, 6: {1: 500, 2: 2_000_000}},
        "delegate gcp": {
            0: 1,
            1: GCP,
            2: 0,
            3: "Example Ltd",
            4: new_keys(("gs1", [1])),
            5: [],
            6: quota,
        },
        "create gs1": {0: 3, 1: [{0: GTIN, 1: [value(1, "gs1:pip", "https://p.example/")]}]},
        "delegate away": {
            0: 1,
            1: AWAY,
            2: 0,
            3: "Elsewhere",
            4: new_keys(("owner", [1])),
            5: [],
            6: {1: 10, 2: 10_000},
        },
        "refer": {0: 2, 1: AWAY, 2: 1, 7: {1: "other.example", 2: "https://other.example/"}},
    }


def readings() -> list[bytes]:
    """Return the five readings of batch 0."""
    start = (MS0 + 3 * MINUTE) * 1000
    rows: list[list[Any]] = [
        [f"{PUMP}#temperature", start, 21.5, "Cel"],
        [f"{PUMP}#pressure", start + 1, 101_325, "Pa"],
        [f"{PUMP}#running", start + 2, True],
        [f"{PUMP}#temperature", start + 3, None, None, 2],
        ["hdl:lab.1/泵-8#state", start + 4, "运行", None, 1],
    ]
    return [cbor.encode(row) for row in rows]


def tell() -> Story:
    """Play the story."""
    chain, made, parts = Chain(), {}, payloads()
    batch = Batch(b"\x07" * 32, readings(), 0, GATEWAY)

    def do(name: str, key: str, iss: str, **more: Any) -> None:
        payload = parts[name]
        sub = iss if payload[0] in (0, 3) else payload[1]
        made[name] = chain.submit(key, iss, sub, payload, **more)

    def block(number: int) -> None:
        if number:
            chain.end()
        chain.begin(MS0 + number * MINUTE)

    block(0)
    do("genesis", "root", NETWORK)
    block(1)
    do("delegate", "root", "hdl:", exp=MS0 // 1000 + 3600)
    block(2)
    parts["create"][1].sort(key=lambda item: item[0].encode())
    do("create", "owner", LAB)
    do("create by registrar", "registrar", LAB)
    block(3)
    do("update", "owner", LAB)
    parts["anchor"] = batch.payload()
    do("anchor", "agent", LAB)
    block(4)
    do("retire", "owner", LAB)
    do("prefix update", "owner", LAB)
    do("quota", "root", "hdl:")
    parts["heartbeat"] = {
        0: 7,
        1: GATEWAY,
        2: 1,
        3: h(made["anchor"]),
        4: h(),
        5: 0,
        6: chain.ms * 1000,
        7: chain.ms * 1000,
        8: "",
        9: None,
        12: {1: 40, 4: 2},
        14: 1,
    }
    do("heartbeat", "agent", LAB)
    block(5)
    do("delegate gcp", "root", "gs1:")
    do("create gs1", "gs1", GCP)
    block(6)
    do("delegate away", "root", "hdl:")
    do("refer", "owner", AWAY)
    chain.end()
    assert all(identifiers.canonical(o[1]) for o in chain.objects.values() if o[0] != 5)
    return Story(chain, batch, made)
