"""The contract of everything that sends readings to the agent.

Implementations: `source_mqtt` (aiomqtt), `source_memory` (tests, simulations).
`tests/contract/test_source.py` runs the same checks against each of them.

A source delivers in order of arrival, at least once, and acknowledges nothing to its peer before it
is told to. What is delivered and not acknowledged comes again after a reconnect or a restart.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from edge_agent.core.gap import GapReason


@dataclass(frozen=True, slots=True)
class Message:
    """One delivery.

    Attributes:
        ticket: Grows by one per delivery of a source and is never used twice.
        channel: Topic, path or register block.
        payload: Verbatim.
        received_ns: Wall clock of receipt; never used for order.
        redelivered: The peer says that it sent this before.
        repeatable: False where nobody will send it again (QoS 0).
        delivery: The peer's number of this delivery, kept when it is repeated; 0 where it has none.
    """

    ticket: int
    channel: str
    payload: bytes
    received_ns: int
    redelivered: bool = False
    repeatable: bool = True
    delivery: int = 0


class Source(Protocol):
    """Readings on their way in.

    Attributes:
        connected: Set while the peer may send to us.
    """

    connected: asyncio.Event

    @property
    def counters(self) -> Mapping[str, int]:
        """What happened, by name, for the status."""
        ...

    async def run(self) -> None:
        """Hold the connection, and make it again whenever it is lost, until `close` or cancelled.

        Raises:
            SourceError: The peer refuses what is configured; trying again cannot help.
        """
        ...

    async def read(self, *, count_max: int, wait_s_max: float) -> Sequence[Message]:
        """Return what has arrived, at least one message unless `wait_s_max` passes without any.

        Cancelling loses nothing: what was not returned is returned by the next call.
        """
        ...

    def acknowledge(self, *, through: int) -> None:
        """Tell the peer that everything up to this ticket is safe, in order of arrival.

        Tickets of an earlier connection are ignored: their messages come again.
        """
        ...

    def pause(self) -> None:
        """Take in no more than the bound of the queue until `resume`."""
        ...

    def resume(self) -> None:
        """Take in messages again, beginning with those that were not acknowledged."""
        ...

    def take_losses(self) -> Mapping[GapReason, int]:
        """Return what was lost since the last call and will not come again, by reason.

        A reason with number 0 is a loss of unknown number.
        """
        ...

    async def close(self) -> None:
        """Leave the peer; acknowledgements given before are sent first."""
        ...
