"""The whole gateway agent on in-memory twins: a day in an instant, faults on command."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from edge_agent.adapters.source_memory import MemorySource
from edge_agent.adapters.spool import Spool, SpoolLimits
from edge_agent.adapters.spool_memory import MemoryJournal
from edge_agent.adapters.status_file import Status, read_status
from edge_agent.adapters.system import Chance, ManualClock
from edge_agent.adapters.uplink import NeverStored, NotYet
from edge_agent.adapters.uplink_memory import MemoryNode
from edge_agent.agent import Parts, serve
from edge_agent.core.batch import SealPolicy, Signer
from edge_agent.core.extract import Pointer
from edge_agent.core.gap import GapReason
from edge_agent.core.mapping import Mapping, MappingRule, ReadingRule
from edge_agent.errors import SpoolError, StatusError
from ledger.core import identifier, keys, operation, statement
from ledger.core.reading import decode_reading

KEY = keys.private_from_seed("Ed25519", b"\1" * 32)
NEW_KEY = keys.private_from_seed("Ed25519", b"\2" * 32)
STREAM = identifier.parse("lab.1/gw-1")
RULE = MappingRule(
    filter="plant/{machine}/{prop}",
    identifier="lab.1/{machine}",
    readings=(
        ReadingRule(
            name="{prop}",
            value=Pointer.parse("/v", part="v"),
            time=Pointer.parse("/ts", part="ts"),
        ),
    ),
)
COUNTED = replace(RULE, sequence=Pointer.parse("/n", part="n"))
PERIOD_S = 60.0


@dataclass
class World:
    """What outlives an agent: broker, disk, ledger, time."""

    clock: ManualClock = field(default_factory=ManualClock)
    journal: MemoryJournal = field(default_factory=MemoryJournal)
    rule: MappingRule = RULE
    limits: SpoolLimits = field(default_factory=SpoolLimits)
    key: keys.PrivateKey = KEY
    readings_max: int = 10_000
    data_dir: Path | None = None

    def __post_init__(self) -> None:
        self.source = MemorySource(self.clock)
        self.node = MemoryNode(
            network="lab.example", prefix="hdl:lab.1", stream=STREAM.text, keys=[KEY.public]
        )

    def parts(self) -> Parts:
        """A new agent on the old world."""
        if self.source.connected.is_set():
            self.source.reconnect()
        return Parts(
            source=self.source,
            mapping=Mapping([self.rule]),
            spool=Spool(self.journal, self.limits),
            node=self.node,
            signer=Signer(stream=STREAM, prefix="hdl:lab.1", network="lab.example", key=self.key),
            policy=SealPolicy(readings_max=self.readings_max, period_s=PERIOD_S),
            clock=self.clock,
            chance=Chance(),
            data_dir=self.data_dir,
            drain_s=0.0,
        )

    def publish(self, first: int, last: int, *, machine: str = "pump") -> None:
        """Let the plant send numbered values."""
        for number in range(first, last):
            payload = json.dumps({"v": number, "ts": 1_800_000_000_000 + number, "n": number})
            self.source.publish(f"plant/{machine}/t", payload.encode())

    def values(self) -> list[object]:
        """Every anchored value whose body has arrived, in the order of the stream."""
        return [decode_reading(one).value for one in self.node.readings]

    def anchors(self) -> list[operation.Anchor]:
        return [entry.anchor for entry in self.node.logged]


@asynccontextmanager
async def agent(world: World) -> AsyncIterator[Parts]:
    """A running agent, killed without any farewell at the end."""
    parts = world.parts()
    task = asyncio.create_task(serve(parts, stop=asyncio.Event()))
    try:
        yield parts
    finally:
        assert not task.done() or task.exception() is None, task.exception()
        task.cancel()
        await asyncio.wait({task})
        world.journal.kill()


async def until(
    world: World, condition: Callable[[], bool], *, step_s: float = 0.0, turns: int = 600
) -> None:
    """Let the agent work, and time pass in steps, until a condition holds."""
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0.001)
        if step_s:
            await world.clock.advance(step_s)
    raise AssertionError("it never happened")


async def settle() -> None:
    """Let everything happen that needs no time to pass."""
    for _ in range(20):
        await asyncio.sleep(0.001)


def accepted(parts: Parts, count: int) -> Callable[[], bool]:
    return lambda: parts.spool.books.readings_accepted >= count


def pushed(parts: Parts) -> Callable[[], bool]:
    def is_done() -> bool:
        books = parts.spool.books
        waits = books.readings or parts.spool.losses
        return not waits and books.pushed == books.next_sequence > 0

    return is_done


async def test_readings_are_anchored_and_pushed_in_order() -> None:
    """From the source to the ledger and the archive, each once."""
    world = World()
    async with agent(world) as parts:
        world.publish(0, 50)
        await until(world, accepted(parts, 50))
        assert world.source.stored == 0
        assert world.node.logged == []
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == list(range(50))
    assert [one.count for one in world.anchors()] == [50]


async def test_a_batch_is_sealed_by_count_without_waiting() -> None:
    """No time passes at all."""
    world = World(readings_max=10)
    async with agent(world) as parts:
        world.publish(0, 40)
        await until(world, lambda: parts.spool.books.confirmed == 4)
    assert [one.count for one in world.anchors()] == [10, 10, 10, 10]


async def test_a_batch_is_sealed_by_time() -> None:
    """Just before the period nothing is sealed, at its end everything is."""
    world = World()
    async with agent(world) as parts:
        world.publish(0, 3)
        await until(world, accepted(parts, 3))
        await settle()
        await world.clock.advance(PERIOD_S - 1)
        await settle()
        assert parts.spool.books.next_sequence == 0
        await until(world, pushed(parts), step_s=1)
    assert world.values() == [0, 1, 2]


async def test_nothing_is_signed_before_the_ledger_agrees() -> None:
    """While the node is silent after a start, readings wait in the spool."""
    world = World()
    world.node.outage = True
    async with agent(world) as parts:
        world.publish(0, 5)
        await until(world, accepted(parts, 5))
        for _ in range(5):
            await world.clock.advance(PERIOD_S)
            await settle()
        assert (parts.spool.books.next_sequence, world.source.stored) == (0, 0)
        world.node.outage = False
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == [0, 1, 2, 3, 4]


async def test_an_outage_after_the_start_delays_and_loses_nothing() -> None:
    """Batches are sealed on time, kept, and sent in order afterwards."""
    world = World()
    async with agent(world) as parts:
        await settle()
        world.node.outage = True
        for minute in range(4):
            world.publish(10 * minute, 10 * minute + 10)
            await until(world, accepted(parts, 10 * minute + 10))
            await until(world, lambda: parts.spool.books.readings == 0, step_s=PERIOD_S / 4)
        assert (parts.spool.books.next_sequence, len(world.node.logged)) == (4, 0)
        world.node.outage = False
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == list(range(40))


async def test_a_lost_answer_is_asked_for_with_the_same_bytes() -> None:
    """The ledger holds the batch once, and it is the first statement."""
    world = World()
    world.node.lose_answer = 2
    async with agent(world) as parts:
        world.publish(0, 5)
        await until(world, pushed(parts), step_s=PERIOD_S)
        assert world.node.submissions >= 3
    assert (len(world.node.logged), world.values()) == (1, [0, 1, 2, 3, 4])


async def test_a_kill_at_any_moment_loses_and_doubles_nothing() -> None:
    """Killed after every few milliseconds, with what was acknowledged acknowledged."""
    world = World(readings_max=7)
    for round_ in range(30):
        world.publish(10 * round_, 10 * round_ + 10)
        async with agent(world):
            for _ in range(round_ % 9):
                await asyncio.sleep(0.001)
            if round_ % 4 == 0:
                await world.clock.advance(PERIOD_S)
    async with agent(world) as parts:
        await until(world, lambda: world.source.stored == 0)
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == list(range(300))


async def test_a_power_cut_loses_nothing_that_was_acknowledged() -> None:
    """What was not synced was not acknowledged, and comes again."""
    world = World(readings_max=7)
    for round_ in range(12):
        world.publish(10 * round_, 10 * round_ + 10)
        async with agent(world):
            for _ in range(round_ % 7):
                await asyncio.sleep(0.001)
        world.journal.crash()
    async with agent(world) as parts:
        await until(world, lambda: world.source.stored == 0)
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == list(range(120))


async def test_what_comes_again_is_dropped() -> None:
    """The publisher's own retry and a repeated delivery are one reading."""
    world = World()
    async with agent(world) as parts:
        world.publish(0, 5)
        world.publish(3, 8)
        await until(world, accepted(parts, 8))
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == list(range(8))


