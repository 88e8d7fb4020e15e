"""A little network in memory for tests: real statements, real blocks, real signatures.

`World` executes statements with the ledger's own state machine and signs checkpoints with its
members' keys; `source()` is a `BundleSource` of its newest checkpoint. `plant` puts objects into the
map that no operation of this release can make (aliases, frozen records, equivocations).

`story()` plays a network that has one of everything. All keys come from fixed seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from ledger.core import block, identifier, keys, merkle, reading, statement
from ledger.core import operation as op
from ledger.core.bundle import Disclosure
from ledger.core.checkpoint import Checkpoint, NoteSigner, SignatureKind, sign_checkpoint
from ledger.core.key_list import NewKey, Revocation
from ledger.core.keys import PrivateKey
from ledger.core.member import Member
from ledger.core.policy import Group, Log, TrustFile, Witness
from ledger.core.prefix_map import PrefixMap
from ledger.core.record import (
    NETWORK_KEY,
    AliasObject,
    NetworkObject,
    Object,
    PrefixObject,
    RecordObject,
    StreamObject,
    UsageObject,
    decode_object,
    id_key,
    object_value,
    stream_key,
    usage_key,
)
from ledger.core.value import Quota, Value

NETWORK = "lab.example"
MS0 = 1_767_225_600_000  # 2026-01-01T00:00:00Z: the genesis block
MINUTE_MS = 60_000
I = identifier.canonical  # noqa: E741 - tests are full of it
MEMBER_NAMES = ("alpha", "beta", "gamma", "iota")

ROOT = keys.private_from_seed(keys.ED25519, b"\x01" * 32)
OWNER = keys.private_from_seed(keys.P256, b"\x02" * 32)
AGENT = keys.private_from_seed(keys.ED25519, b"\x03" * 32)
STRANGER = keys.private_from_seed(keys.ED25519, b"\x04" * 32)


def new_keys(*pairs: tuple[PrivateKey, tuple[int, ...]]) -> tuple[NewKey, ...]:
    """Return keys as submitted, by kid."""
    listed = (NewKey(key=key.public, roles=roles) for key, roles in pairs)
    return tuple(sorted(listed, key=lambda one: one.key.kid))


def url(text: str, index: int = 1) -> Value:
    """Return a public value."""
    return Value(index=index, type="URL", data=text)


@dataclass
class Source:
    """The newest checkpoint of a world, as a bundle is built from it."""

    size: int
    note: str
    commit_leaf: bytes
    last_leaf_path: Sequence[bytes]
    map: PrefixMap
    world: "World"

    def object(self, key: bytes) -> bytes | None:
        return self.world.objects.get(key)

    def older(self, key: bytes, version: int) -> bytes | None:
        return self.world.replaced.get((key, version))

    def entry(self, index: int) -> bytes:
        return self.world.entries[index]

    def leaf_path(self, index: int) -> Sequence[bytes]:
        return merkle.tree_path(self.world.leaves[: self.size], index)

    def consistency(self, old_size: int) -> Sequence[bytes]:
        return merkle.prove_consistency(old_size, self.size, self.world.read_nodes)

    def commit_leaf_before(self, ms: int) -> int | None:
        return max((leaf.index for leaf in self.world.commits if leaf.ms <= ms), default=None)

    def next_commit_leaf(self, index: int) -> int | None:
        return min((leaf.index for leaf in self.world.commits if leaf.index > index), default=None)


@dataclass
class World:
    """A network: its members' keys, its log and its state."""

    members: int = 4
    quorum: int = 3
    ms: int = MS0
    entries: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    commits: list[block.CommitLeaf] = field(default_factory=list)
    objects: dict[bytes, bytes] = field(default_factory=dict)
    replaced: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    map: PrefixMap = field(default_factory=PrefixMap)

    # ------------------------------------------------------------ members

    def key(self, kind: int, number: int) -> PrivateKey:
        """Return a member's key: kind 1 log, 4 cosigner, 9 approval."""
        return keys.private_from_seed(keys.ED25519, bytes((kind, number)) * 16)

    def log_signer(self, number: int) -> NoteSigner:
        """Return what signs checkpoints for the log."""
        return NoteSigner.of(name=NETWORK, kind=SignatureKind.LOG, key=self.key(1, number))

    def cosigner(self, number: int) -> NoteSigner:
        """Return what cosigns checkpoints."""
        name = f"{NETWORK}/{MEMBER_NAMES[number]}"
        return NoteSigner.of(name=name, kind=SignatureKind.COSIGNER, key=self.key(4, number))

    def trust(self, *, with_object: bool = True) -> TrustFile:
        """Return the network's trust file."""
        numbers = range(self.members)
        names = tuple(MEMBER_NAMES[number] for number in numbers)
        return TrustFile(
            network=NETWORK,
            logs=tuple(Log(key=self.log_signer(number).verifier) for number in numbers),
            witnesses=tuple(
                Witness(name=names[number], key=self.cosigner(number).verifier)
                for number in numbers
            ),
            groups=(Group(name="all-members", threshold=self.quorum, members=names),),
            quorum="all-members",
            network_object=self.objects[NETWORK_KEY] if with_object else None,
        )

    # ------------------------------------------------------------ log and state

    def object(self, key: bytes) -> bytes | None:
        """Read the state, for the state machine."""
        return self.objects.get(key)

    def company_prefixes(self, start: str) -> list[str]:
        """Return the delegated company prefixes that begin with `start`."""
        found = (decode_object(data) for data in self.objects.values())
        texts = (one.id for one in found if isinstance(one, PrefixObject))
        return [one for one in texts if one.startswith("gs1:gcp") and one.startswith(start)]

    @property
    def head(self) -> block.Head:
        """Where the log stands."""
        return block.Head(
            size=len(self.entries), commit_leaf=self.commits[-1] if self.commits else None
        )

    @property
    def checkpoint(self) -> Checkpoint:
        """The unsigned head."""
        root = merkle.tree_root(self.leaves)
        return Checkpoint(origin=NETWORK, size=len(self.leaves), root=root)

    def read_nodes(self, nodes: Sequence[merkle.Node]) -> list[bytes]:
        """Read perfect subtrees of the log."""
        return [
            merkle.tree_root(self.leaves[index << level : (index + 1) << level])
            for level, index in nodes
        ]

    def sign(self, key: PrivateKey, iss: str, operation: op.Operation) -> bytes:
        """Return a signed operation."""
        sub = iss if isinstance(operation, op.Create) else operation.subject
        return statement.sign(
            operation.encode(), key=key, iss=iss, sub=sub, aud=NETWORK, iat=self.ms // 1000
        )

    def run(self, *statements: bytes) -> int:
        """Execute statements as one block, a minute after the last; all must be accepted.

        Returns:
            The log index of the first statement.
        """
        if self.commits:
            self.ms += MINUTE_MS
        parsed = [statement.parse(raw) for raw in statements]
        made = block.execute(parsed, reader=self, head=self.head, map_=self.map, ms=self.ms)
        refused = [one for one in made.outcomes if not isinstance(one, int)]
        assert not refused, refused
        assert isinstance(made, block.Block)
        self.objects |= made.objects
        self.replaced |= made.older
        self.entries += made.entries
        self.leaves += map(merkle.leaf_hash, made.entries)
        self.commits.append(made.commit_leaf)
        self.map = made.map
        return made.commit_leaf.first_index

    def inject(self, entry: bytes) -> int:
        """Log an entry that no honest node would, as a block that changes nothing.

        Returns:
            Its log index.
        """
        self.ms += MINUTE_MS
        before = self.commits[-1]
        leaf = block.CommitLeaf(
            height=before.height + 1,
            first_index=len(self.entries),
            statements=1,
            map_root=self.map.root,
            ms=self.ms,
            previous=before.index,
            state_version=before.state_version,
            network_hash=before.network_hash,
        )
        self.entries += (entry, leaf.encode())
        self.leaves += map(merkle.leaf_hash, (entry, leaf.encode()))
        self.commits.append(leaf)
        return leaf.first_index

    def plant(self, *objects: Object) -> None:
        """Put objects into the state as they are; the next block commits to them."""
        for one in objects:
            key, data = _key_of(one), one.encode()
            self.objects[key] = data
            self.map = self.map.update([(key, object_value(data))])

    def find(self, text: str) -> Object:
        """Return the object of an identifier."""
        return decode_object(self.objects[id_key(I(text))])

    # ------------------------------------------------------------ checkpoints

    def note(self, time_s: int, cosigners: Sequence[int] | None = None) -> str:
        """Return the checkpoint, signed by alpha's log key and cosigned."""
        note = sign_checkpoint(self.checkpoint, [self.log_signer(0)])
        numbers = range(self.quorum) if cosigners is None else cosigners
        lines = [self.cosigner(one).cosign(self.checkpoint, time_s=time_s) for one in numbers]
        return note.with_lines(lines).format().decode()

    @property
    def now(self) -> int:
        """A time just after the last block, Unix seconds."""
        return self.ms // 1000 + 5

    def source(self, note: str | None = None) -> Source:
        """Return the newest checkpoint, cosigned now unless a note is given."""
        return Source(
            size=len(self.entries),
            note=note or self.note(self.now),
            commit_leaf=self.entries[-1],
            last_leaf_path=merkle.tree_path(self.leaves, len(self.leaves) - 1),
            map=self.map,
            world=self,
        )

    @property
    def last_seen(self) -> tuple[int, bytes]:
        """Size and root of the newest checkpoint."""
        return self.checkpoint.size, self.checkpoint.root


