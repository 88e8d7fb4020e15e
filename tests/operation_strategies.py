"""Hypothesis strategies for operations and objects: any value that the CDDL allows, in small sizes."""

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from ledger.core import identifier, keys
from ledger.core import operation as op
from ledger.core.encoding import INT_MAX
from ledger.core.identifier import Identifier
from ledger.core.key_list import NewKey, Revocation
from ledger.core.member import Limits, Member, minimum_quorum
from ledger.core.merkle import EMPTY_ROOT
from ledger.core.record import (
    AliasObject,
    ListedKey,
    NetworkObject,
    PrefixObject,
    RecordObject,
    StreamObject,
    UsageObject,
    Versions,
)
from ledger.core.value import Quota, Value

POOL = tuple(
    keys.private_from_seed(curve, bytes((number,)) * 32)
    for number in range(0x40, 0x48)
    for curve in (keys.ED25519, keys.P256)
)
ED_POOL = tuple(key.public.raw() for key in POOL if key.public.curve == keys.ED25519)
RECORD_TEXTS = (
    "hdl:lab.1/Pump-07",
    "hdl:lab.1/泵",
    "hdl:88.118.8/JXDY2106023",
    "gs1:01/09506000134352/10/LOT%2F1/21/S1",
    "oid:1.2.156.3001.5",
    "did:web:example.com:pump",
    "ecode:1.00064.100x",
)
PREFIX_TEXTS = (
    "hdl:",
    "hdl:lab.1",
    "hdl:a-b.c",
    "gs1:gcp/950600",
    "gs1:gcp8/950",
    "oid:1.2",
    "did:web",
)

numbers = st.one_of(st.integers(0, 30), st.integers(0, INT_MAX), st.just(INT_MAX))
versions = numbers.map(lambda number: max(number, 1))
hashes = st.binary(min_size=32, max_size=32)
texts = st.text(st.characters(codec="utf-8"), max_size=20)
short_texts = texts
network_names = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="+"),
    min_size=1,
    max_size=20,
)
records = st.sampled_from(RECORD_TEXTS).map(identifier.canonical)
prefixes = st.sampled_from(PREFIX_TEXTS).map(identifier.canonical)
role_lists = st.sets(st.integers(1, 7), min_size=1).map(lambda found: tuple(sorted(found)))


def ascending(
    items: st.SearchStrategy[Any], key: Callable[[Any], Any], least: int = 0, most: int = 4
) -> st.SearchStrategy[tuple[Any, ...]]:
    """Return tuples in ascending order, none twice."""
    found = st.lists(items, min_size=least, max_size=most, unique_by=key)
    return found.map(lambda chosen: tuple(sorted(chosen, key=key)))


def by_bytes(found: Identifier) -> bytes:
    """Return the sort key of identifiers."""
    return found.text.encode()


identifiers = st.one_of(records, prefixes)
aliases = ascending(records, by_bytes)
writers = ascending(prefixes, by_bytes, most=2).map(lambda found: tuple(one.text for one in found))
quotas = st.builds(Quota, objects=numbers, log_bytes=numbers)
referrals = st.tuples(network_names, st.none() | short_texts)
_formats: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"format": st.just(0), "data": texts}),
    st.fixed_dictionaries({"format": st.just(1), "data": st.binary(max_size=20)}),
    st.fixed_dictionaries({"format": st.just(2), "data": hashes, "access": st.integers(0, 2)}),
)


@st.composite
def values(draw: st.DrawFn, *, stored: bool = False) -> Value:
    """Return one value, as submitted or as stored."""
    return Value(
        index=draw(st.integers(1, 30) | st.integers(1, 2**31 - 1)),
        type=draw(short_texts.filter(lambda text: text != "HS_SECKEY")),
        ttl_s=draw(st.integers(0, 172_800)),
        title=draw(st.none() | texts),
        language=draw(st.none() | short_texts),
        writers=draw(writers),
        changed_ms=draw(numbers) if stored else None,
        **draw(_formats),
    )


def value_lists(*, stored: bool = False) -> st.SearchStrategy[tuple[Value, ...]]:
    """Return values ascending by index."""
    return ascending(values(stored=stored), lambda value: value.index)


