"""What a ledger node is told: where its data and keys are, whose node it is (table of `node.toml`).

`node.toml` is read here and nowhere else; relative paths are relative to the file. The passphrase of
the key files comes from a credential file: `credential` in the file, or the one that systemd hands
over in `$CREDENTIALS_DIRECTORY`, so that a node comes back after a power cut without a person.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.errors import SettingsError

CREDENTIAL_NAME: Final = "xinbiao-passphrase"
SETTINGS_BYTES_MAX: Final = 1024 * 1024


class LedgerSettings(BaseModel):
    """The ledger's part of `node.toml`.

    Attributes:
        network: Name of the network this node belongs to.
        member: Name of the member that runs it.
        data: Directory of the store.
        keys: Directory of the key files.
        credential: File with the passphrase of the keys.
        log_key: Name of the key that signs checkpoints.
        cosigner_key: Name of the key that cosigns them.
        disk_free_bytes_min: Below this, statements are refused and reads go on.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-*,-~]+$")]
    member: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")] = "m1"
    data: Path = Path("data")
    keys: Path = Path("keys")
    credential: Path = Path("credential")
    log_key: str = "log"
    cosigner_key: str = "cosigner"
    disk_free_bytes_min: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024


def read_toml(file: Path) -> dict[str, Any]:
    """Read a settings file.

    Raises:
        SettingsError: Missing, unreadable, too large, or no TOML.
    """
    try:
        data = file.read_bytes()
        if len(data) > SETTINGS_BYTES_MAX:
            raise SettingsError(f"{file}: more than {SETTINGS_BYTES_MAX} bytes")
        return tomllib.loads(data.decode())
    except FileNotFoundError:
        raise SettingsError(f"{file} is not there: `xinbiao init` makes one") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from None


def load_ledger_settings(file: Path, table: dict[str, Any] | None = None) -> LedgerSettings:
    """Read table `[ledger]` of `node.toml`.

    Args:
        file: The settings file; relative paths in it are relative to its folder.
        table: The whole document when it was read already.

    Raises:
        SettingsError: A field is missing, unknown or out of range.
    """
    document = read_toml(file) if table is None else table
    try:
        settings = LedgerSettings.model_validate(document.get("ledger", {}))
    except ValidationError as error:
        raise SettingsError(f"{file}: {in_words(error, 'ledger')}") from None
    folder = file.parent
    return settings.model_copy(
        update={
            "data": folder / settings.data,
            "keys": folder / settings.keys,
            "credential": credential_file(folder / settings.credential),
        }
    )


def in_words(error: ValidationError, table: str) -> str:
    """Return a validation error as `[table] field: rule; …`."""
    return "; ".join(
        f"[{table}] {'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
        for one in error.errors(include_url=False)
    )


def credential_file(configured: Path) -> Path:
    """Return the credential file: systemd's when it hands one over, else the configured one."""
    handed = os.environ.get("CREDENTIALS_DIRECTORY")
    if handed is not None:
        given = Path(handed) / CREDENTIAL_NAME
        if given.exists():
            return given
    return configured
