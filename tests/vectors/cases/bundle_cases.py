"""bundle.json: proof bundles of every verdict, and what must not pass for one."""

import copy
from typing import Any

from tests.vectors.cases.shape import Case, bad, good
from tests.vectors.second import bundles, cbor, curves, identifiers, trees
from tests.vectors.second.bundles import TIME_S, Bundle
from tests.vectors.second.chain import (
    MEMBERS,
    MS0,
    NETWORK,
    NETWORK_KEY,
    cosigner_seed,
    log_seed,
    note,
    trust_file,
)
from tests.vectors.second.story import AWAY, GATEWAY, GTIN, LAB, MINUTE, PUMP, VALVE, Story
from tests.vectors.second.trees import h

NOW = TIME_S + 100
MISSING = "hdl:lab.1/NO-SUCH"


class Maker:
    """Collects cases about one story."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.cases: list[Case] = []
        self.leaves = story.chain.leaves()
        self.size = len(self.leaves)

    def inputs(self, made: Bundle | bytes, asked: str, **more: Any) -> dict[str, Any]:
        """Return the inputs of a case; `more` overrides what is usual."""
        raw = made if isinstance(made, bytes) else cbor.encode(made)
        usual: dict[str, Any] = {
            "identifier": asked, "network": NETWORK, "question": "current", "at": None,
            "last_seen": None, "trust": "network", "now": NOW, "max_age": 600,
        }  # fmt: skip
        return usual | more | {"hex": raw.hex()}

    def accept(self, name: str, reason: str, made: Bundle, asked: str, **more: Any) -> None:
        """Add a bundle that proves its answer; `verdict` and others go into `expect`."""
        expect = {
            "verdict": "present", "frozen": False, "current": True, "dated": TIME_S,
            "size": self.size, "root": trees.root(self.leaves).hex(), "commit_index": self.size - 1,
            "object": None, "counted": ["alpha", "beta", "gamma", "iota"], "ignored": 0,
        }  # fmt: skip
        key = identifiers.map_key(asked)
        if key in self.story.chain.objects:
            expect["object"] = cbor.encode(self.story.chain.objects[key]).hex()
        for part in list(more):
            if part in expect or part in ("versions", "reading", "nearest"):
                expect[part] = more.pop(part)
        twin = bundles.twin(made)
        inputs = self.inputs(made, asked, **more)
        self.cases.append(good(name, reason, expect, **inputs, json=twin))

    def refuse(
        self, name: str, reason: str, fault: str, made: Bundle | bytes, asked: str, **more: Any
    ) -> None:
        """Add a bundle that proves nothing."""
        self.cases.append(bad(name, reason, {"fault": fault}, **self.inputs(made, asked, **more)))


def file(story: Story) -> dict[str, Any]:
    """Return bundle.json."""
    maker = Maker(story)
    chain = story.chain
    _current(maker)
    _dates(maker)
    _last_seen(maker)
    _history(maker)
    _reading(maker)
    _head_refused(maker)
    _map_refused(maker)
    _shape_refused(maker)
    cases = maker.cases + _json_refused(maker)
    network = trust_file(cbor.encode(chain.objects[NETWORK_KEY]))
    return {
        "about": "docs/spec/proof.md. `hex` is the bundle, `json` its twin as a writer emits it "
        "(the answer is the same); cases with `json` and no `hex` are twins that a reader refuses. "
        "`trust` names a text of `trust_files`, `at` is {size} or {ms}, `last_seen` is [size, root]. "
        "A refused case names its fault.",
        "trust_files": {
            "network": network,
            "older members": trust_file(b"\xa0"),
            "expired": network.replace("2027-01-01", "2025-12-31"),
        }
        | _other_trust(),
        "cases": cases,
    }


def _other_trust() -> dict[str, str]:
    """Return a trust file of another network, with its own keys."""
    key = trees.vkey("other.example", 1, curves.ed_public(b"\x78" * 32))
    witness = trees.vkey("other.example/one", 4, curves.ed_public(b"\x79" * 32))
    return {"other network": f"log {key}\nwitness one {witness}\nquorum one\n"}


def _current(m: Maker) -> None:
    story = m.story
    for asked, reason in ((PUMP, "a record"), (LAB, "a prefix"), ("hdl:", "a scheme root"),
                          (GTIN, "another scheme")):  # fmt: skip
        m.accept(f"present: {asked}", reason, bundles.current(story, asked), asked)
    lower = "hdl:lab.1/pump-07"
    found = cbor.encode(story.chain.objects[identifiers.map_key(PUMP)]).hex()
    m.accept(f"present: {lower}", "another spelling of the same key text",
             bundles.current(story, lower), lower, object=found)  # fmt: skip
    m.accept(f"retired: {VALVE}", "retired is not absent", bundles.current(story, VALVE), VALVE,
             verdict="retired")  # fmt: skip
    for asked, nearest, reason in (
        (MISSING, LAB, "its prefix exists"),
        ("hdl:88.118.8/x", "hdl:", "three parents absent, the root present"),
        (f"{GTIN}/21/S1", GTIN, "a qualifier level under an existing key"),
        ("oid:1.2.156", "oid:", "an OID"),
        ("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK", None, "it has no parents"),
    ):
        m.accept(f"absent: {asked}", reason, bundles.current(story, asked), asked,
                 verdict="absent", nearest=nearest)  # fmt: skip
    m.accept("not here", "the nearest prefix is referred to another network",
             bundles.current(story, f"{AWAY}/x"), f"{AWAY}/x", verdict="not-here", nearest=AWAY)  # fmt: skip
    m.accept("referred prefix itself", "a referral does not hide the prefix",
             bundles.current(story, AWAY), AWAY)  # fmt: skip


def _noted(m: Maker, lines: str, *, asked: str = PUMP) -> Bundle:
    """Return a bundle whose note has other signature lines."""
    text = m.story.chain.checkpoint()
    return bundles.current(m.story, asked) | {2: text + "\n" + lines}


def _lines(m: Maker, times: dict[int, int], *, log: bool = True) -> str:
    """Return signature lines: the log's, and cosignatures by member number and time."""
    text = m.story.chain.checkpoint()
    lines = trees.log_line(NETWORK, log_seed(0), text) if log else ""
    for number, time_s in times.items():
        name = f"{NETWORK}/{MEMBERS[number]}"
        lines += trees.cosign_line(name, cosigner_seed(number), text, time_s)
    return lines


