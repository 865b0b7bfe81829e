"""Every setting of the platform, in one tree.

Values come, in this order of precedence, from arguments (tests), environment variables with the prefix ``BROKER_``
(nested names joined by two underscores: ``BROKER_KAFKA__BOOTSTRAP_SERVERS``), the TOML file named by
``BROKER_SETTINGS`` (default ``broker.toml`` in the working folder), and the defaults here. Secrets are read from the
environment or from files named there, never from the command line. Nothing in this module opens a connection.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

Survey = Literal["rubin", "ztf", "elasticc"]
Framing = Literal["confluent", "container", "bare"]


class DatabaseSettings(BaseModel):
    """Where the rows live."""

    url: SecretStr | None = None
    """`postgresql+psycopg://…` of the broker's database; none starts the embedded PostgreSQL."""
    dagster_url: SecretStr | None = None
    """`postgresql+psycopg2://…` of Dagster's database; none uses the embedded PostgreSQL."""


class KafkaSettings(BaseModel):
    """How to reach the streams."""

    bootstrap_servers: str | None = None
    """`host:port,…`; none starts the embedded broker."""
    embedded: Literal["auto", "kafka", "tansu"] = "auto"
    """Which embedded broker: Apache Kafka where Java and its jars can be had, else Tansu."""
    client: dict[str, str] = Field(default_factory=dict)
    """Further librdkafka properties (security.protocol, sasl.mechanism, …)."""
    password: SecretStr | None = None
    """`sasl.password`, kept apart so that it is never printed."""


class StreamSettings(BaseModel):
    """One alert stream: a Kafka topic and how its messages are read."""

    topic: str
    survey: Survey
    framing: Framing
    registry_url: str | None = None
    """Schema registry of a Confluent-framed topic."""
    schemas: str | None = None
    """File or folder of Avro schemas, for framings that carry none and where no registry is to be asked."""
    partitions_per_run: int = Field(default=8, ge=1)
    """How many Kafka partitions one drain run owns."""


class DrainSettings(BaseModel):
    """Bounds of a drain run and of its micro-batches."""

    batch_max: int = Field(default=4000, ge=1)
    """Messages in one transaction, at most."""
    batch_bytes: int = Field(default=96 * 1024**2, ge=1)
    """Bytes of messages in one transaction, at most; a run holds about four times as much."""
    batch_seconds: float = Field(default=2.0, gt=0)
    """A batch is written after this time even when it is not full."""
    idle_seconds: float = Field(default=5.0, ge=0)
    """The run ends when nothing has arrived for so long."""
    budget_seconds: float = Field(default=600.0, gt=0)
    """The run ends after this time whatever the backlog; the sensor starts the next."""


class TnsSettings(BaseModel):
    """Who we are at the Transient Name Server; without a key nothing is asked of it."""

    key: SecretStr | None = None
    """API key of the bot."""
    bot_id: int | None = None
    """Number of the bot."""
    bot_name: str | None = None
    """Name of the bot."""
    bulk_url: str = "https://www.wis-tns.org/system/files/tns_public_objects/"
    """Where the bulk files are."""
    search_url: str = "https://www.wis-tns.org/api/get/"
    """Where single objects are asked for."""


class NoticeSettings(BaseModel):
    """Where notices of gravitational-wave events come from; without a topic none are read."""

    topic: str | None = None
    """Kafka topic (`igwn.gwalert` at GCN)."""
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    """How to reach it; without bootstrap servers those of the alert streams."""


class NotifierSettings(BaseModel):
    """Where alerts to operators go."""

    urls: list[SecretStr] = Field(default_factory=list)
    """Apprise URLs (`mailto://…`, `slack://…`, `json://…`)."""
    repeat_minutes: float = 360.0
    """The same cause is not reported again before this time, unless it ended in between."""


class ServerSettings(BaseModel):
    """Addresses of the web servers; loopback unless told otherwise."""

    host: str = "127.0.0.1"
    dagster_port: int = 3000
    api_port: int = 8000


class Settings(BaseSettings):
    """The settings tree."""

    model_config = SettingsConfigDict(env_prefix="BROKER_", env_nested_delimiter="__", extra="forbid")

    home: Path = Path(".broker")
    """Folder of everything the one-machine platform keeps."""
    archive_url: str | None = None
    """fsspec URL of the packet archive and products; none is `<home>/archive`."""
    database: DatabaseSettings = Field(default_factory=DatabaseSettings)
    kafka: KafkaSettings = Field(default_factory=KafkaSettings)
    streams: list[StreamSettings] = Field(
        default_factory=lambda: [
            StreamSettings(topic="rubin-alerts", survey="rubin", framing="confluent"),
            StreamSettings(topic="ztf-alerts", survey="ztf", framing="container"),
            StreamSettings(topic="elasticc-alerts", survey="elasticc", framing="bare"),
        ]
    )
    drain: DrainSettings = Field(default_factory=DrainSettings)
    sky_folder: Path | None = None
    """Folder of the indices that alerts are matched with, shared by all processes; none is `<home>/sky`."""
    tns: TnsSettings = Field(default_factory=TnsSettings)
    notices: NoticeSettings = Field(default_factory=NoticeSettings)
    notifier: NotifierSettings = Field(default_factory=NotifierSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)

    @property
    def archive(self) -> str:
        """fsspec URL of the packet archive."""
        return self.archive_url or (self.home.resolve() / "archive").as_uri()

    @property
    def sky(self) -> Path:
        """Folder of the indices that alerts are matched with."""
        return self.sky_folder or self.home.resolve() / "sky"

    def stream(self, topic: str) -> StreamSettings:
        """The stream of a topic.

        Raises
        ------
        KeyError
            If no stream has this topic; the message names those that exist.
        """
        for stream in self.streams:
            if stream.topic == topic:
                return stream
        known = ", ".join(stream.topic for stream in self.streams) or "none"
        raise KeyError(f"no stream is configured for topic {topic!r}; configured: {known}")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, then the environment, then the TOML file."""
        toml = TomlConfigSettingsSource(settings_cls, Path(os.environ.get("BROKER_SETTINGS", "broker.toml")))
        return init_settings, env_settings, toml


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
