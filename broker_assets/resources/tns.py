"""The Transient Name Server, as a resource of runs: a client for the configured bot.

A plain object and not a `ConfigurableResource`, because Dagster's pages show the configuration of the latter.
"""

from __future__ import annotations

from broker_assets.settings import Settings, TnsSettings
from broker_assets.tns.client import Bot, TnsClient


class TnsNotConfiguredError(RuntimeError):
    """No bot is configured."""


class Tns:
    """Creates clients.

    Parameters
    ----------
    settings : TnsSettings
        Bot and addresses.
    """

    def __init__(self, settings: TnsSettings) -> None:
        self._settings = settings

    @classmethod
    def of(cls, settings: Settings) -> Tns:
        """TNS of the settings."""
        return cls(settings.tns)

    @property
    def missing(self) -> list[str]:
        """Missing settings without which TNS cannot be queried."""
        names = {"KEY": self._settings.key, "BOT_ID": self._settings.bot_id, "BOT_NAME": self._settings.bot_name}
        return [f"BROKER_TNS__{name}" for name, value in names.items() if value is None]

    def client(self) -> TnsClient:
        """A client, to be closed.

        Raises
        ------
        TnsNotConfiguredError
            If a setting is missing.
        """
        key, bot_id, name = self._settings.key, self._settings.bot_id, self._settings.bot_name
        if key is None or bot_id is None or name is None:
            raise TnsNotConfiguredError(f"TNS is not configured: set {', '.join(self.missing)}")
        return TnsClient(
            Bot(key.get_secret_value(), bot_id, name),
            bulk_url=self._settings.bulk_url,
            search_url=self._settings.search_url,
        )

    def __repr__(self) -> str:
        return f"Tns({self._settings.bot_name or 'not configured'})"
