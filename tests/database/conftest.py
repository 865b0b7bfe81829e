"""Rows for the tests of the database."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.database import engine
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.tables import diaforcedsources, diasources, objects

NIGHT = datetime.date(2026, 1, 1)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url) as opened:
        yield opened


def _table(target: Any, count: int, values: dict[str, Any]) -> pa.Table:
    schema = arrow_schema(target)
    return pa.table(
        {
            name: pa.array(np.broadcast_to(np.asarray(value), count).tolist(), schema.field(name).type)
            for name, value in values.items()
        }
    )


def _brought(diaobjectid: Any, mjd: Any, *, later: bool) -> dict[str, Any]:
    """The packet of a source itself, or one of the next day."""
    time = np.asarray(mjd) + later
    return {
        "broughtby": np.asarray(diaobjectid) * 1000 + np.round(np.clip(np.nan_to_num(time), 0, 1e9)),
        "broughtbymjdtai": time,
    }


@pytest.fixture
def make_sources() -> Callable[..., pa.Table]:
    """Source rows: object and time per row, further columns by name; `archive=None` for rows of a history."""

    def make(diaobjectid: Any, mjd: Any, *, archive: int | None = 1, **columns: Any) -> pa.Table:
        count = max(np.size(diaobjectid), np.size(mjd))
        values: dict[str, Any] = {
            "diaobjectid": diaobjectid,
            "midpointmjdtai": mjd,
            "diasourceid": np.broadcast_to(np.asarray(diaobjectid) * 1000 + np.round(np.asarray(mjd)), count),
            "band": "g",
            "psfflux": 100.0,
            "psffluxerr": 1.0,
            "reliability": 0.9,
            "survey": 1,
            "night": NIGHT,
            **_brought(diaobjectid, mjd, later=archive is None),
        }
        if archive is not None:
            values |= {"archivefileid": archive, "archiveposition": np.arange(count) * 100, "archivelength": 100}
        return _table(diasources, count, values | columns)

    return make


@pytest.fixture
def make_forced() -> Callable[..., pa.Table]:
    def make(diaobjectid: Any, mjd: Any, **columns: Any) -> pa.Table:
        count = max(np.size(diaobjectid), np.size(mjd))
        values = {
            "diaobjectid": diaobjectid,
            "midpointmjdtai": mjd,
            "diaforcedsourceid": np.broadcast_to(np.asarray(diaobjectid) * 1000 + np.round(np.asarray(mjd)), count),
            "band": "g",
            "psfflux": 100.0,
            "psffluxerr": 1.0,
            "survey": 1,
            "night": NIGHT,
            **_brought(diaobjectid, mjd, later=True),
        }
        return _table(diaforcedsources, count, values | columns)

    return make


@pytest.fixture
def make_objects() -> Callable[..., pa.Table]:
    def make(diaobjectid: Any, last: Any, **columns: Any) -> pa.Table:
        count = max(np.size(diaobjectid), np.size(last))
        values = {
            "diaobjectid": diaobjectid,
            "lastdiasourcemjdtai": last,
            "ra": 10.0,
            "decl": -30.0,
            "survey": 1,
            "night": NIGHT,
        }
        return _table(objects, count, values | columns)

    return make
