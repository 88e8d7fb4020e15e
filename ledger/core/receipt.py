"""What a submitter learns: where the statement is logged, and from which size on it shows.

Not a SCITT receipt: the proof of inclusion is asked for when it is needed, under the checkpoint that
is newest then.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """An accepted statement.

    Attributes:
        index: Its log index.
        hash: SHA-256 of its entry.
        size: A read at this log size or above sees its effects.
    """

    index: int
    hash: bytes
    size: int
