"""Signing for a prefix: the key that its list knows, and statements in that prefix's name.

Theory of operation: whoever signs for a prefix needs one of the keys of its list, with a role that may
say it. Names of key files mean nothing to the ledger; so the key is found by its kid, among the public
halves in the key folder, and only that one is opened. A key that is revoked or has ended is not taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.adapters.keystore import KeyEntry, Keystore, read_passphrase
from ledger.core import operation as op
from ledger.core import statement
from ledger.core.key_list import OWNER, REGISTRAR
from ledger.core.keys import PrivateKey
from ledger.core.record import ListedKey, PrefixObject
from xinbiao.errors import UsageError
from xinbiao.settings import Context
from xinbiao.system import Now, now_s

REGISTERING = (REGISTRAR, OWNER)
OWNING = (OWNER,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """Signs operations in the name of a prefix.

    Attributes:
        key: The key.
        name: Name of its file.
        iss: The prefix whose list has it.
        network: The network that it is for.
        now: Clock of claim iat, which is only information.
    """

    key: PrivateKey
    name: str
    iss: str
    network: str
    now: Now = now_s

    def sign(self, operation: op.Operation) -> bytes:
        """Return the statement of an operation."""
        sub = self.iss if isinstance(operation, op.Create) else operation.subject
        return statement.sign(
            operation.encode(),
            key=self.key,
            iss=self.iss,
            sub=sub,
            aud=self.network,
            iat=self.now(),
        )


def open_keystore(context: Context) -> Keystore:
    """Return the keys of a context, ready to sign.

    Raises:
        KeystoreError: The credential file is missing or too open.
    """
    return Keystore(context.keys, read_passphrase(context.credential))


def signer_for(
    context: Context, prefix: PrefixObject, roles: Sequence[int], *, named: str = ""
) -> Signer:
    """Return what signs for a prefix.

    Args:
        context: Network and key folder.
        prefix: The prefix object, as proved.
        roles: Roles that may say it, the preferred one first.
        named: Name of the key to use; empty finds it.

    Raises:
        UsageError: No key in the folder is one of the prefix's.
        KeystoreError: The key cannot be opened.
    """
    store = open_keystore(context)
    entries = store.entries()
    name = named or context.key
    found = pick(entries, prefix, roles, name)
    if found is None:
        raise UsageError(
            f"{'key ' + name if name else 'no key'} in {context.keys} "
            f"{'may not sign' if name else 'may sign'} for {prefix.id}: "
            "`xinbiao key list` shows which are listed; --key names one"
        )
    key = store.load(found.name)
    return Signer(key=key, name=found.name, iss=prefix.id, network=context.network)


def pick(
    entries: Iterable[KeyEntry], prefix: PrefixObject, roles: Sequence[int], name: str = ""
) -> KeyEntry | None:
    """Return the key file whose key the prefix lists with one of `roles`, the first role first."""
    usable: list[tuple[int, str, KeyEntry]] = []
    for entry in entries:
        listed = prefix.find_key(entry.public.kid)
        if listed is None or not is_live(listed) or (name and entry.name != name):
            continue
        ranks = [roles.index(role) for role in listed.roles if role in roles]
        if ranks:
            usable.append((min(ranks), entry.name, entry))
    return min(usable, key=lambda one: one[:2])[2] if usable else None


def is_live(listed: ListedKey) -> bool:
    """Tell whether a listed key has neither been revoked nor been given an end."""
    return listed.revoked is None and listed.until is None
