"""Writes a part of the survey as a plain SQL dump: some objects with all their rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql

from broker_assets.database.tables import tom

_OURS: Final = {"kafka_partition", "ingestid", "document"}
"""Columns that the original does not have."""
_OF_OBJECTS: Final[LiteralString] = "diaobject_id IN (SELECT diaobject_id FROM tom_dump_objects)"
_OF_SOURCES: Final[LiteralString] = (
    "diasource_id IN (SELECT diasource_id FROM elasticc2_ppdbdiasource WHERE diaobject_id IN"
    " (SELECT diaobject_id FROM tom_dump_objects))"
)
_TABLES: Final[tuple[tuple[Any, LiteralString], ...]] = (
    (tom.ppdbdiaobject, _OF_OBJECTS),
    (tom.ppdbdiasource, _OF_OBJECTS),
    (tom.ppdbdiaforcedsource, _OF_OBJECTS),
    (tom.ppdbalert, _OF_OBJECTS),
    (tom.diaobjecttruth, _OF_OBJECTS),
    (tom.brokerclassifier, "true"),
    (tom.brokermessage, _OF_SOURCES),
)


@dataclass
class Written:
    """Rows of each table."""

    rows: dict[str, int] = field(default_factory=dict)


def export_dump(
    connection: psycopg.Connection[Any],
    write: Callable[[bytes], object],
    *,
    objects: int,
    only_sent: bool = False,
    seed: float | None = None,
) -> Written:
    """Write objects of the survey, chosen at random, with photometry, alerts, truth, classifiers and messages.

    Parameters
    ----------
    connection : psycopg.Connection
        A repeatable-read transaction is opened in it.
    write : callable
        Takes the bytes of the dump.
    objects : int
        Objects, at most.
    only_sent : bool
        Whether objects are chosen among those with an alert that was sent.
    seed : float, optional
        Between -1 and 1; the same seed gives the same objects.

    Returns
    -------
    Written
        Counts.
    """
    done = Written()
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        if seed is not None:
            connection.execute("SELECT setseed(%s)", (seed,))
        sent = sql.SQL(
            " WHERE EXISTS (SELECT FROM elasticc2_ppdbalert AS alert WHERE alert.diaobject_id = survey.diaobject_id"
            " AND alertsenttimestamp IS NOT NULL)"
        )
        connection.execute(
            sql.SQL(
                "CREATE TEMPORARY TABLE tom_dump_objects ON COMMIT DROP AS SELECT diaobject_id FROM"
                " (SELECT diaobject_id FROM elasticc2_ppdbdiaobject AS survey{} ORDER BY 1) AS listed"
                " ORDER BY random() LIMIT {}"
            ).format(sent if only_sent else sql.SQL(""), sql.Literal(objects))
        )
        write(
            b"-- A part of the survey of the target and observation manager.\n\nSET standard_conforming_strings = on;\n"
        )
        for table, condition in _TABLES:
            names = [column.name for column in table.columns if column.name not in _OURS]
            key = names[-1] if table is tom.diaobjecttruth else names[0]
            columns = sql.SQL(", ").join(map(sql.Identifier, names))
            header = sql.SQL("\nCOPY public.{} ({}) FROM stdin;\n").format(sql.Identifier(table.name), columns)
            write(header.as_string(connection).replace('"', "").encode())
            statement = sql.SQL("COPY (SELECT {} FROM {} WHERE {} ORDER BY {}) TO STDOUT").format(
                columns, sql.Identifier(table.name), sql.SQL(condition), sql.Identifier(key)
            )
            count = 0
            with connection.cursor() as cursor, cursor.copy(statement) as copy:
                for block in copy:
                    count += bytes(block).count(b"\n")
                    write(bytes(block))
            write(b"\\.\n")
            done.rows[table.name] = count
    return done
