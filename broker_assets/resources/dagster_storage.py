"""Dagster's storage in PostgreSQL, with a connection that is kept and no question asked twice.

Dagster opens a connection for each statement and, with nearly every statement, asks the server whether tables and
columns exist that a migration may not have added yet; its code server makes new storages at every tick of a sensor. On
an idle platform that was most of what PostgreSQL did. Here the storages of a process share one pool, and what exists is
remembered.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

import sqlalchemy as sa
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import pg_url_from_config

from broker_assets.database.engine import RECYCLE_SECONDS, pooled

_PURGE_SECONDS: Final = 3600.0
"""How often old ticks are deleted: Dagster would delete them after each tick, once for each of its limits."""

_true: set[tuple[str, ...]] = set()
"""Questions answered with yes: address of the database, question and arguments. Migrations never remove tables or
columns."""


class _Remembering:
    """Storage that asks each question of `SETTLED` until the answer is yes."""

    postgres_url: str
    SETTLED: tuple[str, ...] = ()

    def __init_subclass__(cls) -> None:
        for name in cls.SETTLED:
            setattr(cls, name, _settled(name, cls))

    def __init__(self, postgres_url: str) -> None:
        super().__init__(postgres_url, should_autocreate_tables=False)  # type: ignore[call-arg]
        self._engine: sa.Engine = _pool(postgres_url)


def _settled(name: str, cls: type) -> Any:
    asked = getattr(cls, name)

    def known(self: Any, *arguments: Any) -> bool:
        key = (self.postgres_url, cls.__name__, name, *(part for part in arguments if isinstance(part, str)))
        if key not in _true:
            if not asked(self, *arguments):
                return False
            _true.add(key)
        return True

    return known


class ScheduleStorage(_Remembering, PostgresScheduleStorage):
    """Sensors, schedules and their ticks."""

    SETTLED = (
        *("has_instigators_table", "_has_instigators_table", "_has_asset_daemon_asset_evaluations_table"),
        *("has_secondary_index_table", "has_built_index"),
    )

    def __init__(self, postgres_url: str) -> None:
        super().__init__(postgres_url)
        self._purged: dict[tuple[str, ...], float] = {}

    def purge_ticks(
        self, origin_id: str, selector_id: str, before: float, tick_statuses: Sequence[Any] | None = None
    ) -> None:
        """Delete ticks of a sensor or schedule that began before a time (Unix), once an hour."""
        key = (origin_id, selector_id, *(status.value for status in tick_statuses or ()))
        if time.monotonic() - self._purged.get(key, float("-inf")) < _PURGE_SECONDS:
            return
        super().purge_ticks(origin_id, selector_id, before, tick_statuses)
        self._purged[key] = time.monotonic()


class RunStorage(_Remembering, PostgresRunStorage):
    """Runs and backfills."""

    SETTLED = (
        *("has_run_stats_index_cols", "has_bulk_actions_selector_cols", "has_backfill_id_column"),
        *("has_bulk_action_job_name_column", "has_backfill_tags_table"),
    )


class EventLogStorage(_Remembering, PostgresEventLogStorage):
    """Events."""

    SETTLED = ("has_asset_key_col", "_has_asset_key_col_on_connection", "has_table")


class SharedPostgresStorage(DagsterPostgresStorage):
    """`DagsterPostgresStorage` with the same settings, for `storage: custom` in `dagster.yaml`."""

    def __init__(self, postgres_url: str, should_autocreate_tables: bool = True, inst_data: Any = None) -> None:
        found = (postgres_url, "tables")
        if should_autocreate_tables and found not in _true:
            DagsterPostgresStorage(postgres_url)  # creates missing tables
            _true.add(found)
        super(DagsterPostgresStorage, self).__init__()  # type: ignore[no-untyped-call]
        self.postgres_url = postgres_url
        self.should_autocreate_tables = should_autocreate_tables
        self._inst_data = inst_data
        self._run_storage = RunStorage(postgres_url)
        self._event_log_storage = EventLogStorage(postgres_url)
        self._schedule_storage = ScheduleStorage(postgres_url)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        """Make the storage of a section of `dagster.yaml`; Dagster's own where a cloud's tokens are the passwords."""
        if config_value.get("auth_provider") is not None:
            return DagsterPostgresStorage.from_config_value(inst_data, config_value)
        create = config_value.get("should_autocreate_tables", True)
        return cls(pg_url_from_config(config_value), create, inst_data)


@cache
def _pool(postgres_url: str) -> sa.Engine:
    """Return the pool of this process: one connection is kept, more are opened while they are needed."""
    return pooled(
        sa.create_engine(
            postgres_url,
            isolation_level="AUTOCOMMIT",
            pool_size=1,
            max_overflow=-1,
            pool_recycle=RECYCLE_SECONDS,
            use_native_hstore=False,
        )
    )
