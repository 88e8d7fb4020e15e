"""The spool: what was acknowledged, what was sealed, and the agent's books, in one durable journal.

Theory of operation: one ordered bytes-to-bytes journal (port `Journal`; RocksDB or memory) holds rows
under one-letter prefixes:

    g ‖ u64be group      readings of one group commit, one value per group, until they are sealed
    k ‖ u64be row        keys by which these messages are known again (`core.dedupe`)
    d ‖ u64be number     dead letters
    s ‖ u64be sequence   sealed batches: the signed statement and what became of it
    b ‖ u64be sequence   archive body (batch key and readings) of a sealed batch
    m                    `Books`: every counter and position, rewritten with each change

Every change is one atomic write that ends with the new books, so after a crash the rows and the
books agree whatever happened. `append` returns when the write is synced; only then may the source be
told. A batch moves from g to s and b in one write, synced before it is first sent: nothing is lost
and nothing is anchored twice.

Bounds, and what happens at them (*shedding policy*): readings that wait, sealed bodies and dead
letters share `bytes_max`, and the file system keeps `free_bytes_min`. Over either, the oldest is
kept: new readings are shed, counted as lost with reason queue-full, and a signed anchor says so. Dead
letters have a share of their own; when it is full they are only counted. Pushed bodies stay as the
local archive up to `archive_bytes_max`, oldest deleted first; a body that the node does not have is
never deleted. An I/O error (a full disk too) raises `SpoolError` and blocks until `reopen` works.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import msgspec

from edge_agent.adapters.spool_rows import (
    ROW_BYTES,
    Books,
    DeadLetter,
    Group,
    GroupRow,
    Intake,
    SealedRow,
    Waiting,
    body_cost,
    decode_books,
    decode_dead,
    decode_group,
    decode_sealed,
    encode_row,
    group_cost,
    losses_in_books,
    row_key,
    sealed_rows,
)
from edge_agent.core.batch import Position, Sealed
from edge_agent.core.dedupe import KEY_BYTES, WINDOW_KEYS
from edge_agent.core.gap import GapReason, Losses
from edge_agent.core.session import Local

STATEMENTS_KEPT: Final = 1_000  # confirmed statements, about 0.5 MB: proof of what we signed
BOOKS_KEY: Final = b"m"


@dataclass(frozen=True, slots=True)
class Change:
    """One atomic write: deletions of ranges [start, end) first, then puts."""

    puts: Sequence[tuple[bytes, bytes]]
    ranges: Sequence[tuple[bytes, bytes]] = ()


class Journal(Protocol):
    """Ordered bytes-to-bytes map; `tests/contract/test_spool.py` checks each implementation."""

    def get(self, key: bytes) -> bytes | None:
        """Return the value of a key."""
        ...

    def scan(self, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield pairs with start ≤ key < end in key order; exhaust or close it before writing."""
        ...

    def write(self, change: Change) -> None:
        """Apply all of `change` or nothing; it survives a kill, a power cut only after `sync`.

        Raises:
            SpoolError: It is unknown whether the change was kept.
        """
        ...

    async def sync(self) -> None:
        """Return when everything written before survives a power cut.

        Raises:
            SpoolError: It is unknown what survives.
        """
        ...

    async def reopen(self) -> None:
        """Close and open again, with what was kept.

        Raises:
            SpoolError: It cannot be opened.
        """
        ...

    async def close(self) -> None:
        """Sync and let go of the files."""
        ...

    def free_bytes(self) -> int:
        """Return how much room the file system has left."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolLimits:
    """How much the spool may hold, in bytes of its own accounting."""

    bytes_max: int = 2 * 1024**3
    free_bytes_min: int = 256 * 1024**2
    dead_bytes_max: int = 16 * 1024**2
    archive_bytes_max: int = 256 * 1024**2
    window_keys: int = WINDOW_KEYS


class Spool:
    """The rows and the books over a journal."""

    def __init__(self, journal: Journal, limits: SpoolLimits) -> None:
        """Read the books of an open journal.

        Raises:
            SpoolError: They are of another version, or no books at all.
        """
        self.limits = limits
        self._journal = journal
        self.books = self._load()

    # ------------------------------------------------------------ reading in

    def is_full(self, group: Group) -> bool:
        """Tell whether these readings must be shed."""
        cost = group_cost(group)
        return self.used_bytes + cost > self.limits.bytes_max or self._disk_is_full(cost)

    @property
    def used_bytes(self) -> int:
        """What waits here, in bytes of our accounting; the local archive is not counted."""
        books = self.books
        return books.group_bytes + books.dead_bytes + books.unpushed_bytes

    async def append(self, intake: Intake) -> None:
        """Store what one round brought; it is durable when this returns.

        Raises:
            SpoolError: Reopen, then look at `books.next_key_row` to learn whether it was kept.
        """
        books = self.books
        puts: list[tuple[bytes, bytes]] = []
        ranges: list[tuple[bytes, bytes]] = []
        changes = losses_in_books(self._grown(intake), books)
        if intake.group is not None:
            changes |= self._put_group(intake.group, puts)
        changes |= self._put_dead(intake.dead, puts)
        changes |= self._put_keys(intake.keys, puts, ranges)
        shed = intake.lost.get(GapReason.QUEUE_FULL, 0)
        changes["readings_shed"] = books.readings_shed + shed
        self._commit(msgspec.structs.replace(books, **changes), puts, ranges)
        await self._journal.sync()

    def _grown(self, intake: Intake) -> Losses:
        """Return the unstated losses with those of a round."""
        now_us = intake.now_ns // 1000
        losses = self.losses.add(intake.lost, now_us=now_us)
        for reason, number in intake.lost.items():
            if number == 0:
                losses = losses.add_event(reason, now_us=now_us)
        return losses

    def _put_group(self, group: Group, puts: list[tuple[bytes, bytes]]) -> dict[str, object]:
        books = self.books
        row = GroupRow(group.received_ns, group.first_us, group.last_us, list(group.readings))
        value = encode_row(row)
        puts.append((row_key(b"g", books.next_group), value))
        return {
            "next_group": books.next_group + 1,
            "readings": books.readings + len(group.readings),
            "readings_accepted": books.readings_accepted + len(group.readings),
            "group_bytes": books.group_bytes + len(value) + ROW_BYTES,
            "oldest_ns": group.received_ns if books.oldest_ns is None else books.oldest_ns,
        }

    def _put_keys(
        self,
        keys: Sequence[bytes],
        puts: list[tuple[bytes, bytes]],
        ranges: list[tuple[bytes, bytes]],
    ) -> dict[str, object]:
        """Store the keys of a round and let the oldest rows fall out of the window."""
        books = self.books
        if keys:
            puts.append((row_key(b"k", books.next_key_row), b"".join(keys)))
        total, first = books.keys + len(keys), books.first_key_row
        while total > self.limits.window_keys and first < books.next_key_row:
            row = self._journal.get(row_key(b"k", first)) or b""
            total -= len(row) // KEY_BYTES
            first += 1
        if first != books.first_key_row:
            ranges.append((row_key(b"k", books.first_key_row), row_key(b"k", first)))
        # A row number is used even without keys: it tells after a failure whether a round was kept.
        return {"next_key_row": books.next_key_row + 1, "keys": total, "first_key_row": first}

    def _put_dead(
        self, letters: Sequence[DeadLetter], puts: list[tuple[bytes, bytes]]
    ) -> dict[str, object]:
        books = self.books
        number, size, dropped = books.next_dead, books.dead_bytes, books.dead_dropped
        for letter in letters:
            value = encode_row(letter)
            if size + len(value) + ROW_BYTES > self.limits.dead_bytes_max:
                dropped += 1
                continue
            puts.append((row_key(b"d", number), value))
            number += 1
            size += len(value) + ROW_BYTES
        return {"next_dead": number, "dead_bytes": size, "dead_dropped": dropped}

    def keys(self) -> Iterator[bytes]:
        """Yield the keys of the window, oldest first."""
        books = self.books
        start, end = row_key(b"k", books.first_key_row), row_key(b"k", books.next_key_row)
        for _, row in self._journal.scan(start, end):
            for position in range(0, len(row), KEY_BYTES):
                yield row[position : position + KEY_BYTES]

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Yield the dead letters, oldest first."""
        books = self.books
        start, end = row_key(b"d", books.first_dead), row_key(b"d", books.next_dead)
        for _, row in self._journal.scan(start, end):
            yield decode_dead(row)

    async def note_peer(self, peer: str) -> None:
        """Remember with which broker session we read, durable when this returns."""
        self._commit(msgspec.structs.replace(self.books, peer=peer), [])
        await self._journal.sync()

    # ------------------------------------------------------------ sealing

    @property
    def position(self) -> Position:
        """Where the next anchor stands."""
        books = self.books
        return Position(sequence=books.next_sequence, previous=books.previous, epoch=books.epoch)

    @property
    def losses(self) -> Losses:
        """Losses that no anchor has stated."""
        books = self.books
        return Losses(
            counts=books.losses,
            first_us=books.losses_first_us,
            last_us=books.losses_last_us,
            events=books.events,
        )

    def waiting(self, *, readings_max: int, bytes_max: int) -> Waiting | None:
        """Return the oldest readings as whole groups, at least one group, None without any."""
        books = self.books
        readings: list[bytes] = []
        through, size, first_us, last_us = -1, 0, 2**63, 0
        rest: int | None = None
        start, end = row_key(b"g", books.first_group), row_key(b"g", books.next_group)
        for key, value in self._journal.scan(start, end):
            row = decode_group(value)
            room = len(readings) + len(row.readings) <= readings_max
            if readings and not (room and size + len(value) <= bytes_max):
                rest = row.received_ns
                break
            readings += row.readings
            through, size = int.from_bytes(key[1:], "big"), size + len(value) + ROW_BYTES
            first_us, last_us = min(first_us, row.first_us), max(last_us, row.last_us)
        if not readings:
            return None
        return Waiting(
            readings=readings,
            through=through,
            span_us=(first_us, last_us),
            size_bytes=size,
            rest_oldest_ns=rest,
        )

    async def seal(
        self, sealed: Sealed, *, waiting: Waiting | None, stated: Losses, now_ns: int
    ) -> None:
        """Turn readings that wait into a sealed batch; durable when this returns.

        Args:
            sealed: The signed batch.
            waiting: The readings in it, None for a gap statement.
            stated: The losses that it states: they are taken off the books.
            now_ns: Wall clock.

        Raises:
            SpoolError: Reopen, then look at `books.next_sequence`.
        """
        books = self.books
        assert sealed.sequence == books.next_sequence, "sealed out of sequence"
        puts = sealed_rows(sealed, now_ns)
        ranges: list[tuple[bytes, bytes]] = []
        changes = losses_in_books(self.losses.without(stated), books)
        changes |= {
            "next_sequence": sealed.sequence + 1,
            "previous": sealed.hash,
            "body_bytes": books.body_bytes + body_cost(len(sealed.body)),
            "unpushed_bytes": books.unpushed_bytes + body_cost(len(sealed.body)),
        }
        if waiting is not None:
            ranges.append((row_key(b"g", books.first_group), row_key(b"g", waiting.through + 1)))
            rest = waiting.rest_oldest_ns
            if rest is None and books.next_group > waiting.through + 1:
                rest = now_ns  # groups that came while the batch was hashed
            changes |= {
                "first_group": waiting.through + 1,
                "readings": books.readings - len(waiting.readings),
                "group_bytes": books.group_bytes - waiting.size_bytes,
                "oldest_ns": rest,
            }
        self._commit(msgspec.structs.replace(books, **changes), puts, ranges)
        await self._journal.sync()

    # ------------------------------------------------------------ sending

    @property
    def local(self) -> Local:
        """Our side of the comparison with the ledger."""
        books = self.books
        return Local(
            next=books.next_sequence,
            confirmed=books.confirmed,
            epoch=books.epoch,
            lost_epoch=books.lost_epoch,
        )

    def sealed(self, sequence: int) -> SealedRow | None:
        """Return a sealed batch without its body, None where it is no longer kept."""
        row = self._journal.get(row_key(b"s", sequence))
        return None if row is None else decode_sealed(row)

    def body(self, sequence: int) -> bytes | None:
        """Return the archive body of a sealed batch, None where there is none here."""
        return self._journal.get(row_key(b"b", sequence))

    def hash_of(self, sequence: int) -> bytes | None:
        """Return the hash of our statement with a sequence, None where it is no longer known."""
        if sequence + 1 == self.books.next_sequence:
            return self.books.previous
        row = self.sealed(sequence)
        return None if row is None else row.hash

    def confirm(self, through: int, *, now_ns: int, receipt: bytes = b"") -> None:
        """Note that the ledger holds every batch below `through` (or fewer than it had).

        Not synced: if it is forgotten, the ledger is asked again.
        """
        books = self.books
        puts: list[tuple[bytes, bytes]] = []
        anchored = books.readings_anchored
        for sequence in range(books.confirmed, through):
            row = self.sealed(sequence)
            if row is None:
                continue
            anchored += row.count
            if receipt and sequence == through - 1:
                kept = msgspec.structs.replace(row, receipt=receipt)
                puts.append((row_key(b"s", sequence), encode_row(kept)))
        changes: dict[str, object] = {"confirmed": through, "readings_anchored": anchored}
        changes["confirmed_ns"] = now_ns
        if through < books.pushed:  # the ledger lost some: their bodies must go there again
            pushed = max(through, books.first_body)
            again = sum(self._body_costs(pushed, books.pushed))
            changes |= {"pushed": pushed, "unpushed_bytes": books.unpushed_bytes + again}
        first, ranges = self._forget_statements(min(through, books.pushed))
        changes["first_row"] = first
        self._commit(msgspec.structs.replace(books, **changes), puts, ranges)

    def _forget_statements(self, done: int) -> tuple[int, list[tuple[bytes, bytes]]]:
        first = self.books.first_row
        keep_from = max(first, done - STATEMENTS_KEPT)
        if keep_from == first:
            return first, []
        return keep_from, [(row_key(b"s", first), row_key(b"s", keep_from))]

    def push(self, through: int, dead: DeadLetter | None = None) -> None:
        """Note that the node holds every body below `through`; trim the local archive.

        Not synced: a body pushed twice is the same body.

        Args:
            through: First batch whose body the node does not have.
            dead: A body that the node refuses for good.
        """
        books = self.books
        puts: list[tuple[bytes, bytes]] = []
        changes: dict[str, object] = {"pushed": through}
        if dead is not None:
            changes |= self._put_dead([dead], puts)
        unpushed = books.unpushed_bytes - sum(self._body_costs(books.pushed, through))
        first, size = books.first_body, books.body_bytes
        while first < through and size - unpushed > self.limits.archive_bytes_max:
            size -= sum(self._body_costs(first, first + 1))
            first += 1
        ranges = []
        if first != books.first_body:
            ranges.append((row_key(b"b", books.first_body), row_key(b"b", first)))
        changes |= {"first_body": first, "body_bytes": size, "unpushed_bytes": unpushed}
        self._commit(msgspec.structs.replace(books, **changes), puts, ranges)

    async def replace_unsent(
        self, batches: Sequence[Sealed], *, dead: Sequence[DeadLetter]
    ) -> None:
        """Put newly signed batches in the place of those that never entered the ledger.

        Bodies stay as they are; that of a batch now stated as rejected stays in the local archive.

        Args:
            batches: All from `books.confirmed` to the newest, in order.
            dead: The refused statements with their refusals.

        Raises:
            SpoolError: Reopen; the old batches may still be there.
        """
        books = self.books
        assert [batch.sequence for batch in batches] == list(
            range(books.confirmed, books.next_sequence)
        ), "not exactly the unsent batches"
        puts: list[tuple[bytes, bytes]] = []
        for batch in batches:
            old = self.sealed(batch.sequence)
            assert old is not None, "an unsent batch is always kept"
            row = msgspec.structs.replace(
                old, statement=batch.statement, hash=batch.hash, count=batch.count
            )
            puts.append((row_key(b"s", batch.sequence), encode_row(row)))
        changes: dict[str, object] = {"previous": batches[-1].hash}
        changes |= self._put_dead(dead, puts)
        self._commit(msgspec.structs.replace(books, **changes), puts)
        await self._journal.sync()

    async def lose_state(self, epoch: int) -> None:
        """Note at which epoch of the ledger our books were found empty."""
        self._commit(msgspec.structs.replace(self.books, lost_epoch=epoch), [])
        await self._journal.sync()

    async def adopt(self, position: Position) -> None:
        """Take over the ledger's position after the owner raised the epoch."""
        sequence = position.sequence
        books = msgspec.structs.replace(
            self.books,
            next_sequence=sequence,
            previous=position.previous,
            epoch=position.epoch,
            confirmed=sequence,
            pushed=sequence,
            first_body=sequence,
            first_row=sequence,
            lost_epoch=None,
        )
        self._commit(books, [])
        await self._journal.sync()

    # ------------------------------------------------------------ the journal

    async def reopen(self) -> None:
        """Open the journal again and read the books.

        Raises:
            SpoolError: It still cannot be used.
        """
        await self._journal.reopen()
        self.books = self._load()
        await self._journal.sync()

    async def close(self) -> None:
        """Sync and let go of the files."""
        await self._journal.close()

    def _load(self) -> Books:
        row = self._journal.get(BOOKS_KEY)
        if row is None:
            return Books()
        return decode_books(row)

    def _commit(
        self,
        books: Books,
        puts: list[tuple[bytes, bytes]],
        ranges: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        puts.append((BOOKS_KEY, encode_row(books)))
        self._journal.write(Change(puts, ranges))
        self.books = books

    def _disk_is_full(self, more_bytes: int) -> bool:
        return self._journal.free_bytes() - more_bytes < self.limits.free_bytes_min

    def _body_costs(self, start: int, end: int) -> Iterator[int]:
        for _, row in self._journal.scan(row_key(b"s", start), row_key(b"s", end)):
            yield body_cost(decode_sealed(row).body_bytes)
