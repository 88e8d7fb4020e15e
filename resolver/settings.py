"""What a node is told: `node.toml` as a whole, the ledger's table and the HTTP server's."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.errors import SettingsError
from ledger.settings import LedgerSettings, in_words, load_ledger_settings, read_toml


class HttpSettings(BaseModel):
    """Table `[http]` of `node.toml`.

    Attributes:
        host: Address to listen on; loopback unless somebody decides otherwise.
        port: TCP port.
        backlog: Connections that may wait to be accepted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=1, le=65_535)] = 8480
    backlog: Annotated[int, Field(ge=128, le=65_535)] = 1024


class NodeSettings(BaseModel):
    """The whole of `node.toml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ledger: LedgerSettings
    http: HttpSettings = HttpSettings()


def load_node_settings(file: Path) -> NodeSettings:
    """Read `node.toml`; relative paths in it are relative to its folder.

    Raises:
        SettingsError: Missing, no TOML, or a field is missing, unknown or out of range.
    """
    document = read_toml(file)
    unknown = document.keys() - {"ledger", "http"}
    if unknown:
        raise SettingsError(f"{file}: unknown table {', '.join(sorted(unknown))}")
    try:
        http = HttpSettings.model_validate(document.get("http", {}))
    except ValidationError as error:
        raise SettingsError(f"{file}: {in_words(error, 'http')}") from None
    return NodeSettings(ledger=load_ledger_settings(file, document), http=http)
