"""Merkle tree, authenticated map and signed notes of docs/spec/log.md, the plain way."""

import base64
from hashlib import sha256

from tests.vectors.second import curves


def h(*parts: bytes) -> bytes:
    """Return SHA-256 of the joined parts."""
    return sha256(b"".join(parts)).digest()


# ------------------------------------------------------------------ RFC 9162
def leaf_hash(entry: bytes) -> bytes:
    """Return the leaf of an entry."""
    return h(b"\0", entry)


def _split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def root(leaves: list[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    if not leaves:
        return h()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return h(b"\1", root(leaves[:k]), root(leaves[k:]))


def path(leaves: list[bytes], index: int) -> list[bytes]:
    """Return the inclusion path of a leaf."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*path(leaves[:k], index), root(leaves[k:])]
    return [*path(leaves[k:], index - k), root(leaves[:k])]


def consistency(leaves: list[bytes], old: int) -> list[bytes]:
    """Return the proof from the first `old` leaves to all of them."""
    return _consistency(leaves, old, True) if 0 < old < len(leaves) else []


def _consistency(leaves: list[bytes], old: int, whole: bool) -> list[bytes]:
    if old == len(leaves):
        return [] if whole else [root(leaves)]
    k = _split(len(leaves))
    if old <= k:
        return [*_consistency(leaves[:k], old, whole), root(leaves[k:])]
    return [*_consistency(leaves[k:], old - k, False), root(leaves[:k])]


# ------------------------------------------------------------------ map
def varint(n: int) -> bytes:
    """Return shortest LEB128."""
    out = b""
    while n >= 128:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def bit(key: bytes, index: int) -> int:
    """Return bit `index`, the most significant of byte 0 first."""
    return key[index >> 3] >> (7 - (index & 7)) & 1


def map_leaf(key: bytes, value: bytes) -> bytes:
    """Return the hash of one pair."""
    return h(b"\0", varint(len(key)), key, varint(len(value)), value)


def _branch(keys: list[bytes]) -> int:
    """Return the first bit in which sorted keys differ."""
    differ = int.from_bytes(keys[0], "big") ^ int.from_bytes(keys[-1], "big")
    return 8 * len(keys[0]) - differ.bit_length()


def map_root(pairs: dict[bytes, bytes]) -> bytes:
    """Return the root of a map."""
    return _subtree(pairs, sorted(pairs)) if pairs else h()


def _subtree(pairs: dict[bytes, bytes], keys: list[bytes]) -> bytes:
    if len(keys) == 1:
        return map_leaf(keys[0], pairs[keys[0]])
    at = _branch(keys)
    left = [key for key in keys if not bit(key, at)]
    right = keys[len(left) :]
    return h(b"\1", varint(at), _subtree(pairs, left), _subtree(pairs, right))


def _walk(pairs: dict[bytes, bytes], key: bytes) -> tuple[bytes, list[tuple[int, bytes]]]:
    """Return the key reached by walking along `key`, and the steps from the leaf up."""
    keys, steps = sorted(pairs), list[tuple[int, bytes]]()
    while len(keys) > 1:
        at = _branch(keys)
        sides: list[list[bytes]] = [[], []]
        for each in keys:
            sides[bit(each, at)].append(each)
        keys, other = sides[bit(key, at)], sides[1 - bit(key, at)]
        steps.insert(0, (at, _subtree(pairs, other)))
    return keys[0], steps


def prove(pairs: dict[bytes, bytes], key: bytes) -> bytes:
    """Return the proof that a key is present or absent."""
    if not pairs:
        return b""
    reached, steps = _walk(pairs, key)
    tail = b"".join(varint(at) + sibling for at, sibling in steps)
    if reached == key:
        return tail
    value = pairs[reached]
    return varint(len(reached)) + reached + varint(len(value)) + value + tail


# ------------------------------------------------------------------ notes
def b64(raw: bytes) -> str:
    """Return canonical base64."""
    return base64.b64encode(raw).decode()


def key_id(name: str, kind: int, public: bytes) -> bytes:
    """Return the 4-byte key id of signed-note."""
    return h(name.encode(), b"\n", bytes([kind]), public)[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    """Return the verifier key."""
    return f"{name}+{key_id(name, kind, public).hex()}+{b64(bytes([kind]) + public)}"


def signature_line(name: str, kind: int, public: bytes, payload: bytes) -> str:
    """Return one signature line."""
    return f"— {name} {b64(key_id(name, kind, public) + payload)}\n"


def checkpoint_text(origin: str, size: int, tree_root: bytes) -> str:
    """Return the three text lines."""
    return f"{origin}\n{size}\n{b64(tree_root)}\n"


def log_line(name: str, seed: bytes, text: str) -> str:
    """Return the 0x01 line of a log key."""
    public = curves.ed_public(seed)
    return signature_line(name, 1, public, curves.ed_sign(seed, text.encode()))


def cosign_line(name: str, seed: bytes, text: str, time_s: int) -> str:
    """Return the 0x04 line of a cosigner key."""
    message = f"cosignature/v1\ntime {time_s}\n{text}".encode()
    payload = time_s.to_bytes(8, "big") + curves.ed_sign(seed, message)
    return signature_line(name, 4, curves.ed_public(seed), payload)
