"""`xinbiao init`: a network of one member, ready to run, without a question.

Theory of operation: everything is made in a folder beside the target and moved there in one step when it
is complete, so there is never half a network; what exists is never overwritten. Made are: the keys
(encrypted, under a random passphrase in `credential`), `node.toml`, `agent.toml`, `config.toml`, the trust
file, and the ledger itself with its genesis and a lab prefix.

The recovery key of the lab prefix is never written to the disk: its public half is listed with role 7 (and
kept as `keys/recovery.pub.pem`), the private half is returned once, to be printed and put in a safe. A
recovery key that lies beside the owner key would be lost with it.

It is one member's network: it proves that nothing was changed unnoticed, not that others agree.
"""

import asyncio
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.adapters.directory import DIRECTORY_MODE, sync
from ledger.adapters.keystore import Keystore, create_passphrase
from ledger.adapters.system import random_bytes
from ledger.core import identifier, keys, statement
from ledger.core import operation as op
from ledger.core.checkpoint import NoteSigner, SignatureKind
from ledger.core.key_list import AGENT, OWNER, RECOVERY, REGISTRAR, NewKey
from ledger.core.keys import ED25519, PrivateKey
from ledger.core.member import Member
from ledger.core.policy import Log, TrustFile, Witness
from ledger.core.record import NETWORK_KEY
from ledger.core.value import Quota
from ledger.errors import Rejection
from ledger.node import LedgerNode
from ledger.settings import LedgerSettings, load_ledger_settings
from xinbiao.errors import InputError, UsageError
from xinbiao.settings import SYSTEM_DATA, SYSTEM_FOLDER

MEMBER: Final = "m1"
LAB_PREFIX: Final = "hdl:lab.1"
LAB_OWNER: Final = "lab prefix, not national"
GATEWAY: Final = "hdl:lab.1/gw-1"
LAB_QUOTA: Final = Quota(objects=10_000_000, log_bytes=50_000_000_000)
MAX_AGE_S: Final = 600
PASSPHRASE_RANDOM_BYTES: Final = 32
KEYS: Final = ("log", "cosigner", "approver", "root", "owner", "registrar", "agent")
_ROOT: Final = "hdl:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What `init` made.

    Attributes:
        folder: Where.
        network: Name of the network.
        prefix: The lab prefix.
        trust: The trust file.
        url: Where the node will answer.
        recovery_pem: The recovery key, which is kept nowhere else.
    """

    folder: Path
    network: str
    prefix: str
    trust: Path
    url: str
    recovery_pem: str


def init(
    folder: Path,
    *,
    network: str = "lab",
    port: int = 8480,
    random: Callable[[int], bytes] = random_bytes,
) -> Made:
    """Make a network of one member in `folder`. Blocks on the disk.

    Args:
        folder: Must not exist, or be empty.
        network: Its name.
        port: Where the node will answer, on the loopback interface.
        random: Gives random bytes.

    Raises:
        UsageError: The name cannot be a network's or a trust file's.
        InputError: Something is there already, or the disk refuses.
        KeystoreError, StorageError: The disk refuses.
    """
    if not statement.is_network_name(network) or "/" in network or network.startswith("."):
        raise UsageError(f"--network {network}: printable ASCII without space, + and /")
    check_free(folder)
    draft = folder.with_name(f"{folder.name}.new-{random(4).hex()}")
    try:
        draft.mkdir(mode=DIRECTORY_MODE, parents=True)
        made = _fill(draft, folder, network, port, random)
        os.rename(draft, folder)
        sync(folder.parent)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return made


def check_free(folder: Path) -> None:
    """Refuse a folder that holds anything.

    Raises:
        InputError: It does.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists: nothing is overwritten; --dir chooses another folder")
    data = data_folder(folder)
    if data.is_absolute() and data.exists() and any(data.iterdir()):
        raise InputError(f"{data} holds data of a node: move it away first")


def data_folder(folder: Path) -> Path:
    """Return where the node's data lies, relative to its settings unless these are the system's."""
    return SYSTEM_DATA / "data" if folder == SYSTEM_FOLDER else Path("data")


def _fill(
    draft: Path, folder: Path, network: str, port: int, random: Callable[[int], bytes]
) -> Made:
    passphrase = create_passphrase(draft / "credential", random(PASSPHRASE_RANDOM_BYTES))
    store = Keystore(draft / "keys", passphrase)
    made = {name: store.create(name, ED25519, random(32)) for name in KEYS}
    recovery = keys.private_from_seed(ED25519, random(32))
    _write(draft / "keys" / "recovery.pub.pem", recovery.public.to_pem())
    url = f"http://127.0.0.1:{port}"
    _write(draft / "node.toml", node_toml(network, port, data_folder(folder)))
    _write(draft / "agent.toml", agent_toml(network, url))
    _write(draft / "config.toml", config_toml(network, url))
    settings = load_ledger_settings(draft / "node.toml")
    network_object = asyncio.run(_found(settings, network, made, recovery))
    trust = draft / "trust" / f"{network}.policy"
    trust.parent.mkdir(mode=DIRECTORY_MODE)
    _write(trust, _trust_file(network, made, network_object).format())
    return Made(
        folder=folder,
        network=network,
        prefix=LAB_PREFIX,
        trust=folder / "trust" / trust.name,
        url=url,
        recovery_pem=recovery.to_pem(None),
    )


