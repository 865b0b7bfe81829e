"""Publication, as runs and checks get it: targets, and what telemetry knows that delivered files say.

A plain object and not a `ConfigurableResource`, because options of targets hold passwords. Nothing is connected before
it is asked for.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from broker_assets.publication.copies import Card, Reason, Refresh
from broker_assets.publication.selection import Rules
from broker_assets.publication.targets import Target
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import PublicationSettings, PublicationTarget, Settings
from broker_assets.telemetry.ephemeris import keywords
from broker_assets.telemetry.requests import RequestError, RequestTable
from broker_assets.telemetry.spice import Kernels

logger = logging.getLogger(__name__)


class Publication:
    """Where product files go.

    Parameters
    ----------
    settings : PublicationSettings
        Targets and tolerances.
    telemetry : Telemetry
        Archive, table of requests and kernels.
    """

    def __init__(self, settings: PublicationSettings, telemetry: Telemetry) -> None:
        self.settings = settings
        self._telemetry = telemetry

    @classmethod
    def of(cls, settings: Settings, telemetry: Telemetry) -> Publication:
        """Publication as the settings say."""
        return cls(settings.publication, telemetry)

    @property
    def folder(self) -> Path:
        """The archive of products."""
        return self._telemetry.folders.products

    @property
    def archives(self) -> list[PublicationTarget]:
        """Targets with rules of their own."""
        return [target for target in self.settings.targets if not target.mirror]

    @property
    def mirrors(self) -> list[PublicationTarget]:
        """Targets that are copies of our archive."""
        return [target for target in self.settings.targets if target.mirror]

    def rules(self, target: PublicationTarget) -> Rules:
        """What a target takes.

        Raises
        ------
        OSError
            If the blacklist cannot be read: without it nothing is delivered.
        """
        return Rules.of(target, self.settings)

    def open(self, target: PublicationTarget) -> Target:
        """The far end; close it after use."""
        return Target.of(target)

    def conflicts(self, target: PublicationTarget) -> Target | None:
        """Where files go that the archive does not take any more."""
        return Target.conflicts_of(target)

    def reason(self) -> Reason | None:
        """Why data were requested; none without a table of requests."""
        path = self._telemetry.settings.requests
        if path is None or not path.is_file():
            return None
        return reasons(RequestTable.read(path))

    def refresh(self) -> Refresh | None:
        """Ephemeris cards with the newest kernels; none without kernels."""
        folder = self._telemetry.settings.kernels
        if folder is None:
            return None
        try:
            return refreshed(Kernels.of_folder(folder))
        except ValueError as error:
            logger.warning("files are delivered with the ephemeris that they were made with: %s", error)
            return None

    def __repr__(self) -> str:
        return f"Publication({', '.join(target.name for target in self.settings.targets) or 'no targets'})"


def reasons(table: RequestTable) -> Reason:
    """Why data were requested, by request id; empty where the table does not have it."""

    def reason(request: int) -> str:
        try:
            return table.reason(request)
        except RequestError:
            return ""

    return reason


def refreshed(kernels: Kernels) -> Callable[[Any], Sequence[Card]]:
    """Ephemeris cards for a header by its times; empty where the kernels do not cover them."""

    def refresh(header: Any) -> Sequence[Card]:
        average, begin = header.get("DATE-AVG"), header.get("DATE-BEG")
        if not average or not begin:
            return []
        cards = keywords(kernels, np.datetime64(str(average)), np.datetime64(str(begin)))
        return [] if any(name == "SPICE_ER" for name, _, _ in cards) else cards

    return refresh
