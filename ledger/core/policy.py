"""The trust file: whose checkpoints are believed, and how many cosigners it takes.

Theory of operation (docs/spec/log.md, trust file): one C2SP tlog-policy file per network. It lists
the members' log keys, their cosigner keys as `witness` lines, groups of these, and the quorum; three
comment lines of ours hold the day it expires, the age an answer may have, and the network object
whose keys judge the next change of members. What it lists is all that a verifier trusts.

Narrower than tlog-policy, on purpose: exactly one origin, since a file with two logs accepts either;
log keys are of kind 01 and named as the network, witness keys of kind 04 and named NETWORK/MEMBER;
no public key twice, not even as log and witness; `quorum none` is refused, since a cosignature's
time is the only freshness there is. An unknown `# xinbiao` line is an error: a misspelt expiry must
not silently mean "for ever".

Names are octets to the grammar and so they are here: text that is no UTF-8 survives reading and
writing (surrogateescape). The file is read from bytes and judged here; where it lies, and what day
it is, is the caller's.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final, Self

from ledger.core.checkpoint import (
    Signature,
    SignatureKind,
    VerifierKey,
    decode_base64,
)
from ledger.errors import NoteError, TrustFileError

FILE_BYTES_MAX: Final = 262_144
ENTRIES_MAX: Final = 256  # logs, witnesses, groups: of each
NETWORK_OBJECT_BYTES_MAX: Final = 65_535
MAX_AGE_S_MAX: Final = 2**53 - 1
NONE: Final = "none"
_MEMBER: Final = re.compile(r"[a-z0-9-]{1,64}", re.ASCII)
_ALLOWED: Final = re.compile(rb"[\x09\x0a\x20-\x7e\x80-\xff]*")
_FIELD: Final = re.compile(r"[^\x00-\x20\x7f]+")
_DECIMAL: Final = re.compile(r"[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log key that may sign checkpoints.

    Attributes:
        key: Of kind 01, named as the network.
        url: Where the log is served, if the file says so.
    """

    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A member whose cosignature counts.

    Attributes:
        name: The member's name.
        key: Of kind 04, named NETWORK/MEMBER.
        url: Where it takes checkpoints to cosign, if the file says so.
    """

    name: str
    key: VerifierKey
    url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Some witnesses or earlier groups, and how many of them speak for the group.

    Attributes:
        name: The group's name.
        threshold: How many members it takes.
        members: Names of witnesses and earlier groups.
    """

    name: str
    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFile:
    """What is trusted about one network.

    Attributes:
        network: The network's name: the only origin accepted.
        logs: Log keys; any of them may sign.
        witnesses: Cosigners.
        groups: Groups, each of earlier ones and witnesses.
        quorum: The witness or group that has to have cosigned.
        expires: Last day, UTC, on which the file may be used; None when it does not say.
        max_age_s: Age an answer may have unless the caller says otherwise.
        network_object: Bytes of the network object whose keys judge the next change of members.
    """

    network: str
    logs: tuple[Log, ...]
    witnesses: tuple[Witness, ...]
    groups: tuple[Group, ...]
    quorum: str
    expires: date | None = None
    max_age_s: int | None = None
    network_object: bytes | None = None

    def __post_init__(self) -> None:
        names = _Names()
        for witness in self.witnesses:
            names.define(witness.name, 0)
            _check_witness(self.network, witness)
        for group in self.groups:
            names.define_group(group, 0)
        names.check_defined(self.quorum, 0)
        if not self.logs or any(
            log.key.name != self.network or log.key.kind is not SignatureKind.LOG
            for log in self.logs
        ):
            raise TrustFileError(0, "all log keys are of kind 01 and of one name, the network's")
        keys = [key.public for key in self.keys]
        if len(set(keys)) != len(keys):
            raise TrustFileError(0, "the same public key is listed twice")
        urls = [log.url for log in self.logs] + [witness.url for witness in self.witnesses]
        if not all(url is None or _FIELD.fullmatch(url) for url in urls):
            raise TrustFileError(0, "a URL holds no space")
        self._check_limits()

    def _check_limits(self) -> None:
        if max(map(len, (self.logs, self.witnesses, self.groups))) > ENTRIES_MAX:
            raise TrustFileError(0, f"more than {ENTRIES_MAX} logs, witnesses or groups")
        if self.max_age_s is not None and not 1 <= self.max_age_s <= MAX_AGE_S_MAX:
            raise TrustFileError(0, f"max-age is 1 to {MAX_AGE_S_MAX} seconds")
        if len(self.network_object or b"") > NETWORK_OBJECT_BYTES_MAX:
            raise TrustFileError(0, f"a network object is at most {NETWORK_OBJECT_BYTES_MAX} bytes")

    # ------------------------------------------------------------ the file

    @classmethod
    def parse(cls, text: bytes | str) -> Self:
        """Read a trust file.

        Raises:
            TrustFileError: The grammar or one of our rules is broken; says on which line.
        """
        reader = _Reader()
        for number, line in enumerate(_lines_of(text), 1):
            reader.read(number, line)
        if reader.quorum is None:
            raise TrustFileError(0, "there is no quorum line")
        if not reader.logs:
            raise TrustFileError(0, "there is no log line")
        return cls(
            network=reader.logs[0].key.name,
            logs=tuple(reader.logs),
            witnesses=tuple(reader.witnesses),
            groups=tuple(reader.groups),
            quorum=reader.quorum,
            expires=reader.expires,
            max_age_s=reader.max_age_s,
            network_object=reader.network_object,
        )

    def format(self) -> bytes:
        """Return the file that `parse` reads back as this value."""
        lines: list[str] = []
        if self.expires is not None:
            lines.append(f"# xinbiao expires {self.expires.isoformat()}")
        if self.max_age_s is not None:
            lines.append(f"# xinbiao max-age {self.max_age_s}")
        if self.network_object is not None:
            lines.append(f"# xinbiao network {b64encode(self.network_object).decode()}")
        lines += (_join("log", log.key.format(), log.url) for log in self.logs)
        lines += (
            _join("witness", witness.name, witness.key.format(), witness.url)
            for witness in self.witnesses
        )
        lines += (
            _join("group", group.name, _threshold_word(group), *group.members)
            for group in self.groups
        )
        lines.append(f"quorum {self.quorum}")
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")

    # ------------------------------------------------------------ what it decides

    @property
    def keys(self) -> tuple[VerifierKey, ...]:
        """Every key listed, for checking a note against."""
        logs = (log.key for log in self.logs)
        return (*logs, *(witness.key for witness in self.witnesses))

    def is_expired(self, today: date) -> bool:
        """Tell whether the file may no longer be used on that day, UTC."""
        return self.expires is not None and today > self.expires

    def is_signed_by_log(self, signatures: Iterable[Signature]) -> bool:
        """Tell whether a listed log key is among valid signatures."""
        logs = {log.key for log in self.logs}
        return any(signature.key in logs for signature in signatures)

    def cosigned(self, signatures: Iterable[Signature]) -> dict[str, int]:
        """Return the newest time of each witness among valid signatures, in POSIX seconds."""
        names = {witness.key: witness.name for witness in self.witnesses}
        dated: dict[str, int] = {}
        for signature in signatures:
            name = names.get(signature.key)
            if name is not None and signature.time_s is not None:
                dated[name] = max(signature.time_s, dated.get(name, 0))
        return dated

    def quorum_met(self, cosigners: Collection[str]) -> bool:
        """Tell whether these witnesses together are enough; names that are none do not count."""
        speaking = {witness.name for witness in self.witnesses}.intersection(cosigners)
        for group in self.groups:
            if sum(member in speaking for member in group.members) >= group.threshold:
                speaking.add(group.name)
        return self.quorum in speaking

    def latest_quorum_time(self, dated: Mapping[str, int]) -> int | None:
        """Return the greatest t such that the witnesses dated at or after t meet the quorum.

        Args:
            dated: Time of each witness's cosignature, in POSIX seconds.
        """
        for time_s in sorted(set(dated.values()), reverse=True):
            if self.quorum_met({name for name, at_s in dated.items() if at_s >= time_s}):
                return time_s
        return None


