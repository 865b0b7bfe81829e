"""Settings of annotators."""

from __future__ import annotations

from pydantic import BaseModel, Field

from broker_assets.settings.stream import ClusterSettings


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