def _dates(m: Maker) -> None:
    made = bundles.current(m.story, PUMP)
    m.accept("three of four", "the quorum is three", _noted(m, _lines(m, {0: TIME_S, 1: TIME_S, 3: TIME_S})),
             PUMP, counted=["alpha", "beta", "iota"])  # fmt: skip
    m.accept("at the edge of age", "now - max_age is still fresh", made, PUMP, now=TIME_S + 600)
    m.accept("stale", "sound, but a second too old to be current", made, PUMP, now=TIME_S + 601,
             current=False, ignored=4)  # fmt: skip
    m.accept("stale by years", "true on its date, while the trust file lasts", made, PUMP,
             now=1_798_000_000, current=False, ignored=4)  # fmt: skip
    m.accept("a minute ahead", "a cosigner's clock may be 60 s ahead", made, PUMP, now=TIME_S - 60)
    m.refuse("61 s ahead", "no cosignature counts", "not-trusted", made, PUMP, now=TIME_S - 61)
    spread = _noted(m, _lines(m, {0: TIME_S, 1: TIME_S - 50, 2: TIME_S - 5000, 3: TIME_S + 20}))
    m.accept("one old line", "dropped before the quorum is evaluated", spread, PUMP,
             dated=TIME_S - 50, counted=["alpha", "beta", "iota"], ignored=1)  # fmt: skip
    late = _noted(m, _lines(m, {0: TIME_S, 1: TIME_S - 5000, 2: TIME_S - 6000}))
    m.accept("dated by the third", "stale: the third newest makes the quorum", late, PUMP,
             dated=TIME_S - 6000, current=False, counted=["alpha", "beta", "gamma"], ignored=2)  # fmt: skip
    strange = trees.cosign_line(
        "vectors.example/zeta", b"\x77" * 32, m.story.chain.checkpoint(), TIME_S
    )
    m.accept("a stranger's line", "ignored and reported",
             made | {2: made[2] + strange}, PUMP, ignored=1)  # fmt: skip
    m.accept("newer network object", "the quorum is met: whose object the trust file holds is no matter",
             made, PUMP, trust="older members")  # fmt: skip


