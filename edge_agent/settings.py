"""The agent's settings: one `agent.toml`, mappings inside, overridden by the environment.

`load_settings` is the only reader of the file and of `XINBIAO_AGENT_…` variables (sections joined by
two underscores: `XINBIAO_AGENT_BROKER__HOST`). Paths are relative to the file's folder. What cannot
be used is a `SettingsError` that names the entry; nothing unknown is silently ignored. Everything
beyond this module sees plain values and core's own types.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from edge_agent.adapters.source_mqtt import QUEUE_MESSAGES_MAX
from edge_agent.core.batch import SealPolicy
from edge_agent.core.extract import Pointer
from edge_agent.core.mapping import MappingRule, ReadingRule, subscription
from edge_agent.errors import MappingError, SettingsError
from ledger.core import identifier as identifiers
from ledger.errors import IdentifierError

MIB: Final = 1024 * 1024
Url = Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=512)]
Port = Annotated[int, Field(ge=1, le=65_535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StreamSection(_Section):
    """Whose readings these are.

    Attributes:
        identifier: The gateway's own record.
        prefix: Owner prefix of that record, claim iss; empty takes its nearest parent.
    """

    identifier: str
    prefix: str = ""


class KeySection(_Section):
    """What signs.

    Attributes:
        file: PKCS#8 PEM, mode 0600.
        credential: File with its passphrase, mode 0600.
    """

    file: Path
    credential: Path | None = None


class NodeSection(_Section):
    """Where anchors go.

    Attributes:
        urls: Base URLs of nodes of one network, the preferred one first.
        timeout_s: Longest silence of a node.
        ca_file: Authorities to trust for https; None takes the system's.
    """

    urls: Annotated[list[Url], Field(min_length=1, max_length=16)]
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    ca_file: Path | None = None


class TlsSection(_Section):
    """TLS to the broker.

    Attributes:
        ca_file: Authorities to trust; None takes the system's.
        cert_file: Our certificate, for a broker that asks for one.
        key_file: Its key.
        check_hostname: False trusts any name that an authority signed.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    check_hostname: bool = True


class BrokerSection(_Section):
    """Where readings come from.

    Attributes:
        host: Name or address.
        port: TCP port.
        client_id: Fixed for ever, because the broker's session hangs on it; empty derives one.
        username: None for none.
        password_file: File with the password, mode 0600.
        subscribe: MQTT filters; empty takes those of the mappings.
        keepalive_s: Seconds.
        queue_max: Messages held on our side.
        tls: None for plain TCP.
    """

    host: str = "127.0.0.1"
    port: Port = 1883
    client_id: Annotated[str, Field(max_length=256)] = ""
    username: str | None = None
    password_file: Path | None = None
    subscribe: list[str] = []
    keepalive_s: Annotated[int, Field(ge=1, le=65_535)] = 60
    queue_max: Annotated[int, Field(ge=1, le=65_535)] = QUEUE_MESSAGES_MAX
    tls: TlsSection | None = None


class BatchSection(_Section):
    """When a batch is sealed: at the count or the age, whichever comes first."""

    readings_max: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    period_s: Annotated[float, Field(ge=0.1, le=86_400)] = 60.0


class SpoolSection(_Section):
    """How much is kept here; over a bound the oldest stays and new readings are shed."""

    bytes_max: Annotated[int, Field(ge=MIB)] = 2048 * MIB
    free_bytes_min: Annotated[int, Field(ge=0)] = 256 * MIB
    dead_bytes_max: Annotated[int, Field(ge=0)] = 16 * MIB
    archive_bytes_max: Annotated[int, Field(ge=0)] = 256 * MIB


class ReadingSection(_Section):
    """One reading of a payload; see `core.mapping.ReadingRule`."""

    name: str
    value: str
    type: Literal["float", "int", "bool", "text", "auto"] = "float"
    unit: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    units: dict[str, str] = {}
    time: str | None = None
    time_unit: Literal["s", "ms", "us", "ns", "iso"] | None = None
    quality: str | None = None
    quality_scale: Literal["xinbiao", "opc"] = "xinbiao"
    sequence: str | None = None
    required: bool = True


class MappingSection(_Section):
    """One mapping; `time`, `time_unit` and `sequence` hold for each reading that has none."""

    filter: str
    identifier: str
    payload: str = "json"
    reading: ReadingSection | None = None
    readings: list[ReadingSection] = []
    time: str | None = None
    time_unit: Literal["s", "ms", "us", "ns", "iso"] = "ms"
    sequence: str | None = None

    def rule(self) -> MappingRule:
        """Return the core's form.

        Raises:
            MappingError: The mapping is not well formed.
        """
        sections = [*([self.reading] if self.reading else []), *self.readings]
        sequences = {one.sequence for one in sections if one.sequence} | {self.sequence} - {None}
        if len(sequences) > 1:
            raise MappingError("sequence", "a message has one counter, not several")
        sequence = next(iter(sequences), None)
        return MappingRule(
            filter=self.filter,
            identifier=self.identifier,
            payload=self.payload,
            readings=tuple(self._reading(one) for one in sections),
            sequence=_pointer(sequence, "sequence"),
        )

    def _reading(self, section: ReadingSection) -> ReadingRule:
        time = section.time if section.time is not None else self.time
        return ReadingRule(
            name=section.name,
            value=Pointer.parse(section.value, part="value"),
            type=section.type,
            unit=section.unit,
            units=section.units,
            time=_pointer(time, "time"),
            time_unit=section.time_unit or self.time_unit,
            quality=_pointer(section.quality, "quality"),
            quality_scale=section.quality_scale,
            required=section.required,
        )