new_keys = st.builds(
    NewKey,
    key=st.sampled_from(POOL).map(lambda key: key.public),
    roles=role_lists,
    until=st.none() | numbers,
)
key_lists = ascending(new_keys, lambda new: new.key.kid, least=1)
first_key_lists = key_lists.filter(
    lambda found: any(1 in new.roles and new.until is None for new in found)
)
revocations = ascending(
    st.builds(
        Revocation,
        kid=st.binary(min_size=16, max_size=16),
        reason=st.integers(0, 4),
        suspect_from=st.none() | numbers,
    ),
    lambda one: one.kid,
    least=1,
)
clocks = st.builds(
    op.Clock,
    wall_ms=numbers,
    monotonic_ms=numbers,
    boot_id=st.binary(min_size=16, max_size=16),
    sync=st.integers(0, 2),
    error_ms_max=st.none() | numbers,
)
lost = st.dictionaries(st.integers(0, 10), numbers, max_size=3).map(
    lambda found: tuple(sorted(found.items()))
)
limits = st.builds(
    Limits,
    statement_bytes=st.integers(8_192, 65_535),
    items_per_create=st.integers(1, 2_000),
    values_per_object=st.integers(1, 256),
    keys_per_prefix=st.integers(1, 256),
    aliases_per_record=st.integers(1, 64),
    recovery_delay_ms=versions,
    offer_heights=versions,
    exp_horizon_s=versions,
    statements_per_block=st.integers(1, 10_000),
    bytes_per_block=st.integers(8_192, 4_000_000),
    max_age_s=versions,
    ttl_s=versions,
)


