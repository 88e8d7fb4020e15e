"""A small network played by hand: genesis to a retired record, with every object it leaves.

`Chain` knows only the good way through docs/spec/statements.md: it applies what it is told and
refuses nothing. It is enough to say which objects, map roots, commit leaves and checkpoints a
product must come to.
"""

import hmac
from typing import Any

from tests.vectors.second import cbor, curves, identifiers, trees
from tests.vectors.second.signing import Key, header, statement
from tests.vectors.second.trees import h

NETWORK = "vectors.example"
MS0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z, the genesis block
MAX = 2**53 - 1
LIMITS = dict(
    enumerate((65535, 2000, 256, 256, 64, 1209600000, 100000, 86400, 10000, 4000000, 600, 3600), 1)
)
MEMBERS = ("alpha", "beta", "gamma", "iota")
QUORUM = 3
NETWORK_KEY = h(b"xinbiao:network") + bytes(32)


def log_seed(number: int) -> bytes:
    """Return the seed of a member's log key."""
    return bytes([0x40 + number]) * 32


def cosigner_seed(number: int) -> bytes:
    """Return the seed of a member's cosigner key."""
    return bytes([0x50 + number]) * 32


KEYS = {
    key.name: key
    for key in (
        Key("root", seed=b"\x10" * 32),
        Key("owner", seed=b"\x11" * 32),
        Key("registrar", scalar=0x12345),
        Key("agent", seed=b"\x13" * 32),
        Key("recovery", seed=b"\x14" * 32),
        Key("gs1", scalar=0x6789),
        Key("spare", seed=b"\x15" * 32),
        Key("stranger", seed=b"\x1f" * 32),
    )
}


def new_keys(*pairs: tuple[str, list[int]]) -> list[dict[int, Any]]:
    """Return keys as submitted, by kid."""
    chosen = sorted(pairs, key=lambda pair: KEYS[pair[0]].kid)
    return [{1: KEYS[name].cose, 2: roles} for name, roles in chosen]


def value(index: int, kind: str, text: str, **more: Any) -> dict[int, Any]:
    """Return a public text value."""
    return {1: index, 2: kind, 3: 0, 4: text, 5: more.get("ttl", 3600), 6: 0}


def commitment(index: int, kind: str, about: str, salt: bytes, secret: bytes) -> dict[int, Any]:
    """Return a committed value of access `owner`."""
    name = identifiers.key_text(about).encode()
    message = b"xinbiao:value\0" + len(name).to_bytes(2, "big") + name + index.to_bytes(4, "big")
    digest = hmac.digest(salt, message + secret, "sha256")
    return {1: index, 2: kind, 3: 2, 4: digest, 5: 0, 6: 2}


