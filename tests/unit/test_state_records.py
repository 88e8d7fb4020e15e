"""Records: create, update, retire, writers (statements.md, ops 3, 4, 6)."""

from collections.abc import Callable
from typing import Any

import pytest

from ledger.core import operation as op
from ledger.core.identifier import Identifier
from ledger.core.keys import PrivateKey
from ledger.core.record import (
    FROZEN,
    RETIRED,
    WITHHELD,
    AliasObject,
    ListedKey,
    RecordObject,
    id_key,
)
from ledger.core.value import Value
from tests.proof_world import AGENT, LAB, OTHER, OWNER, ROOT, STRANGER, digest, prefix, url
from tests.state_world import (
    COMPANY,
    DEVICE,
    ELSE,
    GATEWAY,
    PRODUCT,
    PRODUCT_2,
    PUMP,
    RECOVERY,
    REGISTRAR,
    SPARE,
    TANK,
    I,
    Net,
    batch,
    change,
    codes,
    creation,
    judge,
    network,
    refusal,
    run,
    shared_value,
    sign,
    update,
)


def record(net: Net, text: str) -> RecordObject:
    """Return a record."""
    found = net.find(text)
    assert isinstance(found, RecordObject)
    return found


# ---- op 3


@pytest.mark.parametrize(
    ("key", "code"),
    [(OWNER, 0), (REGISTRAR, 0), (AGENT, 6), (DEVICE, 6), (RECOVERY, 6), (STRANGER, 6)],
)
def test_owners_and_registrars_create(key: PrivateKey, code: int) -> None:
    """Roles 1 and 2."""
    net = network()

    assert judge(net, sign(net, key, LAB, creation(f"{LAB}/new"))) == code


def test_a_record_begins_at_version_1() -> None:
    """Owner iss, status 0, values dated by the block, in the spelling of its creation."""
    net = network()
    index = net.index
    run(net, (REGISTRAR, LAB, creation(f"{LAB}/NEW")))
    found = record(net, f"{LAB}/new")

    assert (found.id, found.owner, found.status, found.aliases) == (f"{LAB}/NEW", LAB, 0, ())
    assert (found.versions.version, found.versions.created, found.versions.prev) == (1, index, None)
    assert found.values[0].changed_ms == found.versions.created_ms == net.ms


def test_a_refused_create_names_every_bad_item_and_leaves_nothing() -> None:
    """All or nothing; numbers from 0; the first bad item gives the code."""
    net = network()
    made = creation(f"{LAB}/a", PUMP, f"{LAB}/b", f"{OTHER}/x", TANK)
    found = refusal(net, sign(net, OWNER, LAB, made))
    assert found is not None

    texts = [item.identifier.text for item in made.items]
    expected = {PUMP: "exists", f"{OTHER}/x": "not-authorised", TANK: "not-authorised"}
    assert {texts[at]: reason.split(":")[0] for at, reason in found.items} == expected
    assert found.code == 10
    assert found.detail.startswith(f"item {texts.index(PUMP)}:")


def test_items_over_a_limit_of_the_object_are_named_too() -> None:
    """Judged last, for each item."""
    net = network()
    big = tuple(url("x" * 235, index) for index in range(1, 251))
    items = (
        op.Item(identifier=I(f"{LAB}/a")),
        op.Item(identifier=I(f"{LAB}/b"), values=big),
    )
    found = refusal(net, sign(net, OWNER, LAB, op.Create(items=items)))
    assert found is not None

    assert (found.code, [at for at, _ in found.items]) == (2, [1])


@pytest.mark.parametrize("text", [PUMP, PUMP.upper().replace("HDL:LAB", "hdl:lab"), GATEWAY])
def test_an_identifier_is_registered_once_in_any_spelling(text: str) -> None:
    """`hdl` key text folds A–Z."""
    net = network()

    assert judge(net, sign(net, OWNER, LAB, creation(text))) == 10


def test_levels_of_a_gs1_key_in_one_statement() -> None:
    """Each item sees the earlier ones: the product, then its lot, then its serial numbers."""
    net = network()
    product = "gs1:01/09506000140445"
    texts = (product, f"{product}/10/LOT1", f"{product}/10/LOT1/21/S1", f"{product}/21/S2")
    run(net, (OWNER, COMPANY, creation(*texts)))

    assert all(record(net, text).owner == COMPANY for text in texts)


def test_a_qualifier_level_belongs_to_the_owner_of_its_key() -> None:
    """Not to whoever owns a company prefix elsewhere; without the product, to its company."""
    net = network()

    assert judge(net, sign(net, OWNER, COMPANY, creation(f"{PRODUCT_2}/21/S9"))) == 9
    assert judge(net, sign(net, OWNER, COMPANY, creation(f"{PRODUCT}/21/S9"))) == 0
    assert judge(net, sign(net, OWNER, COMPANY, creation("gs1:01/09506000140445/21/S1"))) == 0
    assert judge(net, sign(net, ROOT, "gs1:", creation("gs1:01/05412345000013"))) == 0


