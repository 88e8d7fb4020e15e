"""CBOR of docs/spec/statements.md written a second time: encoder and strict scanner.

Only the generator uses it. It shares no code with the product; cbor2 confirms every encoding.
"""

import struct
from typing import Any

import cbor2

PAYLOAD, HEADER, READING = "payload", "header", "reading"


def head(major: int, number: int) -> bytes:
    """Return the shortest head."""
    if number < 24:
        return bytes([major << 5 | number])
    for code, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 1 << 8 * size:
            return bytes([major << 5 | code]) + number.to_bytes(size, "big")
    raise ValueError("number above 64 bits")


def text(value: str) -> bytes:
    """Return a text item."""
    raw = value.encode()
    return head(3, len(raw)) + raw


def data(value: bytes) -> bytes:
    """Return a byte-string item."""
    return head(2, len(value)) + value


def shortest_float(value: float) -> bytes:
    """Return the shortest of half, single and double that keeps the value."""
    for first, form in ((0xF9, ">e"), (0xFA, ">f")):
        try:
            raw = struct.pack(form, value)
        except OverflowError:
            continue
        if struct.unpack(form, raw)[0] == value:
            return bytes([first]) + raw
    return b"\xfb" + struct.pack(">d", value)


def encode(value: Any) -> bytes:
    """Return the one encoding of a value."""
    raw = _encode(value)
    assert raw == cbor2.dumps(value, canonical=True), raw.hex()
    return raw


def _encode(value: Any) -> bytes:
    if value is None or value is True or value is False:
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return shortest_float(value)
    if isinstance(value, bytes):
        return data(value)
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(_encode(item) for item in value)
    assert isinstance(value, dict)
    pairs = sorted((_encode(key), _encode(item)) for key, item in value.items())
    return head(5, len(pairs)) + b"".join(key + item for key, item in pairs)


class Scanner:
    """Reads one item of a profile; ValueError with the rule broken otherwise."""

    def __init__(self, raw: bytes, profile: str) -> None:
        self.raw = raw
        self.at = 0
        self.profile = profile

    def all(self) -> Any:
        """Return the single item that the bytes are."""
        value = self.item(8)
        if self.at != len(self.raw):
            raise ValueError("bytes follow the item")
        return value

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes."""
        part = self.raw[self.at : self.at + count]
        if len(part) < count:
            raise ValueError("cut off")
        self.at += count
        return part

    def number(self) -> tuple[int, int]:
        """Return major type and argument of the next head."""
        first = self.take(1)[0]
        major, code = first >> 5, first & 31
        if code < 24:
            return major, code
        if code > 27:
            raise ValueError("indefinite or reserved head")
        size = 1 << code - 24
        argument = int.from_bytes(self.take(size), "big")
        if head(major, argument)[0] != first:
            raise ValueError("head longer than needed")
        return major, argument

    def item(self, depth: int) -> Any:
        """Return the next item; `depth` containers may still be opened."""
        if self.raw[self.at : self.at + 1] >= b"\xe0":
            return self.simple()
        major, n = self.number()
        if major == 0:
            if n > (2**63 if self.profile == READING else 2**53) - 1:
                raise ValueError("integer too large")
            return n
        if major == 1:
            if self.profile == PAYLOAD or n >= 2**63:
                raise ValueError("negative integer")
            return -1 - n
        if major == 2:
            return self.take(n)
        if major == 3:
            return self.take(n).decode()
        if major == 6:
            raise ValueError("tag")
        if not depth:
            raise ValueError("more than 8 containers inside one another")
        if major == 4:
            if n > len(self.raw):
                raise ValueError("cut off")
            return [self.item(depth - 1) for _ in range(n)]
        return self.members(n, depth - 1)

    def members(self, count: int, depth: int) -> dict[int, Any]:
        """Return a map's members."""
        found: dict[int, Any] = {}
        last = b""
        for _ in range(count):
            start = self.at
            major, n = self.number()
            label = self.raw[start : self.at]
            if major > (1 if self.profile == HEADER else 0) or n > 2**53 - 1:
                raise ValueError("key is no unsigned integer")
            if label <= last:
                raise ValueError("keys not ascending")
            last = label
            found[-1 - n if major else n] = self.item(depth)
        return found

    def simple(self) -> Any:
        """Return false, true, null, or in readings a float."""
        first = self.take(1)[0]
        if first in (0xF4, 0xF5, 0xF6):
            return {0xF4: False, 0xF5: True, 0xF6: None}[first]
        if self.profile != READING or first not in (0xF9, 0xFA, 0xFB):
            raise ValueError("float or simple value")
        form = {0xF9: ">e", 0xFA: ">f", 0xFB: ">d"}[first]
        raw = self.take(struct.calcsize(form))
        value: float = struct.unpack(form, raw)[0]
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("NaN or infinity")
        if shortest_float(value) != bytes([first]) + raw:
            raise ValueError("float longer than needed")
        return value


def decode(raw: bytes, profile: str = PAYLOAD) -> Any:
    """Return the value, or raise ValueError."""
    return Scanner(raw, profile).all()


def is_valid(raw: bytes, profile: str = PAYLOAD) -> bool:
    """Tell whether the bytes are one item of the profile."""
    try:
        decode(raw, profile)
    except ValueError:
        return False
    return True