def _last_seen(m: Maker) -> None:
    made = bundles.current(m.story, PUMP)
    root = trees.root(m.leaves)
    for old in (1, 2, 7, m.size - 1):
        seen = [old, trees.root(m.leaves[:old]).hex()]
        m.accept(f"grown from {old}", "consistent with what was seen", bundles.consistent(m.story, made, old),
                 PUMP, last_seen=seen)  # fmt: skip
        other = [old, h(b"another log").hex()]
        m.refuse(f"fork at {old}", "another log was seen", "fork",
                 bundles.consistent(m.story, made, old), PUMP, last_seen=other)  # fmt: skip
    m.accept("seen already", "equal size and root", made, PUMP, last_seen=[m.size, root.hex()])
    m.refuse("fork at equal size", "another root", "fork", made, PUMP,
             last_seen=[m.size, h(b"x").hex()])  # fmt: skip
    m.refuse("equal size with proof", "no member 8 between equals", "fork", made | {8: []}, PUMP,
             last_seen=[m.size, root.hex()])  # fmt: skip
    m.refuse("rollback", "smaller than what was seen", "rollback", made, PUMP,
             last_seen=[m.size + 1, root.hex()])  # fmt: skip
    m.refuse("no consistency", "member 8 is missing", "incomplete", made, PUMP,
             last_seen=[7, trees.root(m.leaves[:7]).hex()])  # fmt: skip
    m.refuse("unasked consistency", "member 8 without last_seen", "wrong-question",
             bundles.consistent(m.story, made, 7), PUMP)  # fmt: skip


def _history(m: Maker) -> None:
    story = m.story
    whole = bundles.history(story, LAB)
    asked: dict[str, Any] = {"question": "history"}
    m.accept("history", "three versions, down to prev null", whole, LAB, verdict="history",
             versions=[3, 2, 1], **asked)  # fmt: skip
    m.accept("history of one version", "member 6 is empty", bundles.history(story, GTIN), GTIN,
             verdict="history", versions=[1], **asked)  # fmt: skip
    m.accept("history of an absent one", "nothing, and why", bundles.current(story, MISSING), MISSING,
             verdict="absent", nearest=LAB, **asked)  # fmt: skip
    last = [cbor.decode(raw)[8] for raw in story.chain.older[identifiers.map_key(LAB)]]
    at_2 = {"size": last[1] + 1}
    m.accept("as of a size", "last < N, and the successor's last >= N",
             bundles.history(story, LAB, down_to=2), LAB, verdict="history", versions=[3, 2],
             at=at_2, **asked)  # fmt: skip
    m.accept("as of a size before its creation", "created >= N",
             bundles.history(story, LAB, down_to=9), LAB, verdict="absent", at={"size": last[0]}, **asked)  # fmt: skip
    m.accept("as of the newest size", "no older object", bundles.history(story, LAB, down_to=9), LAB,
             verdict="history", versions=[3], at={"size": m.size}, **asked)  # fmt: skip
    m.refuse(
        "chain too long",
        "it runs just to the version asked for",
        "malformed",
        whole,
        LAB,
        at=at_2,
        **asked,
    )
    m.refuse("chain too short", "it ends at prev null", "incomplete",
             bundles.history(story, LAB, down_to=2), LAB, **asked)  # fmt: skip
    broken = copy.deepcopy(whole)
    broken[6][0] = cbor.encode(cbor.decode(broken[6][0]) | {2: "another name"})
    m.refuse("another past", "the hash is not the successor's prev", "forged", broken, LAB, **asked)
    m.refuse(
        "history for current", "member 6 is not used by that question", "wrong-question", whole, LAB
    )
    commits = [block["leaf"] for block in story.chain.blocks]
    at_leaf = [leaf[2] + leaf[3] for leaf in commits]
    timed = bundles.history(story, LAB, down_to=1) | {
        7: [bundles.logged(story.chain, at_leaf[3]), bundles.logged(story.chain, at_leaf[4])]
    }
    m.accept("as of a time", "between two commit leaves", timed, LAB, verdict="history",
             versions=[3, 2, 1], at={"ms": MS0 + 3 * MINUTE + 1}, **asked)  # fmt: skip
    m.accept("as of a block's own time", "t_j <= T", timed, LAB, verdict="history",
             versions=[3, 2, 1], at={"ms": MS0 + 3 * MINUTE}, **asked)  # fmt: skip
    m.refuse("as of the next block's time", "T < t_next", "forged", timed, LAB,
             at={"ms": MS0 + 4 * MINUTE}, **asked)  # fmt: skip
    skipped = timed | {7: [timed[7][0], bundles.logged(story.chain, at_leaf[5])]}
    m.refuse("a block left out", "next.6 is the index of j", "forged", skipped, LAB,
             at={"ms": MS0 + 3 * MINUTE + 1}, **asked)  # fmt: skip
    newest = bundles.history(story, LAB, down_to=9) | {7: []}
    m.accept("as of a time after the last block", "the newest leaf is member 3", newest, LAB,
             verdict="history", versions=[3], at={"ms": MS0 + 6 * MINUTE}, **asked)  # fmt: skip
    before = bundles.history(story, LAB, down_to=9) | {7: [bundles.logged(story.chain, 1)]}
    m.accept("as of a time before the log", "absent, by the first leaf", before, LAB, verdict="absent",
             at={"ms": MS0 - 1}, **asked)  # fmt: skip


