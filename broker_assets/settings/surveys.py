"""The simulated survey and the brokers that answer it, as settings: topics, clusters, batches, rates.

`KINDS` has the defaults of each kind of broker, which its section may override; one loop reads all of them.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from broker_assets.settings.stream import ClusterSettings, PubSubSettings

_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True)
DATUMS: Final = "elasticc"
"""Form of messages that are Avro datums with the schemas of the ELAsTiCC campaigns."""
PLACES: Final = (
    "alert", "source", "published", "ingested", "broker", "version", "classifier", "params", "classifications",
    "probabilities",
)  # fmt: skip
"""Names of the values in a message, whose places are given by `fields`."""
_DATE: Final = re.compile(r"(?<!\d)\d{8}(?!\d)")

_DEFAULT_PLACES: Final = {
    "alert": "alertId|diaSourceId|diaSource.diaSourceId",
    "source": "diaSourceId|diaSource.diaSourceId|alertId",
    "published": "elasticcPublishTimestamp",
    "ingested": "brokerIngestTimestamp",
    "broker": "brokerName",
    "version": "brokerVersion",
    "classifier": "classifierName",
    "params": "classifierParams|classifierVersion",
    "classifications": "classifications",
}


class Kind(NamedTuple):
    """Defaults of a kind of broker."""

    form: str
    """How a message is read: `DATUMS`, or one of `annotations.forms.FORMS`."""
    fields: Mapping[str, str]
    """Places of the values in a message, in the notation of `annotations.fields`."""
    topic_pattern: str | None = None
    """Regular expression of its topics."""


KINDS: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "antares": Kind(DATUMS, {}),
        "fink": Kind(DATUMS, {}),
        "alerce": Kind(DATUMS, {}, r"lc_classifier_.*_\d{8}"),
        "pitt-google": Kind(DATUMS, {}),
        "ampel": Kind(
            "hopskotch",
            {
                **_DEFAULT_PLACES,
                "broker": "brokerName|=AMPEL",
                "version": "brokerVersion|classification.0.version",
                "classifier": "classifierName|classification.0.name",
                "probabilities": "classification.0.models.0.probabilities",
            },
        ),
        "lasair": Kind(
            "json",
            {
                **_DEFAULT_PLACES,
                "alert": "alertId|diaSourceId|classdict.diaSourceId",
                "source": "diaSourceId|classdict.diaSourceId|alertId",
                "broker": "brokerName|=Lasair",
                "version": "brokerVersion|version",
                "classifier": "classifierName|topic",
                "probabilities": "classdict.probabilities",
            },
        ),
        # Messages with the schema in their key, as FASTDB's brokers send them.
        "keyed": Kind("keyed-avro", _DEFAULT_PLACES),
        "json": Kind("json", _DEFAULT_PLACES),
        "elasticc": Kind(DATUMS, {}),
    }
)
"""Defaults of each kind, which a section may override."""


class BrokerSettings(BaseModel):
    """A broker whose messages are read."""

    model_config = _STRICT

    kind: str
    """One of `KINDS`."""
    cluster: str = ""
    """Name of one of `survey.clusters`; empty is the platform's own."""
    pubsub: PubSubSettings | None = None
    """Project of its subscriptions, for a broker on Google Pub/Sub."""
    topics: list[str] = Field(default_factory=list)
    """Kafka topics, or names of subscriptions."""
    topic_pattern: str | None = None
    """Regular expression of further topics; a date of eight digits in their names must be close to today."""
    days_before: int = Field(default=4, ge=0)
    """Maximum number of days before today of a date in the name of a topic."""
    days_after: int = Field(default=2, ge=0)
    """Maximum number of days after today of that date."""
    left_out: list[str] = Field(default_factory=list)
    """Topics that are not read although the pattern matches them."""
    form: str | None = None
    """How a message is read, if not in the way of its kind."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Places of values in a message, in addition to those of the kind."""
    classes: dict[str, int] = Field(default_factory=dict)
    """Classes of the taxonomy by the broker's names for them, in addition to the names of the taxonomy."""
    active: bool = True
    """Whether its messages are read."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind not in KINDS:
            raise ValueError(f"there is no kind of broker {self.kind!r}; there are {', '.join(KINDS)}")
        unknown = sorted(set(self.fields) - set(PLACES))
        if unknown:
            raise ValueError(f"a message has no {unknown[0]}; it has {', '.join(PLACES)}")
        if self.topic_pattern is not None:
            try:
                re.compile(self.topic_pattern)
            except re.error as error:
                raise ValueError(f"topic_pattern is not a regular expression: {error}") from None
        if self.pubsub is not None and (self.cluster or self.topic_pattern is not None or not self.topics):
            raise ValueError("a broker on Pub/Sub needs the names of its subscriptions as topics; it has no cluster")
        if not self.topics and self.pattern is None:
            raise ValueError(f"a broker of kind {self.kind} needs topics, or a topic_pattern")
        return self

    @property
    def pattern(self) -> str | None:
        """Regular expression of its topics."""
        return self.topic_pattern if self.topic_pattern is not None or self.topics else KINDS[self.kind].topic_pattern

    @property
    def reads(self) -> str:
        """How a message is read."""
        return self.form or KINDS[self.kind].form

    @property
    def places(self) -> dict[str, str]:
        """Places of the values in a message."""
        return {**(KINDS[self.kind].fields or _DEFAULT_PLACES), **self.fields}

    def matches(self, topic: str, today: datetime.date) -> bool:
        """Whether a topic matches the pattern, and its date, if any, is close to today.

        Examples
        --------
        >>> broker = BrokerSettings(kind="alerce")
        >>> today = datetime.date(2023, 11, 5)
        >>> broker.matches("lc_classifier_sn_20231103", today), broker.matches("lc_classifier_sn_20230101", today)
        (True, False)
        """
        if self.pattern is None or topic in self.left_out or not re.fullmatch(self.pattern, topic):
            return False
        for text in _DATE.findall(topic):
            try:
                day = datetime.datetime.strptime(text, "%Y%m%d").date()
            except ValueError:
                return False
            if not -self.days_before <= (day - today).days <= self.days_after:
                return False
        return True


class SurveySettings(BaseModel):
    """The simulated survey: which simulations are loaded and sent, and which brokers are read."""

    model_config = _STRICT

    simulations: list[Path] = Field(default_factory=list)
    """Folders of simulations that the asset `simulated_survey` loads."""
    archives: Path | None = None
    """Folder to which the asset `survey_archives` writes the alerts of each night as tar; if unset, it writes
    nothing."""
    rehearsal_topic: str | None = None
    """Topic on which a broker of our own answers alerts, for rehearsals; if unset, there is no such broker."""
    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Cluster of the alerts; what is not set here comes from the top-level section `kafka`."""
    wide_topic: str = "alerts-wfd"
    """Topic of alerts of the wide survey."""
    deep_full_topic: str = "alerts-ddf-full"
    """Topic of alerts of the deep fields with the whole history."""
    deep_limited_topic: str = "alerts-ddf-limited"
    """Topic of alerts of the deep fields with 30 days of history."""
    topic_partitions: int = Field(default=1, ge=1)
    """Partitions of topics that do not exist yet."""
    schema_version: str = "0.9.1"
    """Version of the schema of alerts."""
    flush_every: int = Field(default=1000, ge=1)
    """Number of alerts that are sent and marked as sent at a time."""
    rate: float | None = Field(default=None, gt=0)
    """Alerts per second; if unset, as fast as possible."""
    confirm_seconds: float = Field(default=15.0, gt=0)
    """Time limit for Kafka's confirmations."""
    nights_a_day: int = Field(default=0, ge=0)
    """Nights of the simulation that the schedule `survey_night` sends each day; none unless set."""
    clusters: dict[str, ClusterSettings] = Field(default_factory=dict)
    """Clusters of brokers, by the names that the brokers' sections use; nothing is inherited."""
    brokers: dict[str, BrokerSettings] = Field(default_factory=dict)
    """Brokers whose messages are read, by name."""
    batch_max: int = Field(default=10_000, ge=1)
    """Maximum number of brokers' messages in one transaction."""
    batch_seconds: float = Field(default=0.5, gt=0)
    """A batch is written after this time even if it is not full."""
    message_bytes: int = Field(default=4 * 1024**2, ge=1)
    """Maximum size of a message, in bytes; a larger one is quarantined."""
    idle_seconds: float = Field(default=20.0, ge=0)
    """A run that reads messages ends when none has arrived for this long."""
    budget_seconds: float = Field(default=600.0, gt=0)
    """A run that reads messages ends after this time even if messages are waiting."""
    look_seconds: int = Field(default=30, ge=1)
    """Interval at which the sensor checks the topics of brokers."""

    def cluster(self, name: str, own: ClusterSettings) -> ClusterSettings:
        """The cluster with a name; the platform's own for an empty name.

        Raises
        ------
        LookupError
            If the settings have no servers for it.
        """
        if not name:
            return own
        found = self.clusters.get(name)
        if found is None or not found.bootstrap_servers:
            variable = f"BROKER_SURVEY__CLUSTERS__{name.upper()}__BOOTSTRAP_SERVERS"
            raise LookupError(f"the settings name no servers of the cluster {name!r}: set {variable}")
        return found

    @model_validator(mode="before")
    @classmethod
    def _names(cls, values: Any) -> Any:
        for name in (values or {}).get("brokers") or {}:
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,62}", str(name)):
                raise ValueError(f"{name!r} cannot be the name of a broker: a letter, then letters, digits, _ and -")
        return values
