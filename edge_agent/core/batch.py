"""Batches: when to seal, and the anchor that says what was sealed.

Theory of operation (docs/spec/readings.md, docs/spec/statements.md op 7): spooled readings are
sealed when there are enough of them or the oldest has waited for a period. Leaves stand in the order
of arrival. The anchor links to the previous one by its hash and carries the losses since then.
Losses without readings, and gaps of unknown number, get an anchor with count 0 and a reason.

A statement is signed once: `K`, its bytes and its sequence are durable before it is first sent, and
the same bytes are sent again. `sign_again` exists for the one case in which a statement provably
never entered the ledger, because the ledger refused it for good; those after it were never sent.

Pure: time, K and the signing key are handed in. Nothing here waits; hashing a large batch is cut
into slices by the caller (`Leaves`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from edge_agent.core.gap import GapReason, Losses
from ledger.core import merkle, operation, reading, statement
from ledger.core.identifier import Identifier
from ledger.core.keys import PrivateKey

SCHEMA: Final = "xinbiao.reading/1"
SLICE_LEAVES: Final = 1_000  # about 5 ms of hashing between two looks at the event loop
BATCH_BYTES_MAX: Final = 8 * 1024 * 1024  # half an archive body: room for one more group


@dataclass(frozen=True, slots=True, kw_only=True)
class SealPolicy:
    """When a batch is full or old enough."""

    readings_max: int = 10_000
    period_s: float = 60.0
    bytes_max: int = BATCH_BYTES_MAX

    def __post_init__(self) -> None:
        if self.readings_max < 1 or self.period_s <= 0 or not 0 < self.bytes_max <= BATCH_BYTES_MAX:
            raise ValueError("a batch needs at least one reading, a period and at most 8 MiB")

    def is_full(self, *, readings: int, size_bytes: int) -> bool:
        """Tell whether what waits makes a whole batch."""
        return readings >= self.readings_max or size_bytes >= self.bytes_max

    def due_ns(self, *, since_ns: int | None) -> int | None:
        """Return when what waits must be sealed, by the clock of `since_ns`; None without any."""
        return None if since_ns is None else since_ns + round(self.period_s * 1e9)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Who signs: one stream of one gateway.

    Attributes:
        stream: The gateway's own identifier.
        prefix: Owner prefix of that record, claim iss.
        network: Claim aud.
        key: Key with role 3 in the prefix's list.
    """

    stream: Identifier
    prefix: str
    network: str
    key: PrivateKey

    def sign(self, anchor: operation.Anchor, *, iat_s: int) -> bytes:
        """Return the anchor's statement, after reading it back as the ledger will.

        Raises:
            Rejection: The anchor breaks the rules of op 7: a fault of ours.
        """
        raw = statement.sign(
            anchor.encode(),
            key=self.key,
            iss=self.prefix,
            sub=self.stream.text,
            aud=self.network,
            iat=iat_s,
        )
        operation.parse(statement.parse(raw).payload)
        return raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the next anchor stands in its stream."""

    sequence: int
    previous: bytes | None
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One signed batch.

    Attributes:
        sequence: Its place in the stream.
        statement: What is sent, and sent again.
        hash: SHA-256 of it, which the next anchor names.
        body: Archive body, empty for a gap statement.
        count: Number of readings.
        first_us: Earliest time.
        last_us: Latest.
    """

    sequence: int
    statement: bytes
    hash: bytes
    body: bytes
    count: int
    first_us: int
    last_us: int


