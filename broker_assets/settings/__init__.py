"""Every setting of the platform, in one tree.

Values come, in this order of precedence, from arguments (tests), environment variables with the prefix ``BROKER_``
(nested names joined by two underscores: ``BROKER_KAFKA__BOOTSTRAP_SERVERS``), the TOML file named by
``BROKER_SETTINGS`` (default ``broker.toml`` in the working folder), and the defaults here. Secrets are read from the
environment or from files named there, never from the command line. Nothing here opens a connection.

Each group of settings has a module of its own, which this one puts together.
"""

from __future__ import annotations

import datetime
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from broker_assets.settings.access import AccessSettings
from broker_assets.settings.annotations import AnnotationSettings
from broker_assets.settings.backups import BackupSettings
from broker_assets.settings.cold import ColdSettings
from broker_assets.settings.database import DatabaseSettings
from broker_assets.settings.delivery import DeliverySettings
from broker_assets.settings.drain import AttemptSettings, CanarySettings, DrainSettings
from broker_assets.settings.enrichment import ClassifierSettings, ContextSettings, FeatureSettings, LinkSettings
from broker_assets.settings.filters import FilterSettings
from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.settings.names import WrongSettingsError, sentences
from broker_assets.settings.operation import AutomationSettings, NotifierSettings, ServerSettings
from broker_assets.settings.origins import StreamEnvironment, StreamToml, listed, settings_file
from broker_assets.settings.partitions import PartitionSettings
from broker_assets.settings.places import folder_url
from broker_assets.settings.publication import PublicationSettings, PublicationTarget
from broker_assets.settings.sky import MocSettings, MovingListSettings, NoticeSettings, TnsSettings
from broker_assets.settings.stream import (
    ClusterSettings,
    Framing,
    KafkaSettings,
    PubSubSettings,
    RegistrySettings,
    StreamLocation,
    StreamSettings,
    Survey,
    checked_name,
    env_key,
)
from broker_assets.settings.surveys import SurveySettings
from broker_assets.settings.telemetry import TelemetrySettings
from broker_assets.settings.tom import TomSettings
from broker_assets.settings.traces import TraceSettings

__all__ = [
    "AnnotationSettings",
    "AttemptSettings",
    "BackupSettings",
    "CanarySettings",
    "ClassifierSettings",
    "ClusterSettings",
    "ColdSettings",
    "ContextSettings",
    "DatabaseSettings",
    "DeliverySettings",
    "DrainSettings",
    "FeatureSettings",
    "FilterSettings",
    "Framing",
    "InputLimits",
    "KafkaSettings",
    "LinkSettings",
    "MovingListSettings",
    "NoticeSettings",
    "NotifierSettings",
    "PublicationSettings",
    "PublicationTarget",
    "RegistrySettings",
    "ServerSettings",
    "Settings",
    "StreamLocation",
    "StreamSettings",
    "Survey",
    "TelemetrySettings",
    "TnsSettings",
    "TomSettings",
    "TraceSettings",
    "WrongSettingsError",
    "load_settings",
    "settings_file",
]


