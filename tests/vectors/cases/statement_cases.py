"""statements.json and operations.json: envelopes and payloads, good and mangled."""

from typing import Any

from tests.vectors.cases.shape import Case, bad, good, show
from tests.vectors.second import cbor, identifiers, trees
from tests.vectors.second.chain import KEYS, NETWORK, value
from tests.vectors.second.signing import Key, envelope, header, signed_bytes, statement
from tests.vectors.second.story import GATEWAY, LAB, PUMP, VALVE, Story, payloads
from tests.vectors.second.trees import h

Payload = dict[int, Any]


def split(entry: bytes) -> tuple[bytes, bytes, bytes]:
    """Return protected, payload and signature of a good statement."""
    scan = cbor.Scanner(entry, cbor.HEADER)
    scan.take(2)
    protected = scan.item(1)
    scan.take(1)
    payload = scan.item(1)
    return protected, payload, scan.item(1)


def decoded(entry: bytes) -> dict[str, Any]:
    """Return what a parser finds in a statement."""
    protected, payload, signature = split(entry)
    head = cbor.decode(protected, cbor.HEADER)
    claims = head[15]
    return {
        "statement_hash": h(entry).hex(),
        "leaf_hash": trees.leaf_hash(entry).hex(),
        "alg": head[1],
        "kid": head[4].hex(),
        "iss": claims[1],
        "sub": claims[2],
        "aud": claims[3],
        "exp": claims.get(4),
        "iat": claims[6],
        "protected": protected.hex(),
        "payload": payload.hex(),
        "signed": signed_bytes(protected, payload).hex(),
        "signature": signature.hex(),
        "operation": show(cbor.decode(payload)),
    }


def statements_file(story: Story) -> dict[str, Any]:
    """Return statements.json."""
    by_kid = {key.kid: key for key in KEYS.values()}
    cases: list[Case] = []
    for name, entry in story.statements.items():
        key = by_kid[cbor.decode(split(entry)[0], cbor.HEADER)[4]]
        number = cbor.decode(split(entry)[1])[0]
        reason = f"operation {number}, signed by {key.name}"
        cases.append(good(name, reason, decoded(entry), hex=entry.hex(), key=key.cose.hex()))
    cases += _other_algorithms(story) + _submissions(story) + _mangled(story)
    return {
        "about": "docs/spec/statements.md, envelope. `hex` is the entry. A valid one has a valid "
        "signature of `key`. A refused one is malformed, whatever its signature. With `submission` "
        "the bytes are as posted, and `hex` is what is hashed and logged.",
        "cases": cases,
    }


def _other_algorithms(story: Story) -> list[Case]:
    found = []
    for name, alg in (("owner", -19), ("registrar", -9)):
        key = KEYS[name]
        head = header(key, LAB, PUMP, NETWORK, 1_767_225_600, alg=alg, exp=0)
        entry = statement(key, {0: 6, 1: PUMP, 2: 1, 3: 0}, head)
        reason = "the other number of the curve's algorithm; exp 0 is well formed"
        inputs = {"hex": entry.hex(), "key": key.cose.hex()}
        found.append(good(f"alg {alg}", reason, decoded(entry), **inputs))
    return found


def _submissions(story: Story) -> list[Case]:
    entry = story.statements["retire"]
    protected, payload, signature = split(entry)
    start, end = b"\xd2\x84" + cbor.data(protected), cbor.data(payload) + cbor.data(signature)
    receipts = cbor.encode({394: [b"\xd2receipt", b"another"]})
    posted = start + receipts + end
    return [
        good("receipts are dropped", "unprotected 394 becomes A0 before hashing", decoded(entry),
             hex=entry.hex(), key=KEYS["owner"].cose.hex(), submission=posted.hex()),
        bad("receipts in an entry", "an entry's unprotected map is A0", hex=posted.hex()),
    ]  # fmt: skip


