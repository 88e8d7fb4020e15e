"""Identifiers of docs/spec/identifiers.md a second time: canonical form, parents, group, pasting.

Refusals are ValueError with the rule; positions are left to the product.
"""

import re
import stringprep
from unicodedata import ucd_3_2_0
from urllib.parse import unquote_to_bytes

from tests.vectors.second.trees import h

_TABLES = (
    stringprep.in_table_a1, stringprep.in_table_b1, stringprep.in_table_c12,
    stringprep.in_table_c21, stringprep.in_table_c22, stringprep.in_table_c3,
    stringprep.in_table_c4, stringprep.in_table_c5, stringprep.in_table_c6,
    stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9,
)  # fmt: skip
_SET82 = r"[!-\"%-/0-9:-?A-Z_a-z]"
# AI: pattern of the decoded value, digits up to and with the check digit, start of the prefix
_PRIMARY: dict[str, tuple[str, int, int]] = {
    "00": (r"\d{18}", 18, 1), "01": (r"\d{14}", 14, 1),
    "253": (r"\d{13}" + _SET82 + "{0,17}", 13, 0), "255": (r"\d{13}\d{0,12}", 13, 0),
    "401": (_SET82 + "{1,30}", 0, 0), "402": (r"\d{17}", 17, 0),
    "8003": (r"\d{14}" + _SET82 + "{0,16}", 14, 1), "8004": (_SET82 + "{1,30}", 0, 0),
    "8006": (r"\d{18}", 14, 1), "8010": (r"[#\-/0-9A-Z]{1,30}", 0, 0),
    "8013": (_SET82 + "{1,30}", 0, 0), "8017": (r"\d{18}", 18, 0), "8018": (r"\d{18}", 18, 0),
} | dict.fromkeys(("410", "411", "412", "413", "414", "415", "417"), (r"\d{13}", 13, 0))  # fmt: skip
_ORDER: dict[str, tuple[str, ...]] = {
    "01": ("22", "10", "21"), "8006": ("22", "10", "21"), "414": ("254",), "8010": ("8011",),
    "8017": ("8019",), "8018": ("8019",),
}  # fmt: skip
_QUALIFIER = dict.fromkeys(("22", "10", "21", "254"), _SET82 + "{1,20}") | {
    "8019": r"\d{1,10}",
    "8011": r"\d{1,12}",
}


def escape(raw: str) -> str:
    """Percent-encode a GS1 value canonically."""
    return "".join(
        chr(byte) if re.match(r"[A-Za-z0-9._~-]", chr(byte)) else f"%{byte:02X}"
        for byte in raw.encode()
    )


def _need(good: object, rule: str) -> None:
    if not good:
        raise ValueError(rule)


def check_digit(digits: str) -> str:
    """Return GS1's check digit of the digits before it."""
    total = sum(int(d) * (3 if i % 2 == 0 else 1) for i, d in enumerate(reversed(digits)))
    return str(-total % 10)


def _restricted(prefix: str) -> bool:
    return prefix[:1] == "2" or prefix[:2] in ("02", "04")


def _decoded(text: str) -> str:
    value = unquote_to_bytes(text).decode("ascii")
    _need(escape(value) == text, "a value is not in canonical percent-encoding")
    return value


def _hdl(rest: str) -> None:
    prefix, slash, suffix = rest.partition("/")
    if rest:
        _need(re.fullmatch(r"[a-z0-9]+([.-][a-z0-9]+)*", prefix), "prefix grammar")
    if slash:
        _need(suffix, "empty suffix")
        for c in suffix:
            _need("!" <= c <= "~" or (c > "\x7f" and not any(t(c) for t in _TABLES)), "character")
        _need(ucd_3_2_0.normalize("NFC", suffix) == suffix, "not NFC of Unicode 3.2")


def _gs1(rest: str) -> None:
    if not rest:
        return
    if match := re.fullmatch(r"gcp(8?)/(\d+)", rest):
        _need(len(match[2]) == 3 if match[1] else 4 <= len(match[2]) <= 12, "length of a gcp")
        _need(not _restricted(match[2]), "restricted circulation")
        return
    parts = rest.split("/")
    _need(len(parts) % 2 == 0, "an AI without value")
    ai, value = parts[0], _decoded(parts[1])
    _need(ai in _PRIMARY, "no primary key AI")
    pattern, checked, _ = _PRIMARY[ai]
    _need(re.fullmatch(pattern, value), "value of the AI")
    if checked:
        digits = value[:checked]
        _need(check_digit(digits[:-1]) == digits[-1], "check digit")
    _need(not _restricted(_company(ai, value)[1]), "restricted circulation")
    seen = -1
    for name, text in zip(parts[2::2], parts[3::2], strict=True):
        order = _ORDER.get(ai, ())
        _need(name in order and order.index(name) > seen, "qualifier or its order")
        seen = order.index(name)
        _need(re.fullmatch(_QUALIFIER[name], _decoded(text)), "value of the qualifier")


def _company(ai: str, value: str) -> tuple[str, str]:
    """Return `gcp` or `gcp8` and what stands at the company prefix position."""
    if ai in ("01", "8006") and value.startswith("000000"):
        return "gcp8", value[6:9]
    return "gcp", value[_PRIMARY[ai][2] :]


def _oid(rest: str) -> None:
    if rest:
        _need(re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))*", rest), "arcs")
        arcs = [int(arc) for arc in rest.split(".")]
        _need(arcs[0] <= 2, "first arc")
        _need(len(arcs) < 2 or arcs[0] == 2 or arcs[1] <= 39, "second arc")


