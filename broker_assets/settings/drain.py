"""Settings of the runs that drain streams, and of the canary that passes through them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from broker_assets.settings.stream import ClusterSettings, StreamSettings


class DrainSettings(BaseModel):
    """Limits of a drain run and of its micro-batches."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

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
    """The run ends after this time even with a backlog; the sensor starts the next one."""


class AttemptSettings(BaseModel):
    """When messages are blamed for runs that died without an exception (crash, memory limit, node lost)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    narrow_after: int = Field(default=2, ge=1)
    """Runs that died at a position before its messages are processed one at a time."""
    condemn_after: int = Field(default=2, ge=1)
    """Runs that died while processing a message alone before it goes to quarantine unread; one run may die for another
    reason."""


class CanarySettings(BaseModel):
    """An alert of our own that passes through the whole stream every few minutes; there is none without a topic."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    topic: str | None = None
    """Kafka topic of our own, to which we may write; `broker-assets up` sets it for its own Kafka."""
    name: str = "canary"
    """Its name in the archive and in runs."""
    kafka: ClusterSettings = Field(default_factory=ClusterSettings)
    """Its cluster and credentials; what is not set here comes from the top-level section `kafka`."""
    minutes: float = Field(default=5.0, gt=0)
    """Time between two canaries; each starts a run."""
    latency_seconds: float = Field(default=60.0, gt=0)
    """A canary that takes longer from Kafka to the committed row raises an alert: the target time for every alert of
    the stream."""
    absent_minutes: float = Field(default=15.0, gt=0)
    """The absence of a canary for this long raises an alert."""

    @property
    def stream(self) -> StreamSettings | None:
        """The canary as a stream; its packets carry their schema."""
        if not self.topic:
            return None
        return StreamSettings(name=self.name, topic=self.topic, survey="ztf", framing="container", kafka=self.kafka)
