"""DIDs: `did:METHOD` and `did:METHOD:ID` (docs/spec/identifiers.md, W3C DID syntax).

The method is folded to lower case, the id is kept as it is. A DID URL (path, query or fragment
behind the DID) names something inside a document and is refused.

`did:key` and `did:bid` are self-certifying: the text is computed from a public key, so nobody above
owns it and it has no parents. Here only their form is checked; that a key belongs to the text can
only be judged where the key is given. Two forms of a bid are refused on purpose: a base64 code,
because it holds `+`, `/` and `=`, which no DID may hold, and anything outside the bid grammar,
because no key can ever belong to it. `did:bid:ACSN` names a sub-chain and is an ordinary record.
"""

import re
from typing import Final

from ledger.core.identifier_parts import Kind, Parts
from ledger.errors import IdentifierError

ROOT: Final = "did:"

_METHOD: Final = re.compile(r"[A-Za-z0-9]*")
_ID: Final = re.compile(r"(?:[A-Za-z0-9._:-]|%[0-9A-Fa-f]{2})*")
_KEY: Final = re.compile(r"z[1-9A-HJ-NP-Za-km-z]+")
_CHAIN: Final = re.compile(r"[a-z0-9]{4}")
_BID: Final = re.compile(
    r"(?:[a-z0-9]{4}:)?"  # acsn, the code of a sub-chain
    r"[ezs]"  # Ed25519, SM2, secp256k1
    r"(?:f[1-9A-HJ-NP-Za-km-z]{22,31}|t[02-9ac-hj-np-z]{42})"  # base58, bech32
)
_BID_RULE: Final = (
    "a bid is an optional sub-chain code of four, then e, z or s, then f and 22-31 base58 "
    "characters or t and 42 bech32 characters"
)


def read(rest: str) -> Parts:
    """Read what follows `did:`, in any letter case of the method.

    Raises:
        IdentifierError: The position is inside `rest`.
    """
    if not rest:
        return Parts(ROOT, "", Kind.PREFIX)
    method, colon, name = rest.partition(":")
    matched = _METHOD.match(method)
    well_formed = 0 if matched is None else matched.end()
    if well_formed != len(method) or not method:
        raise IdentifierError(rest, well_formed, "a DID method is letters a-z and digits")
    method = method.lower()
    if not colon:
        return Parts(ROOT + method, ROOT, Kind.PREFIX)
    start = len(method) + 1
    _check_id(name, rest, start)
    authority = ROOT + method
    text = f"{authority}:{name}"
    if method == "web":
        return _web(text, name, rest, start)
    if method == "bid":
        return _bid(text, name, rest, start)
    if method == "key":
        if _KEY.fullmatch(name) is None:
            raise IdentifierError(rest, start, "the id of did:key is z and base58 characters")
        return Parts(text, authority, Kind.SELF_CERTIFYING)
    return Parts(text, authority, Kind.RECORD)


def parents(text: str) -> tuple[str, ...]:
    """List the parents of a canonical DID, nearest first; a self-certifying one has none."""
    if text == ROOT:
        return ()
    _, method, *names = text.split(":")
    authority = ROOT + method
    if not names:
        return (ROOT,)
    if method == "web" and len(names) > 1:
        return (f"{authority}:{names[0]}", authority, ROOT)
    if method == "key" or (method == "bid" and not _is_chain(names)):
        return ()
    return (authority, ROOT)


def _check_id(name: str, rest: str, start: int) -> None:
    matched = _ID.match(name)
    well_formed = 0 if matched is None else matched.end()
    if well_formed != len(name):
        if name[well_formed] in "/?#":
            rule = "this is a DID URL; leave out what begins here"
        else:
            rule = "the id of a DID is letters, digits, '.', '-', '_', ':' and %XX"
        raise IdentifierError(rest, start + well_formed, rule)
    if not name or name.endswith(":"):
        raise IdentifierError(rest, len(rest), "the last part of a DID is empty")


def _web(text: str, name: str, rest: str, start: int) -> Parts:
    """A host can be a prefix and, with its own document, a record; what lies below is a record."""
    host, colon, _ = name.partition(":")
    if not host:
        raise IdentifierError(rest, start, "the host of did:web is empty")
    return Parts(text, ROOT + "web", Kind.RECORD if colon else Kind.EITHER)


def _bid(text: str, name: str, rest: str, start: int) -> Parts:
    authority = ROOT + "bid"
    names = name.split(":")
    if _is_chain(names):
        return Parts(text, authority, Kind.RECORD)
    if _BID.fullmatch(name) is None:
        raise IdentifierError(rest, start, _BID_RULE)
    group = authority if len(names) == 1 else f"{authority}:{names[0]}"
    return Parts(text, group, Kind.SELF_CERTIFYING)


def _is_chain(names: list[str]) -> bool:
    return len(names) == 1 and _CHAIN.fullmatch(names[0]) is not None