class Settings(BaseSettings):
    """The settings tree."""

    model_config = SettingsConfigDict(
        env_prefix="BROKER_",
        env_nested_delimiter="__",
        extra="forbid",
        # The invalid value may be a secret, or be next to one.
        hide_input_in_errors=True,
    )

    home: Path = Path(".broker")
    """Folder of all state of the one-machine platform."""
    archive_url: str | None = None
    """fsspec URL of the packet archive and products; default: `<home>/archive`."""
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
    attempts: AttemptSettings = Field(default_factory=AttemptSettings)
    limits: InputLimits = LIMITS
    sky_folder: Path | None = None
    """Folder of the indices that alerts are matched against, shared by all processes; default: `<home>/sky`."""
    mocs: MocSettings = Field(default_factory=MocSettings)
    features: FeatureSettings = Field(default_factory=FeatureSettings)
    links: LinkSettings = Field(default_factory=LinkSettings)
    context: ContextSettings = Field(default_factory=ContextSettings)
    classifiers: ClassifierSettings = Field(default_factory=ClassifierSettings)
    filters: FilterSettings = Field(default_factory=FilterSettings)
    tns: TnsSettings = Field(default_factory=TnsSettings)
    notices: NoticeSettings = Field(default_factory=NoticeSettings)
    annotations: AnnotationSettings = Field(default_factory=AnnotationSettings)
    survey: SurveySettings = Field(default_factory=SurveySettings)
    canary: CanarySettings = Field(default_factory=CanarySettings)
    access: AccessSettings = Field(default_factory=AccessSettings)
    telemetry: TelemetrySettings = Field(default_factory=TelemetrySettings)
    delivery: DeliverySettings = Field(default_factory=DeliverySettings)
    publication: PublicationSettings = Field(default_factory=PublicationSettings)
    notifier: NotifierSettings = Field(default_factory=NotifierSettings)
    server: ServerSettings = Field(default_factory=ServerSettings)
    partitions: PartitionSettings = Field(default_factory=PartitionSettings)
    automation: AutomationSettings = Field(default_factory=AutomationSettings)
    tom: TomSettings = Field(default_factory=TomSettings)
    backup: BackupSettings = Field(default_factory=BackupSettings)
    cold: ColdSettings = Field(default_factory=ColdSettings)
    traces: TraceSettings = Field(default_factory=TraceSettings)

    @property
    def nights_begin(self) -> datetime.date:
        """The first night that has a partition."""
        return self.partitions.nights_begin(stream.survey for stream in self.streams)

    @property
    def archive(self) -> str:
        """fsspec URL of the packet archive."""
        return folder_url(self.archive_url or self.home.resolve() / "archive")

    @property
    def warehouse(self) -> str:
        """fsspec URL of the tables of the cold store."""
        return folder_url(self.cold.warehouse_url or self.home.resolve() / "cold")

    @property
    def hats(self) -> str:
        """fsspec URL of the HATS catalogues."""
        return folder_url(self.cold.hats_url or self.home.resolve() / "hats")

    @property
    def sky(self) -> Path:
        """Folder of the indices that alerts are matched against."""
        return self.sky_folder or self.home.resolve() / "sky"

    @property
    def catalogue_folder(self) -> Path:
        """Folder of the catalogues."""
        return self.context.folder or self.home.resolve() / "catalogues"

    @property
    def classifier_folder(self) -> Path:
        """Folder of the models of classifiers."""
        return self.classifiers.folder or self.home.resolve() / "classifiers"

    @property
    def backup_folder(self) -> Path:
        """Folder of the backups."""
        return self.backup.folder or self.home.resolve() / "backups"

    @property
    def telemetry_folder(self) -> Path:
        """Folder of the packet store, staged files and products of telemetry."""
        return self.telemetry.folder or self.home.resolve() / "telemetry"

    def stream(self, name: str) -> StreamSettings:
        """Return the stream with a name.

        Raises
        ------
        KeyError
            If no stream has this name; the message lists those that exist.
        """
        canary = self.canary.stream
        for stream in [*self.streams, *([canary] if canary is not None else [])]:
            if stream.name == name:
                return stream
        known = ", ".join(stream.name for stream in self.streams) or "none"
        raise KeyError(f"no stream is called {name!r}; configured: {known}")

    def location(self, stream: StreamSettings) -> StreamLocation:
        """Topic and cluster of a stream, with what its section inherits."""
        return StreamLocation(stream.name, stream.topic, stream.kafka.inheriting(self.kafka))

    @property
    def delivery_cluster(self) -> ClusterSettings:
        """Cluster of the filters' topics, with what its section inherits."""
        return self.delivery.kafka.inheriting(self.kafka)

    @property
    def pages(self) -> str:
        """Address of the web application as users reach it."""
        return self.delivery.pages_url or f"http://{self.server.host}:{self.server.api_port}"

    @property
    def survey_cluster(self) -> ClusterSettings:
        """Cluster of the simulated survey's alerts, with what its section inherits."""
        return self.survey.kafka.inheriting(self.kafka)

    def broker_location(
        self, name: str, topic: str, cluster: str, pubsub: PubSubSettings | None = None
    ) -> StreamLocation:
        """Where the messages of a broker on a Kafka topic or a subscription are; see `annotation_location`."""
        own = self.survey.kafka.inheriting(self.kafka)
        if pubsub is not None:
            return StreamLocation(name, topic, own, pubsub)
        return StreamLocation(name, topic, self.survey.cluster(cluster, own))

    def notice_location(self) -> StreamLocation | None:
        """Topic and cluster of the notices; None where none are read."""
        if self.notices.topic is None:
            return None
        name = self.notices.name or self.notices.topic
        return StreamLocation(name, self.notices.topic, self.notices.kafka.inheriting(self.kafka))

    def annotation_location(self, name: str, topic: str, cluster: str) -> StreamLocation:
        """Where the annotations of a Kafka topic are.

        Parameters
        ----------
        name : str
            Name of the stream in our tables.
        topic : str
            Kafka topic.
        cluster : str
            Name of one of `annotations.clusters`; empty is the platform's own.

        Raises
        ------
        LookupError
            If the settings have no cluster of this name.
        """
        if not cluster:
            return StreamLocation(name, topic, self.annotations.kafka.inheriting(self.kafka))
        found = self.annotations.clusters.get(cluster)
        if found is None or not found.bootstrap_servers:
            variable = f"BROKER_ANNOTATIONS__CLUSTERS__{cluster.upper()}__BOOTSTRAP_SERVERS"
            raise LookupError(f"the settings name no servers of the cluster {cluster!r}: set {variable}")
        return StreamLocation(name, topic, found)

    def moving_list_locations(self) -> dict[str, StreamLocation]:
        """Topic and cluster of each topic of a moving list; positions are kept by the topic."""
        cluster = self.notices.kafka.inheriting(self.kafka)
        topics = [topic for one in self.notices.lists for topic in one.topics]
        return {topic: StreamLocation(topic, topic, cluster) for topic in topics}

    def locations(self) -> list[StreamLocation]:
        """Every topic that is read: streams, notices, canary."""
        others = [
            self.notice_location(),
            *self.moving_list_locations().values(),
            self.location(self.canary.stream) if self.canary.stream is not None else None,
        ]
        return [*(self.location(stream) for stream in self.streams), *(one for one in others if one is not None)]

    @property
    def needs_embedded_kafka(self) -> bool:
        """Whether a stream is read from the broker that `broker-assets up` starts."""
        return any(location.cluster.bootstrap_servers is None for location in self.locations())

    @field_validator("streams", mode="before")
    @classmethod
    def _list_streams(cls, streams: Any) -> Any:
        found = listed(streams)
        if found is not streams:
            for entry in found:
                if isinstance(entry, dict) and "topic" not in entry:
                    raise ValueError(f"the stream {entry.get('name')!r} has no topic, or no stream has this name")
        return found

    @model_validator(mode="after")
    def _check_moving_lists(self) -> Self:
        names = [one.name.strip().lower() for one in self.notices.lists]
        topics = [topic for one in self.notices.lists for topic in one.topics]
        for kind, values in (("lists are called", names), ("lists read the topic", topics)):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ValueError(f"notices.lists: two {kind} {twice[0]!r}")
        return self

    @model_validator(mode="after")
    def _check_streams(self) -> Self:
        known: dict[str, str] = {}
        for location in self.locations():
            try:
                checked_name(location.name)
                location.cluster.check()
            except ValueError as error:
                raise ValueError(f"Kafka of the stream {location.name!r}: {error}") from None
            key = env_key(location.name)
            if key in known:
                alike = "" if known[key] == location.name else f" and {location.name!r}, which are too similar"
                raise ValueError(
                    f"two streams are called {known[key]!r}{alike}: give one of them another `name` (it is the topic "
                    "where none is given), since positions are kept by name"
                )
            known[key] = location.name
        for name, cluster in self.annotations.clusters.items():
            try:
                cluster.check()
            except ValueError as error:
                raise ValueError(f"Kafka of the annotators' cluster {name!r}: {error}") from None
        return self

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
        toml = StreamToml(settings_cls, settings_file())
        return init_settings, StreamEnvironment(settings_cls), toml


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once.

    Raises
    ------
    WrongSettingsError
        If a setting is unknown or cannot have its value, or the settings file cannot be read; the message names every
        one of them, and no value.
    """
    try:
        return Settings()
    except ValidationError as error:
        found = sentences(Settings, error, os.environ, settings_file())
    except SettingsError as error:
        # What could not be read is its cause.
        found = [str(error.__cause__ if isinstance(error.__cause__, WrongSettingsError) else error)]
    raise WrongSettingsError("; ".join(found))
