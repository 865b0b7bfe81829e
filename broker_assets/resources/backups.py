"""Backups, as a resource of runs and checks: their folder, their copies, and PostgreSQL's programs.

A plain object and not a `ConfigurableResource`, because options of the copies contain passwords.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import psycopg

from broker_assets.backups.base import write_base
from broker_assets.backups.copies import Copies
from broker_assets.backups.inventory import write_inventory
from broker_assets.backups.log import SLOT, SLOT_QUERY, prune
from broker_assets.backups.manifest import Kind
from broker_assets.backups.programs import Programs
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.backups.users_data import write_users_data
from broker_assets.database.engine import DatabaseUnavailableError, connect
from broker_assets.settings import BackupSettings, Settings


class Backups:
    """Makes and finds backups.

    Parameters
    ----------
    settings : BackupSettings
        Where backups are copied and how long they are kept.
    folder : Path
        Their folder.
    url : str, optional
        URL of the database, if one is configured.
    store : str
        fsspec URL of the object store.
    """

    def __init__(self, settings: BackupSettings, folder: Path, url: str | None, store: str) -> None:
        self.settings = settings
        self.shelf = Shelf(folder)
        self.programs = Programs(settings.programs)
        self.store = store
        self._url = url

    @classmethod
    def of(cls, settings: Settings) -> Backups:
        """Backups of the settings."""
        chosen = settings.backup.database_url or settings.database.url
        url = chosen.get_secret_value() if chosen is not None else None
        return cls(settings.backup, settings.backup_folder, url, settings.archive)

    @property
    def url(self) -> str:
        """SQLAlchemy URL of the database.

        Raises
        ------
        LookupError
            If none is configured.
        """
        if self._url is None:
            raise LookupError(
                "no database is configured: set BROKER_DATABASE__URL, or start the embedded one with `broker-assets up`"
            )
        return self._url

    @property
    def log_in_use(self) -> bool:
        """Whether the server whose write-ahead log is kept answers: then the log goes on, whatever is restored."""
        if self._url is None:
            return False
        try:
            with connect(
                self._url, application="broker-assets backup", read_only=True, connect_timeout=5
            ) as connection:
                return connection.execute(SLOT_QUERY, (SLOT,)).fetchone() is not None
        except (DatabaseUnavailableError, psycopg.Error):
            return False

    @property
    def copies(self) -> Copies | None:
        """The copies on another machine; None where the settings name no place for them."""
        if self.settings.copy_url is None:
            return None
        options: dict[str, Any] = {
            **self.settings.copy_options,
            **{name: value.get_secret_value() for name, value in self.settings.copy_secrets.items()},
        }
        return Copies(self.settings.copy_url, options)

    def make(self, kind: Kind) -> Backup:
        """Make a backup; afterwards old ones are deleted, and new ones are copied.

        Raises
        ------
        BackupError
            If it cannot be made. Older backups are then left as they are.
        """
        if kind == "users":
            made = write_users_data(self.url, self.shelf)
        elif kind == "database":
            made = write_base(self.url, self.shelf, self.programs)
        else:
            made = write_inventory(self.url, self.store, self.shelf)
        self.tidy(kind)
        return made

    def tidy(self, kind: Kind) -> list[str]:
        """Remove expired backups and write-ahead log that is no longer needed, and copy new backups."""
        weeks = kind == "database"
        age = (
            datetime.timedelta(weeks=self.settings.keep_weeks) if weeks else datetime.timedelta(self.settings.keep_days)
        )
        removed = self.shelf.prune(kind, before=datetime.datetime.now(datetime.UTC) - age)
        bases = [backup.manifest for backup in self.shelf.backups("database") if backup.manifest is not None]
        if weeks and bases and bases[0].log is not None:
            prune(self.shelf.log, bases[0].log)
        copies = self.copies
        if copies is not None:
            copies.bring(self.shelf)
            copies.remove_surplus(self.shelf)
        return removed

    def __repr__(self) -> str:
        return f"Backups({self.shelf.folder})"
