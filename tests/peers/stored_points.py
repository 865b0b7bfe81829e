"""Points of light curves inserted directly into the database, as if packets of some nights had delivered them."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import sqlalchemy as sa

from broker_assets.database import engine
from broker_assets.database.tables import diaforcedsources, dianondetectionlimits, diasources

FIRST = datetime.date(2025, 11, 20)
NOON = 60999.0 + 16 / 24
"""The noon that begins this night in Chile, MJD."""


def store(database_url: str, table: sa.Table, **columns: Any) -> None:
    """Insert a row."""
    defaults: dict[str, Any] = {"survey": 1, "band": "g", "psfflux": 100.0, "psffluxerr": 10.0, "night": FIRST}
    names = set(table.c.keys())
    row = {name: value for name, value in (defaults | columns).items() if name in names}
    with engine.engine(database_url).begin() as connection:
        connection.execute(sa.insert(table), row)


def alert(database_url: str, diaobjectid: int, number: int, days: float, **columns: Any) -> None:
    """The source of an alert, some days after the noon of the first night."""
    night = FIRST + datetime.timedelta(days=int(days))
    own = {"diasourceid": number, "midpointmjdtai": NOON + days, "night": night, "archivefileid": 1}
    store(database_url, diasources, diaobjectid=diaobjectid, **(own | columns))


def forced(database_url: str, diaobjectid: int, number: int, days: float, **columns: Any) -> None:
    """A forced point."""
    own = {"diaforcedsourceid": number, "midpointmjdtai": NOON + days}
    store(database_url, diaforcedsources, diaobjectid=diaobjectid, **(own | columns))


def limit(database_url: str, diaobjectid: int, number: int, days: float, **columns: Any) -> None:
    """An image without a detection."""
    own = {"exposure": number, "midpointmjdtai": NOON + days, "dianoise": 50.0}
    store(database_url, dianondetectionlimits, diaobjectid=diaobjectid, **(own | columns))


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with engine.connect(database_url) as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def connect(database_url: str) -> psycopg.Connection[Any]:
    """A connection."""
    return engine.connect(database_url)
