"""A small network for tests: keys, a genesis, a lab prefix, and statements about them.

Everything is deterministic: seeds are fixed bytes, times are given. Used by unit, contract, fault and
integration tests, so that each of them states only what it is about.
"""

from dataclasses import dataclass, field

from ledger.adapters.cosigner import CheckpointSigner
from ledger.core import identifier, keys, operation, statement
from ledger.core.checkpoint import NoteSigner, SignatureKind
from ledger.core.key_list import AGENT, OWNER, RECOVERY, REGISTRAR, NewKey
from ledger.core.keys import PrivateKey
from ledger.core.member import Limits, Member
from ledger.core.operation import Anchor, Create, Delegate, Genesis, Item
from ledger.core.value import Quota, Value

NETWORK = "demo.example/main"
MEMBER = "m1"
LAB = "hdl:lab.1"
IAT = 1_767_225_600
MS = IAT * 1000


def key(number: int, curve: str = keys.ED25519) -> PrivateKey:
    """Return the test key of a number."""
    return keys.private_from_seed(curve, bytes((number,)) * 32)


@dataclass(frozen=True)
class World:
    """Keys of one network, and the statements that begin it."""

    network: str = NETWORK
    log: PrivateKey = field(default_factory=lambda: key(1))
    cosigner: PrivateKey = field(default_factory=lambda: key(2))
    approver: PrivateKey = field(default_factory=lambda: key(3))
    root: PrivateKey = field(default_factory=lambda: key(4))
    owner: PrivateKey = field(default_factory=lambda: key(5))
    registrar: PrivateKey = field(default_factory=lambda: key(6, keys.P256))
    agent: PrivateKey = field(default_factory=lambda: key(7))
    recovery: PrivateKey = field(default_factory=lambda: key(8))
    limits: Limits = field(default_factory=Limits)
    quota: Quota = field(default_factory=lambda: Quota(objects=1_000_000, log_bytes=10**10))

    def signer(self) -> CheckpointSigner:
        """Return what signs checkpoints."""
        return CheckpointSigner(
            log=NoteSigner.of(name=self.network, kind=SignatureKind.LOG, key=self.log),
            cosigner=NoteSigner.of(
                name=f"{self.network}/{MEMBER}", kind=SignatureKind.COSIGNER, key=self.cosigner
            ),
        )

    def trust_text(self) -> str:
        """Return the trust file of this one-member network."""
        signer = self.signer()
        return (
            "# xinbiao max-age 600\n"
            f"log {signer.log.verifier.format()}\n"
            f"witness {MEMBER} {signer.cosigner.verifier.format()}\n"
            f"quorum {MEMBER}\n"
        )

    def genesis(self) -> bytes:
        """Return the genesis entry."""
        op = Genesis(
            network=self.network,
            members=(
                Member(
                    name=MEMBER,
                    log_key=self.log.public.raw(),
                    cosigner_key=self.cosigner.public.raw(),
                    approval_key=self.approver.public,
                ),
            ),
            quorum=1,
            root_keys=(NewKey(key=self.root.public, roles=(OWNER,)),),
            limits=self.limits,
        )
        return self.sign(op.encode(), key=self.root, iss=self.network, sub=self.network)

    def lab_keys(self) -> tuple[NewKey, ...]:
        """Return the lab prefix's first key list."""
        listed = (
            NewKey(key=self.owner.public, roles=(OWNER,)),
            NewKey(key=self.registrar.public, roles=(REGISTRAR,)),
            NewKey(key=self.agent.public, roles=(AGENT,)),
            NewKey(key=self.recovery.public, roles=(RECOVERY,)),
        )
        return tuple(sorted(listed, key=lambda new: new.key.kid))

    def delegate(self, prefix: str = LAB, iss: str = "hdl:", quota: Quota | None = None) -> bytes:
        """Return the delegation of a prefix with the lab's keys."""
        signer = self.root if iss == "hdl:" or iss.endswith(":") else self.owner
        op = Delegate(
            prefix=identifier.canonical(prefix),
            owner_name="Lab (not national)",
            keys=self.lab_keys(),
            quota=quota or self.quota,
        )
        return self.sign(op.encode(), key=signer, iss=iss, sub=prefix)

    def create(self, *texts: str, iss: str = LAB, signer: PrivateKey | None = None) -> bytes:
        """Return the creation of records with one URL value each."""
        items = tuple(
            Item(
                identifier=identifier.canonical(text),
                values=(Value(index=1, type="URL", data=f"https://mfg.example/{number}"),),
            )
            for number, text in enumerate(sorted(texts, key=str.encode))
        )
        return self.sign(
            Create(items=items).encode(), key=signer or self.registrar, iss=iss, sub=iss
        )

    def anchor(self, op: Anchor, *, iss: str = LAB, signer: PrivateKey | None = None) -> bytes:
        """Return an anchor statement."""
        return self.sign(op.encode(), key=signer or self.agent, iss=iss, sub=op.stream.text)

    def sign(self, payload: bytes, *, key: PrivateKey, iss: str, sub: str, iat: int = IAT) -> bytes:
        """Return a statement of this network."""
        return statement.sign(payload, key=key, iss=iss, sub=sub, aud=self.network, iat=iat)

    def say(
        self, op: operation.Operation, *, iss: str = LAB, signer: PrivateKey | None = None
    ) -> bytes:
        """Return a statement for any operation, signed by the owner unless told otherwise."""
        sub = iss if isinstance(op, Create) else op.subject
        return self.sign(op.encode(), key=signer or self.owner, iss=iss, sub=sub)
