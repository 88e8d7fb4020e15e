"""GS1 keys: `gs1:AI/VALUE[/AI/VALUE...]` and company prefixes (docs/spec/identifiers.md, GS1).

A key is read as fields, an AI with its decoded value, whatever it was written as; the canonical
text is then built from the fields. So a lot `AB/21/CD` becomes `AB%2F21%2FCD` and can never be
taken for a lot and a serial number. The AI table below is data: lengths, check digit, where the
company prefix begins, and which qualifiers may follow in which order.

Numbers of restricted circulation (GS1 prefixes 02, 04, 20-29) are unique inside one shop only and
are refused. Data attributes (weights, dates) are no part of an identifier.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from ledger.core.identifier_parts import Kind, Parts, percent_decoded
from ledger.errors import IdentifierError

ROOT: Final = "gs1:"
COMPANY: Final = "gs1:gcp/"
COMPANY_8: Final = "gs1:gcp8/"

GTIN_DIGITS: Final = 14
GTIN_8_ZEROS: Final = "000000"
COMPANY_DIGITS_MIN: Final = 4
COMPANY_DIGITS_MAX: Final = 12
GROUP_CHARACTERS: Final = 7
COMPANY_8_DIGITS: Final = 3

_DIGITS: Final = re.compile(r"[0-9]*")
_SET_82: Final = re.compile(r"[!\"%&'()*+,\-./0-9:;<=>?A-Z_a-z]*")
_SET_39: Final = re.compile(r"[#\-/0-9A-Z]*")
_RESERVED: Final = re.compile(r"[^A-Za-z0-9._~-]")
_RESTRICTED: Final = ("02", "04", "2")
_CHARACTERS: Final = {
    _DIGITS: "digits",
    _SET_82: "letters, digits and !\"%&'()*+,-./:;<=>?_",
    _SET_39: "A-Z, 0-9, '#', '-' and '/'",
}


class Field(NamedTuple):
    """One AI and its decoded value.

    Attributes:
        ai: Application identifier.
        ai_at: Where it stands in the source.
        value: Decoded value.
        value_at: Where each character of the value, and its end, stand in the source.
    """

    ai: str
    ai_at: int
    value: str
    value_at: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """What a value looks like: `digits` exactly, then up to `tail_max` characters of `tail`."""

    digits: int = 0
    check_at: int | None = None
    tail: re.Pattern[str] = _SET_82
    tail_min: int = 0
    tail_max: int = 0
    company_at: int = 0
    qualifiers: tuple[str, ...] = ()


_TRADE_ITEM: Final = ("22", "10", "21")
_LOCATION: Final = _Form(digits=13, check_at=12)
_ASSET: Final = _Form(tail_min=1, tail_max=30)
_SERVICE: Final = _Form(digits=18, check_at=17, qualifiers=("8019",))
_KEYS: Final = {
    "00": _Form(digits=18, check_at=17, company_at=1),
    "01": _Form(digits=GTIN_DIGITS, check_at=13, company_at=1, qualifiers=_TRADE_ITEM),
    "253": _Form(digits=13, check_at=12, tail_max=17),
    "255": _Form(digits=13, check_at=12, tail=_DIGITS, tail_max=12),
    "401": _ASSET,
    "402": _Form(digits=17, check_at=16),
    "410": _LOCATION,
    "411": _LOCATION,
    "412": _LOCATION,
    "413": _LOCATION,
    "414": _Form(digits=13, check_at=12, qualifiers=("254",)),
    "415": _LOCATION,
    "417": _LOCATION,
    "8003": _Form(digits=14, check_at=13, tail_max=16, company_at=1),
    "8004": _ASSET,
    "8006": _Form(digits=18, check_at=13, company_at=1, qualifiers=_TRADE_ITEM),
    "8010": _Form(tail=_SET_39, tail_min=1, tail_max=30, qualifiers=("8011",)),
    "8013": _ASSET,
    "8017": _SERVICE,
    "8018": _SERVICE,
}
_QUALIFIER_TEXT: Final = _Form(tail_min=1, tail_max=20)
_QUALIFIERS: Final = {
    "10": _QUALIFIER_TEXT,
    "21": _QUALIFIER_TEXT,
    "22": _QUALIFIER_TEXT,
    "254": _QUALIFIER_TEXT,
    "8011": _Form(tail=_DIGITS, tail_min=1, tail_max=12),
    "8019": _Form(tail=_DIGITS, tail_min=1, tail_max=10),
}
PRIMARY_KEYS: Final = frozenset(_KEYS)


def read(rest: str) -> Parts:
    """Read what follows `gs1:`; values may be percent-encoded in any way, a GTIN be short.

    Raises:
        IdentifierError: The position is inside `rest`.
    """
    if not rest:
        return Parts(ROOT, "", Kind.PREFIX)
    head, slash, digits = rest.partition("/")
    if head == "gcp":
        return _company(COMPANY, digits, rest, COMPANY_DIGITS_MIN, COMPANY_DIGITS_MAX)
    if head == "gcp8":
        return _company(COMPANY_8, digits, rest, COMPANY_8_DIGITS, COMPANY_8_DIGITS)
    if not slash:
        raise IdentifierError(rest, len(rest), "an AI is followed by / and its value")
    return build(rest, split_fields(rest, 0))


def split_fields(rest: str, start: int) -> list[Field]:
    """Split `AI/VALUE/AI/VALUE...`, from `start` to the end of `rest`, and decode the values.

    Raises:
        IdentifierError: An AI without a value, or a wrong percent-encoding.
    """
    segments = rest[start:].split("/")
    if len(segments) % 2:
        raise IdentifierError(rest, len(rest), "an AI is followed by / and its value")
    fields = []
    for ai, encoded in zip(segments[::2], segments[1::2], strict=True):
        value_start = start + len(ai) + 1
        try:
            value, began = percent_decoded(encoded)
        except IdentifierError as error:
            raise IdentifierError(rest, value_start + error.position, error.rule) from None
        fields.append(Field(ai, start, value, [value_start + index for index in began]))
        start = value_start + len(encoded) + 1
    return fields


def build(rest: str, fields: Sequence[Field]) -> Parts:
    """Judge the fields of one key, in this order, and give its canonical text.

    Raises:
        IdentifierError: Unknown key, wrong qualifier or order, wrong length, character or digit.
    """
    key = fields[0]
    form = _KEYS.get(key.ai)
    if form is None:
        raise IdentifierError(rest, key.ai_at, "no GS1 key that is supported has this AI")
    if key.ai == "01":
        key = _padded(key)
    _check_value(rest, key, form)
    _check_company(rest, key, form)
    allowed = list(form.qualifiers)
    for field in fields[1:]:
        if field.ai not in allowed:
            raise IdentifierError(rest, field.ai_at, _qualifier_rule(key.ai, form))
        del allowed[: allowed.index(field.ai) + 1]
        _check_value(rest, field, _QUALIFIERS[field.ai])
    primary = f"{ROOT}{key.ai}/{encoded_value(key.value)}"
    if len(fields) == 1:
        return Parts(primary, _group(key.ai, key.value, form), Kind.RECORD)
    qualifiers = "".join(f"/{field.ai}/{encoded_value(field.value)}" for field in fields[1:])
    return Parts(primary + qualifiers, primary, Kind.RECORD)


def parents(text: str) -> tuple[str, ...]:
    """List the parents of a canonical GS1 text, nearest first, longest company prefix first."""
    if text == ROOT:
        return ()
    if text.startswith((COMPANY, COMPANY_8)):
        return (ROOT,)
    ai, value, *qualifiers = text.removeprefix(ROOT).split("/", 2)
    above = (f"{ROOT}{ai}/{value}",) if qualifiers else ()
    if _is_gtin_8(ai, value):
        return (*above, COMPANY_8 + _company_8(value), ROOT)
    # digits stand for themselves in the encoded form, and a % ends their run
    company_at = _KEYS[ai].company_at
    matched = _DIGITS.match(value, company_at, company_at + COMPANY_DIGITS_MAX)
    digits = "" if matched is None else matched[0]
    lengths = range(len(digits), COMPANY_DIGITS_MIN - 1, -1)
    return (*above, *(COMPANY + digits[:length] for length in lengths), ROOT)


def in_key_order(fields: Sequence[Field]) -> list[Field]:
    """Sort fields as labels print them, in any order, into key and qualifiers.

    Unknown AIs are left behind the key for `build` to name.
    """
    keys = [field for field in fields if field.ai in _KEYS]
    if not keys:
        return list(fields)
    order = _KEYS[keys[0].ai].qualifiers
    others = [field for field in fields if field is not keys[0]]
    known = [field for field in others if field.ai in order]
    unknown = [field for field in others if field.ai not in order]
    return [keys[0], *sorted(known, key=lambda field: order.index(field.ai)), *unknown]


def check_digit(digits: str) -> str:
    """Compute the check digit that follows `digits`: weights 3, 1, 3 ... from the right."""
    total = sum(
        int(digit) * (1 if index % 2 else 3) for index, digit in enumerate(reversed(digits))
    )
    return str(-total % 10)


def encoded_value(value: str) -> str:
    """Percent-encode all but RFC 3986's unreserved characters; the value is ASCII."""
    return _RESERVED.sub(lambda found: f"%{ord(found[0]):02X}", value)


