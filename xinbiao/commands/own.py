"""Own: keys and prefixes."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ledger.adapters.system import random_bytes
from ledger.core import identifier as identifiers
from ledger.core import operation as op
from ledger.core.identifier import Identifier
from ledger.core.key_list import OWNER, NewKey, Revocation
from ledger.core.keys import ED25519, P256, PublicKey, public_from_pem
from ledger.core.receipt import Receipt
from ledger.core.record import ListedKey, PrefixObject
from ledger.core.value import Quota
from resolver.core.projection import ROLES
from xinbiao.client import Client
from xinbiao.commands.session import Session, read_input, session, table
from xinbiao.describe import clean, versioned_json
from xinbiao.errors import UsageError
from xinbiao.settings import Context
from xinbiao.signing import OWNING, Signer, open_keystore, signer_for

OWN: Final = "Own"
REASONS: Final = ("rotated", "lost", "compromised", "role-ended", "ordered")
CURVES: Final = (ED25519, P256)
_ROLE_NUMBERS: Final = {name: number for number, name in enumerate(ROLES) if name}
Key = Annotated[str, typer.Option("--key", metavar="NAME", help="Key file that signs")]
Prefix = Annotated[
    str, typer.Option("--prefix", metavar="PREFIX", help="Whose key list; else the context's")
]


def add(app: typer.Typer) -> None:
    """Add the commands."""
    key = typer.Typer(no_args_is_help=True, help="Keys of a prefix, and their files")
    key.command("new")(key_new)
    key.command("list")(key_list)
    key.command("rotate")(key_rotate)
    key.command("revoke")(key_revoke)
    app.add_typer(key, name="key", rich_help_panel=OWN)
    prefix = typer.Typer(no_args_is_help=True, help="Prefixes and who owns them")
    prefix.command("delegate")(prefix_delegate)
    prefix.command("show")(prefix_show)
    app.add_typer(prefix, name="prefix", rich_help_panel=OWN)


def key_new(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the key file")],
    role: Annotated[
        list[str] | None,
        typer.Option("--role", metavar="ROLE", help="List it with this role; may be repeated"),
    ] = None,
    curve: Annotated[str, typer.Option(help="Ed25519 or P-256")] = ED25519,
    until: Annotated[
        int | None, typer.Option(metavar="INDEX", min=1, help="Log index at which it ends")
    ] = None,
    prefix: Prefix = "",
    key: Key = "",
) -> None:
    """Make a key file; with --role also list it in the prefix's key list."""
    here = session(ctx)
    if curve not in CURVES:
        raise UsageError(f"--curve {curve}: choose {' or '.join(CURVES)}")
    roles = _roles(role or [])
    context = here.context()
    if here.dry_run:
        here.show({"name": name}, [here.say("would make key {name}", name=name)])
        return
    store = open_keystore(context)
    if not roles:
        made = store.create(name, curve, random_bytes(32)).public
        receipt = None
    else:
        new, receipt = asyncio.run(
            _change_keys(
                here,
                context,
                prefix,
                key,
                lambda: NewKey(
                    key=store.create(name, curve, random_bytes(32)).public,
                    roles=roles,
                    until=until,
                ),
            )
        )
        assert new is not None, "a key was made"
        made = new.key
    shown: dict[str, Any] = {"name": name, "kid": made.kid.hex(), "curve": made.curve}
    lines = [here.say("made     key {name}, kid {kid}", name=name, kid=made.kid.hex())]
    if receipt is not None:
        shown["entry"] = receipt.index
        lines.append(here.say("listed   in log entry {index}", index=receipt.index))
    here.show(shown, lines)


def key_list(ctx: typer.Context, prefix: Prefix = "") -> None:
    """Key files here, and what the prefix's list says of each."""
    here = session(ctx)
    context = here.context()
    found = asyncio.run(_with_client(here, context, prefix))
    files = {entry.public.kid: entry.name for entry in open_keystore(context).entries()}
    rows = []
    for listed in found.keys:
        name = files.pop(listed.key.kid, "-")
        rows.append(
            (
                name,
                listed.key.kid.hex(),
                listed.key.curve,
                _roles_text(listed.roles),
                _state(listed),
            )
        )
    rows += [(name, kid.hex(), "-", "-", "not listed") for kid, name in sorted(files.items())]
    head = [here.say(one) for one in ("file", "kid", "curve", "roles", "state")]
    names = ("file", "kid", "curve", "roles", "state")
    shown = {"prefix": found.id, "keys": [dict(zip(names, row, strict=True)) for row in rows]}
    here.show(shown, table(head, [(*row[:4], here.say(row[4])) for row in rows]))