def _reading(m: Maker) -> None:
    story, asked = m.story, {"question": "reading"}
    index = story.chain.entries.index(story.statements["anchor"])

    def told(leaf: int, **more: Any) -> dict[str, Any]:
        return {"hex": story.batch.readings[leaf].hex(), "stream": GATEWAY, "sequence": 0,
                "index": index, "attributed": True, "suspect": False, "equivocated": False} | more  # fmt: skip

    for leaf in range(4):
        m.accept(f"reading {leaf}", "of the identifier asked, same owner",
                 bundles.reading(story, PUMP, leaf), PUMP, verdict="reading", reading=told(leaf), **asked)  # fmt: skip
    m.accept("said by a stream", "the reading names another identifier",
             bundles.reading(story, PUMP, 4), PUMP, verdict="reading",
             reading=told(4, attributed=False), **asked)  # fmt: skip
    m.accept("of another owner", "the stream may not speak for this record",
             bundles.reading(story, GTIN, 0), GTIN, verdict="reading",
             reading=told(0, attributed=False), **asked)  # fmt: skip
    base = bundles.reading(story, PUMP, 0)

    def shown(**change: Any) -> Bundle:
        numbers = {"reading": 1, "salt": 2, "leaf": 3, "path": 4}
        return base | {10: base[10] | {numbers[part]: new for part, new in change.items()}}

    hotter = cbor.encode([f"{PUMP}#temperature", (MS0 + 3 * MINUTE) * 1000, 22.5, "Cel"])
    m.refuse("altered reading", "another leaf", "forged", shown(reading=hotter), PUMP, **asked)
    m.refuse("altered salt", "another leaf", "forged", shown(salt=bytes(16)), PUMP, **asked)
    m.refuse("other leaf", "another path", "forged", shown(leaf=1), PUMP, **asked)
    m.refuse(
        "leaf beyond count", "leaf index is below count", "forged", shown(leaf=5), PUMP, **asked
    )
    heartbeat = story.chain.entries.index(story.statements["heartbeat"])
    m.refuse("anchor of another batch", "another root", "forged",
             base | {7: [bundles.logged(story.chain, heartbeat)]}, PUMP, **asked)  # fmt: skip
    moved = base | {7: [base[7][0] | {1: heartbeat}]}
    m.refuse("another index", "the path is that of the entry", "forged", moved, PUMP, **asked)
    other = base | {7: [bundles.logged(story.chain, index - 1)]}
    m.refuse("not an anchor", "an op 4", "malformed", other, PUMP, **asked)
    m.refuse("two anchors", "exactly one", "malformed", base | {7: base[7] * 2}, PUMP, **asked)
    bare = {key: item for key, item in base.items() if key != 10}
    m.refuse("no disclosure", "member 10 is missing", "incomplete", bare, PUMP, **asked)
    m.refuse(
        "no stream", "its entries are missing", "incomplete", base | {5: base[5][:1]}, PUMP, **asked
    )
    swapped = base | {5: [base[5][0], base[5][2], base[5][1]]}
    m.refuse("entries swapped", "each key is computed", "forged", swapped, PUMP, **asked)
    m.refuse("reading for current", "members 7 and 10 are not used", "wrong-question", base, PUMP)