def _padded(key: Field) -> Field:
    """Write a GTIN of 8, 12 or 13 digits with 14; any other value is left to be refused."""
    missing = GTIN_DIGITS - len(key.value)
    if missing not in (1, 2, 6):
        return key
    began = [key.value_at[0]] * missing + list(key.value_at)
    return key._replace(value="0" * missing + key.value, value_at=began)


def _check_value(rest: str, field: Field, form: _Form) -> None:
    """Refuse a value whose characters, length or check digit are wrong."""
    digits, tail = field.value[: form.digits], field.value[form.digits :]
    _check_characters(rest, field, digits, 0, _DIGITS)
    _check_characters(rest, field, tail, form.digits, form.tail)
    shortest = form.digits + form.tail_min
    longest = form.digits + form.tail_max
    if not shortest <= len(field.value) <= longest:
        length = str(longest) if shortest == longest else f"{shortest} to {longest}"
        if field.ai == "01":
            length = "8, 12, 13 or 14"
        kind = "digits" if form.tail_max == 0 or form.tail is _DIGITS else "characters"
        where = field.value_at[min(len(field.value), longest)]
        raise IdentifierError(rest, where, f"a value of AI {field.ai} has {length} {kind}")
    if form.check_at is not None:
        wanted = check_digit(field.value[: form.check_at])
        if field.value[form.check_at] != wanted:
            where = field.value_at[form.check_at]
            raise IdentifierError(
                rest, where, f"wrong check digit; for these digits it is {wanted}"
            )


