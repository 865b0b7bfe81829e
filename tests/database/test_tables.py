"""The tables hold everything that Lasair's schema 11_1 and Rubin's schemas 7 to 11 name."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from broker_assets.database.arrow import arrow_schema
from broker_assets.database.tables import BANDS, VIEWS, metadata

LASAIR = {
    "objects": "objects",
    "diaObjects": "diaobjects",
    "diaSources": "diasources",
    "diaForcedSources": "diaforcedsources",
    "diaNondetectionLimits": "dianondetectionlimits",
    "ssObjects": "ssobjects",
    "ssSources": "sssources",
    "mpc_orbits": "mpc_orbits",
    "sherlock_classifications": "sherlock_classifications",
}
RUBIN = {
    "diaSource": "diasources",
    "diaObject": "objects",
    "diaForcedSource": "diaforcedsources",
    "diaNondetectionLimit": "dianondetectionlimits",
    "ssSource": "sssources",
    "ssObject": "ssobjects",
    "mpc_orbits": "mpc_orbits",
    "MPCORB": "mpc_orbits",
}
# Names of earlier schemas whose values go to the column of the present name.
RENAMED = {
    "dec": "decl",
    "is_negative": "isnegative",
    "time_processed": "timeprocessedmjdtai",
    "validitystart": "validitystartmjdtai",
    "eclipticlambda": "ecllambda",
    "eclipticbeta": "eclbeta",
    "galacticl": "gallon",
    "galacticb": "gallat",
    "heliocentricdist": "heliorange",
    "topocentricdist": "toporange",
    "predictedvmagnitude": "ephvmag",
    "firstobservationdate": "firstobservationmjdtai",
    "numobs": "nobs",
    "moid": "moidearth",
    "moidtrueanomaly": "moidearthtrueanomaly",
    "moideclipticlongitude": "moideartheclipticlongitude",
    "moiddeltav": "moidearthdeltav",
    "medianextendedness": "extendednessmedian",
    "mpcdesignation": "designation",
    "mpch": "h",
    "epoch": "epoch_mjd",
    "m": "mean_anomaly",
    "peri": "argperi",
    "incl": "i",
    "t_p": "peri_time",
} | {f"{band}_ndata": f"{band}_nobsused" for band in BANDS}


@pytest.mark.shared
@pytest.mark.database
def test_sql_with_the_documented_names_of_lasair_runs_unquoted(
    shared_folder: Path, connection: psycopg.Connection
) -> None:
    schema = json.loads((shared_folder / "data" / "lasair" / "derived" / "schema_11_1.json").read_text())
    tables = schema["sql"] | schema["cql"]
    for name in LASAIR:
        columns = [column["name"] for column in tables[name]["columns"]]
        cursor = connection.execute(f"SELECT {', '.join(columns)} FROM {name} WHERE {columns[0]} IS NOT NULL")
        assert [column.name for column in cursor.description or ()] == [column.lower() for column in columns]
    assert len(tables["objects"]["columns"]) == 129
    cursor = connection.execute("SELECT objects.diaObjectId, objects_ext.raErr FROM objects, objects_ext")
    assert cursor.fetchall() == []


def test_every_rubin_field_has_a_column() -> None:
    package = find_spec("lsst.alert.packet") if find_spec("lsst") else None
    if package is None or package.origin is None:
        pytest.skip("the optional package lsst-alert-packet is not installed")
    files = [
        file
        for version in (7, 8, 9, 10, 11)
        for file in (Path(package.origin).parent / "schema" / str(version)).glob("*/*.avsc")
    ]
    assert files
    missing = set()
    for file in files:
        record = json.loads(file.read_text())
        if record["name"] not in RUBIN:
            continue
        columns = metadata.tables[RUBIN[record["name"]]].c
        for field in record["fields"]:
            name = field["name"].lower()
            if name not in columns and RENAMED.get(name, name) not in columns:
                missing.add((record["name"], field["name"]))
    assert missing == set()


def test_everything_says_what_it_is() -> None:
    for table in metadata.tables.values():
        assert table.comment, table.name
        for column in table.columns:
            assert column.comment, f"{table.name}.{column.name}"
            assert column.info["documented"].lower() == column.name
            assert column.name == column.name.lower()
    assert all(comment for _, comment in VIEWS.values())


def test_times_are_never_single_precision() -> None:
    single = [
        f"{table.name}.{column.name}"
        for table in metadata.tables.values()
        for column in table.columns
        if "mjd" in column.name and not isinstance(column.type, sa.DOUBLE_PRECISION)
    ]
    assert single == []


def test_every_table_without_documents_has_an_arrow_schema() -> None:
    for table in metadata.tables.values():
        if any(isinstance(column.type, sa.JSON) for column in table.columns):
            # Documents are never loaded in bulk.
            with pytest.raises(TypeError, match="no Arrow type"):
                arrow_schema(table)
            continue
        assert arrow_schema(table).names == table.c.keys()
    assert "night" not in arrow_schema(metadata.tables["objects"], without={"night"}).names
