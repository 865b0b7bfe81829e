"""Photometry of a few objects in two reductions, small enough to know every row.

Root A has the objects 1 and 2 (of alerts) and 101 (of the reduction `dr1`), at the same place; root B has object 3 of
alerts only, and is detected once. Visits of A: 1001 to 1006, a day apart from MJD 61000, with forced photometry of all
but the last; the alerts detect all but 1001. `dr1` has visits 1001 to 1003, detected and forced, with 1000 nJy more.
"""

from __future__ import annotations

from typing import Any

import psycopg
import pyarrow as pa

from broker_assets.database import partitions
from broker_assets.tom.versions import definitions, roots
from broker_assets.tom.versions.loading import load_reduction

BEGIN = 61000.0


def reduced(connection: psycopg.Connection[Any]) -> None:
    """Store it, and make the versions `dr1` (over realtime) and `only_dr1`."""
    partitions.ensure(connection, [BEGIN, BEGIN + 10])
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, raerr, firstdiasourcemjdtai, lastdiasourcemjdtai) VALUES"
        " (1, 1, 359.99999, -20, 0.5, 61001, 61003), (2, 1, 0.00009, -20, NULL, 61004, 61005),"
        " (3, 1, 40, 10, NULL, 61002, 61002)"
    )
    for visit in range(1001, 1007):
        mjd, owner = BEGIN + visit - 1001, 1 if visit < 1005 else 2
        if visit > 1001:
            connection.execute(
                "INSERT INTO diasources (diasourceid, diaobjectid, visit, midpointmjdtai, band, psfflux, psffluxerr,"
                " ra, decl, raerr, survey) VALUES (%s, %s, %s, %s, 'r', %s, 10, %s, -20, 0.1, 1)",
                (visit * 10, owner, visit, mjd, visit, 359.99998 if visit % 2 else 0.00002),
            )
        if visit < 1006:
            connection.execute(
                "INSERT INTO diaforcedsources (diaforcedsourceid, diaobjectid, visit, midpointmjdtai, band, psfflux,"
                " psffluxerr, survey) VALUES (%s, %s, %s, %s, %s, %s, 20, 1)",
                (visit * 10 + 1, owner, visit, mjd, "y" if visit == 1005 else "r", visit + 0.5),
            )
    connection.execute(
        "INSERT INTO diasources (diasourceid, diaobjectid, visit, midpointmjdtai, band, psfflux, psffluxerr, survey)"
        " VALUES (30, 3, NULL, 61002, 'g', 100, 50, 1)"
    )
    roots.place_new(connection)
    assert definitions.add_base(connection, "dr1") == 1
    points = [
        {"diaobjectid": 101, "visit": visit, "midpointmjdtai": BEGIN + visit - 1001, "band": "r",
         "psfflux": float(visit + 1000), "psffluxerr": 5.0}
        for visit in range(1001, 1004)
    ]  # fmt: skip
    load_reduction(
        connection,
        "dr1",
        objects=pa.Table.from_pylist([{"diaObjectId": 101, "ra": 0.0, "dec": -20.0}]),
        sources=pa.Table.from_pylist([{**row, "diasourceid": row["visit"] * 10} for row in points]),  # type: ignore[operator]
        forced=pa.Table.from_pylist([{**row, "diaforcedsourceid": row["visit"] * 10 + 1} for row in points]),  # type: ignore[operator]
    )
    definitions.add_version(connection, "dr1", {"dr1": 10, "realtime": 0})
    definitions.add_version(connection, "only_dr1", {"dr1": 0})
