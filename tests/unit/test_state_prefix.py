"""Prefixes: genesis, delegation, key windows, revocation, company prefixes (statements.md, ops 0–2)."""

from dataclasses import replace
from typing import Any

import pytest

from ledger.core import operation as op
from ledger.core import statement
from ledger.core.encoding import INT_MAX
from ledger.core.keys import PrivateKey
from ledger.core.record import (
    FROZEN,
    NETWORK_KEY,
    RETIRED,
    ListedKey,
    NetworkObject,
    decode_object,
    id_key,
)
from ledger.core.state import SCHEME_ROOTS
from ledger.core.value import Quota
from tests.proof_world import (
    AGENT,
    LAB,
    NETWORK,
    OTHER,
    OWNER,
    ROOT,
    STRANGER,
    digest,
    genesis,
    url,
)
from tests.proof_world import prefix as prefix_of
from tests.state_world import (
    ELSE,
    GATEWAY,
    PUMP,
    RECOVERY,
    REGISTRAR,
    SPARE,
    I,
    Net,
    added,
    batch,
    change,
    codes,
    creation,
    delegation,
    judge,
    network,
    prefix_update,
    refusal,
    revoked,
    run,
    sign,
    update,
    usage,
)


def listed(net: Net, text: str, **fields: Any) -> None:
    """Put one more owner key with these fields into a prefix's list."""
    key = replace(ListedKey(key=SPARE.public, roles=(1,), since=1), **fields)
    change(net, text, keys=(*prefix_of(net, text).keys, key))


# ---- op 0


def test_a_genesis_writes_the_network_and_five_roots() -> None:
    """docs/spec/objects.md, what op 0 writes: nothing else is in the state at height 0."""
    net = Net(members=1, quorum=1)
    net.run(genesis(net))

    assert len(net.objects) == 1 + 2 * len(SCHEME_ROOTS)
    found = decode_object(net.objects[NETWORK_KEY])
    assert isinstance(found, NetworkObject)
    assert (found.name, found.version, found.created, found.last) == (NETWORK, 1, 0, 0)
    for root in SCHEME_ROOTS:
        prefix = prefix_of(net, root)
        assert (prefix.owner_name, prefix.parent, prefix.values) == (NETWORK, None, ())
        assert prefix.quota == Quota(objects=INT_MAX, log_bytes=INT_MAX)
        assert [key.since for key in prefix.keys] == [0]
        assert usage(net, root) == (0, 0)


def test_nothing_but_a_genesis_begins_a_log() -> None:
    """Without a network every other operation is malformed."""
    net = Net(members=1, quorum=1)

    assert judge(net, sign(net, ROOT, "hdl:", delegation(LAB, (OWNER, (1,))))) == 1


def test_a_second_genesis_is_malformed() -> None:
    """Whoever signs it."""
    net = network()

    assert judge(net, genesis(net)) == 1


def test_a_key_of_recovery_only_signs_no_genesis() -> None:
    """Role 7 alone is not one of the root keys that may."""
    net = Net(members=1, quorum=1)
    parsed = op.parse(genesis_payload(net))
    assert isinstance(parsed, op.Genesis)
    both = sorted((*parsed.root_keys, *added(SPARE, 7)), key=lambda one: one.key.kid)
    made = replace(parsed, root_keys=tuple(both))

    assert judge(net, sign(net, SPARE, NETWORK, made)) == 6
    assert judge(net, sign(net, ROOT, NETWORK, made)) == 0


def test_a_root_key_that_ends_at_once_is_malformed() -> None:
    """`until` lies above the statement's index, 0."""
    net = Net(members=1, quorum=1)
    parsed = op.parse(genesis_payload(net))
    assert isinstance(parsed, op.Genesis)
    found = []
    for until in (0, 1):
        ended = (*parsed.root_keys, *added(SPARE, 1, until=until))
        both = tuple(sorted(ended, key=lambda one: one.key.kid))
        found.append(judge(net, sign(net, ROOT, NETWORK, replace(parsed, root_keys=both))))

    assert found == [1, 0]


