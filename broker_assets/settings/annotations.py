"""Settings of annotators."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from broker_assets.settings.stream import ClusterSettings


class AnnotationSettings(BaseModel):
    """How annotations are read from Kafka."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Cluster of the annotators that name none; what is not set here comes from the top-level section `kafka`."""
    clusters: dict[str, ClusterSettings] = Field(default_factory=dict)
    """Clusters of other brokers by the names that sources of annotators give them (`fink`, `hopskotch`, `babamul`,
    `antares`, `alerce`); nothing is inherited."""
    batch_max: int = Field(default=2000, ge=1)
    """Maximum number of messages in one transaction."""
    batch_seconds: float = Field(default=0.5, gt=0)
    """A batch is written after this time even if it is not full."""
    message_bytes: int = Field(default=16 * 1024**2, ge=1)
    """Maximum size of a message, in bytes; a larger one is quarantined."""
    wait_hours: float = Field(default=24.0, ge=0)
    """How long an annotation waits for an object that no alert has brought yet, before it goes to quarantine."""
    waiting_most: int = Field(default=100_000, ge=0)
    """Maximum number of annotations of one annotator that may wait; further ones go to quarantine at once."""
    idle_seconds: float = Field(default=20.0, ge=0)
    """A run ends when no annotation has arrived for this long."""
    budget_seconds: float = Field(default=600.0, gt=0)
    """A run ends after this time even if messages are waiting; the sensor starts the next one."""
    look_seconds: int = Field(default=10, ge=1)
    """Interval at which the sensor checks the topics of annotators."""
    silent_days: float = Field(default=7.0, gt=0)
    """An active annotator that has sent nothing for this long is reported."""
    filters_seconds: float = Field(default=60.0, gt=0)
    """Target time from the arrival of an annotation to the matches of the filters that use it."""
