"""Verify against bundles that a second implementation built, and broke (tests/vectors/bundle.json)."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from ledger.core.bundle import Bundle
from ledger.core.policy import TrustFile
from ledger.core.proof import Moment, Size, Time, Verdict, verify
from ledger.core.proof_history import version
from ledger.core.reading import encode_reading
from ledger.errors import ProofError

FILE = Path(__file__).resolve().parent.parent / "vectors" / "bundle.json"
CONTENT: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
GOOD = [case for case in CONTENT["cases"] if case["valid"]]
BAD = [case for case in CONTENT["cases"] if not case["valid"]]


@cache
def trust(name: str) -> TrustFile:
    """Return a trust file of the vectors."""
    return TrustFile.parse(CONTENT["trust_files"][name])


def moment(at: dict[str, int] | None) -> Moment | None:
    """Return the moment of a case."""
    if at is None:
        return None
    return Size(size=at["size"]) if "size" in at else Time(ms=at["ms"])


def judge(case: dict[str, Any], form: bytes | str) -> Verdict:
    """Ask what the case asks."""
    seen = case["last_seen"]
    return verify(
        form,
        case["identifier"],
        network=case["network"],
        trust=trust(case["trust"]),
        now=case["now"],
        max_age=case["max_age"],
        question=case["question"],
        at=moment(case["at"]),
        last_seen=None if seen is None else (seen[0], bytes.fromhex(seen[1])),
    )


def shown(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as the vectors have it."""
    answer: dict[str, Any] = {
        "verdict": verdict.kind,
        "frozen": verdict.frozen,
        "current": verdict.current,
        "dated": verdict.dated,
        "size": verdict.size,
        "root": verdict.root.hex(),
        "commit_index": verdict.head.leaf.index,
        "counted": list(verdict.quorum[0]),
        "ignored": len(verdict.ignored),
        "nearest": verdict.nearest.id if verdict.nearest else None,
        "versions": [version(one) for one in verdict.versions],
    }
    proved = verdict.proved
    if proved is not None:
        said = proved.reading
        raw = encode_reading(said.name, said.us, said.value, said.unit, said.quality)
        answer["reading"] = {
            "hex": raw.hex(),
            "stream": proved.stream,
            "sequence": proved.sequence,
            "index": proved.index,
            "attributed": proved.attributed,
            "suspect": proved.suspect,
            "equivocated": proved.equivocated,
        }
    return answer


@pytest.mark.parametrize("case", GOOD, ids=lambda case: case["name"])
def test_accepted(case: dict[str, Any]) -> None:
    """Both forms are one bundle, and the verdict is that of the second implementation."""
    bundle = Bundle.decode(bytes.fromhex(case["hex"]))
    expected = dict(case["expect"])
    found = expected.pop("object")
    verdict = judge(case, bundle.encode())

    assert bundle.encode().hex() == case["hex"]
    assert bundle.encode_json() == case["json"]
    assert judge(case, case["json"]) == verdict
    answer = shown(verdict)
    assert expected == {part: answer[part] for part in expected}
    if verdict.kind not in ("absent", "not-here"):
        first = verdict.versions[0] if verdict.versions else verdict.record
        assert first is not None
        assert first.encode().hex() == found


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["name"])
def test_refused(case: dict[str, Any]) -> None:
    """What proves nothing is refused, for the reason given."""
    form = bytes.fromhex(case["hex"]) if "hex" in case else case["json"]
    with pytest.raises(ProofError) as caught:
        judge(case, form)

    assert case["expect"]["fault"] == caught.value.fault.name.lower().replace("_", "-")
