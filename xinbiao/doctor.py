"""What may be wrong with an installation, and what to do about each: looked at, never changed.

Theory of operation: from the inside out — interpreter, folder, settings, keys, trust file, disk — and only
then over the network. Every finding says what to do. `node check` is the part that concerns a node.
"""

import os
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from ledger.adapters.keystore import Keystore, read_passphrase
from ledger.core.checkpoint import NoteSigner, SignatureKind
from ledger.errors import LedgerError
from resolver.settings import NodeSettings, load_node_settings
from xinbiao.client import read_trust
from xinbiao.settings import Context

Level = Literal["ok", "warning", "error"]
PYTHON_MIN: Final = (3, 11)
CLOCK_S_MAX: Final = 60
DISK_FREE_BYTES_MIN: Final = 1024 * 1024 * 1024
EXPIRY_WARNING_DAYS: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        level: `ok`, `warning` or `error`.
        what: What was looked at.
        detail: What was found, and what to do.
    """

    level: Level
    what: str
    detail: str


def check_host() -> Iterator[Finding]:
    """Yield findings about this machine."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = sys.version_info >= PYTHON_MIN
    level: Level = "ok" if good else "error"
    yield Finding(
        level=level, what="python", detail=version if good else f"{version}: 3.11 or newer"
    )


def check_node(file: Path) -> Iterator[Finding]:
    """Yield findings about the node that a `node.toml` describes, without starting it."""
    try:
        settings = load_node_settings(file)
    except LedgerError as error:
        yield Finding(level="error", what="node.toml", detail=str(error))
        return
    yield Finding(level="ok", what="node.toml", detail=f"{file}, network {settings.ledger.network}")
    yield from _keys(settings, file.parent)
    yield from _disk(settings)
    yield from _port(settings)


def _keys(settings: NodeSettings, folder: Path) -> Iterator[Finding]:
    ledger = settings.ledger
    try:
        store = Keystore(ledger.keys, read_passphrase(ledger.credential))
        log, cosigner = store.load(ledger.log_key), store.load(ledger.cosigner_key)
        verifiers = {
            NoteSigner.of(name=ledger.network, kind=SignatureKind.LOG, key=log).verifier,
            NoteSigner.of(
                name=f"{ledger.network}/{ledger.member}",
                kind=SignatureKind.COSIGNER,
                key=cosigner,
            ).verifier,
        }
    except LedgerError as error:
        yield Finding(level="error", what="keys", detail=str(error))
        return
    yield Finding(
        level="ok", what="keys", detail=f"{ledger.log_key} and {ledger.cosigner_key} open"
    )
    trust_file = folder / "trust" / f"{ledger.network}.policy"
    if trust_file.is_file():
        yield from _trusted_keys(trust_file, verifiers)


def _trusted_keys(trust_file: Path, verifiers: set[Any]) -> Iterator[Finding]:
    try:
        trusted = verifiers <= set(read_trust(trust_file).keys)
    except LedgerError as error:
        yield Finding(level="error", what="trust file", detail=f"{trust_file}: {error}")
        return
    if trusted:
        yield Finding(level="ok", what="node's keys", detail=f"in {trust_file}")
    else:
        detail = f"not in {trust_file}: nobody who uses it believes this node"
        yield Finding(level="error", what="node's keys", detail=detail)


def _disk(settings: NodeSettings) -> Iterator[Finding]:
    data = settings.ledger.data
    nearest = next(one for one in (data, *data.absolute().parents) if one.is_dir())
    if not os.access(nearest, os.W_OK):
        yield Finding(
            level="error", what="data", detail=f"{nearest} cannot be written by this user"
        )
        return
    free = shutil.disk_usage(nearest).free
    if free < settings.ledger.disk_free_bytes_min:
        detail = f"{free:,} bytes free: below disk_free_bytes_min, statements would be refused"
        yield Finding(level="error", what="disk", detail=detail)
    elif free < DISK_FREE_BYTES_MIN:
        yield Finding(level="warning", what="disk", detail=f"{free:,} bytes free: make room")
    else:
        yield Finding(level="ok", what="disk", detail=f"{free:,} bytes free at {nearest}")


def _port(settings: NodeSettings) -> Iterator[Finding]:
    host, port = settings.http.host, settings.http.port
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.settimeout(1)
        busy = probe.connect_ex((host, port)) == 0
    where = f"{host}:{port}"
    yield Finding(
        level="ok",
        what="port",
        detail=f"{where} answers: a node runs there already" if busy else f"{where} is free",
    )


def check_trust(context: Context, now: int) -> Iterator[Finding]:
    """Yield findings about the context's trust file."""
    try:
        trust = read_trust(context.trust)
    except LedgerError as error:
        yield Finding(level="error", what="trust file", detail=f"{context.trust}: {error}")
        return
    if trust.network != context.network:
        detail = f"it is of network {trust.network}, the context says {context.network}"
        yield Finding(level="error", what="trust file", detail=detail)
        return
    today = datetime.fromtimestamp(now, UTC).date()
    if trust.is_expired(today):
        detail = f"expired on {trust.expires}: get the new one from a member of the network"
        yield Finding(level="error", what="trust file", detail=detail)
    elif trust.expires is not None and (trust.expires - today).days < EXPIRY_WARNING_DAYS:
        yield Finding(level="warning", what="trust file", detail=f"expires on {trust.expires}")
    else:
        yield Finding(level="ok", what="trust file", detail=f"{context.trust}, {trust.network}")


def check_dates(dated: int, now: int) -> Finding:
    """Return what the date of a fresh proof says about this machine's clock."""
    ahead = dated - now
    if ahead > CLOCK_S_MAX:
        detail = f"this clock is {ahead} s behind the network's: set it, proofs look too new"
        return Finding(level="error", what="clock", detail=detail)
    return Finding(level="ok", what="clock", detail=f"the newest proof is {max(0, -ahead)} s old")
