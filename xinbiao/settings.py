"""Which folder, which context, which trust file, which language: the one reader of the environment.

Folder: `--dir`, else `$XINBIAO_DIR`, else `./.xinbiao` where it exists, else `/etc/xinbiao` with data in
`/var/lib/xinbiao`. In it `config.toml` names contexts, each a network with the way to it:

    context = "lab"

    [contexts.lab]
    url = "http://127.0.0.1:8480"
    network = "lab"
    trust = "trust/lab.policy"
    prefix = "hdl:lab.1"
    keys = "keys"
    credential = "credential"
    key = ""

Relative paths are relative to the file. A file that cannot be used is a `UsageError` that names the entry.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ledger.errors import SettingsError
from xinbiao.errors import UsageError

SYSTEM_FOLDER: Final = Path("/etc/xinbiao")
SYSTEM_DATA: Final = Path("/var/lib/xinbiao")
LOCAL_FOLDER: Final = Path(".xinbiao")
CONFIG: Final = "config.toml"
LANGUAGES: Final = ("en", "zh")
DEFAULT_URL: Final = "http://127.0.0.1:8480"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """A network and the way to it.

    Attributes:
        name: Its name in `config.toml`.
        url: The node that is asked.
        network: The network's name.
        trust: Its trust file.
        prefix: Owner of what is registered, canonical; empty when nothing is.
        keys: Folder of the key files.
        credential: File with their passphrase.
        key: Name of the key that signs; empty takes the one that the prefix lists.
    """

    name: str
    url: str
    network: str
    trust: Path
    prefix: str
    keys: Path
    credential: Path
    key: str = ""


def choose_folder(given: Path | None) -> Path:
    """Return the folder of settings and trust files; it need not exist."""
    if given is not None:
        return given
    named = os.environ.get("XINBIAO_DIR")
    if named:
        return Path(named)
    return LOCAL_FOLDER if LOCAL_FOLDER.is_dir() else SYSTEM_FOLDER


def new_folder(given: Path | None) -> Path:
    """Return the folder that `init` makes: as `choose_folder`, but `./.xinbiao` when nothing is named."""
    if given is not None or os.environ.get("XINBIAO_DIR"):
        return choose_folder(given)
    return LOCAL_FOLDER


def choose_language(given: str | None) -> str:
    """Return `zh` or `en`: what is given, else what the environment speaks.

    Raises:
        UsageError: Another language is given.
    """
    if given is not None:
        if given not in LANGUAGES:
            raise UsageError(f"--lang {given}: choose {' or '.join(LANGUAGES)}")
        return given
    spoken = next((os.environ[name] for name in ("LC_ALL", "LANG") if os.environ.get(name)), "en")
    return "zh" if spoken.lower().startswith("zh") else "en"


def load_context(folder: Path, name: str | None) -> Context:
    """Return a context of `config.toml`: the named one, else the default, else the only one.

    Raises:
        UsageError: There is none, or an entry cannot be used.
    """
    from ledger.settings import read_toml

    file = folder / CONFIG
    try:
        document = read_toml(file)
    except SettingsError as error:
        raise UsageError(f"{error}; --dir chooses another folder") from None
    contexts = document.get("contexts")
    if not isinstance(contexts, dict) or not contexts:
        raise UsageError(f"{file}: there is no [contexts.NAME]")
    chosen = name or document.get("context") or (next(iter(contexts)) if len(contexts) == 1 else "")
    if not isinstance(chosen, str) or chosen not in contexts:
        raise UsageError(
            f"{file}: no context {chosen!r}: choose one of {', '.join(contexts)} (--context)"
        )
    return _context(file, chosen, contexts[chosen])


def choose_trust(folder: Path, given: Path | None, context: str | None) -> Path:
    """Return the trust file: the given one, else the context's, else the only `trust/*.policy`.

    Raises:
        UsageError: None of these.
    """
    if given is not None:
        return given
    if context is not None or (folder / CONFIG).is_file():
        return load_context(folder, context).trust
    found = sorted((folder / "trust").glob("*.policy"))
    if len(found) == 1:
        return found[0]
    raise UsageError(
        f"which network is trusted? Give --trust FILE ({len(found)} trust files in {folder / 'trust'})"
    )


def _context(file: Path, name: str, table: Any) -> Context:
    where = f"{file}: [contexts.{name}]"
    if not isinstance(table, dict):
        raise UsageError(f"{where} is no table")
    defaults = {"url": DEFAULT_URL, "prefix": "", "keys": "keys", "credential": "credential"}
    entries = {"key": "", "trust": f"trust/{name}.policy", "network": name, **defaults, **table}
    unknown = entries.keys() - {"url", "network", "trust", "prefix", "keys", "credential", "key"}
    if unknown:
        raise UsageError(f"{where}: unknown entry {', '.join(sorted(unknown))}")
    texts = _texts(where, entries)
    folder = file.parent
    return Context(
        name=name,
        url=texts["url"],
        network=texts["network"],
        trust=folder / texts["trust"],
        prefix=texts["prefix"],
        keys=folder / texts["keys"],
        credential=folder / texts["credential"],
        key=texts["key"],
    )


def _texts(where: str, entries: Mapping[str, Any]) -> dict[str, str]:
    for name, value in entries.items():
        if not isinstance(value, str):
            raise UsageError(f"{where}: {name} is no text")
    return dict(entries)
