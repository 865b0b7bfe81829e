"""The publisher, as runs and checks get it: targets of the settings, their rules, and the archive of products.

A plain object and not a `ConfigurableResource`, because options of targets hold passwords. Nothing is connected before
it is asked for.
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
    def of(cls, settings: Settings, telemetry: Telemetry) -> Publisher:
        """The publisher as the settings say."""
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

    def update_requests(self) -> int | None:
        """Bring the table of requests up to date; rows of it, or none if no address is set.

        A service that does not answer is logged, and leaves the table as it was.
        """
        settings = self._telemetry.settings
        if settings.requests is None or settings.requests_url is None:
            return None
        return update(settings.requests, settings.requests_url)

    def reason(self) -> Reason | None:
        """Why data were requested; none without a table of requests."""
        path = self._telemetry.settings.requests
        return request_reason(path) if path is not None and path.is_file() else None

    def refresh(self) -> Refresh | None:
        """Ephemeris cards with the newest kernels; none without kernels."""
        folder = self._telemetry.settings.kernels
        if folder is None:
            return None
        try:
            return ephemeris_refresh(Kernels.of_folder(folder))
        except KernelError as error:
            logger.warning("files are delivered with the ephemeris that they were made with: %s", error)
            return None

    def __repr__(self) -> str:
        return f"Publisher({', '.join(target.name for target in self.settings.targets) or 'no targets'})"
