"""Strangers judge our bytes: packages that nobody of this project wrote must agree with us on sound and on spoilt material.

Each judge is a program of its own (`judge_*.py`) in an environment of its own (scripts/judges), because they need other
versions than we do and must share no code with what they judge. The material is made here, with product code only, and
travels as JSON; the verdicts come back as JSON. Every list holds spoilt material too: a judge who nods at everything
would fail the test.
"""

import functools
import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ledger.core import merkle, statement, tile
from ledger.core.block import CommitLeaf
from ledger.core.checkpoint import (
    Checkpoint,
    Note,
    NoteSigner,
    SignatureKind,
    SignatureLine,
    sign_checkpoint,
)
from ledger.core.encoding import decode, decode_header
from ledger.core.keys import PrivateKey, private_from_seed

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
NETWORK = "judges.example"
NOW_S = 1_790_000_000
MAX_AGE_S = 600
JUDGE_S = 60
SIZES = (1, 2, 7, 255, 256, 300)

pytestmark = [pytest.mark.slow, pytest.mark.integration]

Verdicts = dict[str, bool]


def ask(judge: str, program: str, material: dict[str, Any], folder: Path) -> Verdicts:
    """Run a judge on the material and return what it says."""
    python = CHECKOUT / ".venv-judges" / judge / "bin" / "python"
    if not python.exists():
        reason = f"the judge {judge} is not installed (scripts/judges)"
        if os.environ.get("CI"):
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    file = folder / f"{judge}.json"
    file.write_text(json.dumps(material))
    done = subprocess.run(
        [python, HERE / program, file],
        check=False,
        capture_output=True,
        text=True,
        timeout=JUDGE_S,
    )
    assert done.returncode == 0, done.stderr
    verdicts: Verdicts = json.loads(done.stdout)
    return verdicts


def expected(*lists: list[dict[str, Any]]) -> Verdicts:
    """The truth about the material: every case carries it in its name."""
    return {case["name"]: case["name"].startswith("sound") for cases in lists for case in cases}


def flipped(data: bytes, at: int) -> bytes:
    """The same bytes with the lowest bit of one of them turned."""
    at %= len(data)
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


# ---------------------------------------------------------------- statements


def key_of(curve: str, number: int = 1) -> PrivateKey:
    return private_from_seed(curve, bytes([number]) * 32)


def signed(curve: str, number: int) -> bytes:
    """A statement about one pump; what it says is opaque to the judges."""
    return statement.sign(
        bytes([0xA2, 0x00, 0x03, 0x01, 0x18, number % 200 + 24]),
        key=key_of(curve),
        iss="hdl:lab.1",
        sub=f"hdl:lab.1/pump-{number}",
        aud=NETWORK,
        iat=NOW_S,
        exp=NOW_S + 60 if number % 2 else None,
    )


def statement_cases() -> list[dict[str, Any]]:
    """Statements of both suites, whole and spoilt in each of their parts."""
    cases: list[dict[str, Any]] = []
    for curve in ("Ed25519", "P-256"):
        for number in range(4):
            message = signed(curve, number)
            parsed = statement.parse(message)
            protected_at = message.index(parsed.protected)
            spoilt = {
                "sound": message,
                "spoilt protected header": flipped(
                    message, protected_at + parsed.protected.index(b"hdl:lab.1") + 4
                ),
                "spoilt payload": flipped(message, message.rindex(parsed.payload) + 5),
                "spoilt signature": flipped(message, -1),
                "spoilt r": flipped(message, -40),
            }
            cases += [
                {
                    "name": f"{what} {curve} {number}",
                    "message": changed.hex(),
                    "issuer": "hdl:lab.1",
                    "subject": f"hdl:lab.1/pump-{number}",
                    **public_part(curve),
                }
                for what, changed in spoilt.items()
            ]
    return cases


@functools.cache
def public_part(curve: str) -> dict[str, str]:
    public = key_of(curve).public
    # the curve's number and coordinates carry negative labels; PEM says the same without COSE
    labels = decode_cose(public.cose)
    return {
        "curve": curve,
        "pem": public.to_pem(),
        "x": labels[-2].hex(),
        "y": labels[-3].hex() if -3 in labels else "",
    }


def decode_cose(cose: bytes) -> dict[int, bytes]:
    value = decode_header(cose)
    assert isinstance(value, dict)
    return {label: part for label, part in value.items() if isinstance(part, bytes)}