_BASE58 = "[1-9A-HJ-NP-Za-km-z]"


def _did(rest: str) -> None:
    method, colon, name = rest.partition(":")
    if rest:
        _need(re.fullmatch("[a-z0-9]+", method), "method")
    if colon:
        _need(re.fullmatch(r"([\w.:-]|%[0-9A-Fa-f]{2})+", name, re.ASCII), "method-specific id")
        _need(not name.endswith(":") and not (method == "web" and name[0] == ":"), "empty part")
        if method == "key":
            _need(re.fullmatch(f"z{_BASE58}+", name), "did:key")
        if method == "bid":
            form = rf"[a-z0-9]{{4}}|([a-z0-9]{{4}}:)?[ezs](f{_BASE58}{{22,31}}|t[02-9ac-hj-np-z]{{42}})"
            _need(re.fullmatch(form, name), "did:bid")


def _ecode(rest: str) -> None:
    if rest:
        _need(re.fullmatch(r"\d+(\.\d+(\.[!-~]+)?)?", rest, re.ASCII), "version.NSI.MD")


_SCHEMES = {"hdl": _hdl, "gs1": _gs1, "oid": _oid, "did": _did, "ecode": _ecode}


def canonical(text: str) -> str:
    """Return the text if it is in canonical form, else raise ValueError."""
    _need(1 <= len(text.encode(errors="surrogatepass")) <= 512, "1-512 bytes")
    scheme, colon, rest = text.partition(":")
    _need(colon and scheme in _SCHEMES, "unknown scheme")
    _need(scheme == "hdl" or text.isascii(), "ASCII")
    _SCHEMES[scheme](rest)
    _need(len(parents(text)) <= 60, "more than 60 parents")
    return text


def key_text(text: str) -> str:
    """Return what is hashed."""
    if not text.startswith("hdl:"):
        return text
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


def is_self_certifying(text: str) -> bool:
    """Tell whether the text is a function of a key."""
    return bool(re.match(r"did:(key:|bid:(....:)?.{5,})", text))


def parents(text: str) -> list[str]:
    """Return the parents, nearest first."""
    scheme, _, rest = text.partition(":")
    root = scheme + ":"
    if not rest or is_self_certifying(text):
        return []
    if scheme == "hdl":
        prefix, slash, _ = rest.partition("/")
        labels = prefix.split(".")
        top = len(labels) if slash else len(labels) - 1
        return [root + ".".join(labels[:n]) for n in range(top, 0, -1)] + [root]
    if scheme == "oid":
        arcs = rest.split(".")
        return [root + ".".join(arcs[:n]) for n in range(len(arcs) - 1, 0, -1)] + [root]
    if scheme == "ecode":
        levels = rest.split(".", 2)
        return [root + ".".join(levels[:n]) for n in range(len(levels) - 1, 0, -1)] + [root]
    if scheme == "did":
        parts = rest.split(":")
        above = [f"did:{parts[0]}"] if len(parts) > 1 else []
        if parts[0] == "web" and len(parts) > 2:
            above.insert(0, f"did:web:{parts[1]}")
        return [*above, root]
    parts = rest.split("/")
    if parts[0] in ("gcp", "gcp8"):
        return [root]
    key = [f"gs1:{parts[0]}/{parts[1]}"] if len(parts) > 2 else []
    kind, digits = _company(parts[0], unquote_to_bytes(parts[1]).decode())
    if kind == "gcp8":
        return [*key, f"gs1:gcp8/{digits}", root]
    lead = re.match("[0-9]*", digits)
    most = min(12, len(lead[0]) if lead else 0)
    return [*key, *(f"gs1:gcp/{digits[:n]}" for n in range(most, 3, -1)), root]


def group(text: str) -> str:
    """Return the group."""
    scheme, _, rest = text.partition(":")
    if not rest:
        return ""
    if scheme == "gs1" and rest[:3] != "gcp":
        parts = rest.split("/")
        if len(parts) > 2:
            return f"gs1:{parts[0]}/{parts[1]}"
        kind, digits = _company(parts[0], unquote_to_bytes(parts[1]).decode())
        return f"gs1:{kind}/{escape(digits[:7])}"
    if scheme == "did" and ":" in rest:
        parts = rest.split(":")
        if parts[0] == "bid" and len(parts) == 3:
            return f"did:bid:{parts[1]}"
        return f"did:{parts[0]}"
    return parents(text)[0]


def can_be_prefix(text: str) -> bool:
    """Tell whether op 1 may name it."""
    scheme, _, rest = text.partition(":")
    return (
        not rest
        or scheme == "oid"
        or (scheme == "hdl" and "/" not in rest)
        or (scheme == "gs1" and rest.startswith("gcp"))
        or (scheme == "did" and (":" not in rest or re.fullmatch("web:[^:]+", rest) is not None))
        or (scheme == "ecode" and rest.count(".") < 2)
    )


def must_be_prefix(text: str) -> bool:
    """Tell whether op 3 may not name it."""
    rest = text.partition(":")[2]
    return can_be_prefix(text) and (not rest or not text.startswith(("oid:", "did:web:")))


def map_key(text: str, tag: str = "id") -> bytes:
    """Return the 64-byte map key."""
    own = f"xinbiao:{tag}\0{key_text(text)}"
    return h(b"xinbiao:group\0", group(text).encode()) + h(own.encode())
