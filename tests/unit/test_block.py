"""Blocks and commit leaves (docs/spec/log.md)."""

from dataclasses import replace
from hashlib import sha256

import pytest

from ledger.core import block, encoding, statement
from ledger.core.block import CommitLeaf, Head, Refused, decode_commit_leaf
from ledger.core.member import Limits
from ledger.core.prefix_map import PrefixMap
from ledger.core.record import NETWORK_KEY, object_value
from ledger.errors import EncodingError
from tests.proof_world import LAB, OWNER, ROOT, STRANGER, genesis
from tests.state_world import (
    PUMP,
    Net,
    creation,
    delegation,
    network,
    sign,
    update,
)

LEAF = CommitLeaf(
    height=7,
    first_index=20,
    statements=3,
    map_root=b"\x01" * 32,
    ms=1_767_225_600_000,
    previous=19,
    state_version=1,
    network_hash=b"\x02" * 32,
)


def execute(net: Net, *raws: bytes, ms: int | None = None) -> block.Block | Refused:
    """Execute statements as the next block; keep nothing."""
    return block.execute(
        [statement.parse(raw) for raw in raws],
        reader=net,
        head=net.head,
        map_=net.map,
        ms=net.ms + 1 if ms is None else ms,
    )


def test_a_commit_leaf_survives_its_bytes() -> None:
    """And is no statement: its first byte is A8."""
    assert decode_commit_leaf(LEAF.encode()) == LEAF
    first = replace(LEAF, height=0, first_index=0, statements=1, previous=None)
    assert decode_commit_leaf(first.encode()) == first
    assert LEAF.encode()[0] == 0xA8
    assert LEAF.index == 23


@pytest.mark.parametrize(
    ("member", "wrong"),
    [(1, None), (2, True), (3, 0), (4, bytes(31)), (4, "x" * 32), (5, "1"), (6, False), (7, None),
     (8, bytes(33)), (9, 1), (0, 1)],
)  # fmt: skip
def test_a_commit_leaf_has_exactly_these_members(member: int, wrong: object) -> None:
    """Another type, length or member is refused; so is a missing one."""
    value = encoding.decode(LEAF.encode())
    with pytest.raises(EncodingError):
        decode_commit_leaf(encoding.encode(value | {member: wrong}))
    value.pop(member, None)
    if member in range(1, 9):
        with pytest.raises(EncodingError):
            decode_commit_leaf(encoding.encode(value))


@pytest.mark.parametrize(
    "data", [b"", b"\xa0", b"\x80", b"\xd2\x84", LEAF.encode() + b"\x00", bytes(300), b"\xa8" * 256]
)
def test_other_bytes_are_no_commit_leaf(data: bytes) -> None:
    """No other exception."""
    with pytest.raises(EncodingError):
        decode_commit_leaf(data)


def test_accepted_statements_become_entries_in_order_and_refused_ones_leave_nothing() -> None:
    """Indices count the accepted only; the commit leaf comes last and binds map and network."""
    net = network()
    good = sign(net, OWNER, LAB, creation(f"{LAB}/a"))
    bad = sign(net, STRANGER, LAB, creation(f"{LAB}/b"))
    later = sign(net, OWNER, LAB, update(f"{LAB}/a"))
    made = execute(net, bad, good, bad, later)
    assert isinstance(made, block.Block)

    size, codes = len(net.entries), [getattr(one, "code", one) for one in made.outcomes]
    assert codes == [6, size, 6, size + 1]
    assert made.entries[:2] == (good, later)
    leaf = decode_commit_leaf(made.entries[2])
    before = net.commits[-1]
    assert leaf == made.commit_leaf
    assert (leaf.height, leaf.first_index, leaf.statements) == (before.height + 1, size, 2)
    assert (leaf.previous, leaf.ms, leaf.state_version) == (size - 1, net.ms + 1, 1)
    assert leaf.network_hash == sha256(net.objects[NETWORK_KEY]).digest()
    objects = net.objects | made.objects
    pairs = sorted((key, object_value(data)) for key, data in objects.items())
    assert leaf.map_root == PrefixMap.build(pairs).root == made.map.root


def test_a_block_of_refusals_does_not_exist() -> None:
    """Nothing accepted, no leaf; no statements, no block."""
    net = network()
    refused = execute(net, sign(net, STRANGER, LAB, creation(f"{LAB}/a")))

    assert isinstance(refused, Refused)
    assert [one.code for one in refused.outcomes] == [6]
    assert execute(net) == Refused(outcomes=())


def test_a_genesis_stands_alone_in_its_block() -> None:
    """Height 0, commit leaf 1; whatever comes with it is refused and may be submitted again."""
    net = Net(members=1, quorum=1)
    raw = genesis(net)
    early = sign(net, ROOT, "hdl:", delegation(LAB, (OWNER, (1,))))
    made = execute(net, early, raw, early, raw)
    assert isinstance(made, block.Block)

    assert [getattr(one, "code", one) for one in made.outcomes] == [1, 0, 1, 1]
    assert (made.commit_leaf.height, made.commit_leaf.index) == (0, 1)
    assert made.commit_leaf.previous is None
    assert made.company_prefixes == ()


def test_replaced_versions_are_handed_out() -> None:
    """Two changes of one record in one block: both older versions, chained by prev."""
    net = network()
    made = execute(net, *(sign(net, OWNER, LAB, update(PUMP, version)) for version in (1, 2, 2, 3)))
    assert isinstance(made, block.Block)

    assert [getattr(one, "code", None) for one in made.outcomes] == [None, None, 13, None]
    older = {version: data for (_, version), data in made.older.items()}
    assert sorted(older) == [1, 2, 3]
    assert older[1] in net.objects.values()
    for version in (2, 3):
        assert encoding.decode(older[version])[11] == sha256(older[version - 1]).digest()


def test_company_prefixes_of_a_block_are_handed_out() -> None:
    """What a node needs to index; only accepted ones."""
    net = network()
    texts = ("gs1:gcp/54123", "gs1:gcp/541234", "gs1:gcp8/950")
    made = execute(
        net, *(sign(net, ROOT, "gs1:", delegation(text, (OWNER, (1,)))) for text in texts)
    )
    assert isinstance(made, block.Block)

    assert made.company_prefixes == ("gs1:gcp/54123", "gs1:gcp8/950")


def test_block_times_ascend() -> None:
    """max(previous + 1, clock), even if the clock stands or goes back."""
    head = Head(size=24, commit_leaf=LEAF)

    assert block.next_ms(Head(size=0, commit_leaf=None), 5) == 5
    for clock in (0, LEAF.ms - 1, LEAF.ms, LEAF.ms + 1):
        assert block.next_ms(head, clock) == LEAF.ms + 1
    assert block.next_ms(head, LEAF.ms + 2) == LEAF.ms + 2


@pytest.mark.parametrize(
    ("sizes", "count"),
    [([], 0), ([1], 1), ([1] * 3, 3), ([1] * 4, 3), ([5, 5], 2), ([5, 6], 1), ([11], 1), ([11, 1], 1),
     ([1, 9, 1], 2)],
)  # fmt: skip
def test_a_block_keeps_the_limits(sizes: list[int], count: int) -> None:
    """At most limit 9 statements and limit 10 bytes; one that is longer goes alone."""
    limits = Limits(statements_per_block=3, bytes_per_block=10)

    assert block.fitting(sizes, limits) == count