@pytest.mark.parametrize(("status", "code"), [(RETIRED, 11), (FROZEN, 12), (WITHHELD, 11)])
def test_under_a_closed_record_nothing_is_created(status: int, code: int) -> None:
    """The nearest existing ancestor may be a record."""
    net = network()
    change(net, PRODUCT, status=status)

    assert judge(net, sign(net, OWNER, COMPANY, creation(f"{PRODUCT}/21/S9"))) == code


def test_an_alias_in_the_way_exists_and_is_no_ancestor() -> None:
    """Whatever a key holds, op 3 on it is `exists`; other kinds count as missing for the rest."""
    net = network()
    alias = AliasObject(id=f"{LAB}/a", target=PUMP, version=1, created=1, last=1, prev=None)
    net.plant(alias)

    assert judge(net, sign(net, OWNER, LAB, creation(f"{LAB}/a"))) == 10
    assert judge(net, sign(net, OWNER, LAB, update(f"{LAB}/a"))) == 13
    assert judge(net, sign(net, ELSE, OTHER, update(f"{LAB}/a"))) == 9
    assert judge(net, sign(net, AGENT, LAB, batch(f"{LAB}/a"))) == 13


# ---- op 4


def test_values_are_put_removed_and_dated() -> None:
    """A put value gets the block's time even if equal; the others keep theirs."""
    net = network()
    run(net, (OWNER, LAB, update(PUMP, put=(url("c", 3), url("b", 7)))))
    second = net.ms
    run(net, (OWNER, LAB, update(PUMP, 2, put=(url("b", 7),), remove=(1,))))
    found = record(net, PUMP)

    assert [(value.index, value.changed_ms) for value in found.values] == [(3, second), (7, net.ms)]
    assert found.versions.version == 3


def test_aliases_are_listed_and_unlisted() -> None:
    """Ascending by bytes; a listed one cannot be listed again, in any spelling."""
    net = network()
    a, b, c = (I(f"{LAB}/{text}") for text in ("a", "b", "c"))
    run(net, (OWNER, LAB, update(PUMP, add_aliases=(a, c))))
    run(net, (OWNER, LAB, update(PUMP, 2, add_aliases=(b,), remove_aliases=(a,))))
    assert record(net, PUMP).aliases == (b.text, c.text)

    def code(**more: tuple[Identifier, ...]) -> int:
        return judge(net, sign(net, OWNER, LAB, update(PUMP, 3, **more)))

    assert code(add_aliases=(I(f"{LAB}/B"),)) == 1
    assert code(remove_aliases=(a,)) == 1
    assert code(remove_aliases=(I(f"{LAB}/C"),)) == 0
    assert code(add_aliases=(a,)) == 0


@pytest.mark.parametrize("version", [2, 99])
def test_an_update_names_the_version(version: int) -> None:
    """An older or newer one conflicts; so does the second of two in one block."""
    net = network()

    assert judge(net, sign(net, OWNER, LAB, update(PUMP, version))) == 13
    twins = [sign(net, key, LAB, update(PUMP, 1)) for key in (OWNER, REGISTRAR)]
    assert codes(net, twins) == [0, 13]


@pytest.mark.parametrize("made", [update, batch], ids=["update", "anchor"])
def test_a_missing_record_has_version_0(made: Callable[[str], op.Operation]) -> None:
    """Its would-be owner learns so (13), others that it is not theirs (9)."""
    net = network()
    change(net, LAB, keys=(*prefix(net, LAB).keys, *roles_1_to_4(SPARE)))
    change(net, OTHER, keys=(*prefix(net, OTHER).keys, *roles_1_to_4(SPARE)))
    change(net, "hdl:", keys=(*prefix(net, "hdl:").keys, *roles_1_to_4(SPARE)))

    assert judge(net, sign(net, SPARE, LAB, made(f"{LAB}/none"))) == 13
    assert judge(net, sign(net, SPARE, OTHER, made(f"{LAB}/none"))) == 9
    assert judge(net, sign(net, SPARE, "hdl:", made(LAB))) == 13, "a prefix is no record"
    assert judge(net, sign(net, SPARE, LAB, made(LAB))) == 9


def roles_1_to_4(key: PrivateKey) -> tuple[ListedKey, ...]:
    """Return a key that may sign every operation."""
    return (ListedKey(key=key.public, roles=(1, 2, 3, 4), since=1),)


# ---- writers


def put(data: str | bytes, **more: Any) -> op.Update:
    """Return the lab's update of the tank's shared value."""
    facts: dict[str, Any] = {"index": 2, "type": "temperature", "data": data, "writers": (LAB,)}
    return update(TANK, put=(Value(**facts | more),))


