"""The cold store, as a resource of runs: its tables for the database at hand.

A plain object and not a `ConfigurableResource`, because Dagster's pages show the configuration of the latter.
"""

from __future__ import annotations

from broker_assets.cold.catalogue import ColdStore
from broker_assets.resources.database import Database
from broker_assets.settings import Settings


class Cold:
    """Opens the cold store.

    Parameters
    ----------
    settings : Settings
        Where its tables and its catalogue are.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @classmethod
    def of(cls, settings: Settings) -> Cold:
        """The cold store of the settings."""
        return cls(settings)

    def store(self, database: Database) -> ColdStore:
        """The tables; nothing is opened before they are used."""
        chosen = self._settings.cold
        options = {name: value.get_secret_value() for name, value in chosen.catalogue_options.items()}
        return ColdStore(database.url, self._settings.warehouse, chosen.catalogue_url, options)

    def __repr__(self) -> str:
        return f"Cold({self._settings.warehouse})"