def _key_of(one: Object) -> bytes:
    if isinstance(one, NetworkObject):
        return NETWORK_KEY
    ident = I(one.id)
    if isinstance(one, StreamObject):
        return stream_key(ident)
    return usage_key(ident) if isinstance(one, UsageObject) else id_key(ident)


# ---------------------------------------------------------------- a network with a past

LAB, PUMP, VALVE, GATEWAY, AWAY = (
    "hdl:lab.1",
    "hdl:lab.1/Pump-07",
    "hdl:lab.1/valve-1",
    "hdl:lab.1/gw-1",
    "hdl:away.1",
)
OTHER = "hdl:other.1"
BATCH_KEY = b"\x07" * 32


@dataclass
class Story:
    """A world and what tests refer to.

    Attributes:
        world: The network.
        anchor: Log index of batch 0 of the gateway.
        readings: Its readings.
    """

    world: World
    anchor: int
    readings: tuple[bytes, ...]

    def disclose(self, leaf: int) -> Disclosure:
        """Return the disclosure of one reading."""
        context = reading.context(0, I(GATEWAY).key_text)
        salt, path = reading.prove_leaf(BATCH_KEY, self.readings, context, leaf)
        return Disclosure(reading=self.readings[leaf], salt=salt, leaf=leaf, path=tuple(path))