def _head_refused(m: Maker) -> None:
    story = m.story
    made = bundles.current(story, PUMP)
    m.refuse(
        "another identifier asked", "member 1 is not what was asked", "wrong-question", made, VALVE
    )
    m.refuse("another spelling asked", "byte for byte", "wrong-question", made, "hdl:lab.1/pump-07")
    m.refuse("another network asked", "the trust file is of its own", "wrong-network", made, PUMP,
             network="other.example", trust="other network")  # fmt: skip
    m.refuse("trust file of another network", "not of the network asked", "wrong-network", made, PUMP,
             trust="other network")  # fmt: skip
    m.refuse("expired trust file", "nothing is verified with it", "trust-out-of-date", made, PUMP,
             trust="expired")  # fmt: skip
    two = _noted(m, _lines(m, {0: TIME_S, 1: TIME_S}))
    m.refuse("two of four", "no quorum", "not-trusted", two, PUMP)
    m.refuse("two of four, other members known", "no quorum, and another network object",
             "trust-out-of-date", two, PUMP, trust="older members")  # fmt: skip
    twice = _noted(m, _lines(m, {0: TIME_S, 1: TIME_S}) + _lines(m, {1: TIME_S - 1}, log=False))
    m.refuse("one member twice", "a member counts once", "not-trusted", twice, PUMP)
    m.refuse("no log signature", "a listed log key signs", "not-trusted",
             _noted(m, _lines(m, dict.fromkeys(range(4), TIME_S), log=False)), PUMP)  # fmt: skip
    m.refuse("log alone", "it has no time", "not-trusted", _noted(m, _lines(m, {})), PUMP)
    spoiled = made[2][:-10] + ("A" if made[2][-10] != "A" else "B") + made[2][-9:]
    m.refuse("spoiled cosignature", "a known key's bad signature spoils the note", "forged",
             made | {2: spoiled}, PUMP)  # fmt: skip
    text = story.chain.checkpoint()
    grown = text.replace(f"\n{m.size}\n", f"\n{m.size + 1}\n")
    m.refuse(
        "other size",
        "not what was signed",
        "forged",
        made | {2: made[2].replace(text, grown)},
        PUMP,
    )
    old_size = story.chain.blocks[2]["leaf"][2] + story.chain.blocks[2]["leaf"][3] + 1
    old_note = note(story.chain.checkpoint(old_size), TIME_S)
    m.refuse("older checkpoint, newer leaf", "it is not that log's last entry", "forged",
             made | {2: old_note}, PUMP)  # fmt: skip
    odd = note(story.chain.checkpoint(m.size - 1), TIME_S)
    leaves = m.leaves[:-1]
    half = made | {2: odd, 3: story.chain.entries[-2], 4: trees.path(leaves, m.size - 2)}
    m.refuse("checkpoint inside a block", "its last entry is a statement", "malformed", half, PUMP)
    m.refuse("short path", "a hash is missing", "forged", made | {4: made[4][:-1]}, PUMP)
    m.refuse("long path", "a hash too many", "forged", made | {4: [*made[4], made[4][0]]}, PUMP)
    leaf = cbor.decode(made[3])
    m.refuse("other map root", "not the leaf logged", "forged",
             made | {3: cbor.encode(leaf | {4: h(b"another map")})}, PUMP)  # fmt: skip
    m.refuse("extension line", "three text lines", "malformed",
             made | {2: made[2].replace("\n\n", "\nextra\n\n")}, PUMP)  # fmt: skip


