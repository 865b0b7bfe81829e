"""Settings of traces."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class TraceSettings(BaseModel):
    """Traces of OpenTelemetry, of alerts and of products; without an endpoint none are made (`docs/monitoring.md`)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    endpoint: str | None = Field(default=None, pattern=r"^(https?://|$)")
    """Address of a collector that accepts OTLP over HTTP: `http://collector:4318/v1/traces`."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Headers of requests to it, for authentication; never printed."""
    share: float = Field(default=0.01, ge=0, le=1)
    """Fraction of the alerts that are traced, each with everything made from it; all files and products are traced."""
