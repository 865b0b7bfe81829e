"""The publisher, as a resource of runs and checks: targets of the settings, their rules, and the archive of products.

A plain object and not a `ConfigurableResource`, because options of targets contain passwords. Connections are opened
only when needed.
"""

from __future__ import annotations

import logging
from pathlib import Path

from broker_assets.publication.copies import Reason, Refresh
from broker_assets.publication.selection import Rules
from broker_assets.publication.targets import Target
from broker_assets.resources.ephemeris_cards import ephemeris_refresh, request_reason
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import PublicationSettings, PublicationTarget, Settings
from broker_assets.telemetry.inputs.kernels import KernelError, Kernels
from broker_assets.telemetry.inputs.requests_update import update

logger = logging.getLogger(__name__)


class Publisher:
    """Destinations of product files.

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
    def of(cls, settings: Settings, telemetry: Telemetry) -> Publisher:
        """The publisher of the settings."""
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
        """Targets that are copies of the local archive."""
        return [target for target in self.settings.targets if target.mirror]

    def rules(self, target: PublicationTarget) -> Rules:
        """Selection rules of a target.

        Raises
        ------
        OSError
            If the blacklist cannot be read: without it, nothing is delivered.
        """
        return Rules.of(target, self.settings)

    def open(self, target: PublicationTarget) -> Target:
        """The connection to a target; close it after use."""
        return Target.of(target)

    def conflicts(self, target: PublicationTarget) -> Target | None:
        """Folder for files that the archive no longer accepts."""
        return Target.conflicts_of(target)

    def update_requests(self) -> int | None:
        """Update the table of requests; return its number of rows, or None if no URL is set.

        If the service does not answer, this is logged and the table stays unchanged.
        """
        settings = self._telemetry.settings
        if settings.requests is None or settings.requests_url is None:
            return None
        return update(settings.requests, settings.requests_url)

    def reason(self) -> Reason | None:
        """Why data were requested; None without a table of requests."""
        path = self._telemetry.settings.requests
        return request_reason(path) if path is not None and path.is_file() else None

    def refresh(self) -> Refresh | None:
        """Ephemeris cards from the latest kernels; None without kernels."""
        folder = self._telemetry.settings.kernels
        if folder is None:
            return None
        try:
            return ephemeris_refresh(Kernels.of_folder(folder))
        except KernelError as error:
            logger.warning("files are delivered with their original ephemeris: %s", error)
            return None

    def __repr__(self) -> str:
        return f"Publisher({', '.join(target.name for target in self.settings.targets) or 'no targets'})"
