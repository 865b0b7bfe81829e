"""Settings of the telemetry demonstration: folders below `<home>/telemetry-demo`, once it has been written there.

They apply if the user has not configured telemetry: to the services that `broker-assets up` starts, and to commands in
other terminals.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from broker_assets.settings import (
    PublicationSettings,
    PublicationTarget,
    Settings,
    TelemetrySettings,
    load_settings,
)

FOLDER = "telemetry-demo"
TARGET = "demonstration"
STABLE_SECONDS = 5.0
"""Files of the demonstration appear complete, so there is no need to wait two minutes."""


@dataclass(frozen=True)
class DemoFolders:
    """Folders of the demonstration."""

    root: Path

    @classmethod
    def of(cls, settings: Settings) -> DemoFolders:
        """Folders below the platform's home."""
        return cls(settings.home.resolve() / FOLDER)

    @property
    def mission(self) -> Path:
        """The simulated mission; exists once it is complete."""
        return self.root / "mission"

    @property
    def incoming(self) -> Path:
        """The watched folder."""
        return self.root / "incoming"

    @property
    def archive(self) -> Path:
        """The folder to which product files are delivered."""
        return self.root / "archive"


def is_configured(settings: Settings) -> bool:
    """Whether the user has configured telemetry."""
    own = settings.telemetry
    return bool(own.incoming or own.databases or own.configuration)


def with_demonstration(settings: Settings) -> Settings:
    """The settings, with the telemetry of the demonstration if it has been written and the user has none.

    Publication targets of the user receive nothing of it: only the demonstration's own target is served then.
    """
    folders = DemoFolders.of(settings)
    if is_configured(settings) or not folders.mission.is_dir():
        return settings
    mission = folders.mission
    telemetry = settings.telemetry.model_copy(
        update={
            "incoming": [folders.incoming.as_uri()],
            "stable_seconds": STABLE_SECONDS,
            "databases": mission / "databases",
            "configuration": mission / "configuration",
            "kernels": mission / "kernels",
            "planning": mission / "planning",
            "requests": mission / "requests.csv",
            "requests_url": None,
        }
    )
    target = PublicationTarget(
        name=TARGET, url=folders.archive.as_uri(), waiting_hours=0.0, waiting_hours_low_latency=0.0
    )
    publication = settings.publication.model_copy(update={"targets": [target]})
    return settings.model_copy(update={"telemetry": telemetry, "publication": publication})


def environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give a process the demonstration's settings; none if they do not apply."""
    changed = with_demonstration(settings)
    if changed is settings:
        return {}
    return {
        "BROKER_TELEMETRY": _json(changed.telemetry),
        "BROKER_PUBLICATION": _json(changed.publication),
    }


def adopt() -> None:
    """Give this process, and those it starts, the demonstration's settings if they apply."""
    found = environment(load_settings())
    if found:
        os.environ.update(found)
        load_settings.cache_clear()


def _json(part: TelemetrySettings | PublicationSettings) -> str:
    return part.model_dump_json(exclude_defaults=True)