def _mangled(story: Story) -> list[Case]:
    entry = story.statements["retire"]
    protected, payload, signature = split(entry)
    found: list[Case] = []

    def add(name: str, reason: str, raw: bytes) -> None:
        found.append(bad(name, reason, hex=raw.hex()))

    bp, bl, bs = cbor.data(protected), cbor.data(payload), cbor.data(signature)
    add("nothing", "no bytes", b"")
    add("without tag", "D2 is part of the form", entry[1:])
    add("long tag", "shortest heads", b"\xd8\x12" + entry[1:])
    add("tag 98", "COSE_Sign is not COSE_Sign1", b"\xd8\x62" + entry[1:])
    add("array of 5", "four items", b"\xd2\x85" + bp + b"\xa0" + bl + bs + b"\xf6")
    add("indefinite array", "definite lengths", b"\xd2\x9f" + entry[2:] + b"\xff")
    add("trailing byte", "nothing follows", entry + b"\0")
    add("cut by a byte", "the signature has 64 bytes", entry[:-1])
    add("cut in half", "items are missing", entry[: len(entry) // 2])
    add("signature of 63", "the signature has 64 bytes",
        b"\xd2\x84" + bp + b"\xa0" + bl + cbor.data(signature[:63]))  # fmt: skip
    add("signature of 65", "the signature has 64 bytes",
        b"\xd2\x84" + bp + b"\xa0" + bl + cbor.data(signature + b"\0"))  # fmt: skip
    long = b"\xd2\x84\x59" + len(protected).to_bytes(2, "big") + protected
    add("long head of protected", "shortest heads", long + b"\xa0" + bl + bs)
    long = b"\x59" + len(payload).to_bytes(2, "big") + payload
    add("long head of payload", "shortest heads", b"\xd2\x84" + bp + b"\xa0" + long + bs)
    add("long head of signature", "shortest heads",
        b"\xd2\x84" + bp + b"\xa0" + bl + b"\x59\x00\x40" + signature)  # fmt: skip
    add("protected as text", "a byte string", b"\xd2\x84" + cbor.text("a") + b"\xa0" + bl + bs)
    add("protected as map", "a byte string", b"\xd2\x84" + protected + b"\xa0" + bl + bs)
    add("no payload", "the payload is attached", b"\xd2\x84" + bp + b"\xa0\xf6" + bs)
    add("kid outside", "the unprotected map is empty",
        b"\xd2\x84" + bp + cbor.encode({4: b"k"}) + bl + bs)  # fmt: skip
    add("over 65,535 bytes", "an entry has at most 65,535 bytes",
        envelope(protected, bytes(65_500), signature))  # fmt: skip
    found += _headers(story, payload)
    return found


def _headers(story: Story, payload: bytes) -> list[Case]:
    """Return refused protected headers, each under a good signature."""
    found: list[Case] = []
    key = KEYS["owner"]
    base = header(key, LAB, VALVE, NETWORK, 1_767_225_600)
    claims = base[15]

    def raw(name: str, reason: str, protected: bytes) -> None:
        entry = envelope(protected, payload, key.sign(signed_bytes(protected, payload)))
        found.append(bad(f"header: {name}", reason, hex=entry.hex()))

    def head(name: str, reason: str, change: Payload, drop: int | None = None) -> None:
        new = {label: item for label, item in (base | change).items() if label != drop}
        raw(name, reason, cbor.encode(new))

    def claim(name: str, reason: str, change: Payload, drop: int | None = None) -> None:
        new = {label: item for label, item in (claims | change).items() if label != drop}
        head(name, reason, {15: new})

    raw("empty", "a header has its four members", b"")
    raw("empty map", "a header has its four members", b"\xa0")
    raw("no map", "a map", b"\x80")
    good_bytes = cbor.encode(base)
    raw("trailing byte", "nothing follows the map", good_bytes + b"\0")
    pairs = [cbor.encode(label) + cbor.encode(item) for label, item in sorted(base.items())]
    raw("other order", "labels ascend", b"\xa4" + b"".join(reversed(pairs)))
    raw("label twice", "no label twice", b"\xa5" + pairs[0] + b"".join(pairs))
    raw("long algorithm", "shortest heads", good_bytes.replace(b"\x01\x27", b"\x01\x38\x07", 1))
    for label, what in ((1, "alg"), (3, "content type"), (4, "kid"), (15, "claims")):
        head(f"without {what}", "exactly 1, 3, 4, 15", {}, label)
    head("crit", "exactly 1, 3, 4, 15", {2: [4]})
    head("typ", "exactly 1, 3, 4, 15", {16: "application/x"})
    head("alg ES384", "an algorithm of a listed suite", {1: -35})
    head("alg as text", "an algorithm of a listed suite", {1: "EdDSA"})
    head("alg HMAC", "an algorithm of a listed suite", {1: 5})
    head("alg true", "an algorithm of a listed suite", {1: True})
    head("content type of an approval", "the operation's content type",
         {3: "application/vnd.xinbiao.approval+cbor"})  # fmt: skip
    head("content type as number", "the operation's content type", {3: 60})
    head("kid of 15", "a kid has 16 bytes", {4: key.kid[:15]})
    head("kid of 17", "a kid has 16 bytes", {4: key.kid + b"\0"})
    head("kid as text", "a kid is bytes", {4: "0123456789abcdef"})
    head("claims as bytes", "claims are a map", {15: cbor.encode(claims)})
    for label, what in ((1, "iss"), (2, "sub"), (3, "aud"), (6, "iat")):
        claim(f"without {what}", "exactly 1, 2, 3, 6 and perhaps 4", {}, label)
    claim("nbf", "exactly 1, 2, 3, 6 and perhaps 4", {5: 0})
    claim("cti", "exactly 1, 2, 3, 6 and perhaps 4", {7: b"id"})
    claim("iss empty", "1-512 bytes", {1: ""})
    claim("iss of 513 bytes", "1-512 bytes", {1: "hdl:" + "a" * 509})
    claim("iss as bytes", "text", {1: b"hdl:lab.1"})
    claim("aud empty", "1-128 characters", {3: ""})
    claim("aud of 129", "1-128 characters", {3: "n" * 129})
    claim("aud with space", "no space", {3: "my network"})
    claim("aud with plus", "no plus", {3: "a+b"})
    claim("aud beyond ASCII", "printable ASCII", {3: "网络"})
    claim("aud as array", "text", {3: [NETWORK]})
    claim("exp negative", "unsigned", {4: -1})
    claim("exp null", "absent, never null", {4: None})
    claim("iat as text", "unsigned", {6: "now"})
    claim("iat true", "unsigned", {6: True})
    float_iat = cbor.encode(base).replace(cbor.encode(claims[6]), b"\xf9\x3c\x00")
    raw("iat as float", "no float", float_iat)
    return found


# ---------------------------------------------------------------------------------- operations
def operations_file(story: Story) -> dict[str, Any]:
    """Return operations.json."""
    cases: list[Case] = []
    for name, entry in story.statements.items():
        payload = split(entry)[1]
        value_ = show(cbor.decode(payload))
        cases.append(good(name, "from the story of chain.json", value_, hex=payload.hex()))
    for name, reason, payload_value in _GOOD:
        raw = cbor.encode(payload_value)
        cases.append(good(name, reason, show(payload_value), hex=raw.hex()))
    for name, reason, payload_value in _refused(story):
        cases.append(bad(name, reason, hex=cbor.encode(payload_value).hex()))
    for name, reason, text in _RAW:
        cases.append(bad(name, reason, hex=text))
    return {
        "about": "docs/spec/statements.md, operations: payloads alone. A refused one is malformed "
        "before any state is looked at. Those marked `later` are well formed in edition 2 and "
        "refused by First light.",
        "cases": cases,
    }


_RAW = [
    ("nothing", "no bytes", ""),
    ("an array", "an operation is a map", "80"),
    ("an empty map", "member 0 names the operation", "a0"),
    ("trailing byte", "nothing follows", "a40006016d68646c3a6c61622e312f70303102010300" + "00"),
    ("duplicate member", "no key twice", "a4000600060161610201"),
]
_OWN = h(b"root of a batch")
_ANCHOR: Payload = {
    0: 7,
    1: GATEWAY,
    2: 5,
    3: _OWN,
    4: _OWN,
    5: 3,
    6: 10,
    7: 20,
    8: "",
    9: None,
}
_UPDATE: Payload = {0: 4, 1: PUMP, 2: 1, 3: [], 4: []}
_VALUE = value(1, "URL", "https://x.example/")
_HIDDEN: Payload = {1: 1, 2: "EMAIL", 3: 2, 4: _OWN, 5: 0, 6: 2}
_GOOD: list[tuple[str, str, Payload]] = [
    ("update of nothing", "all parts may be empty", _UPDATE),
    ("update of aliases", "5 lists, 6 unlists", _UPDATE | {5: ["hdl:a/b", "hdl:a/c"], 6: ["hdl:a/d"]}),
    ("value with all members", "title, language, writers",
     _UPDATE | {3: [_VALUE | {8: "Page", 9: "en", 11: ["hdl:lab.2", "hdl:lab.3"]}]}),
    ("value of bytes", "format 1", _UPDATE | {3: [_VALUE | {3: 1, 4: b"\0\1"}]}),
    ("empty value", "data may be empty", _UPDATE | {3: [_VALUE | {4: ""}]}),
    ("commitment of access 0", "a commitment may be public", _UPDATE | {3: [_HIDDEN | {6: 0}]}),
    ("largest index and ttl", "2^31-1 and 172800", _UPDATE | {3: [_VALUE | {1: 2**31 - 1, 5: 172_800}]}),
    ("retire a prefix", "op 6 is for prefixes too", {0: 6, 1: LAB, 2: 1, 3: 0}),
    ("anchor with epoch", "13 is absent when 0", _ANCHOR | {13: 1}),
    ("anchor after loss", "count 0, root H(\"\"), reason 6",
     _ANCHOR | {4: h(), 5: 0, 12: {0: 0, 10: 9}, 13: 1, 14: 6}),
    ("referral withdrawn", "7 may be null", {0: 2, 1: LAB, 2: 1, 7: None}),
    ("key until an index", "4 of a new key",
     {0: 2, 1: LAB, 2: 1, 3: [{1: KEYS["agent"].cose, 2: [3, 4], 4: 99}]}),
    ("a value of type HS_ADMIN", "formats are free of their type",
     _UPDATE | {3: [_VALUE | {2: "HS_ADMIN", 3: 1, 4: bytes(10)}]}),
]  # fmt: skip


def _refused(story: Story) -> list[tuple[str, str, Any]]:
    parts = payloads()
    return [*_refused_common(), *_refused_values(), *_refused_keys(parts), *_refused_items(parts),
            *_refused_anchors(), *_refused_later(parts), *_refused_genesis(parts)]  # fmt: skip


def _refused_common() -> list[tuple[str, str, Any]]:
    return [
        ("operation 11", "no such operation", {0: 11, 1: LAB}),
        ("operation true", "a number", {0: True, 1: LAB}),
        ("operation as text", "a number", {0: "6", 1: LAB}),
        ("unknown member", "no member beyond the shape", {0: 6, 1: LAB, 2: 1, 3: 0, 4: 0}),
        ("missing member", "a required member", {0: 6, 1: LAB, 2: 1}),
        ("identifier of another form", "canonical only", {0: 6, 1: "88.1/x", 2: 1, 3: 0}),
        ("identifier as bytes", "text", {0: 6, 1: b"hdl:lab.1", 2: 1, 3: 0}),
        ("version 0", "ops 2, 4, 5, 6 name a version >= 1", {0: 6, 1: LAB, 2: 0, 3: 0}),
        ("retire reason 5", "reasons are 0-4", {0: 6, 1: LAB, 2: 1, 3: 5}),
        ("version true", "a number", {0: 6, 1: LAB, 2: True, 3: 0}),
    ]


def _refused_values() -> list[tuple[str, str, Any]]:
    def put(*values: Any) -> Payload:
        return _UPDATE | {3: list(values)}

    second = _VALUE | {1: 2}
    return [
        ("values descending", "ascending by index", put(second, _VALUE)),
        ("value twice", "no index twice", put(_VALUE, _VALUE)),
        ("value index 0", "1-2^31-1", put(_VALUE | {1: 0})),
        ("value index 2^31", "1-2^31-1", put(_VALUE | {1: 2**31})),
        ("type of 257 bytes", "at most 256", put(_VALUE | {2: "T" * 257})),
        ("format 3", "formats are 0-2", put(_VALUE | {3: 3})),
        ("text as bytes", "format 0 holds text", put(_VALUE | {4: b"x"})),
        ("bytes as text", "format 1 holds bytes", put(_VALUE | {3: 1})),
        ("commitment of 31 bytes", "a commitment has 32", put(_HIDDEN | {4: _OWN[:31]})),
        ("access 1 in the open", "access above 0 needs a commitment", put(_VALUE | {6: 1})),
        ("access 2 in the open", "access above 0 needs a commitment", put(_VALUE | {6: 2})),
        ("access 3", "access is 0-2", put(_HIDDEN | {6: 3})),
        ("ttl 172801", "at most two days", put(_VALUE | {5: 172_801})),
        ("submitted time", "7 is filled in by the state", put(_VALUE | {7: 1})),
        ("unknown value member", "no member 10", put(_VALUE | {10: ""})),
        ("language of 257 bytes", "at most 256", put(_VALUE | {9: "e" * 257})),
        ("writers empty", "one at least", put(_VALUE | {11: []})),
        ("writers descending", "ascending by bytes", put(_VALUE | {11: ["hdl:b", "hdl:a"]})),
        ("writer twice", "none twice", put(_VALUE | {11: ["hdl:a", "hdl:a"]})),
        ("HS_SECKEY", "a secret never goes into the log", put(_VALUE | {2: "HS_SECKEY"})),
        ("index put and removed", "not in both 3 and 4", put(_VALUE) | {4: [1]}),
        ("removals descending", "ascending", _UPDATE | {4: [2, 1]}),
        ("alias listed and unlisted", "not in both 5 and 6", _UPDATE | {5: ["hdl:a/b"], 6: ["hdl:a/B"]}),
        ("aliases empty", "absent, never empty", _UPDATE | {5: []}),
        ("aliases descending", "ascending by bytes", _UPDATE | {5: ["hdl:a/c", "hdl:a/b"]}),
        ("alias twice", "none twice by key text", _UPDATE | {5: ["hdl:a/B", "hdl:a/b"]}),
    ]  # fmt: skip


def _refused_keys(parts: dict[str, Payload]) -> list[tuple[str, str, Any]]:
    base = parts["delegate"]
    keys = base[4]
    owner = next(key for key in keys if key[2] == [1])
    agent = next(key for key in keys if key[2] == [3])
    kid = sorted(key.kid for key in KEYS.values())

    def revoke(*items: Any) -> Payload:
        return {0: 2, 1: LAB, 2: 1, 4: list(items)}

    return [
        ("keys out of order", "ascending by kid", base | {4: keys[::-1]}),
        ("key twice", "none twice", base | {4: [owner, owner]}),
        ("no keys", "one at least", base | {4: []}),
        ("no owner key", "a list holds a key with role 1", base | {4: [agent]}),
        ("owner key with an end", "a key with role 1 and no until", base | {4: [owner | {4: 50}]}),
        ("role 0", "roles are 1-7", base | {4: [owner | {2: [0, 1]}]}),
        ("role 8", "roles are 1-7", base | {4: [owner | {2: [1, 8]}]}),
        ("roles descending", "ascending", base | {4: [owner | {2: [2, 1]}]}),
        ("role twice", "none twice", base | {4: [owner | {2: [1, 1]}]}),
        ("no role", "one at least", base | {4: [owner | {2: []}]}),
        ("submitted from", "3 is filled in by the state", base | {4: [owner | {3: 0}]}),
        ("small-order key", "a key that may not be listed",
         base | {4: [owner | {1: cbor.encode({1: 1, -1: 6, -2: b"\1" + bytes(31)})}]}),
        ("delegate version 1", "2 is 0", base | {2: 1}),
        ("delegate a record", "only a text that can be a prefix", base | {1: PUMP}),
        ("delegate without quota", "a required member", {k: v for k, v in base.items() if k != 6}),
        ("quota of one number", "objects and bytes", base | {6: {1: 5}}),
        ("owner name of 257 bytes", "at most 256", base | {3: "n" * 257}),
        ("prefix update of nothing", "one member at least", {0: 2, 1: LAB, 2: 1}),
        ("quota with values", "6 stands alone", {0: 2, 1: LAB, 2: 1, 5: [], 6: {1: 5, 2: 5}}),
        ("revocations descending", "ascending by kid", revoke([kid[1], 0], [kid[0], 0])),
        ("revocation twice", "none twice", revoke([kid[0], 0], [kid[0], 1])),
        ("revocation reason 5", "reasons are 0-4", revoke([kid[0], 5])),
        ("revocation of 4 items", "two or three", revoke([kid[0], 2, 1, 1])),
        ("kid of 15 bytes", "a kid has 16", revoke([kid[0][:15], 0])),
        ("referral to no name", "a network name", {0: 2, 1: LAB, 2: 1, 7: {1: "a b"}}),
    ]  # fmt: skip


def _refused_items(parts: dict[str, Payload]) -> list[tuple[str, str, Any]]:
    def create(*texts: str) -> Payload:
        return {0: 3, 1: [{0: text, 1: []} for text in texts]}

    return [
        ("create nothing", "one item at least", create()),
        ("items descending", "ascending by bytes", create("hdl:lab.1/b", "hdl:lab.1/a")),
        ("item twice", "none twice", create("hdl:lab.1/a", "hdl:lab.1/a")),
        ("items of one key text", "two spellings are one key text", create("hdl:lab.1/A", "hdl:lab.1/a")),
        ("create a prefix", "a text that can only be a prefix", create("hdl:lab.2")),
        ("create a company prefix", "a text that can only be a prefix", create("gs1:gcp/9506000")),
        ("item without values", "1 is required", {0: 3, 1: [{0: "hdl:lab.1/a"}]}),
        ("2001 items", "at most 2000", create(*(f"hdl:lab.1/{n:04}" for n in range(2001)))),
    ]  # fmt: skip


def _refused_anchors() -> list[tuple[str, str, Any]]:
    clock = {1: 1, 2: 1, 3: bytes(16), 4: 0}
    return [
        ("first after last", "6 <= 7", _ANCHOR | {6: 21}),
        ("count 0 with a root", "count 0, root H(\"\") and 14 go together", _ANCHOR | {5: 0, 14: 0}),
        ("count 0 without reason", "count 0, root H(\"\") and 14 go together", _ANCHOR | {4: h(), 5: 0}),
        ("readings with reason", "count 0, root H(\"\") and 14 go together", _ANCHOR | {14: 0}),
        ("empty root with count", "count 0, root H(\"\") and 14 go together", _ANCHOR | {4: h()}),
        ("epoch 0", "absent when 0", _ANCHOR | {13: 0}),
        ("gap reason 11", "reasons are 0-10", _ANCHOR | {4: h(), 5: 0, 14: 11}),
        ("lost map empty", "one entry at least", _ANCHOR | {12: {}}),
        ("lost reason 11", "reasons are 0-10", _ANCHOR | {12: {11: 1}}),
        ("previous of 31 bytes", "a hash has 32", _ANCHOR | {3: _OWN[:31]}),
        ("schema null", "8 is text", _ANCHOR | {8: None}),
        ("without locator", "9 is text or null, never absent", {k: v for k, v in _ANCHOR.items() if k != 9}),
        ("boot id of 15 bytes", "16 bytes", _ANCHOR | {10: clock | {3: bytes(15)}}),
        ("clock state 3", "0-2", _ANCHOR | {10: clock | {4: 3}}),
        ("clock null", "absent, never null", _ANCHOR | {10: None}),
    ]  # fmt: skip


def _refused_later(parts: dict[str, Payload]) -> list[tuple[str, str, Any]]:
    approval = b"\xd2\x84" + bytes(70)
    did = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
    item = {0: did, 1: []}
    return [
        ("transfer", "later", {0: 5, 1: PUMP, 2: 1, 3: 1, 4: "hdl:lab.2"}),
        ("network update", "later", {0: 8, 1: 1, 2: cbor.encode({0: NETWORK, 1: 1}), 3: [approval]}),
        ("evidence", "later", {0: 9, 1: b"\xd2a", 2: b"\xd2b"}),
        ("alias", "later", {0: 10, 1: "hdl:lab.1/b", 2: PUMP, 3: 0}),
        ("recovery claim", "later", {0: 2, 1: LAB, 2: 1, 3: parts["delegate"][4], 8: 1}),
        ("recovery complete", "later", {0: 2, 1: LAB, 2: 1, 8: 2}),
        ("veto", "later", {0: 2, 1: LAB, 2: 1, 8: 3}),
        ("approval of a delegation", "later", parts["delegate"] | {7: [approval]}),
        ("self-certifying DID", "later", {0: 3, 1: [item | {2: KEYS["owner"].cose}], 2: approval}),
        ("self-certifying DID without key", "item 2 is required there", {0: 3, 1: [item]}),
        ("key of another record", "item 2 is for self-certifying DIDs",
         {0: 3, 1: [{0: "hdl:lab.1/k", 1: [], 2: KEYS["owner"].cose}]}),
    ]  # fmt: skip


def _refused_genesis(parts: dict[str, Payload]) -> list[tuple[str, str, Any]]:
    base = parts["genesis"]
    members, limits = base[2], base[5]
    other = Key("other", seed=b"\x70" * 32)

    def first(change: dict[int, Any]) -> Payload:
        return base | {2: [members[0] | change, *members[1:]]}

    def limit(number: int, value_: int) -> Payload:
        return base | {5: limits | {number: value_}}

    assert identifiers.canonical(LAB)
    return [
        ("quorum below q", "4 members need 3", base | {3: 2}),
        ("quorum above n", "4 members give at most 4", base | {3: 5}),
        ("no members", "one at least", base | {2: []}),
        ("members out of order", "ascending by name", base | {2: members[::-1]}),
        ("member twice", "none twice", base | {2: [members[0], *members]}),
        ("member name in capitals", "[a-z0-9-]{1,64}", first({1: "Alpha"})),
        ("member name empty", "[a-z0-9-]{1,64}", first({1: ""})),
        ("log key of 31 bytes", "32 bytes", first({2: members[0][2][:31]})),
        ("log key as cosigner key", "separate keys", first({3: members[0][2]})),
        ("shared log key", "separate keys", first({2: members[1][2]})),
        ("approval key unlistable", "a key that may be listed", first({4: other.cose[:-1]})),
        ("power 0", "1-1000", first({8: 0})),
        ("no root keys", "one at least", base | {4: []}),
        ("network name with space", "no space", base | {1: "my net"}),
        ("limit missing", "all twelve", base | {5: {k: v for k, v in limits.items() if k != 12}}),
        ("limit 13", "twelve", limit(13, 1)),
        ("limit 1 above its maximum", "at most 65535", limit(1, 65_536)),
        ("limit 1 below its minimum", "at least 8192", limit(1, 8_191)),
        ("limit 10 below its minimum", "at least 8192", limit(10, 8_191)),
        ("limit 3 above its maximum", "at most 256", limit(3, 257)),
        ("limit 6 of 0", "at least 1", limit(6, 0)),
    ]
