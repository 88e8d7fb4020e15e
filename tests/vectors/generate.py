"""Write every vector file of this folder; running it twice gives identical files.

`second/` is a second implementation of docs/spec, small and plain, which shares no code with the
product; `cases/` says what is tried and why. Seeds are fixed, ES256 nonces are RFC 6979's.

    python tests/vectors/generate.py            (or: make vectors)
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from tests.vectors.cases import (  # noqa: E402
    bundle_cases,
    cbor_cases,
    identifier_cases,
    key_cases,
    note_cases,
    object_cases,
    reading_cases,
    rejection_cases,
    statement_cases,
    tree_cases,
)
from tests.vectors.second import story  # noqa: E402


def main() -> None:
    """Write the files."""
    told = story.tell()
    files: dict[str, Callable[[], dict[str, Any]]] = {
        "cbor": cbor_cases.file,
        "identifiers": identifier_cases.file,
        "keys": key_cases.keys_file,
        "signatures": key_cases.signatures_file,
        "statements": lambda: statement_cases.statements_file(told),
        "operations": lambda: statement_cases.operations_file(told),
        "objects": lambda: object_cases.objects_file(told),
        "commit": lambda: object_cases.commit_file(told),
        "chain": lambda: object_cases.chain_file(told),
        "rejections": lambda: rejection_cases.file(told),
        "readings": lambda: reading_cases.file(told),
        "merkle": tree_cases.merkle_file,
        "map": tree_cases.map_file,
        "checkpoint": lambda: note_cases.checkpoint_file(told),
        "trust": lambda: note_cases.trust_files(told),
        "bundle": lambda: bundle_cases.file(told),
    }
    for name, make in files.items():
        content = make()
        names = [case["name"] for case in content["cases"]]
        doubled = sorted({case for case in names if names.count(case) > 1})
        assert not doubled, (name, doubled)
        text = json.dumps(content, indent=1, ensure_ascii=True)
        (HERE / f"{name}.json").write_text(text + "\n", encoding="ascii")
        good = sum(case["valid"] for case in content["cases"])
        print(f"{name}.json: {good} accepted, {len(names) - good} refused")


if __name__ == "__main__":
    main()