def key_rotate(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Key file to replace")],
    prefix: Prefix = "",
    key: Key = "",
) -> None:
    """Replace a key: a new file with the same roles is listed, the old one revoked, in one statement."""
    here = session(ctx)
    context = here.context()
    found = asyncio.run(_with_client(here, context, prefix))
    store = open_keystore(context)
    names = {entry.name for entry in store.entries()}
    old = next((entry for entry in store.entries() if entry.name == name), None)
    listed = None if old is None else found.find_key(old.public.kid)
    if old is None or listed is None or listed.revoked is not None:
        raise UsageError(
            f"key {name} is not a live key of {found.id}: `xinbiao key list` shows them"
        )
    fresh = next(one for n in range(2, 1002) if (one := f"{name}-{n}") not in names)
    if here.dry_run:
        here.show({"new": fresh}, [here.say("would replace {old} by {new}", old=name, new=fresh)])
        return
    curve, roles = old.curve, listed.roles
    new, receipt = asyncio.run(
        _change_keys(
            here,
            context,
            prefix,
            key,
            lambda: NewKey(key=store.create(fresh, curve, random_bytes(32)).public, roles=roles),
            Revocation(kid=old.public.kid, reason=REASONS.index("rotated")),
        )
    )
    assert new is not None, "a key was made"
    shown = {"old": name, "new": fresh, "kid": new.key.kid.hex(), "entry": receipt.index}
    here.show(
        shown,
        [
            here.say("rotated  {old} is revoked, {new} takes its roles (entry {entry})", **shown),
            here.say("Where a settings file names keys/{old}.pem, write keys/{new}.pem", **shown),
        ],
    )


def key_revoke(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME|KID", help="Key file, or kid in hex")],
    reason: Annotated[
        str, typer.Option(help="rotated, lost, compromised, role-ended, ordered")
    ] = "lost",
    suspect_from: Annotated[
        int | None,
        typer.Option(
            "--suspect-from", metavar="INDEX", min=0, help="Log index from which it is doubtful"
        ),
    ] = None,
    prefix: Prefix = "",
    key: Key = "",
) -> None:
    """Revoke a key for ever; what it signed before stays valid."""
    here = session(ctx)
    if reason not in REASONS:
        raise UsageError(f"--reason {reason}: choose one of {', '.join(REASONS)}")
    context = here.context()
    files = {entry.name: entry.public.kid for entry in open_keystore(context).entries()}
    kid = files.get(name) or _kid(name)
    if here.dry_run:
        here.show({"kid": kid.hex()}, [here.say("would revoke key {kid}", kid=kid.hex())])
        return
    here.confirm(here.say("Revoke key {kid} for ever?", kid=kid.hex()))
    revoke = Revocation(kid=kid, reason=REASONS.index(reason), suspect_from=suspect_from)
    _, receipt = asyncio.run(_change_keys(here, context, prefix, key, None, revoke))
    shown = {"kid": kid.hex(), "entry": receipt.index}
    here.show(shown, [here.say("revoked  {kid} in log entry {entry}", **shown)])


def prefix_delegate(
    ctx: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX", help="The new prefix, lab.1.5")],
    owner_name: Annotated[str, typer.Option("--owner-name", help="Its owner, for people")],
    owner_key: Annotated[
        Path, typer.Option("--owner-key", metavar="FILE", help="Its owner's public key, PEM")
    ],
    more_keys: Annotated[
        list[str] | None,
        typer.Option("--also", metavar="ROLE=FILE", help="Another public key and its role"),
    ] = None,
    objects: Annotated[int, typer.Option(min=1, help="Objects it may create")] = 100_000,
    log_bytes: Annotated[int, typer.Option(min=1, help="Bytes of log it may use")] = 1_000_000_000,
    key: Key = "",
) -> None:
    """Give a prefix below yours to its owner, for ever."""
    here = session(ctx)
    context = here.context()
    ident = identifiers.parse(prefix)
    if not ident.can_be_prefix:
        raise UsageError(f"{ident.text} cannot be a prefix")
    listed = [NewKey(key=_public(owner_key), roles=(OWNER,))]
    for text in more_keys or []:
        role, equals, file = text.partition("=")
        if not equals:
            raise UsageError(f"--also {text}: ROLE=FILE")
        listed.append(NewKey(key=_public(Path(file)), roles=_roles([role])))
    operation = op.Delegate(
        prefix=ident,
        owner_name=owner_name,
        keys=tuple(sorted(listed, key=lambda one: one.key.kid)),
        quota=Quota(objects=objects, log_bytes=log_bytes),
    )
    shown: dict[str, Any] = {"prefix": ident.text, "owner_name": owner_name}
    if here.dry_run:
        here.show(shown, [here.say("would delegate {prefix} to {owner_name}", **shown)])
        return
    here.confirm(here.say("Delegate {prefix} to {owner_name} for ever?", **shown))
    receipt = asyncio.run(_delegate(here, context, ident, operation, key))
    shown["entry"] = receipt.index
    here.show(shown, [here.say("delegated {prefix} to {owner_name} (entry {entry})", **shown)])


