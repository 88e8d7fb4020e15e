"""Judge: scitt-cose, an implementation of SCITT Signed Statements and RFC 9162 proofs.

Runs in its own environment (scripts/judges), shares nothing with the product. argv[1] is a JSON file with bytes in hex:
`{"statements": [{"name", "message", "pem", "issuer", "subject"}],
  "inclusion": [{"name", "entry", "index", "size", "path", "root"}],
  "consistency": [{"name", "old_size", "old_root", "new_size", "new_root", "path"}]}`;
stdout is `{name: true | false}`. True for a statement means: valid signature, and issuer, subject and content type read
from its protected header are the expected ones.
"""

import json
import sys
from pathlib import Path
from typing import Any

import scitt_cose  # type: ignore[import-not-found]


def judge_statement(case: dict[str, str]) -> bool:
    """A Signed Statement with its issuer and subject in CWT claims."""
    found = scitt_cose.parse_signed_statement(
        bytes.fromhex(case["message"]), public_key_pem=case["pem"]
    )
    return (
        found["signature_verified"] is True
        and found["issuer"] == case["issuer"]
        and found["subject"] == case["subject"]
        and found["content_type"] == "application/vnd.xinbiao.operation+cbor"
    )


def judge_inclusion(case: dict[str, Any]) -> bool:
    """The entry stands at its index of the tree."""
    return bool(
        scitt_cose.verify_inclusion(
            case["entry"], case["index"], case["size"], case["path"], case["root"]
        )
    )


def judge_consistency(case: dict[str, Any]) -> bool:
    """The newer tree only appends to the older one."""
    return bool(
        scitt_cose.verify_consistency(
            case["old_root"], case["new_root"], case["old_size"], case["new_size"], case["path"]
        )
    )


if __name__ == "__main__":
    material = json.loads(Path(sys.argv[1]).read_text())
    verdicts = {case["name"]: judge_statement(case) for case in material["statements"]}
    verdicts |= {case["name"]: judge_inclusion(case) for case in material["inclusion"]}
    verdicts |= {case["name"]: judge_consistency(case) for case in material["consistency"]}
    print(json.dumps(verdicts))