def _check_characters(
    rest: str, field: Field, part: str, offset: int, wanted: re.Pattern[str]
) -> None:
    matched = wanted.match(part)
    well_formed = 0 if matched is None else matched.end()
    if well_formed != len(part):
        where = field.value_at[offset + well_formed]
        rule = f"a value of AI {field.ai} has only {_CHARACTERS[wanted]} here"
        raise IdentifierError(rest, where, rule)


def _check_company(rest: str, key: Field, form: _Form) -> None:
    """Refuse numbers that are unique inside one shop only."""
    if _is_gtin_8(key.ai, key.value):
        company, company_at = _company_8(key.value), len(GTIN_8_ZEROS)
    else:
        company, company_at = key.value[form.company_at :], form.company_at
    if company.startswith(_RESTRICTED):
        raise IdentifierError(rest, key.value_at[company_at], _restricted_rule())


def _company(head: str, digits: str, rest: str, shortest: int, longest: int) -> Parts:
    """Read the digits of a company prefix."""
    start = len(rest) - len(digits)
    matched = _DIGITS.match(digits)
    well_formed = 0 if matched is None else matched.end()
    if well_formed != len(digits) or not shortest <= len(digits) <= longest:
        length = str(longest) if shortest == longest else f"{shortest} to {longest}"
        where = start + min(well_formed, longest)
        raise IdentifierError(rest, where, f"{head} is followed by {length} digits")
    if digits.startswith(_RESTRICTED):
        raise IdentifierError(rest, start, _restricted_rule())
    return Parts(head + digits, ROOT, Kind.PREFIX)


def _group(ai: str, value: str, form: _Form) -> str:
    """Group of a primary key: its first characters, digits or not, so that it needs no table."""
    if _is_gtin_8(ai, value):
        return COMPANY_8 + _company_8(value)
    characters = value[form.company_at : form.company_at + GROUP_CHARACTERS]
    return COMPANY + encoded_value(characters)


def _is_gtin_8(ai: str, value: str) -> bool:
    return ai in ("01", "8006") and value.startswith(GTIN_8_ZEROS)


def _company_8(value: str) -> str:
    return value[len(GTIN_8_ZEROS) : len(GTIN_8_ZEROS) + COMPANY_8_DIGITS]


def _qualifier_rule(ai: str, form: _Form) -> str:
    if not form.qualifiers:
        return f"AI {ai} takes no qualifier"
    return f"AI {ai} takes the qualifiers {', '.join(form.qualifiers)}, once each, in this order"


def _restricted_rule() -> str:
    return "GS1 prefixes 02, 04 and 20-29 are of restricted circulation: unique in one shop only"
