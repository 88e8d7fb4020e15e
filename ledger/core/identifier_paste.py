"""What people paste: links, element strings, bare handles and numbers (docs/spec/identifiers.md).

`route` finds out which scheme a text is meant for and cuts out the part that the scheme reads; it
judges nothing else. What could be meant in two ways is refused, and the error says what to write:
13 digits are a product or a place, `1.2.156` is an OID or a handle prefix, `foo/bar` may be a path.
A bare `01/...` is GS1 and never a handle; `hdl:01/...` is one.

A link is a Handle only at a proxy of the Handle system. At any other host it must hold a GS1
Digital Link path; its query and fragment name no identifier and are dropped. Compressed Digital
Links are for the resolver to decompress.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from ledger.core import identifier_arcs, identifier_did, identifier_gs1, identifier_hdl
from ledger.core.identifier_gs1 import Field
from ledger.core.identifier_parts import Parts, percent_decoded
from ledger.errors import IdentifierError

READERS: Final[dict[str, Callable[[str], Parts]]] = {
    "hdl": identifier_hdl.read,
    "gs1": identifier_gs1.read,
    "oid": identifier_arcs.read_oid,
    "did": identifier_did.read,
    "ecode": identifier_arcs.read_ecode,
}
SCHEMES_RULE: Final = "an identifier begins with hdl:, gs1:, oid:, did: or ecode:"

_PROXIES: Final = ("hdl.handle.net", "doi.org", "dx.doi.org")
_LINK: Final = re.compile(r"https?://([^/?#]*)(/?)([^?#]*)", re.IGNORECASE)
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+]*):")
_BARE_PREFIX: Final = re.compile(r"[A-Za-z0-9]+(?:[.-][A-Za-z0-9]+)*")
_NUMBER: Final = re.compile(r"[0-9]+")
_OID: Final = re.compile(r"[0-2](?:\.[0-9]+)+")
_ELEMENT: Final = re.compile(r"\(([0-9]{2,4})\)")
_LINK_NAMES: Final = {
    "gtin": "01", "itip": "8006", "cpid": "8010", "sscc": "00", "gsin": "402", "ginc": "401",
    "gdti": "253", "gcn": "255", "grai": "8003", "giai": "8004", "gmn": "8013", "gln": "414",
    "party": "417", "payTo": "415", "shipTo": "410", "billTo": "411", "purchasedFrom": "412",
    "shipFor": "413", "gsrn": "8018", "gsrnp": "8017",
    "cpv": "22", "lot": "10", "ser": "21", "glnx": "254", "cpsn": "8011", "srin": "8019",
}  # fmt: skip


class Cut(NamedTuple):
    """The part of a pasted text that a scheme reads.

    Attributes:
        read: The scheme's reader.
        rest: What it reads.
        at: Where each character of `rest`, and its end, stand in the pasted text.
    """

    read: Callable[[str], Parts]
    rest: str
    at: Sequence[int]


def route(text: str) -> Cut:
    """Find the scheme of a pasted text without white space around it.

    Raises:
        IdentifierError: No scheme, or more than one, could be meant.
    """
    if not text:
        raise IdentifierError(text, 0, "nothing was given")
    if text[0] == "(":
        return _from(text, 0, read_elements)
    link = _LINK.match(text)
    if link is not None:
        return _route_link(text, link)
    scheme = _SCHEME.match(text)
    return _route_bare(text) if scheme is None else _route_scheme(text, scheme)


def read_elements(rest: str) -> Parts:
    """Read an element string such as `(01)09506000134352(21)S1`, its AIs in any order.

    Raises:
        IdentifierError: The position is inside `rest`.
    """
    marks = list(_ELEMENT.finditer(rest))
    if not marks or marks[0].start():
        raise IdentifierError(rest, 0, "an element string begins with an AI, such as (01)")
    ends = [mark.start() for mark in marks[1:]] + [len(rest)]
    fields = [
        Field(mark[1], mark.start() + 1, rest[mark.end() : end], range(mark.end(), end + 1))
        for mark, end in zip(marks, ends, strict=True)
    ]
    return identifier_gs1.build(rest, identifier_gs1.in_key_order(fields))


def read_link_path(rest: str) -> Parts:
    """Read the path of a GS1 Digital Link, which may begin with a folder of the host.

    The first segment that can be the key is the key: a wrong value behind it is an error, never a
    reason to look further.

    Raises:
        IdentifierError: The position is inside `rest`.
    """
    path = rest.removesuffix("/")
    segments = path.split("/")
    start = 0
    for index, segment in enumerate(segments):
        name = _LINK_NAMES.get(segment, segment)
        if name in identifier_gs1.PRIMARY_KEYS and (len(segments) - index) % 2 == 0:
            fields = identifier_gs1.split_fields(path, start)
            named = [field._replace(ai=_LINK_NAMES.get(field.ai, field.ai)) for field in fields]
            return identifier_gs1.build(path, named)
        start += len(segment) + 1
    rule = "this link is no GS1 Digital Link (.../01/...) and its host is no handle proxy"
    raise IdentifierError(rest, 0, rule)


def _from(text: str, start: int, read: Callable[[str], Parts]) -> Cut:
    return Cut(read, text[start:], range(start, len(text) + 1))


def _route_link(text: str, link: re.Match[str]) -> Cut:
    host, _, path = link.groups()
    if not host:
        raise IdentifierError(text, link.start(1), "the link has no host")
    if not path:
        raise IdentifierError(text, link.end(), "the link has no path, so it names nothing")
    if host.lower() not in _PROXIES:
        return Cut(read_link_path, path, range(link.start(3), link.end(3) + 1))
    try:
        decoded, began = percent_decoded(path)
    except IdentifierError as error:
        raise IdentifierError(text, link.start(3) + error.position, error.rule) from None
    return Cut(identifier_hdl.read, decoded, [link.start(3) + index for index in began])


def _route_scheme(text: str, scheme: re.Match[str]) -> Cut:
    name = scheme[1].lower()
    if name == "urn":
        inner = _SCHEME.match(text, scheme.end())
        if inner is None or inner[1].lower() != "oid":
            raise IdentifierError(text, scheme.end(), "of URNs only urn:oid: is known")
        return _from(text, inner.end(), identifier_arcs.read_oid)
    reader = identifier_hdl.read if name == "doi" else READERS.get(name)
    if reader is None:
        raise IdentifierError(text, 0, f"unknown scheme {name}:; {SCHEMES_RULE}")
    return _from(text, scheme.end(), reader)


def _route_bare(text: str) -> Cut:
    head, slash, _ = text.partition("/")
    if slash and head in identifier_gs1.PRIMARY_KEYS:
        return _from(text, 0, identifier_gs1.read)
    if not slash and _NUMBER.fullmatch(text):
        return _route_number(text)
    if not slash and _OID.fullmatch(text):
        rule = f"this can be an OID or a handle prefix: write oid:{text} or hdl:{text}"
        raise IdentifierError(text, 0, rule)
    handle = _BARE_PREFIX.fullmatch(head) is not None
    if handle and ("." in head or (slash and head[0] in "0123456789")):
        return _from(text, 0, identifier_hdl.read)
    if handle and slash:
        raise IdentifierError(text, 0, f"if this is a handle, write hdl: in front; {SCHEMES_RULE}")
    raise IdentifierError(text, 0, SCHEMES_RULE)


def _route_number(text: str) -> Cut:
    """Only 12 and 14 digits are a GTIN and no other GS1 key, and too long for a date."""
    if len(text) in (12, 14):
        return Cut(_read_gtin, text, range(len(text) + 1))
    if len(text) == 13:
        rule = f"13 digits are a product or a place: write gs1:01/{text} or gs1:414/{text}"
    elif len(text) == 18:
        rule = f"18 digits are a parcel or a service: write gs1:00/{text} or gs1:8018/{text}"
    elif len(text) == 8:
        rule = f"if this is a GTIN-8, write gs1:01/{text}; if it is a handle prefix, hdl:{text}"
    else:
        rule = f"digits alone say too little; {SCHEMES_RULE}"
    raise IdentifierError(text, 0, rule)


def _read_gtin(rest: str) -> Parts:
    return identifier_gs1.build(rest, [Field("01", 0, rest, range(len(rest) + 1))])
