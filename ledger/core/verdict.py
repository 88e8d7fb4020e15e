"""The verdict: what a bundle proved, computed by the verifier and never read from the bundle.

Theory of operation (docs/spec/proof.md, verdict): a verdict exists only for a sound bundle.
What it says was true when a quorum had executed the log up to `size`, as of `dated`. It is `current`
when `dated` is at most max_age old by the verifier's own clock; else it is `stale`: *true on DATE ±
tolerance, not proved current*. It does not say that the owner signed, nor that the content is true.
"""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from ledger.core.block import CommitLeaf
from ledger.core.reading import Reading
from ledger.core.record import FROZEN, AliasObject, PrefixObject, RecordObject

TOLERANCE_S: Final = 60  # how far a cosigner's clock may be off

Kind: TypeAlias = Literal[
    "present", "retired", "withheld", "absent", "not-here", "history", "reading"
]
Versioned: TypeAlias = RecordObject | PrefixObject | AliasObject


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedHead:
    """The checkpoint under which everything was proved.

    Attributes:
        network: The network's name.
        size: Size of the log.
        root: Root of the log.
        leaf: The commit leaf, its last entry.
        dated: Greatest t such that cosignatures dated at or after t meet the quorum, Unix seconds.
        current: Whether `dated` is at most max_age old.
        counted: Members whose cosignatures count towards the quorum, by name.
        needed: Name of the witness or group of the trust file that has to have cosigned.
        ignored: Lines of the note that were ignored, each with why.
        warnings: What a person should know besides.
    """

    network: str
    size: int
    root: bytes
    leaf: CommitLeaf
    dated: int
    current: bool
    counted: tuple[str, ...]
    needed: str
    ignored: tuple[str, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedReading:
    """A disclosed reading and who anchored it.

    Attributes:
        reading: The reading.
        stream: Identifier of the gateway's stream.
        sequence: Number of the batch in the stream.
        kid: Key that signed the anchor.
        index: Log index of the anchor.
        attributed: Whether the reading is of the identifier asked and the stream may speak for it;
            if not, it is only "said by STREAM".
        suspect: Whether the key's signatures are doubtful from that index on.
        equivocated: Whether the gateway is known to have signed two batches of this number.
    """

    reading: Reading
    stream: str
    sequence: int
    kid: bytes
    index: int
    attributed: bool
    suspect: bool
    equivocated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was proved.

    Attributes:
        kind: The answer in one word.
        identifier: The identifier asked.
        head: The checkpoint, its date and its cosigners.
        record: What the identifier resolves to; in a history at a moment, the version of then.
            None where there is none, and where that version is an alias.
        alias: The alias object, where the identifier asked is one.
        versions: Of a history: the objects from the newest back to the first, or to the one of the
            moment asked for.
        nearest: Where the identifier is absent: its nearest existing parent.
        proved: Of a reading: the reading and who anchored it.
    """

    kind: Kind
    identifier: str
    head: ProvedHead
    record: RecordObject | PrefixObject | None = None
    alias: AliasObject | None = None
    versions: tuple[Versioned, ...] = ()
    nearest: Versioned | None = None
    proved: ProvedReading | None = None
    warnings: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Size of the log of the checkpoint; its last entry is the commit leaf."""
        return self.head.size

    @property
    def root(self) -> bytes:
        """Root of the log at `size`."""
        return self.head.root

    @property
    def commit_ms(self) -> int:
        """Time of the last block, Unix milliseconds."""
        return self.head.leaf.ms

    @property
    def dated(self) -> int:
        """When a quorum said so, Unix seconds, ± `TOLERANCE_S`."""
        return self.head.dated

    @property
    def current(self) -> bool:
        """Whether it is proved to be so now."""
        return self.head.current

    @property
    def stale(self) -> bool:
        """Whether it was true when it was dated, and no more is proved."""
        return not self.head.current

    @property
    def quorum(self) -> tuple[tuple[str, ...], str]:
        """Names of the cosigners counted, and the name of what the trust file requires."""
        return self.head.counted, self.head.needed

    @property
    def ignored(self) -> tuple[str, ...]:
        """Lines of the note that were ignored, each with why."""
        return self.head.ignored

    @property
    def alias_of(self) -> str | None:
        """What the identifier asked is another name for, or None."""
        return None if self.alias is None else self.alias.target

    @property
    def referral(self) -> tuple[str, str | None] | None:
        """Of `not-here`: the network (and URL) that answers instead."""
        return self.nearest.referral if isinstance(self.nearest, PrefixObject) else None

    @property
    def frozen(self) -> bool:
        """Whether the consortium has frozen the object: it is read and cannot be changed."""
        return self.record is not None and self.record.status == FROZEN

    @property
    def suspect(self) -> bool:
        """Whether a reading was anchored by a key whose signatures are doubtful."""
        return self.proved is not None and self.proved.suspect

    @property
    def equivocated(self) -> bool:
        """Whether a reading is of a batch number that the gateway signed twice."""
        return self.proved is not None and self.proved.equivocated

    @property
    def attributed(self) -> bool:
        """Whether a reading is the identifier's; else it is only "said by STREAM"."""
        return self.proved is not None and self.proved.attributed

    @property
    def reading(self) -> Reading | None:
        """The reading proved, or None."""
        return None if self.proved is None else self.proved.reading

    @property
    def stream(self) -> str | None:
        """The stream that anchored the reading, or None."""
        return None if self.proved is None else self.proved.stream

    @property
    def kid(self) -> bytes | None:
        """The key that signed the reading's anchor, or None."""
        return None if self.proved is None else self.proved.kid

    @property
    def index(self) -> int | None:
        """Log index of the reading's anchor, or None."""
        return None if self.proved is None else self.proved.index