def genesis(world: World) -> bytes:
    """Return the signed genesis of a world."""
    members = tuple(
        Member(
            name=MEMBER_NAMES[number],
            log_key=world.log_signer(number).verifier.public,
            cosigner_key=world.cosigner(number).verifier.public,
            approval_key=world.key(9, number).public,
        )
        for number in range(world.members)
    )
    made = op.Genesis(
        network=NETWORK, members=members, quorum=world.quorum, root_keys=new_keys((ROOT, (1, 2)))
    )
    return world.sign(ROOT, NETWORK, made)


def delegate(world: World, prefix: str) -> bytes:
    """Return the delegation of a prefix by the root, to the owner and the agent."""
    made = op.Delegate(
        prefix=I(prefix),
        owner_name=f"owner of {prefix}",
        keys=new_keys((OWNER, (1, 2)), (AGENT, (3,))),
        quota=Quota(objects=1000, log_bytes=1_000_000),
    )
    return world.sign(ROOT, "hdl:", made)


def create(world: World, iss: str, *texts: str) -> bytes:
    """Return the registration of records."""
    items = tuple(
        op.Item(identifier=I(text), values=(url(f"https://lab.example/{text}"),))
        for text in sorted(texts, key=str.encode)
    )
    return world.sign(OWNER, iss, op.Create(items=items))