async def _found(
    settings: LedgerSettings, network: str, made: dict[str, PrivateKey], recovery: PrivateKey
) -> bytes:
    """Write the first two statements and return the network object."""
    node = await asyncio.to_thread(LedgerNode.open, settings)
    try:
        iat = node.clock.now_s()
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(node.run())
            entries = (
                _genesis(network, made, iat),
                _delegation(network, made, recovery, iat),
            )
            for outcome in await node.submit(entries):
                if isinstance(outcome, Rejection):
                    raise outcome
            writer.cancel()
        network_object = node.engine.object(NETWORK_KEY)
    finally:
        await asyncio.to_thread(node.close)
    assert network_object is not None, "a genesis writes the network object"
    return network_object


def _genesis(network: str, made: dict[str, PrivateKey], iat: int) -> bytes:
    member = Member(
        name=MEMBER,
        log_key=made["log"].public.raw(),
        cosigner_key=made["cosigner"].public.raw(),
        approval_key=made["approver"].public,
    )
    genesis = op.Genesis(
        network=network,
        members=(member,),
        quorum=1,
        root_keys=(NewKey(key=made["root"].public, roles=(OWNER, REGISTRAR)),),
    )
    return statement.sign(
        genesis.encode(), key=made["root"], iss=network, sub=network, aud=network, iat=iat
    )


def _delegation(network: str, made: dict[str, PrivateKey], recovery: PrivateKey, iat: int) -> bytes:
    listed = (
        NewKey(key=made["owner"].public, roles=(OWNER,)),
        NewKey(key=made["registrar"].public, roles=(REGISTRAR,)),
        NewKey(key=made["agent"].public, roles=(AGENT,)),
        NewKey(key=recovery.public, roles=(RECOVERY,)),
    )
    delegate = op.Delegate(
        prefix=identifier.canonical(LAB_PREFIX),
        owner_name=LAB_OWNER,
        keys=tuple(sorted(listed, key=lambda one: one.key.kid)),
        quota=LAB_QUOTA,
    )
    return statement.sign(
        delegate.encode(), key=made["root"], iss=_ROOT, sub=LAB_PREFIX, aud=network, iat=iat
    )


def _trust_file(network: str, made: dict[str, PrivateKey], network_object: bytes) -> TrustFile:
    log = NoteSigner.of(name=network, kind=SignatureKind.LOG, key=made["log"])
    cosigner = NoteSigner.of(
        name=f"{network}/{MEMBER}", kind=SignatureKind.COSIGNER, key=made["cosigner"]
    )
    return TrustFile(
        network=network,
        logs=(Log(key=log.verifier),),
        witnesses=(Witness(name=MEMBER, key=cosigner.verifier),),
        groups=(),
        quorum=MEMBER,
        max_age_s=MAX_AGE_S,
        network_object=network_object,
    )


def _write(path: Path, text: str | bytes) -> None:
    """Write a file that is there after a power cut."""
    with path.open("wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def node_toml(network: str, port: int, data: Path) -> str:
    """Return `node.toml`."""
    return f"""# A node: docs/operating.md explains every setting.
[ledger]
network = {quoted(network)}
member = "{MEMBER}"
data = {quoted(str(data))}
keys = "keys"
credential = "credential"

[http]
host = "127.0.0.1"
port = {port}
"""


def agent_toml(network: str, url: str) -> str:
    """Return `agent.toml`, with a mapping for topics as `xinbiao simulate plant` publishes them."""
    return f"""# A gateway agent: docs/operating.md explains every setting.
# Before its first start: xinbiao register {GATEWAY.removeprefix(_ROOT)}
network = {quoted(network)}
data_dir = "agent"

[stream]
identifier = "{GATEWAY}"
prefix = "{LAB_PREFIX}"

[key]
file = "keys/agent.pem"
credential = "credential"

[node]
urls = [{quoted(url)}]

[broker]
host = "127.0.0.1"
port = 1883

[[mapping]]
filter = "plant/{{machine}}/{{channel}}"
payload = "json"
identifier = "{LAB_PREFIX}/{{machine}}"
reading = {{ name = "{{channel}}", value = "/v", type = "float", time = "/ts", time_unit = "us", sequence = "/n" }}
"""


def config_toml(network: str, url: str) -> str:
    """Return `config.toml`."""
    return f"""# The client: which network, which node, which trust file.
context = {quoted(network)}

[contexts.{quoted(network)}]
url = {quoted(url)}
network = {quoted(network)}
trust = {quoted(f"trust/{network}.policy")}
prefix = "{LAB_PREFIX}"
keys = "keys"
credential = "credential"
"""


def quoted(text: str) -> str:
    """Return printable ASCII as a TOML basic string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