def genesis_payload(net: Net) -> bytes:
    """Return the payload of a world's genesis."""
    return statement.parse(genesis(net)).payload


# ---- op 1


def test_a_delegated_prefix_begins_at_version_1_with_its_whole_quota() -> None:
    """Its keys count from the statement's index, its parent is iss, its usage is 0/0."""
    net = network()
    index = net.index
    made = delegation(
        f"{LAB}.5", (SPARE, (1,)), quota=Quota(objects=5, log_bytes=9), values=(url("x"),)
    )
    run(net, (OWNER, LAB, made))
    child = prefix_of(net, f"{LAB}.5")

    assert (child.parent, child.versions.version, child.versions.prev) == (LAB, 1, None)
    assert [key.since for key in child.keys] == [index]
    assert child.values[0].changed_ms == net.ms
    assert usage(net, child.id) == (0, 0)


def test_a_level_inserted_above_moves_nobody() -> None:
    """`hdl:lab` above `hdl:lab.1`: the lab keeps its parent; the new level owns nothing of it."""
    net = network()
    run(net, (ROOT, "hdl:", delegation("hdl:lab", (SPARE, (1,)))))

    assert prefix_of(net, LAB).parent == "hdl:"
    assert judge(net, sign(net, OWNER, LAB, creation(f"{LAB}/new"))) == 0
    new_quota = prefix_update(LAB, quota=Quota(objects=900, log_bytes=900_000))
    assert judge(net, sign(net, ROOT, "hdl:", new_quota)) == 0
    assert judge(net, sign(net, SPARE, "hdl:lab", new_quota)) == 9


@pytest.mark.parametrize(
    ("iss", "key", "code"),
    [("hdl:", ROOT, 9), (LAB, OWNER, 0), (OTHER, ELSE, 9), (LAB, REGISTRAR, 6), (LAB, AGENT, 6)],
)
def test_the_nearest_ancestor_delegates(iss: str, key: PrivateKey, code: int) -> None:
    """Its owner (role 1) and nobody above, beside or below in rank."""
    net = network()

    assert judge(net, sign(net, key, iss, delegation(f"{LAB}.5", (SPARE, (1,))))) == code


@pytest.mark.parametrize("status", [RETIRED, FROZEN])
def test_under_a_prefix_that_is_closed_nothing_is_created(status: int) -> None:
    """Ops 1 and 3 are refused; what exists below is still changed by its keys."""
    net = network()
    change(net, LAB, status=status)
    refused = 11 if status == RETIRED else 12

    assert judge(net, sign(net, OWNER, LAB, delegation(f"{LAB}.5", (SPARE, (1,))))) == refused
    assert judge(net, sign(net, OWNER, LAB, creation(f"{LAB}/new"))) == refused
    assert judge(net, sign(net, OWNER, LAB, prefix_update(LAB, values=()))) == refused
    assert judge(net, sign(net, AGENT, LAB, batch(GATEWAY))) == refused
    assert judge(net, sign(net, OWNER, LAB, update(PUMP))) == 0
    assert judge(net, sign(net, OWNER, LAB, op.Retire(identifier=I(PUMP), version=1))) == 0


# ---- company prefixes


@pytest.mark.parametrize(
    ("prefix", "code"),
    [
        ("gs1:gcp/9506", 9),  # contains 950600
        ("gs1:gcp/95060", 9),
        ("gs1:gcp/950600", 10),
        ("gs1:gcp/9506000", 9),  # lies inside
        ("gs1:gcp/950600013435", 9),
        ("gs1:gcp/950601", 0),
        ("gs1:gcp/0950600", 0),  # other digits, whatever a GTIN-13 looks like
        ("gs1:gcp8/950", 0),  # another numbering
    ],
)
def test_company_prefixes_do_not_overlap(prefix: str, code: int) -> None:
    """Without the other owner's approval, which this release does not take."""
    net = network()

    assert judge(net, sign(net, ROOT, "gs1:", delegation(prefix, (SPARE, (1,))))) == code