class Chain:
    """Log and state of the network."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []
        self.objects: dict[bytes, Any] = {}
        self.older: dict[bytes, list[bytes]] = {}
        self.blocks: list[dict[str, Any]] = []
        self.ms = MS0
        self.anchors: dict[str, bytes] = {}
        self._open: dict[str, Any] = {}

    # -------------------------------------------------------------- reading
    def pairs(self) -> dict[bytes, bytes]:
        """Return the map as key → value."""
        return {key: object_value(cbor.encode(obj)) for key, obj in self.objects.items()}

    def leaves(self) -> list[bytes]:
        """Return the leaf hashes of the log."""
        return [trees.leaf_hash(entry) for entry in self.entries]

    def checkpoint(self, size: int | None = None) -> str:
        """Return the text of the checkpoint at a size."""
        leaves = self.leaves()[:size]
        return trees.checkpoint_text(NETWORK, len(leaves), trees.root(leaves))

    # -------------------------------------------------------------- writing
    def put(self, key: bytes, obj: dict[int, Any]) -> None:
        """Write an object and remember its predecessor."""
        if key in self.objects and self.objects[key][0] in (1, 2, 5):
            self.older.setdefault(key, []).append(cbor.encode(self.objects[key]))
        self.objects[key] = obj
        self._open["changed"].add(key)

    def charge(self, prefix: str, objects: int, log_bytes: int) -> None:
        """Add to a prefix's usage."""
        key = identifiers.map_key(prefix, "usage")
        used = self.objects[key]
        self.put(key, {**used, 2: used[2] + objects, 3: used[3] + log_bytes})

    def begin(self, ms: int) -> None:
        """Open a block."""
        self.ms = ms
        self._open = {"first": len(self.entries), "changed": set()}

    def end(self) -> None:
        """Close a block with its commit leaf."""
        first = self._open["first"]
        leaf = {
            1: len(self.blocks),
            2: first,
            3: len(self.entries) - first,
            4: trees.map_root(self.pairs()),
            5: self.ms,
            6: first - 1 if first else None,
            7: 1,
            8: h(cbor.encode(self.objects[NETWORK_KEY])),
        }
        raw = cbor.encode(leaf)
        self.entries.append(raw)
        changed = sorted(self._open["changed"])
        self.blocks.append(
            {
                "leaf": leaf,
                "raw": raw,
                "changed": [(key, cbor.encode(self.objects[key])) for key in changed],
                "text": self.checkpoint(),
            }
        )

    def submit(self, key: str, iss: str, sub: str, payload: dict[int, Any], **more: Any) -> bytes:
        """Sign a payload, apply it, and log it."""
        head = header(KEYS[key], iss, sub, NETWORK, self.ms // 1000, **more)
        entry = statement(KEYS[key], payload, head)
        apply = (self._genesis, self._delegate, self._prefix, self._create, self._update)
        number = payload[0]
        if number < 5:
            apply[number](iss, payload, entry)
        else:
            {6: self._retire, 7: self._anchor}[number](iss, payload, entry)
        self.entries.append(entry)
        return entry

    # -------------------------------------------------------------- operations
    def _born(self) -> dict[int, Any]:
        index = len(self.entries)
        return {7: index, 8: index, 9: self.ms, 10: self.ms, 11: None}

    def _next(self, key: bytes) -> dict[int, Any]:
        """Return the next version of an object, still without its change."""
        obj = self.objects[key]
        link = h(cbor.encode(obj))
        return {**obj, 3: obj[3] + 1, 8: len(self.entries), 10: self.ms, 11: link}

    def _dated(self, values: list[dict[int, Any]]) -> list[dict[int, Any]]:
        return [{**item, 7: self.ms} for item in values]

    def _listed(self, keys: list[dict[int, Any]]) -> list[dict[int, Any]]:
        return [{**key, 3: len(self.entries)} for key in keys]

    def _genesis(self, iss: str, p: dict[int, Any], entry: bytes) -> None:
        network = {0: 5, 1: p[1], 3: 1, 4: p[2], 5: p[3], 6: p[5], 7: 0, 8: 0, 11: None}
        self.put(NETWORK_KEY, network)
        for root in ("hdl:", "gs1:", "oid:", "did:", "ecode:"):
            obj = {0: 2, 1: root, 2: p[1], 3: 1, 4: 0, 5: self._listed(p[4]), 6: []}
            obj |= self._born() | {13: {1: MAX, 2: MAX}}
            self.put(identifiers.map_key(root), obj)
            self.put(identifiers.map_key(root, "usage"), {0: 6, 1: root, 2: 0, 3: 0})

    def _delegate(self, iss: str, p: dict[int, Any], entry: bytes) -> None:
        obj = {0: 2, 1: p[1], 2: p[3], 3: 1, 4: 0, 5: self._listed(p[4]), 6: self._dated(p[5])}
        self.put(identifiers.map_key(p[1]), obj | self._born() | {13: p[6], 15: iss})
        self.put(identifiers.map_key(p[1], "usage"), {0: 6, 1: p[1], 2: 0, 3: 0})
        self.charge(iss, 1 + p[6][1], len(entry) + p[6][2])

    def _prefix(self, iss: str, p: dict[int, Any], entry: bytes) -> None:
        key = identifiers.map_key(p[1])
        new = self._next(key)
        revoked = {item[0]: item for item in p.get(4, [])}
        keys = []
        for item in new[5]:
            change = revoked.get(h(item[1])[:16])
            more = {5: len(self.entries)} if change else {}
            if change and len(change) == 3:
                more[6] = change[2]
            keys.append(item | more)
        new[5] = keys + self._listed(p.get(3, []))
        if 5 in p:
            new[6] = self._dated(p[5])
        grown = (0, 0)
        if 6 in p:
            grown = (p[6][1] - new[13][1], p[6][2] - new[13][2])
            new[13] = p[6]
        if 7 in p:
            new.pop(14, None)
            new |= {} if p[7] is None else {14: p[7]}
        self.put(key, new)
        if not (4 in p and set(p) <= {0, 1, 2, 3, 4}):
            self.charge(iss, grown[0], len(entry) + grown[1])

    def _create(self, iss: str, p: dict[int, Any], entry: bytes) -> None:
        for item in p[1]:
            obj = {0: 1, 1: item[0], 2: iss, 3: 1, 4: 0, 5: self._dated(item[1]), 6: []}
            self.put(identifiers.map_key(item[0]), obj | self._born())
        self.charge(iss, len(p[1]), len(entry))

    def _update(self, iss: str, p: dict[int, Any], entry: bytes) -> None:
        key = identifiers.map_key(p[1])
        new = self._next(key)
        values = {item[1]: item for item in new[5] if item[1] not in p[4]}
        values |= {item[1]: item for item in self._dated(p[3])}
        new[5] = [values[index] for index in sorted(values)]
        aliases = set(new[6]) - set(p.get(6, [])) | set(p.get(5, []))
        new[6] = sorted(aliases, key=str.encode)
        self.put(key, new)
        self.charge(new[2], 0, len(entry))

    def _retire(self, iss: str, p: dict[int, Any], entry: bytes) -> None:
        key = identifiers.map_key(p[1])
        new = self._next(key) | {4: 1}
        self.put(key, new)
        self.charge(p[1] if new[0] == 2 else new[2], 0, len(entry))

    def _anchor(self, iss: str, p: dict[int, Any], entry: bytes) -> None:
        key = identifiers.map_key(p[1], "stream")
        index = len(self.entries)
        first = self.objects[key][7] if key in self.objects else index
        created = key not in self.objects
        obj = {0: 4, 1: p[1], 3: p[2] + 1, 4: h(entry), 7: first, 8: index, 12: p.get(13, 0)}
        self.put(key, obj | {13: []})
        self.charge(iss, int(created), len(entry))
        self.anchors[p[1]] = entry


def object_value(raw: bytes) -> bytes:
    """Return the map value of object bytes."""
    return h(b"xinbiao:object\0", raw)


def note(text: str, time_s: int, *, cosigners: tuple[int, ...] = (0, 1, 2, 3)) -> str:
    """Return a checkpoint note: one log signature and the cosignatures of some members."""
    lines = [trees.log_line(NETWORK, log_seed(0), text)]
    for number in cosigners:
        name = f"{NETWORK}/{MEMBERS[number]}"
        lines.append(trees.cosign_line(name, cosigner_seed(number), text, time_s))
    return text + "\n" + "".join(lines)


def trust_file(network_object: bytes) -> str:
    """Return the network's trust file."""
    lines = [
        "# xinbiao expires 2027-01-01",
        "# xinbiao max-age 600",
        f"# xinbiao network {trees.b64(network_object)}",
    ]
    lines += [
        f"log {trees.vkey(NETWORK, 1, curves.ed_public(log_seed(number)))}"
        for number in range(len(MEMBERS))
    ]
    for number, name in enumerate(MEMBERS):
        key = trees.vkey(f"{NETWORK}/{name}", 4, curves.ed_public(cosigner_seed(number)))
        lines.append(f"witness {name} {key}")
    lines.append(f"group members {QUORUM} {' '.join(MEMBERS)}")
    lines.append("quorum members")
    return "\n".join(lines) + "\n"


def members() -> list[dict[int, Any]]:
    """Return the members of the genesis, by name."""
    return [
        {
            1: name,
            2: curves.ed_public(log_seed(number)),
            3: curves.ed_public(cosigner_seed(number)),
            4: Key(name, seed=bytes([0x60 + number]) * 32).cose,
        }
        for number, name in enumerate(MEMBERS)
    ]
