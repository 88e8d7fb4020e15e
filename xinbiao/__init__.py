"""Xinbiao 信标: what a part or machine is, with a proof that you check yourself.

    from xinbiao import Client, verify

`Client` asks a node and verifies what it answers; `verify` judges a proof bundle without a network.
Importing the package loads neither: names are looked up when they are used.
"""

from typing import TYPE_CHECKING, Any

from xinbiao.errors import (
    AnswerError,
    InputError,
    RefusedError,
    TableError,
    UnreachableError,
    UsageError,
    XinbiaoError,
)

if TYPE_CHECKING:
    from ledger.core.policy import TrustFile
    from ledger.core.proof import Verdict, verify
    from xinbiao.client import Answer, Client

__all__ = [
    "Answer",
    "AnswerError",
    "Client",
    "InputError",
    "RefusedError",
    "TableError",
    "TrustFile",
    "UnreachableError",
    "UsageError",
    "Verdict",
    "XinbiaoError",
    "verify",
]

_LAZY = {
    "Answer": "xinbiao.client",
    "Client": "xinbiao.client",
    "TrustFile": "ledger.core.policy",
    "Verdict": "ledger.core.proof",
    "verify": "ledger.core.proof",
}


def __getattr__(name: str) -> Any:
    """Import what was asked for (PEP 562)."""
    from importlib import import_module

    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LAZY[name]), name)
