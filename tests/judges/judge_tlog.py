"""Judge: aics-tlog, an implementation of the C2SP transparency log formats.

Runs in its own environment (scripts/judges), shares nothing with the product. argv[1] is a JSON file with bytes in hex:
`{"log": {"origin", "size", "log_key", "witness_keys", "quorum", "now", "max_age_s", "tiles": {path: bytes}},
  "notes": [{"name", "text"}], "entries": [{"name", "index", "entry"}],
  "inclusion": [{"name", "entry", "index", "size", "path", "root"}],
  "consistency": [{"name", "old_size", "old_root", "new_size", "new_root", "path"}]}`;
stdout is `{name: true | false}`. A note is true when its log signature is valid, enough fresh cosignatures are, and every
tile and entry bundle of that size re-hashes to its root. An entry is true when the tiles hold it at its index.
"""

import json
import sys
from pathlib import Path
from typing import Any

import aics_tlog  # type: ignore[import-not-found]


def unhex(hashes: list[str]) -> list[bytes]:
    """Decode a path."""
    return [bytes.fromhex(one) for one in hashes]


def judge_note(case: dict[str, str], log: dict[str, Any], tiles: Any) -> bool:
    """Signatures, quorum, freshness, then the whole log behind the root."""
    try:
        verified = aics_tlog.verify_checkpoint(
            aics_tlog.parse_note(case["text"]),
            aics_tlog.parse_vkey(log["log_key"]),
            [aics_tlog.parse_vkey(key) for key in log["witness_keys"]],
            log["quorum"],
            expected_origin=log["origin"],
            max_age_seconds=log["max_age_s"],
            now=log["now"],
        )
        if not verified.ok:
            print(f"{case['name']}: {verified.error}", file=sys.stderr)
            return False
        aics_tlog.audit_tiles(tiles, verified.size, verified.root)
    except Exception as refusal:  # noqa: BLE001  # a stranger's library may refuse in any way it likes
        print(f"{case['name']}: {type(refusal).__name__}: {refusal}", file=sys.stderr)
        return False
    return True


def judge_entry(case: dict[str, Any], size: int, tiles: Any) -> bool:
    """The entry bundles hold these bytes at this index."""
    return bool(aics_tlog.read_entry(tiles, case["index"], size) == bytes.fromhex(case["entry"]))


def judge_inclusion(case: dict[str, Any]) -> bool:
    """The entry stands at its index of the tree."""
    return bool(
        aics_tlog.verify_leaf_inclusion(
            bytes.fromhex(case["entry"]),
            case["index"],
            case["size"],
            unhex(case["path"]),
            bytes.fromhex(case["root"]),
        )
    )


def judge_consistency(case: dict[str, Any]) -> bool:
    """The newer tree only appends to the older one."""
    return bool(
        aics_tlog.verify_consistency(
            case["old_size"],
            case["new_size"],
            bytes.fromhex(case["old_root"]),
            bytes.fromhex(case["new_root"]),
            unhex(case["path"]),
        )
    )


if __name__ == "__main__":
    material = json.loads(Path(sys.argv[1]).read_text())
    log = material["log"]
    reader = aics_tlog.MemoryTileReader(
        {path: bytes.fromhex(data) for path, data in log["tiles"].items()}
    )
    verdicts = {case["name"]: judge_note(case, log, reader) for case in material["notes"]}
    verdicts |= {
        case["name"]: judge_entry(case, log["size"], reader) for case in material["entries"]
    }
    verdicts |= {case["name"]: judge_inclusion(case) for case in material["inclusion"]}
    verdicts |= {case["name"]: judge_consistency(case) for case in material["consistency"]}
    print(json.dumps(verdicts))