def test_pycose_judges_our_statements_as_we_do(tmp_path: Path) -> None:
    cases = statement_cases()
    assert ask("pycose", "judge_cose.py", {"statements": cases}, tmp_path) == expected(cases)


def test_we_judge_our_statements_as_the_judges_are_asked_to() -> None:
    for case in statement_cases():
        parsed = statement.parse(bytes.fromhex(case["message"]))
        key = key_of(case["curve"]).public
        assert parsed.is_signed_by(key) == case["name"].startswith("sound"), case["name"]


# ---------------------------------------------------------------- the log


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """A log of statements that ends with a commit leaf, its tiles, and its proofs."""

    entries: list[bytes]
    tiles: dict[tuple[int, int], bytes]

    @property
    def hashes(self) -> list[bytes]:
        return [merkle.leaf_hash(entry) for entry in self.entries]

    def root(self, size: int) -> bytes:
        return merkle.root(size, self.reader)

    @property
    def reader(self) -> merkle.NodeReader:
        return tile.node_reader(lambda level, number: self.tiles.get((level, number)))

    def served(self, size: int) -> dict[str, str]:
        """Every resource of C2SP tlog-tiles that a log of that size serves."""
        found = {}
        for level, number in [
            *self.tiles,
            *((tile.ENTRIES, n) for n in range(len(self.entries) // 256 + 1)),
        ]:
            width = tile.width_at(tile.TilePath(level=level, number=number), size)
            if width == 0:
                continue
            first = number * tile.TILE_WIDTH
            data = (
                tile.encode_bundle(self.entries[first : first + width])
                if level == tile.ENTRIES
                else self.tiles[level, number][: width * merkle.HASH_BYTES]
            )
            place = tile.TilePath(level=level, number=number, width=width)
            found[tile.format_path(place)] = data.hex()
        return found


@functools.cache
def log() -> Log:
    """300 entries, written in the blocks that SIZES name."""
    leaf = CommitLeaf(
        height=1,
        first_index=2,
        statements=297,
        map_root=bytes(32),
        ms=NOW_S * 1000,
        previous=1,
        state_version=1,
        network_hash=bytes(32),
    ).encode()
    decode(leaf)  # it is an entry of the profile
    entries = [signed("Ed25519" if n % 3 else "P-256", n) for n in range(SIZES[-1] - 1)] + [leaf]
    tiles: dict[tuple[int, int], bytes] = {}

    def stored(level: int, number: int) -> bytes | None:
        return tiles.get((level, number))

    size = 0
    for target in SIZES:
        fresh = [merkle.leaf_hash(entry) for entry in entries[size:target]]
        tiles.update(tile.tiles_after_append(size, fresh, stored))
        size = target
    return Log(entries=entries, tiles=tiles)


def inclusion_cases() -> list[dict[str, Any]]:
    """Paths of first, middle and last entries at every size, and the same with one thing wrong."""
    cases: list[dict[str, Any]] = []
    for size in SIZES:
        for index in sorted({0, size // 2, size - 1}):
            path = merkle.prove_inclusion(index, size, log().reader)
            assert merkle.verify_inclusion(index, size, log().hashes[index], log().root(size), path)
            hexed = [one.hex() for one in path]
            sound = {
                "name": f"sound inclusion of {index} in {size}",
                "entry": log().entries[index].hex(),
                "index": index,
                "size": size,
                "path": hexed,
                "root": log().root(size).hex(),
            }
            wrong_root = {"root": flipped(log().root(size), 0).hex()}
            longer = {"path": [*hexed, bytes(32).hex()]}
            cases += [
                sound,
                sound | wrong_root | {"name": f"wrong root: inclusion of {index} in {size}"},
                sound | longer | {"name": f"longer path: inclusion of {index} in {size}"},
            ]
            if index + 1 < size:
                other = {"index": index + 1, "name": f"other place: inclusion of {index} in {size}"}
                cases.append(sound | other)
    return cases


def consistency_cases() -> list[dict[str, Any]]:
    """Growth between all pairs of sizes, and the same from another past."""
    cases: list[dict[str, Any]] = []
    for old, new in ((a, b) for a in SIZES for b in SIZES if a < b):
        path = merkle.prove_consistency(old, new, log().reader)
        sound = {
            "name": f"sound growth from {old} to {new}",
            "old_size": old,
            "new_size": new,
            "old_root": log().root(old).hex(),
            "new_root": log().root(new).hex(),
            "path": [one.hex() for one in path],
        }
        other = {"old_root": flipped(log().root(old), 5).hex()}
        cases += [sound, sound | other | {"name": f"another past: growth from {old} to {new}"}]
    return cases


# ---------------------------------------------------------------- checkpoints


def note_signer(kind: SignatureKind, number: int) -> NoteSigner:
    name = NETWORK if kind is SignatureKind.LOG else f"{NETWORK}/member-{number}"
    return NoteSigner.of(name=name, kind=kind, key=key_of("Ed25519", 100 + number))


LOG_SIGNER = note_signer(SignatureKind.LOG, 0)
STRANGER = NoteSigner.of(name=NETWORK, kind=SignatureKind.LOG, key=key_of("Ed25519", 9))
WITNESSES = [note_signer(SignatureKind.COSIGNER, number) for number in (1, 2, 3)]


def note_cases() -> list[dict[str, Any]]:
    """Checkpoints of every size with a quorum of two of three, and what must not pass for one."""
    cases: list[dict[str, Any]] = []
    for size in SIZES:
        head = Checkpoint(origin=NETWORK, size=size, root=log().root(size))
        note = sign_checkpoint(head, [LOG_SIGNER])

        def cosigned(
            *witnesses: NoteSigner, age_s: int = 5, head: Checkpoint = head
        ) -> list[SignatureLine]:
            return [one.cosign(head, time_s=NOW_S - age_s) for one in witnesses]

        other = Checkpoint(origin=NETWORK, size=size, root=flipped(head.root, 0))
        variants: dict[str, Note] = {
            "sound, two of three": note.with_lines(cosigned(*WITNESSES[:2])),
            "sound, all": note.with_lines(cosigned(*WITNESSES)),
            "one of three": note.with_lines(cosigned(WITNESSES[0])),
            "nobody": note,
            "stale": note.with_lines(cosigned(*WITNESSES, age_s=MAX_AGE_S + 60)),
            "cosigned another root": note.with_lines(cosigned(*WITNESSES, head=other)),
            "text changed": Note(
                text=other.text(), lines=note.with_lines(cosigned(*WITNESSES)).lines
            ),
            "another log's key": sign_checkpoint(head, [STRANGER]).with_lines(cosigned(*WITNESSES)),
            "a root that the tiles do not have": sign_checkpoint(other, [LOG_SIGNER]).with_lines(
                cosigned(*WITNESSES, head=other)
            ),
        }
        cases += [
            {"name": f"{what}: size {size}", "text": variant.format().decode()}
            for what, variant in variants.items()
        ]
    return cases


def test_aics_tlog_judges_our_log_as_we_do(tmp_path: Path) -> None:
    served: dict[str, str] = {}
    for size in SIZES:
        served |= log().served(size)
    notes, inclusion, consistency = note_cases(), inclusion_cases(), consistency_cases()
    entries = [
        {"name": f"sound entry {index}", "index": index, "entry": log().entries[index].hex()}
        for index in (0, 255, 256, 299)
    ]
    entries.append({"name": "another entry", "index": 7, "entry": log().entries[8].hex()})
    material = {
        "log": {
            "origin": NETWORK,
            "size": SIZES[-1],
            "log_key": LOG_SIGNER.verifier.format(),
            "witness_keys": [one.verifier.format() for one in WITNESSES],
            "quorum": 2,
            "now": NOW_S,
            "max_age_s": MAX_AGE_S,
            "tiles": served,
        },
        "notes": notes,
        "entries": entries,
        "inclusion": inclusion,
        "consistency": consistency,
    }
    verdicts = ask("aics-tlog", "judge_tlog.py", material, tmp_path)
    assert verdicts == expected(notes, entries, inclusion, consistency)


def test_scitt_cose_judges_our_statements_and_proofs_as_we_do(tmp_path: Path) -> None:
    statements = statement_cases()
    inclusion, consistency = inclusion_cases(), consistency_cases()
    material = {"statements": statements, "inclusion": inclusion, "consistency": consistency}
    verdicts = ask("scitt-cose", "judge_scitt.py", material, tmp_path)
    assert verdicts == expected(statements, inclusion, consistency)
