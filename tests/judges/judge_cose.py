"""Judge: pycose, a COSE implementation of 2023. Reads material, prints one verdict per statement.

Runs in its own environment (scripts/judges), shares nothing with the product: argv[1] is a JSON file
`{"statements": [{"name", "message", "curve", "x", "y"}]}` with bytes in hex; stdout is `{name: true | false}`.
True means: tag 18, four parts, and the signature is valid over what RFC 9052 says is signed.
"""

import json
import sys
from pathlib import Path

from pycose.keys import EC2Key, OKPKey  # type: ignore[import-not-found]
from pycose.keys.curves import P256, Ed25519  # type: ignore[import-not-found]
from pycose.messages import CoseMessage, Sign1Message  # type: ignore[import-not-found]


def judge(case: dict[str, str]) -> bool:
    """Decode the message and let pycose verify it; whatever it raises is a no."""
    try:
        message = CoseMessage.decode(bytes.fromhex(case["message"]))
        if not isinstance(message, Sign1Message):
            return False
        if case["curve"] == "Ed25519":
            message.key = OKPKey(crv=Ed25519, x=bytes.fromhex(case["x"]))
        else:
            message.key = EC2Key(crv=P256, x=bytes.fromhex(case["x"]), y=bytes.fromhex(case["y"]))
        return bool(message.verify_signature())
    except Exception as refusal:  # noqa: BLE001  # a stranger's library may refuse in any way it likes
        print(f"{case['name']}: {type(refusal).__name__}: {refusal}", file=sys.stderr)
        return False


if __name__ == "__main__":
    material = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps({case["name"]: judge(case) for case in material["statements"]}))
