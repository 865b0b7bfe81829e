"""Stores what the loader of the first campaign sends: objects, alerts with their points, truth, and sent alerts.

Rows that exist are left as they are. Each call is a transaction that the caller opens.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.tables.tom import elasticc1

Connection = psycopg.Connection[Any]

MOST: Final = 100_000
"""Most documents of a call."""
_TRUTH: Final = {"SourceID": "diaSourceId", "SNID": "diaObjectId", "MJD": "mjd", "DETECT": "detect",
                 "TRUE_GENTYPE": "gentype", "TRUE_GENMAG": "genmag"}  # fmt: skip
_DEFAULTS: Final = {"ccdVisitId": 0, "totFlux": 0.0, "totFluxErr": 0.0, "galnmatch": 0}
"""Default values of columns that documents may omit: the simulation has no visits and no visit images."""
_INTEGERS: Final = (sa.BigInteger, sa.Integer)


class BadDocumentError(ValueError):
    """A document is not valid; the message says which one, and why."""


def documents_of(given: Any) -> list[dict[str, Any]]:
    """One document or several as a list.

    Raises
    ------
    BadDocumentError
        If it is neither a JSON object nor a list of such, or too long.
    """
    several = [given] if isinstance(given, dict) else given
    if not isinstance(several, list) or not all(isinstance(one, dict) for one in several):
        raise BadDocumentError("the body must be a JSON object or a list of JSON objects")
    if not several or len(several) > MOST:
        raise BadDocumentError(f"the body must have 1 to {MOST:,} documents")
    return several


def add_objects(connection: Connection, documents: Sequence[Mapping[str, Any]]) -> int:
    """Add objects; return how many are new."""
    return _add(connection, elasticc1.diaobject, [_row(elasticc1.diaobject, one, "diaObject") for one in documents])


def add_alerts(connection: Connection, documents: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Add alerts with their objects and points; return how many of each are new.

    Raises
    ------
    BadDocumentError
        If something is missing in one of them; nothing is added then.
    """
    objects, sources, forced, alerts = [], [], [], []
    for place, document in enumerate(documents):
        where = f"alert {place}"
        thing, source = (_part(document, name, where) for name in ("diaObject", "diaSource"))
        objects.append(_row(elasticc1.diaobject, thing, where))
        of_object = {"diaObjectId": thing.get("diaObjectId")}
        earlier = document.get("prvDiaSources") or []
        sources += [_row(elasticc1.diasource, of_object | _mapping(one, where), where) for one in (source, *earlier)]
        forced += [
            _row(elasticc1.diaforcedsource, of_object | _mapping(one, where), where)
            for one in document.get("prvDiaForcedSources") or []
        ]
        alert = {"alertId": document.get("alertId"), "diaSourceId": source.get("diaSourceId"), **of_object}
        alerts.append(_row(elasticc1.diaalert, alert, where))
    return {
        "objects": _add(connection, elasticc1.diaobject, objects),
        "sources": _add(connection, elasticc1.diasource, sources),
        "forcedsources": _add(connection, elasticc1.diaforcedsource, forced),
        "alerts": _add(connection, elasticc1.diaalert, alerts),
    }


def add_truth(connection: Connection, documents: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[int]]:
    """Add truth of points; return their numbers, and those of detected points that are not stored."""
    rows = [
        _row(elasticc1.diatruth, {column: one.get(name) for name, column in _TRUTH.items()}, f"truth {place}")
        for place, one in enumerate(documents)
    ]
    _add(connection, elasticc1.diatruth, rows)
    numbers = [row["diaSourceId"] for row in rows]
    missing = connection.execute(
        "SELECT number FROM unnest(%s::bigint[]) AS wanted (number) WHERE NOT EXISTS (SELECT FROM elasticc_diasource"
        ' WHERE "diaSourceId" = number) ORDER BY 1',
        ([row["diaSourceId"] for row in rows if row["detect"]],),
    ).fetchall()
    return numbers, [row[0] for row in missing]