def test_company_prefixes_of_one_block_do_not_overlap_either() -> None:
    """Statements see the earlier ones of their block."""
    net = network()
    raws = [
        sign(net, ROOT, "gs1:", delegation(text, (SPARE, (1,))))
        for text in ("gs1:gcp/54123", "gs1:gcp/541234", "gs1:gcp/54124")
    ]

    assert codes(net, raws) == [0, 9, 0]


# ---- op 2: who


@pytest.mark.parametrize(
    ("key", "code"), [(OWNER, 0), (REGISTRAR, 6), (AGENT, 6), (RECOVERY, 6), (STRANGER, 6)]
)
def test_an_owner_key_updates_its_prefix(key: PrivateKey, code: int) -> None:
    """Role 1; a recovery key is listed but signs nothing in this release."""
    net = network()

    assert judge(net, sign(net, key, LAB, prefix_update(LAB, values=()))) == code
    assert judge(net, sign(net, key, LAB, prefix_update(LAB, add_keys=added(SPARE, 2)))) == code


def test_recovery_keys_are_stored_and_not_touched_by_the_owner() -> None:
    """Neither added nor revoked by role 1 (9); a delegation may bring them."""
    net = network()

    assert [key.roles for key in prefix_of(net, LAB).keys].count((7,)) == 1
    assert judge(net, sign(net, OWNER, LAB, prefix_update(LAB, revoke=revoked(RECOVERY)))) == 9
    assert judge(net, sign(net, OWNER, LAB, prefix_update(LAB, add_keys=added(SPARE, 2, 7)))) == 9


@pytest.mark.parametrize("more", [{"values": ()}, {"refers": True}, {"revoke": revoked(OWNER)}])
def test_the_parent_changes_nothing_but_the_quota(more: dict[str, Any]) -> None:
    """Members 3, 4, 5 and 7 are the prefix's own: another iss is malformed."""
    net = network()

    assert judge(net, sign(net, ROOT, "hdl:", prefix_update(LAB, **more))) == 1


@pytest.mark.parametrize("version", [2, 7, INT_MAX])
def test_a_prefix_update_names_the_version(version: int) -> None:
    """Neither one in the past nor one in the future."""
    net = network()

    assert judge(net, sign(net, OWNER, LAB, prefix_update(LAB, version, values=()))) == 13


def test_a_referral_is_put_and_taken_back() -> None:
    """Member 7; null takes it back."""
    net = network()
    away = ("other.example", "https://other.example/")
    run(net, (OWNER, LAB, prefix_update(LAB, refers=True, referral=away)))
    assert prefix_of(net, LAB).referral == away
    run(net, (OWNER, LAB, prefix_update(LAB, 2, values=())))
    assert prefix_of(net, LAB).referral == away
    run(net, (OWNER, LAB, prefix_update(LAB, 3, refers=True)))
    assert prefix_of(net, LAB).referral is None


def test_scheme_roots_have_no_parent_and_never_end() -> None:
    """Quota and op 6: 9. Its own keys and values change like those of any prefix."""
    net = network()
    quota = Quota(objects=1, log_bytes=1)

    assert judge(net, sign(net, ROOT, "hdl:", prefix_update("hdl:", quota=quota))) == 9
    assert judge(net, sign(net, ROOT, "gs1:", prefix_update("hdl:", quota=quota))) == 9
    assert judge(net, sign(net, ROOT, "hdl:", op.Retire(identifier=I("hdl:"), version=1))) == 9
    assert judge(net, sign(net, ROOT, "hdl:", prefix_update("hdl:", values=(url("x"),)))) == 0


