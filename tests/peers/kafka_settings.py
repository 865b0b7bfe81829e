"""Settings that select an embedded Kafka."""

from __future__ import annotations

from pathlib import Path

from broker_assets.settings import KafkaSettings, Settings


def settings(home: Path, wanted: str = "auto") -> Settings:
    return Settings(home=home, kafka=KafkaSettings(embedded=wanted))  # type: ignore[arg-type]