class AgentSettings(BaseSettings):
    """Everything a gateway agent is told.

    Attributes:
        network: Name of the network, claim aud.
        data_dir: Spool, local archive and status; one agent per directory.
        stream: Whose readings.
        key: What signs.
        node: Where anchors go.
        broker: Where readings come from.
        batch: When a batch is sealed.
        spool: How much is kept.
        mapping: Channel to identifier and reading; the first match wins.
        drain_s: How long a graceful end may go on sealing and sending.
    """

    model_config = SettingsConfigDict(
        env_prefix="XINBIAO_AGENT_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    network: Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[!-*,-~]+$")]
    data_dir: Path
    stream: StreamSection
    key: KeySection
    node: NodeSection
    broker: BrokerSection = BrokerSection()
    batch: BatchSection = BatchSection()
    spool: SpoolSection = SpoolSection()
    mapping: Annotated[list[MappingSection], Field(min_length=1, max_length=1_000)]
    drain_s: Annotated[float, Field(ge=0, le=600)] = 5.0

    @property
    def stream_identifier(self) -> identifiers.Identifier:
        """The gateway's identifier in canonical form.

        Raises:
            SettingsError: It is no identifier.
        """
        try:
            return identifiers.parse(self.stream.identifier)
        except IdentifierError as error:
            raise SettingsError(f"stream.identifier: {error}") from None

    @property
    def stream_prefix(self) -> str:
        """The owner prefix in canonical form.

        Raises:
            SettingsError: It is no prefix.
        """
        if not self.stream.prefix:
            return self.stream_identifier.parents[0]
        try:
            prefix = identifiers.parse(self.stream.prefix)
        except IdentifierError as error:
            raise SettingsError(f"stream.prefix: {error}") from None
        if not prefix.can_be_prefix:
            raise SettingsError(f"stream.prefix: {prefix.text} cannot be a prefix")
        return prefix.text

    @property
    def client_id(self) -> str:
        """The MQTT client identifier: as configured, else derived from network and stream."""
        if self.broker.client_id:
            return self.broker.client_id
        name = f"{self.network}\0{self.stream_identifier.key_text}".encode()
        return "xb" + blake2b(name, digest_size=10).hexdigest()

    @property
    def seal_policy(self) -> SealPolicy:
        """When a batch is sealed."""
        return SealPolicy(readings_max=self.batch.readings_max, period_s=self.batch.period_s)

    def mapping_rules(self) -> tuple[MappingRule, ...]:
        """Return the mappings in the core's form.

        Raises:
            SettingsError: One is not well formed; says which.
        """
        rules = []
        for number, section in enumerate(self.mapping, 1):
            try:
                rules.append(section.rule())
            except MappingError as error:
                raise SettingsError(f"mapping {number}: {error}") from None
        return tuple(rules)

    def topic_filters(self) -> tuple[str, ...]:
        """Return what is subscribed, each filter once."""
        filters = self.broker.subscribe or [subscription(one.filter) for one in self.mapping]
        return tuple(dict.fromkeys(filters))


def load_settings(path: Path) -> AgentSettings:
    """Read `agent.toml`.

    Raises:
        SettingsError: It is missing, no TOML, or an entry cannot be used.
    """
    if not path.is_file():
        raise SettingsError(f"{path}: no such file")

    class FromFile(AgentSettings):
        @classmethod
        def settings_customise_sources(  # type: ignore[explicit-override]  # Python 3.11 has no override
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (init_settings, env_settings, TomlConfigSettingsSource(settings_cls, path))

    try:
        found = FromFile.model_validate({})
        return AgentSettings.model_construct(**_rooted(dict(found), path.parent.resolve()))
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors()]
        raise SettingsError(f"{path}: " + "; ".join(lines)) from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}") from None


def _rooted(value: Any, folder: Path) -> Any:
    """Return settings whose relative paths start at the folder of the settings file."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, BaseModel):
        return value.model_copy(update=_rooted(dict(value), folder))
    if isinstance(value, dict):
        return {name: _rooted(item, folder) for name, item in value.items()}
    return value


def _pointer(text: str | None, part: str) -> Pointer | None:
    return None if text is None else Pointer.parse(text, part=part)
