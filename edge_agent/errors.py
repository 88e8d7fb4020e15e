"""Every exception the gateway agent raises on purpose.

    EdgeError
    ├── SettingsError        agent.toml cannot be used; says which entry and what to change
    ├── MappingError         a mapping is not well formed; says which part and the rule
    ├── UnreadableError      a message gives no reading; carries the reason kept with its dead letter
    ├── SourceError          the peer that sends readings cannot be used as configured
    ├── SpoolError           the spool failed; what the last write did is unknown until it is reopened
    ├── KeyFileError         the signing key cannot be used; says what to change
    └── StatusError          the status file is missing or of no known form

Messages say what to do about it. What a peer or a node sends never raises anything else.
"""

from enum import StrEnum


class EdgeError(Exception):
    """Root of the agent's exceptions."""


class SettingsError(EdgeError):
    """The configuration cannot be used."""


class MappingError(EdgeError):
    """A mapping breaks the grammar of mappings.

    Attributes:
        part: Which entry (`filter`, `reading 2 value`, ...).
        rule: The rule broken, in words.
    """

    def __init__(self, part: str, rule: str) -> None:
        super().__init__(f"{part}: {rule}")
        self.part = part
        self.rule = rule


class DeadReason(StrEnum):
    """Why a message became a dead letter."""

    NO_MAPPING = "no-mapping"
    BAD_IDENTIFIER = "bad-identifier"
    TOO_LARGE = "too-large"
    BAD_PAYLOAD = "bad-payload"
    MISSING = "missing"
    BAD_TYPE = "bad-type"
    BAD_TIME = "bad-time"
    BAD_QUALITY = "bad-quality"
    BAD_SEQUENCE = "bad-sequence"
    REFUSED = "refused"  # a sealed batch that the ledger refused for good
    ARCHIVE_REFUSED = "archive-refused"  # a batch body that the node refused for good

    @property
    def is_reading(self) -> bool:
        """Tell whether a reading was lost with it: a mapped message that could not be read."""
        return self not in (DeadReason.NO_MAPPING, DeadReason.REFUSED, DeadReason.ARCHIVE_REFUSED)


class UnreadableError(EdgeError):
    """A message gives no reading.

    Attributes:
        reason: The kind, counted and kept with the dead letter.
        detail: Which rule of which mapping, in words.
    """

    def __init__(self, reason: DeadReason, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SourceError(EdgeError):
    """The source cannot be used as configured (a refused subscription, for instance)."""


class SpoolError(EdgeError):
    """The spool failed: reopen it before writing again."""


class KeyFileError(EdgeError):
    """The signing key cannot be read, or anybody could read it."""


class StatusError(EdgeError):
    """There is no status to show: the agent has not run here, or another version wrote it."""
