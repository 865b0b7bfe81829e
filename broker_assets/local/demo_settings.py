"""Settings of the demonstration: a month of partitions, a moving list, and folders below `<home>/telemetry-demo`.

The folders apply once they are written, if the user has not configured telemetry; the partitions apply if the platform
of this home was first started as a demonstration and the user has not set their beginning; the list applies if the user
reads no notices. All apply to the services that `broker-assets up` starts, and to commands in other terminals.
"""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from pathlib import Path

from broker_assets.local import demo_events, kafka_readers, mailbox
from broker_assets.settings import PublicationTarget, Settings, load_settings
from broker_assets.settings.operation import AutomationSettings
from broker_assets.settings.partitions import PartitionSettings
from broker_assets.settings.places import folder_url
from broker_assets.storage.atomic import replace_atomically

FOLDER = "telemetry-demo"
TARGET = "demonstration"
BEGINNING = "demo-partitions.json"
"""File in the home with the first partitions."""
SHOWN_DAYS = 30
"""Number of days before the first start that are partitions."""
STABLE_SECONDS = 5.0
FOLLOW_SECONDS = 5
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


def remember_beginning(settings: Settings, today: datetime.date) -> None:
    """Let the partitions of a new platform begin a month ago, so that those of the demonstration are in view.

    Nothing is changed if the platform has been started before, or the user has set a beginning.

    Parameters
    ----------
    settings : Settings
        Settings without the demonstration.
    today : date
        UTC.
    """
    folder = settings.home.resolve()
    if (folder.is_dir() and any(folder.iterdir())) or "partitions" in settings.model_fields_set:
        return
    begin = (today - datetime.timedelta(days=SHOWN_DAYS)).isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    replace_atomically(folder / BEGINNING, json.dumps({"first_night": begin, "first_day": begin}))


def _beginning(settings: Settings) -> PartitionSettings | None:
    """The partitions of the demonstration, if they apply."""
    if "partitions" in settings.model_fields_set:
        return None
    try:
        return PartitionSettings.model_validate_json((settings.home.resolve() / BEGINNING).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None


def is_configured(settings: Settings) -> bool:
    """Whether the user has configured telemetry."""
    own = settings.telemetry
    return bool(own.incoming or own.databases or own.configuration)


def with_demonstration(settings: Settings) -> Settings:
    """The settings with those of the demonstration that apply: first partitions, moving list, and telemetry.

    Publication targets of the user receive none of its files: only the demonstration's own target is served.
    """
    beginning = _beginning(settings)
    if beginning is not None:
        settings = settings.model_copy(update={"partitions": beginning})
    if (settings.home.resolve() / BEGINNING).is_file():
        notices = demo_events.wanted(settings)
        if notices is not None:
            settings = settings.model_copy(update={"notices": notices})
    return _with_telemetry(settings)


def _with_telemetry(settings: Settings) -> Settings:
    folders = DemoFolders.of(settings)
    if is_configured(settings) or not folders.mission.is_dir():
        return settings
    mission = folders.mission
    telemetry = settings.telemetry.model_copy(
        update={
            "incoming": [folder_url(folders.incoming)],
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
        name=TARGET, url=folder_url(folders.archive), waiting_hours=0.0, waiting_hours_low_latency=0.0
    )
    publication = settings.publication.model_copy(update={"targets": [target]})
    # A user is watching the levels follow one another.
    automation = AutomationSettings(follow_seconds=FOLLOW_SECONDS)
    return settings.model_copy(update={"telemetry": telemetry, "publication": publication, "automation": automation})


def environment(settings: Settings) -> dict[str, str]:
    """Environment variables that give a process the demonstration's settings; empty if they do not apply."""
    changed = with_demonstration(settings)
    names = ("telemetry", "publication", "partitions", "automation", "notices")
    return (
        mailbox.environment(settings)
        | kafka_readers.environment(settings)
        | {
            f"BROKER_{name.upper()}": getattr(changed, name).model_dump_json(exclude_defaults=True)
            for name in names
            if getattr(changed, name) is not getattr(settings, name)
        }
    )


def adopt() -> None:
    """Give this process, and those it starts, the demonstration's settings if they apply."""
    found = environment(load_settings())
    if found:
        os.environ.update(found)
        load_settings.cache_clear()
