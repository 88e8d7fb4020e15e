"""A node in memory, for tests and simulations: it judges anchors as the ledger does for one stream.

It reads what it gets with `ledger.core` and checks envelope, operation, network, issuer, key,
signature and the chain of sequences. `outage` makes it answer nothing; `lose_answer` makes it take a
statement and lose the answer on the way; `refusals` are the names by which the next statements are
refused, `body_refusals` the answers to the next bodies.
"""

from collections import deque
from dataclasses import dataclass
from hashlib import sha256

from edge_agent.adapters.uplink import ArchiveAnswer, NeverStored, NotYet, Stored
from edge_agent.core.outbox import Accepted, Answer, Refused, Unknown
from edge_agent.core.session import Remote
from ledger.core import operation, reading, statement
from ledger.core.keys import PublicKey
from ledger.errors import EncodingError, Rejection, RejectionCode


@dataclass(frozen=True, slots=True)
class Logged:
    """One anchor on the memory ledger."""

    raw: bytes
    hash: bytes
    anchor: operation.Anchor


class MemoryNode:
    """One stream of one ledger."""

    def __init__(self, *, network: str, prefix: str, stream: str, keys: list[PublicKey]) -> None:
        """Accept anchors of `stream` that `prefix` signs with one of `keys`."""
        self.network = network
        self.prefix = prefix
        self.stream_text = stream
        self.keys = {key.kid: key for key in keys}
        self.logged: list[Logged] = []
        self.bodies: dict[int, bytes] = {}
        self.submissions = 0
        self.outage = False
        self.lose_answer = 0
        self.refusals: deque[str] = deque()
        self.body_refusals: deque[ArchiveAnswer] = deque()

    @property
    def readings(self) -> list[bytes]:
        """Every reading whose body has arrived, in the order of the stream."""
        return [
            item
            for sequence in sorted(self.bodies)
            for item in reading.decode_archive(self.bodies[sequence])[1]
        ]

    async def submit(self, raw: bytes) -> Answer:
        """Judge an anchor and log it."""
        if self.outage:
            return Unknown(detail="the node is down")
        self.submissions += 1
        if self.refusals:
            return Refused(name=self.refusals.popleft(), detail="refused on purpose")
        try:
            receipt = self.judge(raw)
        except Rejection as error:
            return Refused(name=error.code.title, detail=error.detail)
        if self.lose_answer:
            self.lose_answer -= 1
            return Unknown(detail="the answer was lost")
        return Accepted(receipt=receipt)

    def judge(self, raw: bytes) -> bytes:
        """Log an anchor and return a receipt; the same bytes get the same receipt again.

        Raises:
            Rejection: As the ledger would.
        """
        digest = sha256(raw).digest()
        if any(entry.hash == digest for entry in self.logged):
            return digest
        parsed = statement.parse(raw)
        anchor = operation.parse(parsed.payload)
        if not isinstance(anchor, operation.Anchor) or parsed.sub != anchor.stream.text:
            raise Rejection(RejectionCode.MALFORMED, "not an anchor of its subject")
        if parsed.aud != self.network:
            raise Rejection(RejectionCode.WRONG_NETWORK, parsed.aud)
        if parsed.iss != self.prefix:
            raise Rejection(RejectionCode.UNKNOWN_PREFIX, parsed.iss)
        if parsed.kid not in self.keys:
            raise Rejection(RejectionCode.NOT_AUTHORISED, "no such key")
        if not parsed.is_signed_by(self.keys[parsed.kid]):
            raise Rejection(RejectionCode.BAD_SIGNATURE, "the signature does not verify")
        if anchor.stream.text != self.stream_text:
            raise Rejection(RejectionCode.VERSION_CONFLICT, "no such record")
        last = self.logged[-1] if self.logged else None
        epoch = last.anchor.epoch if last else 0
        expected = (len(self.logged), last.hash if last else None, epoch)
        if (anchor.sequence, anchor.previous, anchor.epoch) != expected:
            raise Rejection(RejectionCode.OUT_OF_SEQUENCE, f"next is {len(self.logged)}")
        self.logged.append(Logged(raw, digest, anchor))
        return digest

    async def stream(self) -> Remote | Unknown:
        """Tell where the stream stands."""
        if self.outage:
            return Unknown(detail="the node is down")
        return self.remote()

    def remote(self) -> Remote:
        """Return where the stream stands."""
        if not self.logged:
            return Remote(next=0, last_hash=None, epoch=0)
        last = self.logged[-1]
        return Remote(next=len(self.logged), last_hash=last.hash, epoch=last.anchor.epoch)

    async def store(self, sequence: int, body: bytes) -> ArchiveAnswer:
        """Accept a body whose root is the logged one."""
        if self.outage:
            return NotYet(detail="the node is down")
        if self.body_refusals:
            return self.body_refusals.popleft()
        return self.judge_body(sequence, body)

    def judge_body(self, sequence: int, body: bytes) -> ArchiveAnswer:
        """Compare a body with its anchor and keep it."""
        if sequence >= len(self.logged):
            return NotYet(detail="the anchor is not logged")
        anchor = self.logged[sequence].anchor
        try:
            batch_key, readings = reading.decode_archive(body)
        except EncodingError as error:
            return NeverStored(detail=str(error))
        root = reading.batch_root(
            batch_key, readings, reading.context(sequence, anchor.stream.key_text)
        )
        if (len(readings), root) != (anchor.count, anchor.root):
            return NeverStored(detail="count or root differ from the anchor's")
        if sha256(body).digest() != anchor.archive_hash:
            return NeverStored(detail="the body is not the one that the anchor names")
        self.bodies[sequence] = body
        return Stored()

    async def close(self) -> None:
        """Nothing to let go of."""
