"""What a stranger finds in a node after the kills: its log, its checkpoints, its archive, its answers.

Nothing here asks the product for its opinion. The log is read entry by entry and hashed again; every
checkpoint that anybody saw during the kills has to be a head of that log; anchors are checked one by one
against signature, chain and the archive bodies on the disk; readings are counted by their values.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx2

from ledger.adapters.store import Column
from ledger.adapters.store_rocksdb import RocksdbStore
from ledger.core import operation, reading, statement
from ledger.core.checkpoint import Checkpoint, open_checkpoint
from ledger.core.derived import u64
from ledger.core.keys import PublicKey
from ledger.core.merkle import Frontier, leaf_hash
from ledger.core.operation import Anchor
from ledger.core.policy import TrustFile
from ledger.core.tile import ENTRIES, TILE_WIDTH, TilePath, decode_bundle, format_path, width_at

STATEMENT_MARK = b"\xd2"  # a commit leaf begins otherwise


@dataclass(kw_only=True)
class Log:
    """The log as it is served at the end.

    Attributes:
        checkpoint: The newest one.
        entries: Every entry.
        anchors: The anchors of the stream by log index.
        faults: What is wrong with it.
    """

    checkpoint: Checkpoint
    entries: list[bytes]
    anchors: dict[int, Anchor] = field(default_factory=dict)
    statements: int = 0
    faults: list[str] = field(default_factory=list)


def read_log(url: str, trust: TrustFile) -> Log:
    """Read checkpoint and entries over HTTP."""
    with httpx2.Client(base_url=url, timeout=30) as client:
        note = client.get("/checkpoint").raise_for_status().content
        checkpoint, _ = open_checkpoint(note, trust.keys)
        entries: list[bytes] = []
        while len(entries) < checkpoint.size:
            wanted = TilePath(level=ENTRIES, number=len(entries) // TILE_WIDTH)
            width = width_at(wanted, checkpoint.size)
            wanted = TilePath(level=ENTRIES, number=wanted.number, width=width)
            answer = client.get("/" + format_path(wanted)).raise_for_status()
            entries += decode_bundle(answer.content)
    return Log(checkpoint=checkpoint, entries=entries)


def judge_log(log: Log, seen: Iterable[bytes], trust: TrustFile) -> None:
    """Check that every checkpoint seen is a head of the log, and that no statement is in it twice."""
    roots = {log.checkpoint.size: log.checkpoint.root}
    for note in seen:
        checkpoint, _ = open_checkpoint(note, trust.keys)
        if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
            log.faults.append(f"two roots were signed for size {checkpoint.size}")
    if max(roots) > log.checkpoint.size:
        log.faults.append(f"a checkpoint of {max(roots)} entries was seen and is gone")
    frontier = Frontier()
    for entry in log.entries:
        frontier = frontier.append(leaf_hash(entry))
        if roots.pop(frontier.size, frontier.root()) != frontier.root():
            log.faults.append(f"the root of size {frontier.size} is not the one that was signed")
    hashes = Counter(statement.parse(one).hash for one in log.entries if _is_statement(one))
    log.statements = hashes.total()
    if len(hashes) < log.statements:
        log.faults.append(f"{log.statements - len(hashes)} statements were accepted twice")


def judge_anchors(log: Log, stream: str, key: PublicKey) -> None:
    """Check signature, number and link of every anchor of a stream, and that none states a loss."""
    previous: bytes | None = None
    for index, entry in enumerate(log.entries):
        if not _is_statement(entry):
            continue
        parsed = statement.parse(entry)
        if parsed.sub != stream:
            continue
        anchor = operation.parse(parsed.payload)
        if not isinstance(anchor, Anchor):
            continue  # the registration of the gateway itself
        number = len(log.anchors)
        if (anchor.sequence, anchor.previous) != (number, previous):
            log.faults.append(f"anchor {number} does not follow the one before")
        if not parsed.is_signed_by(key):
            log.faults.append(f"anchor {number} is not signed by the gateway")
        if anchor.lost or anchor.reason is not None:
            log.faults.append(f"anchor {number} states a loss: {anchor.lost}, {anchor.reason}")
        log.anchors[index] = anchor
        previous = parsed.hash


def judge_archive(data: Path, anchors: Mapping[int, Anchor]) -> tuple[Counter[int], list[str]]:
    """Hash the archive bodies on the disk of a node that has ended.

    Returns:
        How often each value is in them, and what is wrong.
    """
    found: Counter[int] = Counter()
    faults: list[str] = []
    store = RocksdbStore(data)
    try:
        for index, anchor in anchors.items():
            body = store.get(Column.ARCHIVE, u64(index))
            if body is None:
                faults.append(f"batch {anchor.sequence} is not archived")
                continue
            batch_key, encoded = reading.decode_archive(body)
            context = reading.context(anchor.sequence, anchor.stream.key_text)
            root = reading.batch_root(batch_key, encoded, context)
            if (root, len(encoded)) != (anchor.root, anchor.count):
                faults.append(f"the body of batch {anchor.sequence} is not what was anchored")
            found.update(_values(encoded))
    finally:
        store.close()
    return found, faults


def judge_counts(found: Counter[int], acknowledged: int, where: str) -> list[str]:
    """Compare the values found with the numbers that the broker acknowledged, 0 to so many."""
    faults = []
    missing = [number for number in range(acknowledged) if number not in found]
    doubled = [number for number, count in found.items() if count > 1]
    foreign = [number for number in found if not 0 <= number < acknowledged]
    for what, numbers in (("lost", missing), ("doubled", doubled), ("invented", foreign)):
        if numbers:
            faults.append(f"{len(numbers)} readings are {what} {where}, the first is {numbers[0]}")
    return faults


def _is_statement(entry: bytes) -> bool:
    return entry[:1] == STATEMENT_MARK


def _values(encoded: Sequence[bytes]) -> Iterator[int]:
    for one in encoded:
        value = reading.decode_reading(one).value
        assert isinstance(value, float), "the plant sends floats"
        assert value.is_integer(), "the plant sends numbers of messages"
        yield int(value)
