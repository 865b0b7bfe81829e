"""Settings of filters: what they may use, how much they may pass, and how long they run."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024**2


class FilterSettings(BaseModel):
    """How filters run."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    batch_seconds: float = Field(default=10.0, gt=0)
    """Time that all filters of a batch have together; those that have not begun by then do not run on the batch."""
    statement_seconds: float = Field(default=2.0, gt=0)
    """Time limit of one filter on a batch."""
    memory: int = Field(default=192 * MIB, ge=16 * MIB)
    """Memory that the engine may use, bytes."""
    address_space: int = Field(default=384 * MIB, ge=64 * MIB)
    """Address space that its process may add to what it has when it starts, bytes; beyond this limit it is ended."""
    threads: int = Field(default=1, ge=1)
    """Threads of the engine."""
    matches_per_batch: int = Field(default=1000, ge=1)
    """Maximum number of alerts of a batch and night that a filter passes; further ones are counted but not kept."""
    matches_per_night: int = Field(default=100_000, ge=1)
    """Alerts of a night above which a filter is paused, and with which it cannot be enabled, unless it has a quota of
    its own."""
    problems_before_pause: int = Field(default=3, ge=1)
    """Number of batches in an hour in which a filter fails or takes too long before it is paused."""
    pause_seconds: int = Field(default=30, ge=5)
    """How often the platform checks for filters that should be paused."""
    interactive_seconds: float = Field(default=60.0, gt=0)
    """Time limit of a filter that is run on all objects."""
    interactive_rows: int = Field(default=10_000, ge=1)
    """Maximum number of rows that it returns."""
    annotation_seconds: float = Field(default=20.0, gt=0)
    """Time limit of a filter that annotations trigger."""
    expire_days: float = Field(default=180.0, gt=0)
    """Days after which a saved filter, watchlist or area expires, unless its owner sets another time."""
    warn_days: float = Field(default=10.0, ge=0)
    """Days before expiry at which the owner is notified."""
    late_days: float = Field(default=7.0, ge=0)
    """Age of alerts that a retry from quarantine still delivers, marked as late."""
    keep_days: int = Field(default=730, ge=1)
    """Days for which the matches of alerts are kept."""
    reference_nights: int = Field(default=1, ge=1)
    """Number of newest nights with alerts on which a filter is tried before it is enabled."""