class Leaves:
    """The leaves of one batch, hashed slice by slice."""

    def __init__(
        self, *, batch_key: bytes, readings: Sequence[bytes], position: Position, signer: Signer
    ) -> None:
        """Prepare to hash `readings` in their order."""
        self._batch_key = batch_key
        self._readings = readings
        self._context = reading.context(position.sequence, signer.stream.key_text)
        self._hashes: list[bytes] = []

    def slices(self) -> Iterator[int]:
        """Hash slice by slice; yields how many leaves are hashed, so that the caller may pause."""
        for start in range(0, len(self._readings), SLICE_LEAVES):
            part = self._readings[start : start + SLICE_LEAVES]
            self._hashes += reading.leaf_hashes(self._batch_key, part, self._context, first=start)
            yield len(self._hashes)

    def root(self) -> bytes:
        """Return the batch's root once every leaf is hashed."""
        assert len(self._hashes) == len(self._readings), "leaves are left to hash"
        return merkle.tree_root(self._hashes)


def seal(
    *,
    signer: Signer,
    position: Position,
    batch_key: bytes,
    readings: Sequence[bytes],
    root: bytes,
    span_us: tuple[int, int],
    losses: Losses,
    clock: operation.Clock,
) -> Sealed:
    """Return the signed batch of some readings; it carries the counts of `losses`."""
    body = reading.encode_archive(batch_key, readings)
    anchor = operation.Anchor(
        stream=signer.stream,
        sequence=position.sequence,
        previous=position.previous,
        root=root,
        count=len(readings),
        first_us=span_us[0],
        last_us=span_us[1],
        schema=SCHEMA,
        clock=clock,
        archive_hash=sha256(body).digest(),
        lost=tuple(sorted(losses.counts.items())),
        epoch=position.epoch,
    )
    return _sealed(anchor, body, signer, iat_s=clock.wall_ms // 1000)


def seal_gap(
    *, signer: Signer, position: Position, losses: Losses, clock: operation.Clock
) -> Sealed:
    """Return the signed statement of the oldest gap: an event, else the counts so far."""
    assert losses, "no gap to state"
    if losses.events:
        reason, at_us = losses.events[0]
        lost: tuple[tuple[int, int], ...] = ()
        first_us = last_us = at_us
    else:
        reason = losses.main_reason
        lost = tuple(sorted(losses.counts.items()))
        first_us, last_us = losses.first_us, losses.last_us
    anchor = operation.Anchor(
        stream=signer.stream,
        sequence=position.sequence,
        previous=position.previous,
        root=merkle.EMPTY_ROOT,
        count=0,
        first_us=first_us,
        last_us=last_us,
        schema=SCHEMA,
        clock=clock,
        lost=lost,
        epoch=position.epoch,
        reason=reason,
    )
    return _sealed(anchor, b"", signer, iat_s=clock.wall_ms // 1000)


def sign_again(
    refused: bytes, *, signer: Signer, previous: bytes | None, as_gap: bool, iat_s: int
) -> Sealed:
    """Return a new statement for a sequence whose old one never entered the ledger.

    Args:
        refused: The old statement.
        signer: Who signs now.
        previous: Hash of the new statement before it.
        as_gap: State the batch as rejected instead of anchoring it.
        iat_s: Now.

    Returns:
        The new batch without its body, which does not change.
    """
    anchor = operation.parse(statement.parse(refused).payload)
    assert isinstance(anchor, operation.Anchor), "a stream holds anchors only"
    anchor = replace(anchor, previous=previous)
    if as_gap:
        rejected = int(GapReason.BATCH_REJECTED)
        lost = dict(anchor.lost)
        lost[rejected] = lost.get(rejected, 0) + anchor.count
        anchor = replace(
            anchor,
            root=merkle.EMPTY_ROOT,
            count=0,
            archive_hash=None,
            lost=tuple(sorted((reason, number) for reason, number in lost.items() if number)),
            reason=rejected,
        )
    return _sealed(anchor, b"", signer, iat_s=iat_s)


def _sealed(anchor: operation.Anchor, body: bytes, signer: Signer, *, iat_s: int) -> Sealed:
    raw = signer.sign(anchor, iat_s=iat_s)
    return Sealed(
        sequence=anchor.sequence,
        statement=raw,
        hash=sha256(raw).digest(),
        body=body,
        count=anchor.count,
        first_us=anchor.first_us,
        last_us=anchor.last_us,
    )