# ---------------------------------------------------------------- names


class _Names:
    """The one namespace of witnesses and groups, filled in the order of the lines."""

    def __init__(self) -> None:
        self._defined: set[str] = set()
        self._members: set[str] = set()

    def define(self, name: str, line: int) -> None:
        if name == NONE or not _FIELD.fullmatch(name):
            raise TrustFileError(line, f"{name!r} cannot be a name")
        if name in self._defined:
            raise TrustFileError(line, f"the name {name} is defined twice")
        self._defined.add(name)

    def define_group(self, group: Group, line: int) -> None:
        if not 1 <= group.threshold <= len(group.members):
            raise TrustFileError(
                line,
                f"group {group.name}: {group.threshold} of {len(group.members)} members is never met",
            )
        for member in group.members:
            self.check_defined(member, line)
            if member in self._members:
                raise TrustFileError(line, f"{member} is a member of a group twice")
            self._members.add(member)
        self.define(group.name, line)

    def check_defined(self, name: str, line: int) -> None:
        if name == NONE:
            raise TrustFileError(line, "none: nobody would have to vouch for how new an answer is")
        if name not in self._defined:
            raise TrustFileError(line, f"{name} is not defined on an earlier line")


def _check_witness(network: str, witness: Witness) -> None:
    if not _MEMBER.fullmatch(witness.name):
        raise TrustFileError(0, f"witness {witness.name}: a member's name is [a-z0-9-], 1 to 64")
    wanted = f"{network}/{witness.name}"
    if witness.key.kind is not SignatureKind.COSIGNER or witness.key.name != wanted:
        raise TrustFileError(0, f"witness {witness.name}: its key is of kind 04 and named {wanted}")


# ---------------------------------------------------------------- lines