# ---- key windows: log indices, never clocks


def test_a_key_counts_from_the_statement_after_its_own() -> None:
    """from < i: in the block that lists it, a later statement may use it; an earlier one not."""
    net = network()
    lists = sign(net, OWNER, LAB, prefix_update(LAB, add_keys=added(SPARE, 2)))
    uses = sign(net, SPARE, LAB, creation(f"{LAB}/new"))

    assert codes(net, [uses, lists, uses]) == [6, 0, 0]


@pytest.mark.parametrize(("offset", "code"), [(-1, 6), (0, 6), (1, 0)])
def test_until_is_the_first_index_without_the_key(offset: int, code: int) -> None:
    """no until ≤ i: at i itself the key is gone."""
    net = network()
    listed(net, LAB, until=net.index + offset)

    assert judge(net, sign(net, SPARE, LAB, creation(f"{LAB}/new"))) == code


@pytest.mark.parametrize(("offset", "code"), [(-1, 0), (0, 6), (1, 6)])
def test_from_is_the_last_index_without_the_key(offset: int, code: int) -> None:
    """from < i."""
    net = network()
    listed(net, LAB, since=net.index + offset)

    assert judge(net, sign(net, SPARE, LAB, creation(f"{LAB}/new"))) == code


@pytest.mark.parametrize(("offset", "code"), [(-1, 7), (0, 0)])
def test_a_revocation_at_i_ends_the_key_behind_i(offset: int, code: int) -> None:
    """no revoked < i: so the revoking statement may be signed by the revoked key."""
    net = network()
    listed(net, LAB, revoked=net.index + offset)

    assert judge(net, sign(net, SPARE, LAB, creation(f"{LAB}/new"))) == code


def test_a_key_revokes_itself_if_another_owner_remains() -> None:
    """Its next statement, in the same block, is refused with 7."""
    net = network()
    run(net, (OWNER, LAB, prefix_update(LAB, add_keys=added(SPARE, 1))))
    out = sign(net, SPARE, LAB, prefix_update(LAB, 2, revoke=revoked(SPARE, suspect=0)))
    late = sign(net, SPARE, LAB, creation(f"{LAB}/new"))

    assert codes(net, [out, late]) == [0, 7]


def test_rotation_in_one_statement() -> None:
    """The only owner revokes itself and lists its successor; order of listing is kept."""
    net = network()
    before = [key.key.kid for key in prefix_of(net, OTHER).keys]
    index = net.index
    run(net, (ELSE, OTHER, prefix_update(OTHER, add_keys=added(SPARE, 1), revoke=revoked(ELSE))))
    after = prefix_of(net, OTHER).keys

    assert [key.key.kid for key in after] == [*before, SPARE.public.kid]
    assert [key.revoked for key in after if key.key.kid == ELSE.public.kid] == [index]
    assert judge(net, sign(net, ELSE, OTHER, creation(f"{OTHER}/new"))) == 7
    assert judge(net, sign(net, SPARE, OTHER, creation(f"{OTHER}/new"))) == 0


@pytest.mark.parametrize(
    ("change_of_keys", "code"),
    [
        pytest.param({"revoke": revoked(ELSE)}, 1, id="last-owner"),
        pytest.param(
            {"revoke": revoked(ELSE), "add_keys": added(SPARE, 2)}, 1, id="no-owner-added"
        ),
        pytest.param(
            {"revoke": revoked(ELSE), "add_keys": added(SPARE, 1, until=10_000)}, 1, id="owner-ends"
        ),
        pytest.param({"revoke": revoked(ELSE), "add_keys": added(SPARE, 1)}, 0, id="successor"),
        pytest.param({"revoke": revoked(AGENT)}, 0, id="agent"),
        pytest.param({"revoke": revoked(STRANGER)}, 1, id="unknown-kid"),
        pytest.param({"add_keys": added(AGENT, 4)}, 1, id="kid-listed"),
        pytest.param({"revoke": revoked(AGENT), "add_keys": added(AGENT, 3)}, 1, id="listed-again"),
    ],
)
def test_a_list_keeps_a_live_owner_and_every_kid_once(
    change_of_keys: dict[str, Any], code: int
) -> None:
    """Judged after everything else, with code 1; keys never leave the list."""
    net = network()

    assert judge(net, sign(net, ELSE, OTHER, prefix_update(OTHER, **change_of_keys))) == code


