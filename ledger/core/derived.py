"""Index rows that a block adds: convenience for answers, never validity, rebuilt from the log.

| row | key → value |
|---|---|
| statement | `h` ‖ statement hash → u64be log index |
| anchor | `a` ‖ stream's map key ‖ u64be sequence → u64be log index |
| commit leaf | `t` ‖ u64be height → u64be ms ‖ u64be log index |
| company prefix | `g` ‖ text of a delegated `gs1:gcp…` → empty |
"""

from typing import Final

from ledger.core.block import Block
from ledger.core.operation import Anchor
from ledger.core.record import stream_key

STATEMENT: Final = b"h"
ANCHOR: Final = b"a"
COMMIT_TIME: Final = b"t"
COMPANY_PREFIX: Final = b"g"


def u64(number: int) -> bytes:
    """Return 8 big-endian bytes, which sort as the numbers do."""
    return number.to_bytes(8, "big")


def anchor_row_key(stream: bytes, sequence: int) -> bytes:
    """Return the key of an anchor's row; `stream` is the stream's map key."""
    return ANCHOR + stream + u64(sequence)


def index_rows(block: Block) -> dict[bytes, bytes]:
    """Return the index rows of a block."""
    leaf = block.commit_leaf
    rows = {COMMIT_TIME + u64(leaf.height): u64(leaf.ms) + u64(leaf.index)}
    for index, (statement, operation) in enumerate(block.accepted, leaf.first_index):
        rows[STATEMENT + statement.hash] = u64(index)
        if isinstance(operation, Anchor):
            rows[anchor_row_key(stream_key(operation.stream), operation.sequence)] = u64(index)
    rows.update({COMPANY_PREFIX + text.encode(): b"" for text in block.company_prefixes})
    return rows
