"""The tables of the target and observation manager have the names and columns of DESC's TOM; its snapshot restores."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.database.tables.tom import TOM_HASHED, TOM_VIEWS, tom_metadata

pytestmark = pytest.mark.database

MORE = {
    "elasticc2_brokermessage": {"kafka_partition", "ingestid", "document"},
    "elasticc2_diaobjectclassification": {"brokermessage_id", "midpointtai"},
    "db_queryqueue": {
        "userid",
        "attempts",
        "statement",
        "resultrows",
        "resultbytes",
        "seen_at",
        "cancelled",
    },
}
"""Columns that the original does not have."""


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url) as opened:
        yield opened


def insert(connection: psycopg.Connection[Any], table: str, **values: Any) -> None:
    names, marks = ", ".join(values), ", ".join(["%s"] * len(values))
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(values.values()))  # type: ignore[arg-type]


def insert_object(connection: psycopg.Connection[Any], number: int, **values: Any) -> None:
    insert(connection, "elasticc2_diaobject", diaobject_id=number, ra=10.0, decl=-5.0, isddf=False, **values)


def insert_source(connection: psycopg.Connection[Any], number: int, mjd: float, **values: Any) -> None:
    row = {"filtername": "Y", "ra": 10.0, "decl": -5.0, "psflux": 100.5, "psfluxerr": 10.25, "snr": 9.8, **values}
    insert(connection, "elasticc2_diasource", diasource_id=number, midpointtai=mjd, diaobject_id=number // 100, **row)


def rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()  # type: ignore[arg-type]


@pytest.mark.shared
def test_every_column_of_the_original_is_there_in_its_order(
    shared_folder: Path, connection: psycopg.Connection[Any]
) -> None:
    wanted: dict[str, list[str]] = {}
    with (shared_folder / "data" / "desc_tom" / "schema" / "columns.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["table_name"].startswith("elasticc2_") or row["table_name"] == "db_queryqueue":
                wanted.setdefault(row["table_name"], []).append(row["column_name"])
    assert len(wanted) == 26
    for table, columns in wanted.items():
        cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")  # type: ignore[arg-type]
        found = [column.name for column in cursor.description or ()]
        assert [name for name in found if name not in MORE.get(table, ())] == columns, table


NOT_HERE = {"diasource_import_time", "all_alerts_import_time"}
"""Tables of FASTDB that are not here: those of the import, which the stream replaces."""
FASTDB_MORE = {"base_processing_version": {"reduction"}, "root_diaobject": {"survey", "zone"}}


@pytest.mark.shared
def test_fastdb_has_its_columns(shared_folder: Path, connection: psycopg.Connection[Any]) -> None:
    wanted: dict[str, set[str]] = {}
    with (shared_folder / "data" / "desc_tom" / "schema" / "fastdb_columns.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["table_name"] not in NOT_HERE:
                wanted.setdefault(row["table_name"], set()).add(row["column_name"])
    assert len(wanted) == 25
    for table, columns in wanted.items():
        cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")  # type: ignore[arg-type]
        found = {column.name for column in cursor.description or ()}
        assert found - FASTDB_MORE.get(table, set()) == columns, table
    # Photometry is stored once: both names of it have the same rows.
    connection.execute("SELECT * FROM diasource WHERE diaobjectid = 1")
    assert rows(connection, "SELECT count(*) FROM base_processing_version WHERE reduction = 0") == [(5,)]


def test_fastdb_names_accounts_and_their_queries(connection: psycopg.Connection[Any]) -> None:
    from broker_assets.access import accounts
    from broker_assets.api.fastdb.login import uuid_of

    user = accounts.add(connection, "anna", "sufficiently long", email="anna@example.org")
    insert(
        connection, "db_queryqueue", queryid="5f0c8a8e-0000-4000-8000-000000000001", submitted="2026-01-01",
        error=False, queries=["SELECT 1"], subdicts=[], format="csv", userid=user.userid,
    )  # fmt: skip
    insert(
        connection, "access.mailed_links", sha256="secret", userid=user.userid, purpose="password", address="::1",
        date_expires="2026-01-02",
    )  # fmt: skip
    found = rows(connection, "SELECT id, username, email, pubkey IS NOT NULL, privkey FROM authuser")
    assert found == [(uuid_of(user), "anna", "anna@example.org", True, None)]
    assert rows(connection, "SELECT userid, queries FROM query_queue") == [(uuid_of(user), ["SELECT 1"])]
    assert rows(connection, "SELECT userid FROM passwordlink WHERE id::text <> 'secret'") == [(uuid_of(user),)]
    connection.execute("UPDATE access.mailed_links SET date_used = now()")
    assert rows(connection, "SELECT id FROM passwordlink") == []


def test_root_objects_of_two_surveys_are_linked(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO root_diaobject (id, ra, dec, survey, zone) SELECT md5(n::text)::uuid, 10, -5, n, 0"
        " FROM generate_series(1, 2) AS n"
    )
    connection.execute(
        "INSERT INTO diaobject (diaobjectid, base_procver_id, rootid) SELECT n, id, md5(n::text)::uuid"
        " FROM generate_series(1, 2) AS n, base_processing_version WHERE _table = 'diaobject' AND reduction = 0"
    )
    connection.execute(
        "INSERT INTO object_link (diaobjectid, linkedid, arcsec, night, survey, linkedsurvey)"
        " VALUES (1, 2, 0.5, '2026-01-01', 1, 2), (2, 1, 0.5, '2026-01-01', 2, 1)"
    )
    assert rows(
        connection,
        "SELECT rootid = md5('1')::uuid, linkedrootid = md5('2')::uuid, arcsec, survey, linkedsurvey FROM root_link"
        " ORDER BY survey",
    ) == [(True, True, 0.5, 1, 2), (False, False, 0.5, 2, 1)]


def test_everything_says_what_it_is() -> None:
    for table in tom_metadata.tables.values():
        assert table.comment, table.name
        assert all(column.comment for column in table.columns), table.name
    assert all(comment for _, comment in TOM_VIEWS.values())
    assert {len(table.primary_key.columns) for table in TOM_HASHED} == {2}


@pytest.mark.shared
def test_the_first_campaign_has_its_columns(shared_folder: Path, connection: psycopg.Connection[Any]) -> None:
    wanted: dict[str, set[str]] = {}
    with (shared_folder / "data" / "desc_tom" / "schema" / "columns.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            if row["table_name"].startswith("elasticc_"):
                wanted.setdefault(row["table_name"], set()).add(row["column_name"])
    assert len(wanted) == 14
    for table, columns in wanted.items():
        cursor = connection.execute(f"SELECT * FROM {table} LIMIT 0")  # type: ignore[arg-type]
        assert {column.name for column in cursor.description or ()} == columns, table
    counts = ("SELECT count(*) FROM elasticc_gentypeofclassid", "SELECT count(*) FROM elasticc_classidofgentype")
    assert [rows(connection, query) for query in counts] == [[(47,)], [(93,)]]
    bins = rows(connection, "SELECT timebin, dtmin, dtmax FROM elasticc_maxprob_timebins ORDER BY 1")
    assert (len(bins), bins[0], bins[1], bins[13]) == (14, (0, -999999, -20), (1, -20, -10), (13, 100, 999999))


@pytest.mark.shared
def test_the_snapshot_restores_with_its_counts(tom_snapshot_url: str) -> None:
    counts = {
        "ppdbdiaobject": 346, "ppdbdiasource": 1862, "ppdbdiaforcedsource": 52172, "ppdbalert": 1862,
        "diaobjecttruth": 346, "diaobject": 131, "diasource": 650, "diaforcedsource": 5765, "diaobjectinfo": 268,
        "brokerclassifier": 3, "brokermessage": 1950, "brokersourceids": 650, "gentypeofclassid": 54,
        "classidofgentype": 124, "importppdbrunning": 1,
    }  # fmt: skip
    with engine.connect(tom_snapshot_url) as connection:
        for table, count in counts.items():
            assert rows(connection, f"SELECT count(*) FROM elasticc2_{table}") == [(count,)], table
        # The same under FASTDB's names.
        for table, count in (("diaobject", 346), ("diasource", 1862), ("diaforcedsource", 52172), ("alerts_sent", 650)):
            assert rows(connection, f"SELECT count(*) FROM ppdb_{table}") == [(count,)], table
        assert rows(
            connection,
            "SELECT bool_and(abs(host.petroflux_r / power(10, (31.4 - object.hostgal_mag_r) / 2.5) - 1) < 1e-5),"
            " bool_and(abs(host.stdcolor_g_r - (object.hostgal_mag_g - object.hostgal_mag_r)) < 1e-4), count(*) > 100"
            " FROM ppdb_diaobject AS known JOIN ppdb_host_galaxy AS host ON host.id = known.nearbyextobj1id"
            " JOIN elasticc2_ppdbdiaobject AS object ON object.diaobject_id = known.diaobjectid"
            " WHERE object.hostgal_mag_r < 900 AND object.hostgal_mag_g < 900",
        ) == [(True, True, True)]
        # Nothing is stored twice: the photometry is that of the broker.
        assert rows(connection, "SELECT count(*) FROM diaforcedsources WHERE survey = 3") == [(5765,)]
        assert rows(connection, "SELECT count(*) FROM objects") == [(131,)]
        # 32-bit values and the name of the last band are as in the original.
        assert rows(
            connection,
            "SELECT filtername, psflux::text FROM elasticc2_diaforcedsource WHERE diaforcedsource_id = 604800002",
        ) == [("Y", "-1349.268")]


def test_a_row_of_a_view_is_one_of_the_broker(connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO point_sums (diaobjectid, changes, months) VALUES (7, 3, 'known')")
    insert_object(connection, 7, mwebv=0.5)
    insert_source(connection, 701, 60300.5)
    insert_source(connection, 702, 60200.5, filtername="g")
    assert rows(connection, "SELECT diaobjectid, survey, ra, decl, broughtby FROM objects") == [
        (7, 3, 10.0, -5.0, None)
    ]
    points = "SELECT diasourceid, band, survey, reduction, night, broughtby FROM diasources ORDER BY 1"
    assert rows(connection, points) == [(701, "y", 3, 0, None, None), (702, "g", 3, 0, None, None)]
    # The stream counts the points of the object again before it believes its sums.
    assert rows(connection, "SELECT months, changes FROM point_sums") == [(None, 4)]
    assert rows(connection, "SELECT latestsourcemjd FROM elasticc2_diaobjectdetails") == [(60300.5,)]
    connection.execute("UPDATE elasticc2_diasource SET filtername = 'r', midpointtai = 60100 WHERE diasource_id = 701")
    assert rows(connection, "SELECT filtername, midpointtai FROM elasticc2_diasource ORDER BY diasource_id") == [
        ("r", 60100.0),
        ("g", 60200.5),
    ]
    assert rows(connection, "SELECT latestsourcemjd FROM elasticc2_diaobjectdetails") == [(60200.5,)]
    connection.execute("UPDATE elasticc2_diaobject SET ra = 11, z_final = 0.25")
    assert rows(connection, "SELECT ra, decl, mwebv, z_final FROM elasticc2_diaobject") == [(11.0, -5.0, 0.5, 0.25)]
    connection.execute("DELETE FROM elasticc2_diasource WHERE diasource_id = 702")
    assert rows(connection, "SELECT latestsourcemjd FROM elasticc2_diaobjectdetails") == [(60100.0,)]


def test_a_deleted_object_takes_its_rows_along(connection: psycopg.Connection[Any]) -> None:
    insert_object(connection, 7)
    insert_source(connection, 701, 60300.5)
    insert(connection, "elasticc2_diaobjectinfo", diaobject_id=7, filtername="Y")
    insert(connection, "elasticc2_spectruminfo", diaobject_id=7, facility="f", inserted_at="2026-01-01", mjd=60000.1)
    connection.execute("DELETE FROM elasticc2_diaobject")
    for table in ("objects", "diasources", "elasticc2_diaobjectinfo", "elasticc2_spectruminfo"):
        assert rows(connection, f"SELECT count(*) FROM {table}") == [(0,)], table


def test_what_the_stream_brought_stays(connection: psycopg.Connection[Any]) -> None:
    connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl, broughtby) VALUES (7, 3, 20, 20, 701)")
    connection.execute(
        "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, broughtby)"
        " VALUES (701, 7, 60300.5, 3, 701)"
    )
    insert_object(connection, 7)
    assert rows(connection, "SELECT ra, decl FROM elasticc2_diaobject") == [(20.0, 20.0)]
    assert rows(connection, "SELECT latestsourcemjd FROM elasticc2_diaobjectdetails") == [(60300.5,)]
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="packet of the stream"), connection.transaction():
        connection.execute("DELETE FROM elasticc2_diasource")
    connection.execute("DELETE FROM elasticc2_diaobject")
    assert rows(connection, "SELECT count(*) FROM objects") == [(1,)]
    assert rows(connection, "SELECT count(*) FROM elasticc2_diasource") == [(1,)]


def test_constraints_that_the_original_does_not_have(connection: psycopg.Connection[Any]) -> None:
    def classifier(version: str | None) -> None:
        insert(
            connection, "elasticc2_brokerclassifier", brokername="b", brokerversion=version, classifiername="c",
            classifierparams=None,
        )  # fmt: skip

    def message(offset: int, **values: Any) -> None:
        row = {"topicname": "t", "alert_id": 1, "diasource_id": 1, "classid": [1], "probability": [0.5], **values}
        row |= {"elasticcpublishtimestamp": "2026-01-01"}
        insert(connection, "elasticc2_brokermessage", streammessage_id=offset, **{"classifier_id": 1, **row})

    classifier(None)
    classifier("1")
    message(-1)
    message(-1, classifier_id=2)
    message(5, kafka_partition=0)
    message(6, kafka_partition=0)
    message(5, kafka_partition=1)
    # The original does not record partitions: offsets of its dumps may be there several times.
    message(5)
    message(5)
    insert_object(connection, 7)
    insert_source(connection, 701, 60300.5)
    connection.commit()
    for repeated in (
        lambda: classifier(None),
        lambda: message(-1),
        lambda: message(5, kafka_partition=0),
        lambda: insert_source(connection, 701, 60301.5),
    ):
        with pytest.raises(psycopg.errors.UniqueViolation), connection.transaction():
            repeated()
    with pytest.raises(psycopg.errors.CheckViolation), connection.transaction():
        message(7, classid=[1, 2])
    with pytest.raises(psycopg.errors.ForeignKeyViolation), connection.transaction():
        insert(connection, "elasticc2_diaobjectinfo", diaobject_id=8, filtername="Y")