def test_a_key_is_revoked_once() -> None:
    """A second revocation would be a free write."""
    net = network()
    run(net, (ELSE, OTHER, prefix_update(OTHER, revoke=revoked(AGENT))))

    assert judge(net, sign(net, ELSE, OTHER, prefix_update(OTHER, 2, revoke=revoked(AGENT)))) == 1


@pytest.mark.parametrize(("offset", "code"), [(-1, 0), (0, 0), (1, 1)])
def test_suspect_from_is_not_in_the_future(offset: int, code: int) -> None:
    """suspect-from ≤ the statement's index."""
    net = network()
    made = prefix_update(OTHER, revoke=revoked(AGENT, suspect=net.index + offset))

    assert judge(net, sign(net, ELSE, OTHER, made)) == code


@pytest.mark.parametrize(("offset", "code"), [(-1, 1), (0, 1), (1, 0)])
@pytest.mark.parametrize("operation", ["delegate", "update"])
def test_until_is_in_the_future(operation: str, offset: int, code: int) -> None:
    """until > the statement's index, in ops 1 and 2."""
    net = network()
    ended = added(SPARE, 3, until=net.index + offset)
    if operation == "update":
        raw = sign(net, ELSE, OTHER, prefix_update(OTHER, add_keys=ended))
    else:
        made = delegation(f"{OTHER}.5", (STRANGER, (1,)))
        both = tuple(sorted((*made.keys, *ended), key=lambda one: one.key.kid))
        raw = sign(net, ELSE, OTHER, replace(made, keys=both))

    assert judge(net, raw) == code


def test_suspicion_changes_no_verdict_of_the_state() -> None:
    """suspect-from is for verifiers: what lies in the state stays, and other keys go on."""
    net = network()
    run(net, (OWNER, LAB, prefix_update(LAB, revoke=revoked(REGISTRAR, 2, suspect=0))))

    assert net.find(PUMP) == network().find(PUMP)
    assert judge(net, sign(net, OWNER, LAB, update(PUMP))) == 0


# ---- another network


def test_a_statement_of_another_network_is_refused_whatever_the_keys() -> None:
    """§net: the same keys and prefixes, another name, nothing is replayed."""
    net, other = network(), network()
    raw = sign(other, OWNER, LAB, creation(f"{LAB}/new"), aud="lab.example-2")

    found = refusal(net, raw)
    assert found is not None
    assert (found.code, found.code.title) == (3, "wrong-network")


@pytest.mark.parametrize("name", ["Lab.example", "lab.example.", "lab.example/x"])
def test_a_networks_name_is_compared_byte_by_byte(name: str) -> None:
    """No folding, no trailing dot, no path."""
    net = network()

    assert judge(net, sign(net, OWNER, LAB, creation(f"{LAB}/new"), aud=name)) == 3


def test_versions_and_prev_of_a_prefix_chain() -> None:
    """Each accepted op 2 adds one version whose prev is the hash of the one before."""
    net = network()
    for version in range(1, 4):
        before = net.objects[key_of(LAB)]
        run(net, (OWNER, LAB, prefix_update(LAB, version, values=(url(str(version)),))))
        found = prefix_of(net, LAB).versions
        assert found.version == version + 1
        assert found.prev == digest(before)
        assert net.replaced[key_of(LAB), version] == before


def key_of(text: str) -> bytes:
    """Return the map key of a prefix."""
    return id_key(I(text))
