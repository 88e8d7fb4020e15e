"""What each operation may change, and how (checks 9–15 and the two that follow them).

Theory of operation: `apply` first lets `state.admit` make checks 1–8, then runs the operation's rule,
which makes the checks over the object in their order and stages the new objects. A rejection
anywhere drops the stage, so a refused statement leaves nothing behind. docs/spec/statements.md has
the table; comments here only say what it leaves to be read between its lines.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from ledger.core import identifier
from ledger.core.encoding import INT_MAX
from ledger.core.identifier import Identifier
from ledger.core.key_list import RECOVERY, NewKey
from ledger.core.operation import (
    STATE_LOST,
    Anchor,
    Create,
    Delegate,
    Genesis,
    Operation,
    PrefixUpdate,
    Retire,
    Update,
)
from ledger.core.record import (
    FROZEN,
    NETWORK_KEY,
    RETIRED,
    WITHHELD,
    ListedKey,
    NetworkObject,
    PrefixObject,
    RecordObject,
    StreamObject,
    UsageObject,
    Versions,
    id_key,
    stream_key,
    usage_key,
)
from ledger.core.state import (
    SCHEME_ROOTS,
    Signed,
    Working,
    admit,
    charge,
    check_size,
    find_prefix,
    nearest_ancestor,
    owner_of,
    previous_hash,
    refuse,
)
from ledger.core.statement import Statement
from ledger.core.value import Quota, Value
from ledger.errors import Rejection, RejectionCode


def apply(working: Working, statement: Statement, index: int) -> Operation:
    """Apply one statement to the block in progress and return its operation.

    Args:
        working: State of the block so far; changed only when the statement is accepted.
        statement: A parsed envelope.
        index: The log index it gets when accepted.

    Raises:
        Rejection: With the first failed check; `working` is then as before.
    """
    try:
        signed = admit(working, statement, index)
        _RULES[type(signed.operation)](working, signed, signed.operation)
    except Rejection:
        working.drop()
        raise
    working.keep()
    return signed.operation


def _genesis(working: Working, signed: Signed, op: Genesis) -> None:
    _check_until(op.root_keys, signed.index)
    network = NetworkObject(
        name=op.network,
        version=1,
        members=op.members,
        quorum=op.quorum,
        limits=op.limits,
        created=signed.index,
        last=signed.index,
        prev=None,
    )
    working.put(NETWORK_KEY, network)
    for root in SCHEME_ROOTS:
        ident = identifier.canonical(root)
        working.put(
            id_key(ident),
            PrefixObject(
                id=root,
                owner_name=op.network,
                keys=tuple(ListedKey.listed(new, signed.index) for new in op.root_keys),
                quota=Quota(objects=INT_MAX, log_bytes=INT_MAX),
                versions=_first(working, signed.index),
                parent=None,
            ),
        )
        working.put(usage_key(ident), UsageObject(id=root, objects=0, log_bytes=0))


def _delegate(working: Working, signed: Signed, op: Delegate) -> None:
    assert signed.issuer is not None
    ancestor = nearest_ancestor(working, op.prefix)
    _check_creator(ancestor, op.prefix, signed.iss)
    _check_company_prefixes(working, op.prefix)
    if working.get(id_key(op.prefix)) is not None:
        raise refuse(RejectionCode.EXISTS, f"{op.prefix.text} is taken")
    _check_open(ancestor, signed.issuer)
    charge(
        working,
        signed.issuer,
        1 + op.quota.objects,
        len(signed.statement.raw) + op.quota.log_bytes,
    )
    _check_until(op.keys, signed.index)
    child = PrefixObject(
        id=op.prefix.text,
        owner_name=op.owner_name,
        keys=tuple(ListedKey.listed(new, signed.index) for new in op.keys),
        quota=op.quota,
        versions=_first(working, signed.index),
        parent=signed.iss,
        values=_stamped(op.values, working.ms),
    )
    check_size(child, signed.limits)
    working.put(id_key(op.prefix), child)
    working.put(usage_key(op.prefix), UsageObject(id=child.id, objects=0, log_bytes=0))
    if _is_company_prefix(op.prefix):
        working.put_company_prefix(op.prefix.text)


def _prefix_update(working: Working, signed: Signed, op: PrefixUpdate) -> None:
    assert signed.issuer is not None
    target = working.find(id_key(op.prefix), PrefixObject)
    if target is None:
        raise _missing(working, op.prefix, signed.iss)
    _check_prefix_authority(target, signed, op)
    _check_open(target)
    _check_version(target.versions.version, op.version)
    _charge_prefix_update(working, signed, op, target)
    changed = replace(
        target,
        keys=_changed_keys(target, op, signed.index),
        quota=op.quota or target.quota,
        values=target.values if op.values is None else _stamped(op.values, working.ms),
        referral=op.referral if op.refers else target.referral,
        versions=_next(working, target, signed.index),
    )
    check_size(changed, signed.limits)
    working.put(id_key(op.prefix), changed)


def _create(working: Working, signed: Signed, op: Create) -> None:
    assert signed.issuer is not None
    refused: list[tuple[int, Rejection]] = []
    records = []
    for number, item in enumerate(op.items):
        try:
            _check_item(working, signed, item.identifier)
        except Rejection as rejection:
            refused.append((number, rejection))
            continue
        record = RecordObject(
            id=item.identifier.text,
            owner=signed.issuer.id,
            values=_stamped(item.values, working.ms),
            versions=_first(working, signed.index),
        )
        records.append(record)
        working.put(id_key(item.identifier), record)
    _refuse_items(refused)
    charge(working, signed.issuer, len(records), len(signed.statement.raw))
    for number, record in enumerate(records):
        try:
            check_size(record, signed.limits)
        except Rejection as rejection:
            refused.append((number, rejection))
    _refuse_items(refused)


def _update(working: Working, signed: Signed, op: Update) -> None:
    target = working.find(id_key(op.identifier), RecordObject)
    if target is None:
        raise _missing(working, op.identifier, signed.iss)
    if signed.iss != target.owner and not _is_writers_change(target, signed.iss, op):
        raise _not_owner(target.id, target.owner, signed.iss)
    _check_open(target)
    _check_version(target.versions.version, op.version)
    _charge_owner(working, target.owner, signed)
    changed = replace(
        target,
        values=_changed_values(target.values, op, working.ms),
        aliases=_changed_aliases(target.aliases, op),
        versions=_next(working, target, signed.index),
    )
    check_size(changed, signed.limits)
    working.put(id_key(op.identifier), changed)


def _retire(working: Working, signed: Signed, op: Retire) -> None:
    target = working.get(id_key(op.identifier))
    if not isinstance(target, RecordObject | PrefixObject):
        raise _missing(working, op.identifier, signed.iss)
    if signed.iss != owner_of(target):
        raise _not_owner(target.id, owner_of(target), signed.iss)
    if isinstance(target, PrefixObject) and target.parent is None:
        raise refuse(
            RejectionCode.NOT_AUTHORISED_OVER_OBJECT, f"{target.id} is a scheme root: it never ends"
        )
    _check_open(target)
    _check_version(target.versions.version, op.version)
    _charge_owner(working, owner_of(target), signed)
    changed = replace(target, status=RETIRED, versions=_next(working, target, signed.index))
    check_size(changed, signed.limits)
    working.put(id_key(op.identifier), changed)


def _anchor(working: Working, signed: Signed, op: Anchor) -> None:
    assert signed.issuer is not None
    record = working.find(id_key(op.stream), RecordObject)
    if record is None:
        raise _missing(working, op.stream, signed.iss)
    if signed.iss != record.owner:
        raise _not_owner(record.id, record.owner, signed.iss)
    stream = working.find(stream_key(op.stream), StreamObject)
    _check_open(record, signed.issuer)
    _check_sequence(stream, op)
    charge(working, signed.issuer, 0 if stream else 1, len(signed.statement.raw))
    working.put(
        stream_key(op.stream),
        StreamObject(
            id=stream.id if stream else op.stream.text,
            next=op.sequence + 1,
            last_anchor=signed.statement.hash,
            created=stream.created if stream else signed.index,
            last=signed.index,
            epoch=op.epoch,
            equivocations=stream.equivocations if stream else (),
        ),
    )


_RULES: Final[dict[type, Callable[[Working, Signed, Any], None]]] = {
    Genesis: _genesis,
    Delegate: _delegate,
    PrefixUpdate: _prefix_update,
    Create: _create,
    Update: _update,
    Retire: _retire,
    Anchor: _anchor,
}


# ---- the checks over objects


def _not_owner(what: str, owner: str, iss: str) -> Rejection:
    return refuse(
        RejectionCode.NOT_AUTHORISED_OVER_OBJECT, f"{what} belongs to {owner}, not to {iss}"
    )


def _missing(working: Working, ident: Identifier, iss: str) -> Rejection:
    """Return why an operation on a missing object fails: its would-be owner learns its version."""
    ancestor = nearest_ancestor(working, ident)
    if ancestor is None or owner_of(ancestor) != iss:
        owner = "nobody here" if ancestor is None else owner_of(ancestor)
        return _not_owner(ident.text, owner, iss)
    return refuse(
        RejectionCode.VERSION_CONFLICT, f"{ident.text} does not exist (version 0): create it first"
    )


def _check_creator(
    ancestor: RecordObject | PrefixObject | None, ident: Identifier, iss: str
) -> None:
    if ancestor is None or owner_of(ancestor) != iss:
        owner = "nobody here" if ancestor is None else owner_of(ancestor)
        raise _not_owner(f"what lies above {ident.text}", owner, iss)


def _check_open(*objects: RecordObject | PrefixObject | None) -> None:
    for found in objects:
        if found is not None and found.status in (RETIRED, WITHHELD):
            raise refuse(RejectionCode.RETIRED, f"{found.id} is retired")
    for found in objects:
        if found is not None and found.status == FROZEN:
            raise refuse(RejectionCode.FROZEN, f"{found.id} is frozen by the consortium")


def _check_version(current: int, expected: int) -> None:
    if current != expected:
        raise refuse(
            RejectionCode.VERSION_CONFLICT,
            f"it is at version {current}, the statement expects {expected}: read it again",
        )


def _check_until(new_keys: tuple[NewKey, ...], index: int) -> None:
    for new in new_keys:
        if new.until is not None and new.until <= index:
            raise refuse(
                RejectionCode.MALFORMED, f"a key's `until` {new.until} is not above index {index}"
            )


def _is_company_prefix(ident: Identifier) -> bool:
    return ident.text.startswith(("gs1:gcp/", "gs1:gcp8/"))


def _check_company_prefixes(working: Working, ident: Identifier) -> None:
    """Refuse a company prefix that contains, or lies inside, a delegated one.

    Its owner's approval would allow it; approvals are not accepted by this version.
    """
    if not _is_company_prefix(ident):
        return
    kind, digits = ident.text.split("/")
    within = [
        text
        for length in range(1, len(digits))
        for text in [f"{kind}/{digits[:length]}"]
        if text in working.all_company_prefixes(text)
    ]
    overlapping = (set(within) | working.all_company_prefixes(ident.text)) - {ident.text}
    if overlapping:
        raise refuse(
            RejectionCode.NOT_AUTHORISED_OVER_OBJECT,
            f"{ident.text} overlaps {', '.join(sorted(overlapping)[:3])}: their owners must approve",
        )


def _check_prefix_authority(target: PrefixObject, signed: Signed, op: PrefixUpdate) -> None:
    if op.quota is not None:
        if target.parent is None or target.parent != signed.iss:
            parent = target.parent or "nobody (a scheme root)"
            raise _not_owner(f"the quota of {target.id}", parent, signed.iss)
        return
    touched = [new for new in op.add_keys if RECOVERY in new.roles]
    revoked = {revocation.kid for revocation in op.revoke}
    if touched or any(key.is_recovery and key.key.kid in revoked for key in target.keys):
        raise refuse(
            RejectionCode.NOT_AUTHORISED_OVER_OBJECT,
            "recovery keys (role 7) are changed by a recovery key only",
        )


def _charge_prefix_update(
    working: Working, signed: Signed, op: PrefixUpdate, target: PrefixObject
) -> None:
    assert signed.issuer is not None
    size = len(signed.statement.raw)
    if op.quota is None:
        # Revoking a stolen key must never fail for want of quota; a key is revoked once, so this
        # cannot be used to write for nothing.
        if not op.revoke or op.values is not None or op.refers:
            charge(working, signed.issuer, 0, size)
        return
    usage = working.find(usage_key(op.prefix), UsageObject)
    assert usage is not None, "every prefix has a usage object"
    if op.quota.objects < usage.objects or op.quota.log_bytes < usage.log_bytes:
        raise refuse(
            RejectionCode.QUOTA_EXCEEDED,
            f"{target.id} has already used {usage.objects} objects and {usage.log_bytes} bytes",
        )
    charge(
        working,
        signed.issuer,
        op.quota.objects - target.quota.objects,
        size + op.quota.log_bytes - target.quota.log_bytes,
    )


def _charge_owner(working: Working, owner: str, signed: Signed) -> None:
    prefix = find_prefix(working, owner)
    assert prefix is not None, "an object's owner is a prefix"
    charge(working, prefix, 0, len(signed.statement.raw))


def _check_item(working: Working, signed: Signed, ident: Identifier) -> None:
    ancestor = nearest_ancestor(working, ident)
    _check_creator(ancestor, ident, signed.iss)
    if working.get(id_key(ident)) is not None:
        raise refuse(RejectionCode.EXISTS, f"{ident.text} is already registered: update it")
    _check_open(ancestor, signed.issuer)


def _refuse_items(refused: list[tuple[int, Rejection]]) -> None:
    if refused:
        number, first = refused[0]
        raise Rejection(
            first.code,
            f"item {number}: {first.detail}",
            [(position, f"{one.code.title}: {one.detail}") for position, one in refused],
        )


def _check_sequence(stream: StreamObject | None, op: Anchor) -> None:
    """Refuse all but the next batch of the stream; a loss of state begins the next epoch."""
    next_sequence = stream.next if stream else 0
    previous = stream.last_anchor if stream else None
    epoch = stream.epoch if stream else 0
    if stream is not None and op.reason == STATE_LOST:
        epoch += 1
    if (op.sequence, op.previous, op.epoch) != (next_sequence, previous, epoch):
        link = previous.hex() if previous else "null"
        raise refuse(
            RejectionCode.OUT_OF_SEQUENCE,
            f"expected sequence {next_sequence}, epoch {epoch} and previous {link}",
        )


# ---- new versions


def _first(working: Working, index: int) -> Versions:
    return Versions(
        version=1, created=index, last=index, created_ms=working.ms, last_ms=working.ms, prev=None
    )


def _next(working: Working, before: RecordObject | PrefixObject, index: int) -> Versions:
    return replace(
        before.versions,
        version=before.versions.version + 1,
        last=index,
        last_ms=working.ms,
        prev=previous_hash(before),
    )


def _stamped(values: tuple[Value, ...], ms: int) -> tuple[Value, ...]:
    return tuple(replace(value, changed_ms=ms) for value in values)


def _changed_keys(target: PrefixObject, op: PrefixUpdate, index: int) -> tuple[ListedKey, ...]:
    _check_until(op.add_keys, index)
    keys = {listed.key.kid: listed for listed in target.keys}
    for revocation in op.revoke:
        listed = keys.get(revocation.kid)
        if listed is None or listed.revoked is not None:
            raise refuse(
                RejectionCode.MALFORMED,
                f"key {revocation.kid.hex()} is unknown, or already revoked",
            )
        suspect = revocation.suspect_from
        if suspect is not None and suspect > index:
            raise refuse(RejectionCode.MALFORMED, f"suspect-from {suspect} is above index {index}")
        keys[revocation.kid] = replace(listed, revoked=index, suspect_from=suspect)
    for new in op.add_keys:
        if new.key.kid in keys:
            raise refuse(RejectionCode.MALFORMED, f"key {new.key.kid.hex()} is already listed")
        keys[new.key.kid] = ListedKey.listed(new, index)
    if not any(listed.is_live_owner for listed in keys.values()):
        raise refuse(
            RejectionCode.MALFORMED, "no owner key would be left: add one in the same statement"
        )
    return tuple(keys.values())


def _is_writers_change(target: RecordObject, iss: str, op: Update) -> bool:
    """Tell whether the update changes nothing but the data of values that name `iss` as writer."""
    if op.remove or op.add_aliases or op.remove_aliases or not op.put:
        return False
    old = {value.index: value for value in target.values}
    return all(
        value.index in old
        and iss in old[value.index].writers
        and replace(old[value.index], data=value.data, changed_ms=None) == value
        for value in op.put
    )


def _changed_values(values: tuple[Value, ...], op: Update, ms: int) -> tuple[Value, ...]:
    kept = {value.index: value for value in values}
    for index in op.remove:
        if kept.pop(index, None) is None:
            raise refuse(RejectionCode.MALFORMED, f"value {index} is not there to remove")
    kept.update((value.index, replace(value, changed_ms=ms)) for value in op.put)
    return tuple(kept[index] for index in sorted(kept))


def _changed_aliases(aliases: tuple[str, ...], op: Update) -> tuple[str, ...]:
    kept = {identifier.canonical(alias).key_text: alias for alias in aliases}
    for alias in op.remove_aliases:
        if kept.pop(alias.key_text, None) is None:
            raise refuse(RejectionCode.MALFORMED, f"alias {alias.text} is not listed")
    for alias in op.add_aliases:
        if alias.key_text in kept:
            raise refuse(RejectionCode.MALFORMED, f"alias {alias.text} is already listed")
        kept[alias.key_text] = alias.text
    return tuple(sorted(kept.values(), key=str.encode))
