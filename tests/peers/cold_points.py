"""Packets of a few objects over some months, written as the stream writes them, for tests of the cold store."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.database import partitions
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.point_identity import PointKind
from broker_assets.database.point_rows import write_points
from broker_assets.database.tables import diaforcedsources, dianondetectionlimits, diasources

_EPOCH = datetime.date(1858, 11, 17)


def mjd(day: datetime.date) -> float:
    """The middle of a night, MJD TAI."""
    return float((day - _EPOCH).days) + 1.2


def _rows(table: Any, columns: dict[str, Any]) -> pa.Table:
    schema = arrow_schema(table)
    return pa.table({name: pa.array(values, schema.field(name).type) for name, values in columns.items()})


def bring(
    connection: psycopg.Connection[Any],
    night: datetime.date,
    objects: list[int],
    *,
    before: int = 3,
    step: float = 20.0,
    flux: float = 100.0,
    survey: int = 1,
) -> None:
    """Packets of a night: a source of each object, with forced points and limits of earlier months.

    A forced point is identified by its object and day, so packets of several nights have the same ones.
    """
    time = mjd(night)
    sources, forced, limits = [], [], []
    for item in objects:
        brought = {"broughtby": item * 100_000 + int(time), "broughtbymjdtai": time, "night": night, "survey": survey}
        own = {"diaobjectid": item, "diasourceid": item * 100_000 + int(time), "midpointmjdtai": time, "band": "g"}
        archived = {"archivefileid": 1, "archiveposition": item, "archivelength": 10}
        sources.append({**own, "psfflux": flux + item, "psffluxerr": 1.0, **archived, **brought})
        for number in range(1, before + 1):
            day = np.floor((time - step * number) / 5.0) * 5.0 + 0.25
            identity = item * 100_000 + int(day)
            forced.append(
                {"diaobjectid": item, "diaforcedsourceid": identity, "midpointmjdtai": day, "band": "r",
                 "psfflux": flux, "psffluxerr": 2.0, **brought}
            )  # fmt: skip
        limits.append(
            {"diaobjectid": item, "exposure": int(time - step), "midpointmjdtai": time - step, "band": "i",
             "dianoise": flux, **brought}
        )  # fmt: skip
    parts = {
        PointKind.SOURCE: _rows(diasources, _columns(sources)),
        PointKind.FORCED: _rows(diaforcedsources, _columns(forced)),
        PointKind.LIMIT: _rows(dianondetectionlimits, _columns(limits)),
    }
    connection.commit()
    partitions.ensure(connection, np.concatenate([part["midpointmjdtai"].to_numpy() for part in parts.values()]))
    with connection.transaction():
        write_points(connection, {kind: _numbered(part) for kind, part in parts.items()})
    connection.commit()


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _numbered(rows: pa.Table) -> pa.Table:
    return rows.append_column("ingestid", pa.repeat(pa.scalar(1, pa.int64()), rows.num_rows))