async def test_malformed_messages_are_kept_with_their_reason_and_stated() -> None:
    """They never kill the agent, and the anchor says how many readings are missing."""
    world = World()
    async with agent(world) as parts:
        world.source.publish("plant/pump/t", b"{")
        world.source.publish("elsewhere", b"1")
        world.source.publish("plant/pump/t", b'{"v":"x","ts":1}')
        world.publish(0, 2)
        await until(world, accepted(parts, 2))
        letters = [(one.reason, one.channel) for one in parts.spool.dead_letters()]
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert letters == [
        ("bad-payload", "plant/pump/t"),
        ("no-mapping", "elsewhere"),
        ("bad-type", "plant/pump/t"),
    ]
    assert [(one.count, one.lost) for one in world.anchors()] == [(2, ((8, 2),))]


async def test_an_unknown_channel_is_sampled_not_stored_for_ever() -> None:
    """A chatty channel that nobody mapped cannot fill the disk."""
    world = World()
    async with agent(world) as parts:
        for number in range(50):
            world.source.publish("elsewhere", b"%d" % number)
        await until(world, lambda: world.source.stored == 0)
        assert parts.spool.books.next_dead == 10


async def test_a_full_spool_sheds_the_newest_and_states_the_gap() -> None:
    """The oldest readings stay; the statement says how many are missing and why."""
    world = World(limits=SpoolLimits(bytes_max=2_000))
    world.node.outage = True
    async with agent(world) as parts:
        for number in range(20):
            world.publish(10 * number, 10 * number + 10)
            await until(world, lambda: world.source.stored == 0)
        shed = parts.spool.books.readings_shed
        assert 0 < shed < 200
        assert parts.spool.used_bytes <= 2_000
        world.node.outage = False
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == list(range(200 - shed))
    assert [dict(one.lost) for one in world.anchors()] == [{GapReason.QUEUE_FULL: shed}]