def _map_refused(m: Maker) -> None:
    story = m.story
    made = bundles.current(story, PUMP)
    absent = bundles.current(story, MISSING)
    other = bundles.current(story, VALVE)[5]
    obj = cbor.decode(made[5][0][1])

    def entry(**change: Any) -> Bundle:
        new = made[5][0] | {int(key[1:]): item for key, item in change.items()}
        return made | {5: [new]}

    m.refuse("altered object", "another map value", "forged",
             entry(m1=cbor.encode(obj | {5: []})), PUMP)  # fmt: skip
    m.refuse(
        "object of another identifier", "the key is computed", "forged", made | {5: other}, PUMP
    )
    m.refuse("older object", "not the newest version", "forged",
             entry(m1=story.chain.older[identifiers.map_key(PUMP)][0]), PUMP)  # fmt: skip
    m.refuse("hidden record", "a present key is not absent", "forged", entry(m1=None), PUMP)
    m.refuse("absence of another", "the key is computed", "forged", made | {5: absent[5]}, PUMP)
    m.refuse("cut map proof", "a step is cut off", "forged", entry(m2=made[5][0][2][:-1]), PUMP)
    m.refuse(
        "surplus entry",
        "the question does not use it",
        "malformed",
        made | {5: made[5] + other},
        PUMP,
    )
    m.refuse("absence without parents", "parents up to the first present", "incomplete",
             absent | {5: absent[5][:1]}, MISSING)  # fmt: skip
    deep = bundles.current(story, "hdl:88.118.8/x")
    m.refuse("parent left out", "every parent, nearest first", "forged",
             deep | {5: deep[5][:1] + deep[5][2:]}, "hdl:88.118.8/x")  # fmt: skip
    root = bundles.entry(story.chain, identifiers.map_key("hdl:"))
    m.refuse("parent skipped", "the nearest existing prefix may refer elsewhere", "forged",
             absent | {5: [absent[5][0], root]}, MISSING)  # fmt: skip
    usage = bundles.entry(story.chain, identifiers.map_key(LAB, "usage"))
    m.refuse("usage for prefix", "the key is computed", "forged",
             bundles.current(story, LAB) | {5: [usage]}, LAB)  # fmt: skip


def _shape_refused(m: Maker) -> None:
    made = bundles.current(m.story, PUMP)
    raw = cbor.encode(made)
    rows: list[tuple[str, str, Bundle | bytes]] = [
        ("nothing", "no bytes", b""),
        ("trailing byte", "nothing follows", raw + b"\0"),
        ("cut", "bytes are missing", raw[:-1]),
        ("an array", "a map", b"\x80"),
        ("long head", "shortest heads", b"\xb8\x06" + raw[1:]),
        ("version 2", "version 1", made | {0: 2}),
        ("without entries", "a required member", {k: v for k, v in made.items() if k != 5}),
        ("empty entries", "one at least", made | {5: []}),
        ("unknown member", "0-10", made | {11: 0}),
        ("listing page", "later", made | {9: {1: [256, bytes(32)], 2: b"", 3: []}}),
        ("path of 31 bytes", "a hash has 32", made | {4: [bytes(31)]}),
        ("path of 64", "at most 63", made | {4: [bytes(32)] * 64}),
        ("65 entries", "at most 64", made | {5: made[5] * 65}),
        ("entry without proof", "a required member", made | {5: [{1: made[5][0][1]}]}),
        ("note as bytes", "text", made | {2: made[2].encode()}),
    ]
    for name, reason, changed in rows:
        m.refuse(f"shape: {name}", reason, "malformed", changed, PUMP)


def _json_refused(m: Maker) -> list[Case]:
    made = bundles.current(m.story, PUMP)
    text = bundles.twin(made)
    leaf = trees.b64(made[3])

    def changed(old: str, new: str) -> str:
        assert text.count(old) >= 1, old
        return text.replace(old, new, 1)

    rows = (
        ("duplicate key", "no key twice", changed('"0":1,', '"0":1,"0":1,')),
        ("unknown key", "members only", changed('"0":1,', '"0":1,"x":1,')),
        ("key with zero", "decimal without leading zero", changed('"0":1', '"00":1')),
        ("float version", "digits only", changed('"0":1', '"0":1.0')),
        ("exponent", "digits only", changed('"0":1', '"0":1e0')),
        ("negative zero", "digits only", changed('"0":1', '"0":-0')),
        ("version as text", "a number", changed('"0":1', '"0":"1"')),
        ("unpadded base64", "padded", changed(f'"{leaf}"', f'"{leaf.rstrip("=")}"')),
        ("base64 with a break", "no white space inside", changed(f'"{leaf}"', f'"{leaf[:8]}\\n{leaf[8:]}"')),
        ("lone surrogate", "text is Unicode", changed(PUMP, PUMP[:-1] + "\\ud800")),
        ("trailing text", "nothing follows", text + "1"),
        ("byte order mark", "none", "\ufeff" + text),
        ("not a number", "JSON", changed('"0":1', '"0":NaN')),
        ("an array", "an object", "[]"),
        ("nothing", "no text", ""),
    )  # fmt: skip
    usual = m.inputs(b"", PUMP)
    del usual["hex"]
    assert leaf.endswith("=")
    return [
        bad(f"json: {name}", reason, {"fault": "malformed"}, **usual, json=new)
        for name, reason, new in rows
    ]