def _lines_of(text: bytes | str) -> list[str]:
    """Return the lines of a file of allowed octets."""
    if isinstance(text, str):
        try:
            text = text.encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:
            raise TrustFileError(0, "the text holds half a character") from None
    if len(text) > FILE_BYTES_MAX:
        raise TrustFileError(0, f"{len(text)} bytes are over {FILE_BYTES_MAX}")
    good = _ALLOWED.match(text)
    if good is not None and good.end() < len(text):
        line = text.count(b"\n", 0, good.end()) + 1
        raise TrustFileError(line, f"octet {text[good.end()]:02x} is not allowed")
    if text and not text.endswith(b"\n"):
        raise TrustFileError(
            text.count(b"\n") + 1, "the last line has no newline: is it cut short?"
        )
    return text.decode("utf-8", "surrogateescape").split("\n")[:-1]


def _join(*fields: str | None) -> str:
    return " ".join(field for field in fields if field is not None)


def _threshold_word(group: Group) -> str:
    if group.threshold == len(group.members):
        return "all"
    return "any" if group.threshold == 1 else str(group.threshold)


class _Reader:
    """A trust file in the making: one call per line, in order."""

    def __init__(self) -> None:
        self.logs: list[Log] = []
        self.witnesses: list[Witness] = []
        self.groups: list[Group] = []
        self.quorum: str | None = None
        self.expires: date | None = None
        self.max_age_s: int | None = None
        self.network_object: bytes | None = None
        self._names = _Names()
        self._publics: set[bytes] = set()
        self._settings: set[str] = set()
        self._keywords: Mapping[str, Callable[[int, list[str]], None]] = {
            "log": self._log,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }

    def read(self, number: int, line: str) -> None:
        fields = _FIELD.findall(line)
        if not fields:
            return
        if fields[0].startswith("#"):
            if fields[0] == "#xinbiao" or fields[:2] == ["#", "xinbiao"]:
                self._setting(number, fields[2:] if fields[0] == "#" else [])
            return
        keyword = self._keywords.get(fields[0])
        if keyword is None:
            raise TrustFileError(number, f"a line starts with {', '.join(self._keywords)} or #")
        keyword(number, fields[1:])

    def _log(self, number: int, fields: list[str]) -> None:
        if len(fields) not in {1, 2}:
            raise TrustFileError(number, "log VKEY [URL]")
        log = Log(key=_vkey(number, fields[0]), url=fields[1] if len(fields) == 2 else None)
        if self.logs and log.key.name != self.logs[0].key.name:
            raise TrustFileError(
                number, f"a second origin; this file is of {self.logs[0].key.name}"
            )
        self._check_key(number, log.key)
        self.logs.append(log)

    def _witness(self, number: int, fields: list[str]) -> None:
        if len(fields) not in {2, 3}:
            raise TrustFileError(number, "witness MEMBER VKEY [URL]")
        key = _vkey(number, fields[1])
        self._names.define(fields[0], number)
        self._check_key(number, key)
        self.witnesses.append(
            Witness(name=fields[0], key=key, url=fields[2] if len(fields) == 3 else None)
        )

    def _group(self, number: int, fields: list[str]) -> None:
        if len(fields) < 3:
            raise TrustFileError(number, "group NAME all|any|K MEMBER...")
        name, word, *members = fields
        threshold = {"all": len(members), "any": 1}.get(word)
        if threshold is None:
            if not _DECIMAL.fullmatch(word):
                raise TrustFileError(number, f"{word!r} is neither all, any nor a number from 1")
            threshold = int(word)
        group = Group(name=name, threshold=threshold, members=tuple(members))
        self._names.define_group(group, number)
        self.groups.append(group)

    def _quorum(self, number: int, fields: list[str]) -> None:
        if len(fields) != 1 or self.quorum is not None:
            raise TrustFileError(number, "there is exactly one line: quorum NAME")
        self._names.check_defined(fields[0], number)
        self.quorum = fields[0]

    def _setting(self, number: int, fields: list[str]) -> None:
        if len(fields) != 2 or fields[0] not in {"expires", "max-age", "network"}:
            raise TrustFileError(
                number, "# xinbiao expires YYYY-MM-DD | max-age SECONDS | network BASE64"
            )
        name, value = fields
        if name in self._settings:
            raise TrustFileError(number, f"{name} is set twice")
        self._settings.add(name)
        if name == "expires":
            self.expires = _day(number, value)
        elif name == "max-age":
            if not _DECIMAL.fullmatch(value):
                raise TrustFileError(number, f"not a number of seconds from 1: {value!r}")
            self.max_age_s = int(value)
        else:
            try:
                self.network_object = decode_base64(value)
            except NoteError as error:
                raise TrustFileError(number, f"network: {error}") from None

    def _check_key(self, number: int, key: VerifierKey) -> None:
        if key.public in self._publics:
            raise TrustFileError(number, "this public key is listed on an earlier line")
        self._publics.add(key.public)


def _vkey(number: int, text: str) -> VerifierKey:
    try:
        return VerifierKey.parse(text)
    except NoteError as error:
        raise TrustFileError(number, str(error)) from None


def _day(number: int, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        day = None
    if day is None or day.isoformat() != text:  # fromisoformat reads other spellings too
        raise TrustFileError(number, f"not a day, YYYY-MM-DD: {text!r}")
    return day