@pytest.mark.parametrize("key", [OWNER, REGISTRAR])
def test_a_writer_changes_the_data_of_its_value(key: PrivateKey) -> None:
    """With its roles 1 and 2; the owner pays and the record stays the owner's."""
    net = network()
    run(net, (key, LAB, put("19 °C")))
    found = record(net, TANK)

    assert (found.values[1].data, found.values[1].changed_ms) == ("19 °C", net.ms)
    assert (found.owner, found.versions.version) == (OTHER, 2)


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(update(TANK), id="nothing"),
        pytest.param(update(TANK, put=(url("x", 1),)), id="another-value"),
        pytest.param(update(TANK, put=(url("x", 1), shared_value("19 °C"))), id="also-another"),
        pytest.param(put("x", index=3), id="new-value"),
        pytest.param(put("x", type="pressure"), id="type"),
        pytest.param(put("x", ttl_s=60), id="ttl"),
        pytest.param(put("x", title="T"), id="title"),
        pytest.param(put("x", language="en"), id="language"),
        pytest.param(put("x", writers=()), id="no-writers"),
        pytest.param(put("x", writers=(LAB, OTHER)), id="more-writers"),
        pytest.param(put(b"x", format=1), id="format"),
        pytest.param(update(TANK, remove=(2,)), id="remove"),
        pytest.param(
            update(TANK, put=(shared_value("x"),), add_aliases=(I(f"{LAB}/a"),)), id="alias"
        ),
        pytest.param(
            update(TANK, put=(shared_value("x"),), remove_aliases=(I(f"{LAB}/a"),)), id="unlist"
        ),
    ],
)
def test_a_writer_changes_nothing_else(made: op.Update) -> None:
    """Any other change is not the writer's to make (9), though the owner may make most."""
    net = network()

    assert judge(net, sign(net, OWNER, LAB, made)) == 9


def test_who_is_no_writer_changes_nothing() -> None:
    """Neither another prefix nor a writer's agent."""
    net = network()

    assert judge(net, sign(net, OWNER, COMPANY, put("x"))) == 9
    assert judge(net, sign(net, AGENT, LAB, put("x"))) == 6


# ---- op 6


@pytest.mark.parametrize(("key", "code"), [(OWNER, 0), (REGISTRAR, 6), (AGENT, 6)])
def test_an_owner_retires(key: PrivateKey, code: int) -> None:
    """Role 1 only, unlike updates."""
    net = network()

    assert judge(net, sign(net, key, LAB, op.Retire(identifier=I(PUMP), version=1))) == code


def test_what_is_retired_keeps_its_values_and_takes_no_change() -> None:
    """Status 1, one version more, still there; a prefix retires like a record."""
    net = network()
    before = record(net, PUMP)
    run(net, (OWNER, LAB, op.Retire(identifier=I(PUMP), version=1, reason=1)))
    found = record(net, PUMP)

    assert (found.status, found.values, found.versions.version) == (RETIRED, before.values, 2)
    for made in (update(PUMP, 2), op.Retire(identifier=I(PUMP), version=2), creation(PUMP)):
        assert judge(net, sign(net, OWNER, LAB, made)) == (
            10 if isinstance(made, op.Create) else 11
        )
    assert judge(net, sign(net, AGENT, LAB, batch(PUMP))) == 11
    run(net, (OWNER, LAB, op.Retire(identifier=I(LAB), version=1)))
    assert judge(net, sign(net, OWNER, LAB, creation(f"{LAB}/new"))) == 11


# ---- resubmission §state: nothing is remembered, everything is refused


def test_the_same_bytes_again_are_refused_by_the_state() -> None:
    """`exists`, `version-conflict`, `retired`, `out-of-sequence`: no table of seen hashes."""
    net = network()
    raws = [
        sign(net, OWNER, LAB, creation(f"{LAB}/new")),
        sign(net, OWNER, LAB, update(PUMP)),
        sign(net, OWNER, LAB, op.Retire(identifier=I(GATEWAY), version=1)),
        sign(net, ELSE, OTHER, update(TANK)),
    ]
    anchor = sign(net, AGENT, LAB, batch(PUMP))

    assert codes(net, [anchor, *raws, anchor, *raws]) == [0, 0, 0, 0, 0, 14, 10, 13, 11, 13]


def test_prev_chains_every_version_of_a_record() -> None:
    """Three updates and a retirement: each prev is the hash of the version before."""
    net = network()
    key = id_key(I(PUMP))
    for version in range(1, 5):
        before = net.objects[key]
        made = update(PUMP, version) if version < 4 else op.Retire(identifier=I(PUMP), version=4)
        run(net, (OWNER, LAB, made))
        assert record(net, PUMP).versions.prev == digest(before)
        assert net.replaced[key, version] == before
