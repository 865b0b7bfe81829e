"""What a classifier says about the objects of one true class, by days from their peak.

For each detection, the message that was stored last counts. The time since the peak is rounded down to whole days, from
20 days before the peak to 90 days after.
"""

from __future__ import annotations

from typing import Any, Final, LiteralString

import pandas as pd
import psycopg
import pyarrow as pa
from psycopg import sql

from broker_assets.database.fetch import fetch

FIRST_DAY, LAST_DAY = -20, 90
"""Days from the peak."""
MOST: Final = 2_000_000
"""Most rows of a table."""

_REPORTED: Final[LiteralString] = (
    "WITH reported AS (SELECT DISTINCT ON (source.diaobject_id, source.diasource_id) source.diaobject_id,"
    " source.diasource_id, truth.zcmb, truth.peakmjd, truth.gentype, source.midpointtai,"
    " source.midpointtai - truth.peakmjd AS deltat, floor(source.midpointtai - truth.peakmjd)::int AS relday,"
    " source.filtername, source.psflux, source.snr, message.classid, message.probability"
    " FROM elasticc2_gentypeofclassid AS class"
    " JOIN elasticc2_diaobjecttruth AS truth ON truth.gentype = class.gentype"
    " JOIN elasticc2_ppdbdiasource AS source ON source.diaobject_id = truth.diaobject_id"
    " JOIN elasticc2_brokermessage AS message ON message.diasource_id = source.diasource_id"
    " WHERE class.classid = {classid} AND message.classifier_id = {classifier}"
    " AND floor(source.midpointtai - truth.peakmjd) BETWEEN {first} AND {last}"
    " ORDER BY source.diaobject_id, source.diasource_id, message.descingesttimestamp DESC,"
    " message.brokermessage_id DESC)"
)
_SAID: Final[LiteralString] = (
    ", said AS (SELECT diaobject_id, diasource_id, relday, class.id AS classid, class.probability"
    " FROM reported, unnest(classid, probability) AS class (id, probability))"
)
_TABLES: Final[dict[str, tuple[LiteralString, tuple[str, ...], dict[str, pa.DataType]]]] = {
    "objects": (
        "SELECT DISTINCT diaobject_id, zcmb, peakmjd, gentype FROM reported ORDER BY 1",
        ("diaobject_id",),
        {"diaobject_id": pa.int64(), "zcmb": pa.float32(), "peakmjd": pa.float64(), "gentype": pa.int32()},
    ),
    "sources": (
        "SELECT diaobject_id, diasource_id, midpointtai, deltat, relday, filtername, psflux, snr FROM reported"
        " ORDER BY 1, midpointtai, 2",
        ("diaobject_id", "diasource_id"),
        {
            "diaobject_id": pa.int64(), "diasource_id": pa.int64(), "midpointtai": pa.float64(),
            "deltat": pa.float64(), "relday": pa.int32(), "filtername": pa.string(), "psflux": pa.float32(),
            "snr": pa.float32(),
        },
    ),
    "classifications": (
        "SELECT diaobject_id, diasource_id, relday, classid, probability FROM said ORDER BY 1, 2, 4",
        ("diaobject_id", "diasource_id", "classid"),
        {
            "diaobject_id": pa.int64(), "diasource_id": pa.int64(), "relday": pa.int32(), "classid": pa.int16(),
            "probability": pa.float32(),
        },
    ),
    "meanprobabilities": (
        "SELECT relday, classid, avg(probability)::float8 AS probability FROM said GROUP BY 1, 2 ORDER BY 1, 2",
        ("relday", "classid"),
        {"relday": pa.int32(), "classid": pa.int16(), "probability": pa.float64()},
    ),
    "maxprobabilities": (
        "SELECT DISTINCT ON (relday) relday, classid FROM said ORDER BY relday, probability DESC, classid",
        ("relday",),
        {"relday": pa.int32(), "classid": pa.int16()},
    ),
}  # fmt: skip
STRUCTURES: Final = tuple(_TABLES)
"""Names of the tables."""


class NoClassTable(LookupError):
    """There is no such table."""


def class_table(connection: psycopg.Connection[Any], what: str, classifier: int, classid: int) -> pd.DataFrame:
    """Compute a table.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    what : str
        One of `STRUCTURES`.
    classifier, classid : int
        Number of the classifier; true class, one that is the exact class of a model.

    Returns
    -------
    pandas.DataFrame
        With an index of objects, detections, days or classes.

    Raises
    ------
    NoClassTable
        If there is no such name, classifier or class, or the table would have more than `MOST` rows.
    """
    if what not in _TABLES:
        raise NoClassTable(f"Unknown data structure: {what}")
    query, index, columns = _TABLES[what]
    known = connection.execute(
        "SELECT FROM elasticc2_brokerclassifier WHERE classifier_id = %s AND EXISTS (SELECT FROM"
        " elasticc2_gentypeofclassid WHERE classid = %s AND gentype IS NOT NULL)",
        (classifier, classid),
    ).fetchone()
    if known is None:
        raise NoClassTable(f"Can't find data file for classifier {classifier}, class {classid}")
    rows = fetch(
        connection,
        sql.SQL(_REPORTED).format(
            classid=sql.Literal(classid),
            classifier=sql.Literal(classifier),
            first=sql.Literal(FIRST_DAY),
            last=sql.Literal(LAST_DAY),
        )
        + sql.SQL("{} SELECT * FROM ({}) AS made LIMIT {}").format(
            sql.SQL(_SAID), sql.SQL(query), sql.Literal(MOST + 1)
        ),
        pa.schema(list(columns.items())),
    )
    if rows.num_rows > MOST:
        raise NoClassTable(f"{what} of classifier {classifier}, class {classid} has more than {MOST} rows: use SQL")
    frame: pd.DataFrame = rows.to_pandas().set_index(list(index))
    return frame