@st.composite
def member_lists(draw: st.DrawFn) -> tuple[Member, ...]:
    """Return members ascending by name, no key twice."""
    count = draw(st.integers(1, len(ED_POOL) // 2))
    raws = draw(st.permutations(ED_POOL))
    names = sorted(
        draw(st.lists(st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True), min_size=count,
                      max_size=count, unique=True))
    )  # fmt: skip
    optional = st.fixed_dictionaries(
        {},
        optional={
            5: st.just(bytes(1312)),
            6: st.just(POOL[1].public.cose),
            7: hashes,
            8: st.integers(1, 1000),
            9: short_texts,
            10: short_texts,
        },
    )
    return tuple(
        Member(
            name=name,
            log_key=raws[2 * at],
            cosigner_key=raws[2 * at + 1],
            approval_key=draw(st.sampled_from(POOL)).public,
            optional=tuple(sorted(draw(optional).items())),
        )
        for at, name in enumerate(names)
    )


@st.composite
def geneses(draw: st.DrawFn) -> op.Genesis:
    """Return a genesis."""
    members = draw(member_lists())
    return op.Genesis(
        network=draw(network_names),
        members=members,
        quorum=draw(st.integers(minimum_quorum(len(members)), len(members))),
        root_keys=draw(first_key_lists),
        limits=draw(limits),
        previous=draw(st.none() | st.tuples(network_names, texts.filter(bool))),
    )


@st.composite
def prefix_updates(draw: st.DrawFn) -> op.PrefixUpdate:
    """Return a prefix update of an allowed shape."""
    facts: dict[str, Any] = {"prefix": draw(identifiers), "version": draw(versions)}
    if draw(st.booleans()):
        return op.PrefixUpdate(quota=draw(quotas), **facts)
    members = draw(st.sets(st.sampled_from(("add", "revoke", "values", "refer")), min_size=1))
    if "add" in members:
        facts["add_keys"] = draw(key_lists)
    if "revoke" in members:
        facts["revoke"] = draw(revocations)
    if "values" in members:
        facts["values"] = draw(value_lists())
    if "refer" in members:
        facts |= {"refers": True, "referral": draw(st.none() | referrals)}
    return op.PrefixUpdate(**facts)


@st.composite
def updates(draw: st.DrawFn) -> op.Update:
    """Return an update whose lists do not meet."""
    put = draw(value_lists())
    taken = {value.index for value in put}
    add = draw(aliases)
    drop = tuple(alias for alias in draw(aliases) if alias not in add)
    remove = draw(st.sets(st.integers(1, 40)))
    return op.Update(
        identifier=draw(identifiers),
        version=draw(versions),
        put=put,
        remove=tuple(sorted(remove - taken)),
        add_aliases=add,
        remove_aliases=drop,
    )


@st.composite
def anchors(draw: st.DrawFn) -> op.Anchor:
    """Return an anchor, of readings or empty."""
    empty = draw(st.booleans())
    first, last = sorted((draw(numbers), draw(numbers)))
    return op.Anchor(
        stream=draw(records),
        sequence=draw(numbers),
        previous=draw(st.none() | hashes),
        root=EMPTY_ROOT if empty else draw(hashes),
        count=0 if empty else draw(versions),
        first_us=first,
        last_us=last,
        schema=draw(short_texts),
        locator=draw(st.none() | short_texts),
        clock=draw(st.none() | clocks),
        archive_hash=draw(st.none() | hashes),
        lost=draw(lost),
        epoch=draw(numbers),
        reason=draw(st.integers(0, 10)) if empty else None,
    )


operations: st.SearchStrategy[op.Operation] = st.one_of(
    geneses(),
    st.builds(
        op.Delegate,
        prefix=prefixes,
        owner_name=short_texts,
        keys=first_key_lists,
        quota=quotas,
        values=value_lists(),
    ),
    prefix_updates(),
    st.builds(
        op.Create,
        items=ascending(
            st.builds(op.Item, identifier=records, values=value_lists()),
            lambda item: item.identifier.text.encode(),
            least=1,
        ),
    ),
    updates(),
    st.builds(op.Retire, identifier=identifiers, version=versions, reason=st.integers(0, 4)),
    anchors(),
)


# ---- objects

listed_keys = ascending(
    st.builds(
        ListedKey,
        key=st.sampled_from(POOL).map(lambda key: key.public),
        roles=role_lists,
        since=numbers,
        until=st.none() | numbers,
        revoked=st.none() | numbers,
        suspect_from=st.none() | numbers,
    ),
    lambda listed: listed.key.kid,
    least=1,
).flatmap(st.permutations).map(tuple)  # fmt: skip
histories = st.builds(
    Versions,
    version=versions,
    created=numbers,
    last=numbers,
    created_ms=numbers,
    last_ms=numbers,
    prev=st.none() | hashes,
)
texts_of = identifiers.map(lambda found: found.text)
transfers = st.fixed_dictionaries(
    {0: st.just(1), 1: hashes, 2: texts_of, 4: numbers}, optional={3: numbers}
)
recoveries = st.fixed_dictionaries(
    {
        0: st.just(2),
        1: hashes,
        2: key_lists.map(lambda found: [new.to_value() for new in found]),
        3: numbers,
        4: numbers,
    }
)


objects = st.one_of(
    st.builds(
        RecordObject,
        id=texts_of,
        owner=texts_of,
        versions=histories,
        status=st.integers(0, 3),
        values=value_lists(stored=True),
        aliases=aliases.map(lambda found: tuple(one.text for one in found)),
        pending=st.none() | transfers,
        own_keys=st.just(()) | listed_keys,
        sponsor=st.none() | texts_of,
    ),
    st.builds(
        PrefixObject,
        id=texts_of,
        owner_name=short_texts,
        keys=listed_keys,
        quota=quotas,
        versions=histories,
        parent=st.none() | texts_of,
        status=st.integers(0, 3),
        values=value_lists(stored=True),
        pending=st.none() | transfers | recoveries,
        referral=st.none() | referrals,
    ),
    st.builds(
        AliasObject,
        id=texts_of,
        target=st.none() | texts_of,
        version=versions,
        created=numbers,
        last=numbers,
        prev=st.none() | hashes,
    ),
    st.builds(
        StreamObject,
        id=texts_of,
        next=numbers,
        last_anchor=hashes,
        created=numbers,
        last=numbers,
        epoch=numbers,
        equivocations=st.lists(st.tuples(numbers, numbers), max_size=16).map(tuple),
    ),
    st.builds(
        NetworkObject,
        name=network_names,
        version=versions,
        members=member_lists(),
        quorum=st.integers(1, 64),
        limits=limits,
        created=numbers,
        last=numbers,
        prev=st.none() | hashes,
        rules=st.none() | st.tuples(numbers, numbers),
    ),
    st.builds(UsageObject, id=texts_of, objects=numbers, log_bytes=numbers),
)
