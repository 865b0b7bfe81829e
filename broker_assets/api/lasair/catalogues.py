"""The context catalogues for requests about positions; opened by the first request, since their reader is large to
load."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from broker_assets.settings import Settings

if TYPE_CHECKING:
    from broker_assets.context.at_position import PositionContext
    from broker_assets.context.in_force import CataloguesInForce


class NoCataloguesError(LookupError):
    """No catalogue is loaded, or they cannot be read."""


class Catalogues:
    """The catalogues and rules in force.

    Parameters
    ----------
    settings : Settings
        Settings with the folder of the catalogues and the rules.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._in_force: CataloguesInForce | None = None
        self._lock = threading.Lock()

    def context_at(self, ra: float, dec: float, *, epoch: float) -> PositionContext:
        """Context of a position (ICRS, degrees; epoch as a Julian year); see `context.at_position`.

        Raises
        ------
        NoCataloguesError
            If no catalogue is loaded, or one cannot be read.
        """
        from broker_assets.context.at_position import context_at
        from broker_assets.context.in_force import CatalogueDamagedError, CataloguesInForce
        from broker_assets.context.rules import RulesError

        try:
            with self._lock:
                if self._in_force is None:
                    self._in_force = CataloguesInForce(self._settings.catalogue_folder, self._settings.context.rules)
            opened = self._in_force.opened()
            if not opened.catalogues:
                raise NoCataloguesError("this service has no catalogues")
            return context_at(opened.rules, opened.catalogues, ra, dec, epoch=epoch)
        except (CatalogueDamagedError, RulesError) as error:
            raise NoCataloguesError("the catalogues of this service cannot be read at the moment") from error
