"""The shape of a vector file, and how CBOR values are shown in JSON."""

from typing import Any

Case = dict[str, Any]


def good(name: str, reason: str, expect: Any = None, **inputs: Any) -> Case:
    """Return a case that must be accepted."""
    return {"name": name, "reason": reason, **inputs, "valid": True, "expect": expect}


def bad(name: str, reason: str, expect: Any = None, **inputs: Any) -> Case:
    """Return a case that must be refused."""
    return {"name": name, "reason": reason, **inputs, "valid": False, "expect": expect}


def show(value: Any) -> Any:
    """Return a CBOR value as JSON: maps as pairs, bytes as {"hex"}, floats as {"float"}."""
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    if isinstance(value, float):
        return {"float": repr(value)}
    if isinstance(value, list):
        return [show(item) for item in value]
    if isinstance(value, dict):
        return {"map": [[show(key), show(item)] for key, item in sorted(value.items())]}
    return value