def add_object_truth(connection: Connection, documents: Sequence[Mapping[str, Any]]) -> list[int]:
    """Add truth of known objects; return their numbers.

    Names are those of the columns in any case, or of the dump of the simulation (`CID`, `NON1A_INDEX`).
    """
    table = elasticc1.diaobjecttruth
    names = {column.name.lower(): column.name for column in table.columns}
    names |= {"cid": "diaObjectId", "snid": "diaObjectId", "non1a_index": "sim_template_index"}
    rows = [
        _row(table, {names[key.lower()]: value for key, value in one.items() if key.lower() in names}, f"truth {place}")
        for place, one in enumerate(documents)
    ]
    known = connection.execute(
        'SELECT "diaObjectId" FROM elasticc_diaobject WHERE "diaObjectId" = ANY(%s)',
        ([row["diaObjectId"] for row in rows],),
    ).fetchall()
    numbers = {row[0] for row in known}
    chosen = [row for row in rows if row["diaObjectId"] in numbers]
    _add(connection, table, chosen)
    return [row["diaObjectId"] for row in chosen]


def mark_sent(connection: Connection, alerts: Sequence[int]) -> datetime.datetime:
    """Mark alerts as sent now unless they were sent before; return the time.

    Raises
    ------
    BadDocumentError
        If one does not exist; none is marked then.
    """
    unknown = connection.execute(
        "SELECT number FROM unnest(%s::bigint[]) AS wanted (number) WHERE NOT EXISTS (SELECT FROM elasticc_diaalert"
        ' WHERE "alertId" = number) ORDER BY 1 LIMIT 1',
        (list(alerts),),
    ).fetchone()
    if unknown is not None:
        raise BadDocumentError(f"there is no alert {unknown[0]}")
    now = datetime.datetime.now(datetime.UTC)
    connection.execute(
        'UPDATE elasticc_diaalert SET "alertSentTimestamp" = %s WHERE "alertId" IN (SELECT "alertId" FROM'
        ' elasticc_diaalert WHERE "alertId" = ANY(%s) AND "alertSentTimestamp" IS NULL ORDER BY 1 FOR UPDATE)',
        (now, list(alerts)),
    )
    return now


def _part(document: Mapping[str, Any], name: str, where: str) -> Mapping[str, Any]:
    found = document.get(name)
    if not isinstance(found, Mapping):
        raise BadDocumentError(f"{where} has no {name}")
    return found


def _mapping(given: Any, where: str) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise BadDocumentError(f"{where} has a point that is not a JSON object")
    return dict(given)


def _row(table: sa.Table, document: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The columns of a document, checked; optional ones that are missing are null."""
    row: dict[str, Any] = {}
    for column in table.columns:
        value = document.get(column.name, _DEFAULTS.get(column.name))
        if value is None:
            if not column.nullable or column.primary_key:
                raise BadDocumentError(f"{where} has no {column.name}")
        elif isinstance(column.type, sa.Boolean):
            value = bool(value)
        elif isinstance(column.type, sa.Text):
            value = str(value).replace("\x00", "")
        elif not isinstance(column.type, sa.DateTime):
            value = _number(value, column, where)
        row[column.name] = value
    return row


def _number(value: Any, column: sa.Column[Any], where: str) -> float:
    whole = isinstance(column.type, _INTEGERS)
    try:
        number = int(value) if whole and not isinstance(value, float) else float(value)
    except (TypeError, ValueError):
        raise BadDocumentError(f"{where}: {column.name} must be a number") from None
    if whole and not isinstance(number, int):
        if not number.is_integer():
            raise BadDocumentError(f"{where}: {column.name} must be an integer")
        number = int(number)
    limit = 2**63 if isinstance(column.type, sa.BigInteger) else 2**31
    if whole and not -limit <= number < limit:
        raise BadDocumentError(f"{where}: {column.name} does not fit its column")
    if not whole and not math.isfinite(number):
        raise BadDocumentError(f"{where}: {column.name} must be finite")
    return number


def _add(connection: Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert rows in the order of their keys, each once."""
    (key,) = (column.name for column in table.primary_key.columns)
    unique = sorted({row[key]: row for row in reversed(rows)}.values(), key=lambda row: row[key])
    if not unique:
        return 0
    names = [column.name for column in table.columns]
    stage = sql.Identifier(f"stage_{table.name}")
    with connection.cursor() as cursor:
        cursor.execute(
            sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} LIMIT 0").format(
                stage, sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(table.name)
            )
        )
        with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(stage)) as copy:
            for row in unique:
                copy.write_row([row[name] for name in names])
        columns = sql.SQL(", ").join(map(sql.Identifier, names))
        cursor.execute(
            sql.SQL("INSERT INTO {} ({}) SELECT {} FROM {} ORDER BY {} ON CONFLICT DO NOTHING").format(
                sql.Identifier(table.name), columns, columns, stage, sql.Identifier(key)
            )
        )
        new = cursor.rowcount
        cursor.execute(sql.SQL("DROP TABLE {}").format(stage))
    return new
