"""The gateway agent itself: run it, check its settings, try one message.

`run` and `run_until_signal` run it from settings, `serve` from parts (tests, simulations);
`check` looks at settings without changing anything, `try_message` shows what one message becomes.
"""

from edge_agent.agent.check import Finding, Trial, check, try_message
from edge_agent.agent.root import Parts, open_parts, run, run_until_signal, serve

__all__ = [
    "Finding",
    "Parts",
    "Trial",
    "check",
    "open_parts",
    "run",
    "run_until_signal",
    "serve",
    "try_message",
]