def prefix_show(
    ctx: typer.Context,
    prefix: Annotated[str, typer.Argument(metavar="PREFIX")] = "",
) -> None:
    """Who owns a prefix, with which keys, and how much of its quota is used."""
    here = session(ctx)
    context = here.context()

    async def ask() -> tuple[PrefixObject, dict[str, Any]]:
        async with here.client(context) as client:
            found = await _prefix(client, prefix or context.prefix)
            return found, await client.usage(found.id)

    found, usage = asyncio.run(ask())
    used = usage.get("used", {})
    lines = [
        f"{found.id}   {clean(found.owner_name)}",
        here.say("  parent   {parent}", parent=found.parent or "-"),
        here.say(
            "  objects  {used} of {quota}", used=used.get("objects"), quota=found.quota.objects
        ),
        here.say(
            "  bytes    {used} of {quota}", used=used.get("log_bytes"), quota=found.quota.log_bytes
        ),
        *table(
            [here.say(one) for one in ("kid", "roles", "state")],
            [
                (one.key.kid.hex(), _roles_text(one.roles), here.say(_state(one)))
                for one in found.keys
            ],
        ),
    ]
    here.show(versioned_json(found) | {"used": used}, lines)


# ---- shared


async def _prefix(client: Client, text: str) -> PrefixObject:
    """Return a prefix object, proved.

    Raises:
        UsageError: It is no prefix of this network.
    """
    if not text:
        raise UsageError("which prefix? Give it, or set `prefix` in config.toml")
    found = (await client.resolve(text)).verdict.record
    if not isinstance(found, PrefixObject):
        raise UsageError(f"{text} is no prefix of this network")
    return found


async def _with_client(here: Session, context: Context, prefix: str) -> PrefixObject:
    async with here.client(context) as client:
        return await _prefix(client, prefix or context.prefix)


async def _change_keys(
    here: Session,
    context: Context,
    prefix: str,
    key: str,
    make: Callable[[], NewKey] | None,
    revoke: Revocation | None = None,
) -> tuple[NewKey | None, Receipt]:
    """Change the key list of a prefix, signed by an owner key.

    `make` makes the key to add, once it is clear that the statement can be signed: a key file that
    is listed nowhere would stand in the way of the next attempt.
    """
    async with here.client(context) as client:
        found = await _prefix(client, prefix or context.prefix)
        signer = await asyncio.to_thread(signer_for, context, found, OWNING, named=key)
        new = None if make is None else await asyncio.to_thread(make)
        operation = op.PrefixUpdate(
            prefix=identifiers.canonical(found.id),
            version=found.versions.version,
            add_keys=() if new is None else (new,),
            revoke=() if revoke is None else (revoke,),
        )
        return new, await client.submit(signer.sign(operation))


async def _delegate(
    here: Session, context: Context, ident: Identifier, operation: op.Delegate, key: str
) -> Receipt:
    """Sign a delegation in the name of the nearest existing prefix above."""
    async with here.client(context) as client:
        for parent in ident.parents:
            found = (await client.resolve(parent)).verdict.record
            if isinstance(found, PrefixObject):
                signer: Signer = await asyncio.to_thread(
                    signer_for, context, found, OWNING, named=key
                )
                return await client.submit(signer.sign(operation))
    raise UsageError(f"no prefix exists above {ident.text}")


def _roles(names: list[str]) -> tuple[int, ...]:
    for name in names:
        if name not in _ROLE_NUMBERS:
            raise UsageError(f"role {name}: choose one of {', '.join(_ROLE_NUMBERS)}")
    return tuple(sorted({_ROLE_NUMBERS[name] for name in names}))


def _roles_text(roles: tuple[int, ...]) -> str:
    return ", ".join(ROLES[role] for role in roles)


def _state(listed: ListedKey) -> str:
    if listed.revoked is not None:
        return "revoked"
    return "live" if listed.until is None else "ends"


def _kid(text: str) -> bytes:
    try:
        kid = bytes.fromhex(text)
    except ValueError:
        kid = b""
    if len(kid) != 16:
        raise UsageError(f"{text} is neither a key file here nor a kid (32 hex digits)")
    return kid


def _public(file: Path) -> PublicKey:
    return public_from_pem(read_input(file))