async def test_a_loss_without_readings_gets_its_own_statement() -> None:
    """Count 0, reason, number: an idle stream does not hide a gap."""
    world = World()
    async with agent(world) as parts:
        world.source.publish("plant/pump/t", b"{")
        await until(world, lambda: bool(parts.spool.losses))
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert [(one.count, one.reason, one.lost) for one in world.anchors()] == [(0, 8, ((8, 1),))]


async def test_a_forgotten_session_is_stated_without_a_number() -> None:
    """Nobody knows how many messages the broker dropped."""
    world = World()
    async with agent(world) as parts:
        await settle()
        world.source.reconnect(session_kept=False)
        world.publish(0, 1)
        await until(world, accepted(parts, 1))
        await until(world, lambda: parts.spool.books.pushed == 2, step_s=PERIOD_S)
    assert [(one.count, one.reason, one.lost) for one in world.anchors()] == [
        (0, 5, ()),
        (1, None, ()),
    ]


async def test_a_step_of_the_clock_is_stated() -> None:
    """The wall clock was set: readings before and after are told apart by a statement."""
    world = World()
    async with agent(world) as parts:
        await settle()
        world.clock.step(-3_600)
        world.publish(0, 1)
        await until(world, accepted(parts, 1))
        await until(world, lambda: parts.spool.books.pushed == 2, step_s=PERIOD_S)
    assert [one.reason for one in world.anchors()] == [7, None]


async def test_a_senders_missing_counters_are_stated() -> None:
    """The device counted on, and the messages between never came."""
    world = World(rule=COUNTED)
    async with agent(world) as parts:
        world.publish(0, 3)
        world.publish(7, 9)
        await until(world, accepted(parts, 5))
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert [one.lost for one in world.anchors()] == [((4, 4),)]


# ---------------------------------------------------------------- refusals


async def test_a_stopped_stream_goes_on_spooling_and_recovers_by_itself() -> None:
    """The record was not registered yet: nothing more is signed, nothing is lost, no restart."""
    world = World(readings_max=5)
    world.node.stream_text = "hdl:lab.1/other"
    async with agent(world) as parts:
        world.publish(0, 5)
        await until(world, lambda: parts.spool.books.next_sequence == 1)
        await settle()
        world.publish(5, 25)
        await until(world, accepted(parts, 25))
        await settle()
        assert parts.spool.books.next_sequence == 1
        world.node.stream_text = STREAM.text
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert world.values() == list(range(25))


