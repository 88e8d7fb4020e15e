"""rejections.json: which check refuses a statement first, on the state that chain.json ends with.

The codes are declared here by hand from the order of checks; the second implementation only signs.
"""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good
from tests.vectors.cases.statement_cases import split
from tests.vectors.second import cbor, identifiers
from tests.vectors.second.chain import KEYS, MS0, NETWORK, new_keys, value
from tests.vectors.second.signing import envelope, header, statement
from tests.vectors.second.story import AWAY, GATEWAY, GCP, GTIN, LAB, MINUTE, PUMP, VALVE, Story
from tests.vectors.second.trees import h

MS = MS0 + 7 * MINUTE
SECOND = MS // 1000
NEW = "hdl:lab.1/new"
NAMES = (
    "malformed", "limit-exceeded", "wrong-network", "expired", "unknown-prefix", "not-authorised",
    "key-revoked", "bad-signature", "not-authorised", "exists", "retired", "frozen",
    "version-conflict", "out-of-sequence", "quota-exceeded",
)  # fmt: skip


class Maker:
    """Signs statements and collects the cases."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.cases: list[Case] = []

    def signed(
        self, key: str, iss: str, payload: dict[int, Any], *, sub: str = "", aud: str = NETWORK,
        spoiled: bool = False, **more: Any,
    ) -> bytes:  # fmt: skip
        """Return a statement; `sub` follows from the payload unless given."""
        about = sub or (iss if payload[0] in (0, 3) else payload[1])
        entry = statement(KEYS[key], payload, header(KEYS[key], iss, about, aud, SECOND, **more))
        if not spoiled:
            return entry
        protected, body, signature = split(entry)
        return envelope(protected, body, signature[:-1] + bytes([signature[-1] ^ 1]))

    def accept(self, name: str, reason: str, *args: Any, **more: Any) -> None:
        """Add a statement that is accepted."""
        self.cases.append(good(name, reason, ms=MS, hex=self.signed(*args, **more).hex()))

    def refuse(self, code: int, name: str, reason: str, *args: Any, **more: Any) -> None:
        """Add a statement that is refused with a code."""
        expect = {"code": code, "name": NAMES[code - 1]}
        raw = self.signed(*args, **more)
        self.cases.append(bad(name, reason, expect, ms=MS, hex=raw.hex()))

    def version(self, text: str) -> int:
        """Return the version that an object has."""
        found: int = self.story.chain.objects[identifiers.map_key(text)][3]
        return found


def create(*texts: str) -> dict[int, Any]:
    """Return a create payload."""
    return {0: 3, 1: [{0: text, 1: []} for text in texts]}


def file(story: Story) -> dict[str, Any]:
    """Return rejections.json."""
    maker = Maker(story)
    _accepted(maker)
    _statement(maker)
    _keys(maker)
    _objects(maker)
    _anchors(maker)
    _quota(maker)
    _late(maker)
    _order(maker)
    return {
        "about": "docs/spec/statements.md, order of checks. Each statement alone is submitted as "
        "the first of block 7 at time `ms`, on the state and log that chain.json ends with.",
        "cases": maker.cases,
    }


def _accepted(m: Maker) -> None:
    m.accept("create", "a new record", "owner", LAB, create(NEW))
    m.accept("create by a new key", "added by the prefix update, role 2", "spare", LAB, create(NEW))
    m.accept(
        "update",
        "the version it has",
        "owner",
        LAB,
        {0: 4, 1: PUMP, 2: m.version(PUMP), 3: [], 4: [9]},
    )
    other = "hdl:lab.1/pump-07"
    m.accept("another spelling", "of the same key text", "owner", LAB,
             {0: 4, 1: other, 2: m.version(PUMP), 3: [], 4: []})  # fmt: skip
    m.accept("exp now", "not yet passed", "owner", LAB, create(NEW), exp=SECOND)
    m.accept("exp at the horizon", "86,400 s ahead", "owner", LAB, create(NEW), exp=SECOND + 86_400)
    m.accept(
        "qualifier level", "under a primary key, by its owner", "gs1", GCP, create(f"{GTIN}/21/S1")
    )


def _statement(m: Maker) -> None:
    m.refuse(1, "genesis again", "leaf 0 only", "root", NETWORK,
             cbor.decode(split(m.story.statements["genesis"])[1]))  # fmt: skip
    m.refuse(
        1, "other sub", "sub is the object", "owner", LAB, {0: 6, 1: PUMP, 2: 2, 3: 0}, sub=VALVE
    )
    m.refuse(1, "sub in another spelling", "byte for byte", "owner", LAB,
             {0: 6, 1: PUMP, 2: 2, 3: 0}, sub="hdl:lab.1/pump-07")  # fmt: skip
    m.refuse(1, "create with another sub", "sub is iss", "owner", LAB, create(NEW), sub=NEW)
    m.refuse(1, "revoke for another", "members 3, 4, 5, 7: iss is the prefix", "root", "hdl:",
             {0: 2, 1: LAB, 2: 3, 5: []})  # fmt: skip
    m.refuse(
        2,
        "exp beyond the horizon",
        "86,401 s ahead",
        "owner",
        LAB,
        create(NEW),
        exp=SECOND + 86_401,
    )
    m.refuse(3, "other network", "aud", "owner", LAB, create(NEW), aud="other.example")
    m.refuse(4, "expired", "exp x 1000 < block ms", "owner", LAB, create(NEW), exp=SECOND - 1)
    m.refuse(5, "unknown iss", "no such prefix", "owner", "hdl:lab.9", create("hdl:lab.9/x"))
    m.refuse(5, "iss is a record", "another kind counts as missing", "owner", PUMP, create(NEW))


def _keys(m: Maker) -> None:
    m.refuse(6, "unknown key", "its kid is in no list of iss", "stranger", LAB, create(NEW))
    m.refuse(6, "agent creates", "role 3", "agent", LAB, create(NEW))
    m.refuse(6, "spare of another prefix", "looked up at iss only", "gs1", LAB, create(NEW))
    m.refuse(6, "recovery key", "role 7 signs no create", "recovery", LAB, create(NEW))
    m.refuse(7, "revoked registrar", "revoked before this index", "registrar", LAB, create(NEW))
    m.refuse(8, "spoiled signature", "the equation fails", "owner", LAB, create(NEW), spoiled=True)
    m.refuse(
        8, "other curve's number", "alg -7 with an Ed25519 key", "owner", LAB, create(NEW), alg=-7
    )


def _objects(m: Maker) -> None:
    m.refuse(9, "another owner's record", "iss has no right over it", "gs1", GCP,
             {0: 6, 1: PUMP, 2: m.version(PUMP), 3: 0})  # fmt: skip
    m.refuse(
        9, "create under another prefix", "the nearest ancestor is not iss", "gs1", GCP, create(NEW)
    )
    m.refuse(9, "create far above", "the nearest ancestor is lab.1", "root", "hdl:", create(NEW))
    m.refuse(9, "delegate below another", "owner of the nearest existing ancestor", "root", "hdl:",
             {0: 1, 1: f"{LAB}.2", 2: 0, 3: "", 4: new_keys(("owner", [1])), 5: [], 6: {1: 1, 2: 1}})  # fmt: skip
    m.refuse(
        9,
        "quota of a scheme root",
        "nobody's",
        "root",
        "hdl:",
        {0: 2, 1: "hdl:", 2: 1, 6: {1: 1, 2: 1}},
    )
    m.refuse(9, "retire a scheme root", "nobody may", "root", "hdl:", {0: 6, 1: "hdl:", 2: 1, 3: 0})
    m.refuse(10, "create again", "the record exists", "owner", LAB, create(PUMP))
    m.refuse(
        10,
        "create in another spelling",
        "its key text exists",
        "owner",
        LAB,
        create("hdl:lab.1/PUMP-07"),
    )
    m.refuse(10, "create a retired one", "retired is not absent", "owner", LAB, create(VALVE))
    m.refuse(10, "one item exists", "all or nothing", "owner", LAB, create(GATEWAY, NEW))
    again = {0: 1, 1: LAB, 2: 0, 3: "", 4: new_keys(("owner", [1])), 5: [], 6: {1: 1, 2: 1}}
    m.refuse(10, "delegate again", "the prefix exists", "root", "hdl:", again)
    m.refuse(11, "update a retired one", "status 1", "owner", LAB,
             {0: 4, 1: VALVE, 2: m.version(VALVE), 3: [], 4: []})  # fmt: skip
    m.refuse(
        11, "retire again", "status 1", "owner", LAB, {0: 6, 1: VALVE, 2: m.version(VALVE), 3: 0}
    )
    m.refuse(
        13, "old version", "another was faster", "owner", LAB, {0: 4, 1: PUMP, 2: 1, 3: [], 4: []}
    )
    m.refuse(
        13, "future version", "not there yet", "owner", LAB, {0: 4, 1: PUMP, 2: 99, 3: [], 4: []}
    )
    m.refuse(
        13, "missing record", "it has version 0", "owner", LAB, {0: 4, 1: NEW, 2: 1, 3: [], 4: []}
    )
    wrong = {0: 4, 1: LAB, 2: m.version(LAB), 3: [], 4: []}
    m.refuse(
        9, "prefix as a record", "missing: its ancestor's owner is asked for", "owner", LAB, wrong
    )
    m.refuse(
        13,
        "prefix as a record, by the ancestor",
        "a missing record has version 0",
        "root",
        "hdl:",
        wrong,
    )


def _anchors(m: Maker) -> None:
    last = h(m.story.statements["heartbeat"])
    base: dict[int, Any] = {
        0: 7, 1: GATEWAY, 2: 2, 3: last, 4: h(b"root"), 5: 1, 6: 1, 7: 1, 8: "", 9: None,
    }  # fmt: skip
    m.accept("next anchor", "sequence and previous fit", "agent", LAB, base)
    m.refuse(14, "sequence again", "the next is 2", "agent", LAB, base | {2: 1})
    m.refuse(14, "sequence left out", "the next is 2", "agent", LAB, base | {2: 3})
    m.refuse(
        14,
        "other previous",
        "H of the previous anchor statement",
        "agent",
        LAB,
        base | {3: h(b"x")},
    )
    m.refuse(14, "previous null", "only for the first", "agent", LAB, base | {3: None})
    m.refuse(14, "epoch 1", "the stream's epoch is 0", "agent", LAB, base | {13: 1})
    m.refuse(6, "anchor by an owner key", "roles 3 and 4", "owner", LAB, base)
    m.refuse(13, "anchor without record", "the stream is a record", "agent", LAB, base | {1: NEW})
    loss = base | {4: h(), 5: 0, 13: 1, 14: 6}
    m.accept("loss of state", "epoch + 1, reason 6, role 1", "owner", LAB, loss)
    m.refuse(6, "loss of state by the agent", "roles 1 and 2", "agent", LAB, loss)
    m.refuse(
        14,
        "loss without epoch",
        "epoch + 1",
        "owner",
        LAB,
        {k: v for k, v in loss.items() if k != 13},
    )
    first = base | {1: PUMP, 2: 0, 3: None}
    m.accept("first anchor of another record", "sequence 0, previous null", "agent", LAB, first)
    m.refuse(11, "anchor of a retired record", "status 1", "agent", LAB, first | {1: VALVE})


def _quota(m: Maker) -> None:
    items = create(*(f"{AWAY}/{number:02}" for number in range(11)))
    m.refuse(15, "11 of 10 objects", "usage + charge > quota", "owner", AWAY, items)
    m.accept("10 of 10 objects", "usage + charge = quota", "owner", AWAY,
             create(*(f"{AWAY}/{number:02}" for number in range(10))))  # fmt: skip
    long = {0: 3, 1: [{0: f"{AWAY}/x", 1: [value(1, "DESC", "x" * 10_000)]}]}
    m.refuse(15, "bytes", "the statement is longer than what is left", "owner", AWAY, long)
    m.refuse(15, "quota below usage", "never below the child's usage", "root", "hdl:",
             {0: 2, 1: LAB, 2: m.version(LAB), 6: {1: 4, 2: 2_000_000}})  # fmt: skip
    m.accept("quota down to usage", "objects used: 5", "root", "hdl:",
             {0: 2, 1: LAB, 2: m.version(LAB), 6: {1: 5, 2: 2_000_000}})  # fmt: skip
    child = {
        0: 1,
        1: f"{AWAY}.1",
        2: 0,
        3: "",
        4: new_keys(("owner", [1])),
        5: [],
        6: {1: 10, 2: 1},
    }
    m.refuse(15, "delegate all of it", "one object for the child itself", "owner", AWAY, child)
    m.accept(
        "delegate what is left", "9 and 1 for the child", "owner", AWAY, child | {6: {1: 9, 2: 1}}
    )
    owner = KEYS["owner"].kid
    out = {0: 2, 1: AWAY, 2: m.version(AWAY), 3: new_keys(("spare", [1])), 4: [[owner, 1]]}
    m.accept("rotate", "members 3 and 4 cost nothing; the revoked key may sign", "owner", AWAY, out)


def _late(m: Maker) -> None:
    version = m.version(LAB)
    m.refuse(1, "remove an absent value", "judged after 15", "owner", LAB,
             {0: 4, 1: PUMP, 2: m.version(PUMP), 3: [], 4: [77]})  # fmt: skip
    m.refuse(1, "unlist an absent alias", "judged after 15", "owner", LAB,
             {0: 4, 1: PUMP, 2: m.version(PUMP), 3: [], 4: [], 6: ["hdl:lab.1/a"]})  # fmt: skip
    m.refuse(1, "key listed already", "judged after 15", "owner", LAB,
             {0: 2, 1: LAB, 2: version, 3: new_keys(("agent", [3]))})  # fmt: skip
    m.refuse(1, "revoke an unknown key", "judged after 15", "owner", LAB,
             {0: 2, 1: LAB, 2: version, 4: [[KEYS["stranger"].kid, 0]]})  # fmt: skip
    m.refuse(1, "revoke again", "judged after 15", "owner", LAB,
             {0: 2, 1: LAB, 2: version, 4: [[KEYS["registrar"].kid, 0]]})  # fmt: skip
    m.refuse(1, "revoke the last owner", "a key with role 1 stays", "owner", AWAY,
             {0: 2, 1: AWAY, 2: m.version(AWAY), 4: [[KEYS["owner"].kid, 0]]})  # fmt: skip
    ended = [{1: KEYS["stranger"].cose, 2: [3], 4: 21}]
    m.refuse(1, "until is this index", "until is above the statement's index", "owner", LAB,
             {0: 2, 1: LAB, 2: version, 3: ended})  # fmt: skip
    m.refuse(1, "suspect from the future", "suspect-from is at most the statement's index", "owner", LAB,
             {0: 2, 1: LAB, 2: version, 4: [[KEYS["agent"].kid, 2, 22]]})  # fmt: skip


def _order(m: Maker) -> None:
    old = {0: 4, 1: PUMP, 2: 1, 3: [], 4: []}
    m.refuse(3, "network before signature", "3 before 8", "owner", LAB, old, aud="x", spoiled=True)
    m.refuse(
        2, "horizon before network", "2 before 3", "owner", LAB, old, aud="x", exp=SECOND + 10**6
    )
    m.refuse(3, "network before expiry", "3 before 4", "owner", LAB, old, aud="x", exp=1)
    m.refuse(4, "expiry before prefix", "4 before 5", "owner", "hdl:lab.9", old, exp=1)
    m.refuse(6, "key before signature", "6 before 8", "stranger", LAB, old, spoiled=True)
    m.refuse(7, "revocation before signature", "7 before 8", "registrar", LAB, old, spoiled=True)
    m.refuse(8, "signature before version", "8 before 13", "owner", LAB, old, spoiled=True)
    m.refuse(9, "right before existence", "9 before 10", "gs1", GCP, create(PUMP))
    m.refuse(
        11,
        "retired before version",
        "11 before 13",
        "owner",
        LAB,
        {0: 4, 1: VALVE, 2: 99, 3: [], 4: []},
    )
    m.refuse(
        13, "version before absent value", "13 before the late 1", "owner", LAB, old | {4: [77]}
    )