def anchor(
    world: World,
    readings: Sequence[bytes],
    *,
    key: PrivateKey = AGENT,
    iss: str = LAB,
    stream: str = GATEWAY,
    sequence: int = 0,
    previous: bytes | None = None,
    span: tuple[int, int] | None = None,
) -> bytes:
    """Return the anchor of a batch."""
    times = span or (
        min(reading.decode_reading(one).us for one in readings),
        max(reading.decode_reading(one).us for one in readings),
    )
    context = reading.context(sequence, I(stream).key_text)
    made = op.Anchor(
        stream=I(stream),
        sequence=sequence,
        previous=previous,
        root=reading.batch_root(BATCH_KEY, readings, context),
        count=len(readings),
        first_us=times[0],
        last_us=times[1],
    )
    return world.sign(key, iss, made)


def story(members: int = 4, quorum: int = 3) -> Story:
    """Play the network of this module's title."""
    world = World(members=members, quorum=quorum)
    world.run(genesis(world))
    world.run(delegate(world, LAB), delegate(world, AWAY), delegate(world, OTHER))
    world.run(create(world, LAB, PUMP, GATEWAY, VALVE), create(world, OTHER, f"{OTHER}/tank"))
    start = world.ms * 1000
    rows = (
        (f"{PUMP}#temperature", 21.5),
        (f"{PUMP}#pressure", 101_325),
        ("hdl:lab.1/pump-07#running", True),  # the same identifier in another spelling
        (f"{OTHER}/tank#level", 3.5),
        ("no identifier#noise", 1),
    )
    readings = tuple(
        reading.encode_reading(name, start + number, value)
        for number, (name, value) in enumerate(rows)
    )
    index = world.run(anchor(world, readings))
    for number in (1, 2):
        change = op.Update(
            identifier=I(PUMP), version=number, put=(url(f"https://lab.example/{number}", 2),)
        )
        world.run(world.sign(OWNER, LAB, change))
    refer = op.PrefixUpdate(
        prefix=I(AWAY),
        version=1,
        refers=True,
        referral=("other.example", "https://other.example/"),
    )
    retire = op.Retire(identifier=I(VALVE), version=1, reason=1)
    world.run(world.sign(OWNER, LAB, retire), world.sign(OWNER, AWAY, refer))
    return Story(world=world, anchor=index, readings=readings)


def alias_pair(world: World, alias: str, target: str) -> tuple[AliasObject, RecordObject]:
    """Return an alias and the record that names it, as objects to plant."""
    record = world.find(target)
    assert isinstance(record, RecordObject)
    index = len(world.entries)
    made = AliasObject(id=alias, target=target, version=1, created=index, last=index, prev=None)
    return made, _with_alias(record, alias)


def _with_alias(record: RecordObject, alias: str) -> RecordObject:
    return RecordObject(
        id=record.id,
        owner=record.owner,
        versions=record.versions,
        status=record.status,
        values=record.values,
        aliases=(*record.aliases, alias),
    )


def revoke(world: World, key: PrivateKey, version: int, suspect_from: int | None) -> bytes:
    """Return the revocation of one of the lab's keys."""
    change = op.PrefixUpdate(
        prefix=I(LAB),
        version=version,
        revoke=(Revocation(kid=key.public.kid, reason=2, suspect_from=suspect_from),),
    )
    return world.sign(OWNER, LAB, change)


def tick(world: World) -> None:
    """Make one more block, that changes nothing the tests look at."""
    number = len(world.entries)
    world.run(create(world, OTHER, f"{OTHER}/tick-{number}"))


def prefix(world: World, text: str) -> PrefixObject:
    """Return a prefix object."""
    found = world.find(text)
    assert isinstance(found, PrefixObject)
    return found


def digest(data: bytes) -> bytes:
    """Return the plain hash by which versions are chained."""
    return sha256(data).digest()