async def test_a_batch_refused_for_good_is_stated_and_the_queue_goes_on() -> None:
    """Its statement lies with its refusal, the sequence says batch-rejected, the rest follows."""
    world = World(readings_max=5)
    world.node.refusals.extend(["malformed"] * 3)
    async with agent(world) as parts:
        world.publish(0, 15)
        await until(world, pushed(parts), step_s=1, turns=2_000)
        (letter,) = parts.spool.dead_letters()
        assert parts.spool.body(0) is not None
    assert "malformed" in letter.detail
    assert statement.parse(letter.payload).is_signed_by(KEY.public)
    assert [(one.count, one.reason, one.lost) for one in world.anchors()] == [
        (0, 9, ((9, 5),)),
        (5, None, ()),
        (5, None, ()),
    ]
    assert world.values() == list(range(5, 15))


async def test_a_body_is_offered_until_the_node_takes_it() -> None:
    """Not logged yet, busy, refused once by mistake: the same body again, and none is skipped."""
    world = World(readings_max=5)
    world.node.body_refusals.extend([NotYet(detail="busy"), NeverStored(detail="?")] * 2)
    async with agent(world) as parts:
        world.publish(0, 10)
        await until(world, lambda: parts.spool.books.pushed == 2, step_s=1)
        assert list(parts.spool.dead_letters()) == []
    assert world.values() == list(range(10))


async def test_a_body_refused_for_good_does_not_hold_up_the_others() -> None:
    """It is noted with the reason and stays in the local archive."""
    world = World(readings_max=5)
    world.node.body_refusals.extend([NeverStored(detail="too large")] * 3)
    async with agent(world) as parts:
        world.publish(0, 10)
        await until(world, lambda: parts.spool.books.pushed == 2, step_s=1)
        (letter,) = parts.spool.dead_letters()
        assert parts.spool.body(0) is not None
    assert (letter.reason, letter.detail) == ("archive-refused", "body 0: too large")
    assert world.values() == list(range(5, 10))


async def test_a_replaced_key_signs_what_was_refused_again() -> None:
    """The old key was revoked while batches waited; after a restart the new key signs them."""
    world = World(readings_max=5)
    world.node.keys = {NEW_KEY.public.kid: NEW_KEY.public}
    async with agent(world) as parts:
        world.publish(0, 5)
        await until(world, lambda: parts.spool.books.next_sequence == 1)
        await settle()
        assert world.node.logged == []
    world.key = NEW_KEY
    async with agent(world) as parts:
        world.publish(5, 10)
        await until(world, accepted(parts, 10))
        await until(world, pushed(parts), step_s=PERIOD_S)
        (letter,) = parts.spool.dead_letters()
    assert "not-authorised" in letter.detail
    assert world.values() == list(range(10))


async def test_a_lost_data_directory_signs_nothing_until_the_owner_acts() -> None:
    """The owner states the loss with a new epoch; then the stream goes on behind it."""
    world = World(readings_max=5)
    async with agent(world) as parts:
        world.publish(0, 5)
        await until(world, pushed(parts))
    world.journal = MemoryJournal()
    async with agent(world) as parts:
        world.publish(5, 10)
        await until(world, accepted(parts, 5))
        await until(world, lambda: parts.spool.books.lost_epoch == 0)
        assert parts.spool.books.next_sequence == 0
        _raise_epoch(world)
        await until(world, lambda: len(world.node.logged) == 3, step_s=PERIOD_S)
        await until(world, pushed(parts), step_s=PERIOD_S)
    assert [(one.sequence, one.epoch, one.count) for one in world.anchors()] == [
        (0, 0, 5),
        (1, 1, 0),
        (2, 1, 5),
    ]
    assert world.values() == list(range(10))


def _raise_epoch(world: World) -> None:
    """What the owner's command does: an empty anchor of the next epoch."""
    last = world.node.logged[-1]
    anchor = operation.Anchor(
        stream=STREAM,
        sequence=len(world.node.logged),
        previous=last.hash,
        root=bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        count=0,
        first_us=1,
        last_us=1,
        epoch=1,
        reason=int(GapReason.STATE_LOST),
    )
    signer = Signer(stream=STREAM, prefix="hdl:lab.1", network="lab.example", key=KEY)
    raw = signer.sign(anchor, iat_s=1)
    world.node.logged.append(type(last)(raw, statement.parse(raw).hash, anchor))


