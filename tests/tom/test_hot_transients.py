"""Objects that were detected lately, by importing or by the stream."""

from __future__ import annotations

import pytest

from broker_assets.database import engine
from broker_assets.tom.hot_transients import hot_objects

pytestmark = pytest.mark.database


def test_who_was_detected_when(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        for number in (3, 1, 2):
            connection.execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 1, -1, false)", (number,)
            )
        for number, mjd in ((101, 60000.0), (102, 60010.0), (301, 60005.0)):
            connection.execute(
                "INSERT INTO elasticc2_diasource VALUES (%s, %s, 'r', 1, 1, 7, 1, 7, %s)", (number, mjd, number // 100)
            )
        # Of the second, the stream has a detection that was not imported.
        connection.execute("UPDATE objects SET lastdiasourcemjdtai = 60020, broughtby = 201 WHERE diaobjectid = 2")
        connection.execute(
            "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey) VALUES (201, 2, 60020, 3)"
        )
        # Another survey's object of the same time is none of the campaign.
        connection.execute("INSERT INTO objects (diaobjectid, survey, lastdiasourcemjdtai) VALUES (9, 1, 60020)")
        assert hot_objects(connection, 60000).tolist() == [1, 2, 3]
        assert hot_objects(connection, 60010).tolist() == [1, 2]
        assert hot_objects(connection, 60010.5).tolist() == [2]
        assert hot_objects(connection, 60000, until=60004).tolist() == [1]
        assert hot_objects(connection, 60001, until=60005).tolist() == [3]
        assert hot_objects(connection, 60030).tolist() == []
        for number, gentype in ((1, 10), (2, 82)):
            connection.execute(
                "INSERT INTO elasticc2_ppdbdiaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 1, 1, false)",
                (number,),
            )
            names = [
                row[0]
                for row in connection.execute(
                    "SELECT attname FROM pg_attribute WHERE attrelid = 'elasticc2_diaobjecttruth'::regclass"
                    " AND attnum > 0 AND attnotnull AND attname NOT IN ('diaobject_id', 'gentype')"
                )
            ]
            connection.execute(
                f"INSERT INTO elasticc2_diaobjecttruth (diaobject_id, gentype, {', '.join(names)})"  # type: ignore[arg-type]
                f" VALUES (%s, %s, {', '.join(['0'] * len(names))})",
                (number, gentype),
            )
        assert hot_objects(connection, 60000, gentypes=[82, 10]).tolist() == [1, 2]
        assert hot_objects(connection, 60000, gentypes=[82]).tolist() == [2]
        assert hot_objects(connection, 60000, gentypes=[]).tolist() == []
        for number, flux in ((150, 4.0), (350, 6.0)):
            connection.execute(
                "INSERT INTO elasticc2_diaforcedsource VALUES (%s, 60003, 'r', %s, 1, %s)",
                (number, flux, number // 100),
            )
        assert hot_objects(connection, 60000, by_forced=True).tolist() == [3]
        assert hot_objects(connection, 60000, until=60002, by_forced=True).tolist() == []
        # The same visits in another reduction: the third object fades, the first one is significant.
        for number, flux in ((150, 9.0), (350, 2.0)):
            connection.execute(
                "INSERT INTO diaforcedsources (diaforcedsourceid, diaobjectid, midpointmjdtai, band, psfflux,"
                " psffluxerr, survey, reduction) VALUES (%s, %s, 60003, 'r', %s, 1, 3, 1)",
                (number, number // 100, flux),
            )
        assert hot_objects(connection, 60000, by_forced=True).tolist() == [3]
        assert hot_objects(connection, 60000, by_forced=True, reductions={1: 0}).tolist() == [1]
        assert hot_objects(connection, 60000, by_forced=True, reductions={0: 1, 1: 0}).tolist() == [3]
        assert hot_objects(connection, 60000, by_forced=True, reductions={0: 0, 1: 1}).tolist() == [1]
        assert hot_objects(connection, 60000, by_forced=True, reductions={}).tolist() == []
