"""Lists, filters and annotators of several owners related to one object, for tests of who sees what."""

from __future__ import annotations

from typing import Any

import psycopg

OBJECT = 168110947020308481


def add_owned_things(connection: psycopg.Connection[Any]) -> None:
    """One of each kind of Ann that is public, one of Ann that is not, and one of Bob that is not, all on the object."""
    for number, (name, owner, public) in enumerate(
        (("public", "ann", True), ("private", "ann", False), ("secret", "bob", False)), start=1
    ):
        connection.execute(
            "INSERT INTO watchlists (wl_id, owner, name, description, active, public, radius, revision)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, '', true, %s, 5, 1)",
            (number, owner, name, public),
        )
        connection.execute(
            "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name) VALUES (%s, %s, %s, %s, 'star')",
            (OBJECT, number, number, 0.5 * number),
        )
        connection.execute(
            "INSERT INTO areas (ar_id, owner, name, description, active, public, moc, moc_version, square_degrees,"
            " revision) OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, '', true, %s, '', 'x', 2, 1)",
            (number, owner, name, public),
        )
        connection.execute("INSERT INTO area_hits (diaobjectid, ar_id) VALUES (%s, %s)", (OBJECT, number))
        connection.execute(
            "INSERT INTO filters (filterid, owner, name, description, active, public, version, revision)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, %s, %s, '', true, %s, 1, 1)",
            (number, owner, name, public),
        )
        for source in (1, 2):
            connection.execute(
                "INSERT INTO filter_matches (diaobjectid, diasourceid, filterid, ingestid, night, version, rows, row)"
                " VALUES (%s, %s, %s, 1, %s, 1, 1, '[]')",
                (OBJECT, source, number, f"2025-10-0{source}"),
            )
        connection.execute(
            "INSERT INTO annotators (topic, owner, description, version, active, public, revision)"
            " VALUES (%s, %s, '', '1', true, %s, 1)",
            (name, owner, public),
        )
        connection.execute(
            "INSERT INTO annotations (annotationid, diaobjectid, topic, timestamp, version, classification,"
            " explanation, classdict, content, revision, ingestid) OVERRIDING SYSTEM VALUE"
            " VALUES (%s, %s, %s, now(), '1', 'SN', %s, '{}', 'x', 1, 1)",
            (number, OBJECT, name, f"said by {name}"),
        )