async def test_two_gateways_with_one_identity_are_stopped() -> None:
    """Somebody else anchored at our sequence: nothing more is signed."""
    world = World(readings_max=5)
    async with agent(world) as parts:
        world.publish(0, 5)
        await until(world, pushed(parts))
    copy = World(readings_max=5)
    copy.journal._rows = dict(world.journal._rows)
    copy.node = world.node
    async with agent(copy) as parts:
        copy.publish(100, 105)
        await until(copy, accepted(parts, 10))
        await until(copy, pushed(parts))
    async with agent(world) as parts:
        world.publish(5, 10)
        await until(world, accepted(parts, 10))
        for _ in range(5):
            await world.clock.advance(PERIOD_S)
            await settle()
        assert parts.spool.books.next_sequence == 1
    assert len(world.node.logged) == 2


# ---------------------------------------------------------------- disk faults, end, status


@pytest.mark.parametrize("fault", ["write-before", "write-after", "sync"])
async def test_a_failing_disk_blocks_and_loses_nothing(fault: str) -> None:
    """Nothing is acknowledged meanwhile; when the disk is back, everything is there once."""
    world = World(readings_max=5)
    async with agent(world) as parts:
        for number in range(4):
            world.journal.fail_next(fault)  # type: ignore[arg-type]
            world.journal.fail_next("reopen")
            world.publish(5 * number, 5 * number + 5)
            await until(world, accepted(parts, 5 * number + 5), step_s=0.5)
        await until(world, pushed(parts), step_s=1)
    assert world.values() == list(range(20))


async def test_an_orderly_end_sends_what_waits() -> None:
    """Nothing is left in the spool although the period has not passed."""
    world = World()
    parts = replace(world.parts(), drain_s=5.0)
    stop, ready = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(serve(parts, stop=stop, ready=ready))
    await ready.wait()
    world.publish(0, 5)
    await until(world, accepted(parts, 5))
    await settle()
    stop.set()
    await asyncio.wait_for(task, 5)
    assert world.values() == [0, 1, 2, 3, 4]
    assert not world.source.connected.is_set()


async def test_the_status_says_what_is_the_matter(tmp_path: Path) -> None:
    """While stopped it carries the alarm, afterwards it is running, at the end it has ended."""
    world = World(readings_max=5, data_dir=tmp_path)
    world.node.refusals.append("frozen")
    parts = world.parts()
    stop = asyncio.Event()
    task = asyncio.create_task(serve(parts, stop=stop))

    async def until_state(state: str, step_s: float) -> Status:
        for _ in range(600):
            status = await asyncio.to_thread(_status_if_any, tmp_path)
            if status.state == state:
                return status
            await world.clock.advance(step_s)
        raise AssertionError(f"it never was {state}")

    world.publish(0, 5)
    stopped = await until_state("stopped: frozen", 1)
    assert (stopped.alarm, stopped.backlog, stopped.source_connected) == (
        "frozen: refused on purpose",
        1,
        True,
    )
    await until_state("running", 10)
    await until(world, pushed(parts), step_s=1)
    stop.set()
    await task
    ended = await asyncio.to_thread(read_status, tmp_path)
    assert (ended.state, ended.alarm, ended.readings_anchored) == ("ended", "", 5)
    assert ended.counters["batches_sealed"] == 1


def _status_if_any(folder: Path) -> Status:
    try:
        return read_status(folder)
    except StatusError:
        return Status()


async def test_an_error_of_the_source_ends_the_agent_with_that_error() -> None:
    """What trying again cannot help is raised, not wrapped in a group."""

    class Broken(MemorySource):
        async def run(self) -> None:  # type: ignore[explicit-override]
            raise SpoolError("no way to go on")

    world = World()
    world.source = Broken(world.clock)
    with pytest.raises(SpoolError, match="no way to go on"):
        await serve(world.parts(), stop=asyncio.Event())


@pytest.mark.slow
async def test_a_day_of_a_gateway_stays_small() -> None:
    """A reading a minute of 20 identifiers, for 24 hours: the batches cost the ledger, not the readings."""
    world = World()
    async with agent(world) as parts:
        for minute in range(24 * 60):
            for machine in range(20):
                payload = b'{"v":%d,"ts":%d}' % (minute, 1_800_000_000_000 + minute)
                world.source.publish(f"plant/m{machine}/t", payload)
            await until(world, accepted(parts, 20 * (minute + 1)))
            await until(world, pushed(parts), step_s=PERIOD_S)
    assert len(world.node.logged) == 24 * 60
    assert sum(len(entry.raw) for entry in world.node.logged) < 1_000_000
