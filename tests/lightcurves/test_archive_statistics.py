"""Statistics from rows of points are those of stored light curves, also by Spark."""

from __future__ import annotations

import datetime
import importlib.util
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from cold_points import bring

from broker_assets.cold.catalogue import ColdStore
from broker_assets.cold.nights import ColdTable, point_table, write_night
from broker_assets.database import border
from broker_assets.database.engine import connect
from broker_assets.database.tables import PARTITIONED, diaforcedsources, diasources
from broker_assets.lightcurves import archive_features
from broker_assets.lightcurves.archive_features import STATES, features_of_points
from broker_assets.lightcurves.archive_statistics import KINDS, POINTS, statistics_of_points
from broker_assets.lightcurves.statistics import statistics
from broker_assets.lightcurves.stored_curves import stored_curves
from broker_assets.resources import spark_statistics

pytestmark = pytest.mark.database

NIGHTS = [datetime.date(2026, 1, 20) + datetime.timedelta(days=9 * number) for number in range(4)]
OBJECTS = np.arange(1, 6)


def filled(database_url: str) -> Any:
    connection = connect(database_url)
    for night in NIGHTS:
        bring(connection, night, OBJECTS.tolist(), flux=100.0 + night.day)
    return connection


def expected(connection: Any) -> list[dict[str, Any]]:
    rows = statistics(stored_curves(connection, OBJECTS))
    found = rows.add_column(0, "diaobjectid", pa.array(OBJECTS[rows["object"].to_numpy()])).drop_columns(["object"])
    return found.sort_by([("diaobjectid", "ascending"), ("band", "ascending")]).to_pylist()


def states_of_nights(connection: Any) -> pa.Table:
    """The objects as each night left them."""
    found = border.rows(connection, diasources, ["diaobjectid", "night", "diasourceid", "midpointmjdtai"], [])
    rows = [
        {"diaobjectid": row["diaobjectid"], "night": row["night"], "broughtby": row["diasourceid"],
         "lastdiasourcemjdtai": row["midpointmjdtai"], "ra": 10.0, "decl": -20.0, "ebv": 0.05}
        for row in found.to_pylist()
    ]  # fmt: skip
    return pa.Table.from_pylist(rows, STATES)


def objects_of(states: pa.Table) -> ColdTable:
    """They as a table of the cold store, in which the sky context is in another."""
    known = states.drop_columns(["classification", "best_distance", "z", "photoz"])

    def read(_: Any, night: datetime.date, __: int) -> Any:
        return iter([known.filter(pc.field("night") == night)])

    return ColdTable("objects", known.schema, read)


def feature_points(connection: Any) -> pa.Table:
    """All points as they are stored."""
    parts = []
    for number, table in enumerate((diasources, diaforcedsources)):
        names = [name for name in archive_features.POINTS.names if name in table.c]
        rows = border.rows(connection, table, [*names, "psfflux"], [])
        columns = {"kind": pa.array(np.full(rows.num_rows, number)), "flux": rows["psfflux"],
                   **{name: rows[name] for name in names}}  # fmt: skip
        columns.setdefault("reliability", pa.nulls(rows.num_rows))
        parts.append(pa.table([columns[item.name].cast(item.type) for item in archive_features.POINTS],
                              schema=archive_features.POINTS))  # fmt: skip
    return pa.concat_tables(parts)


def test_equal_to_those_of_stored_light_curves(database_url: str) -> None:
    with filled(database_url) as connection:
        parts = []
        for number, (table, (flux, error)) in enumerate(zip(PARTITIONED, KINDS.values(), strict=True)):
            names = list(dict.fromkeys(["diaobjectid", "midpointmjdtai", flux, error, "band"]))
            rows = border.rows(connection, table, names, [])
            columns = [rows["diaobjectid"], pa.array(np.full(rows.num_rows, number)), rows["midpointmjdtai"],
                       rows[flux], rows[error], rows["band"]]  # fmt: skip
            parts.append(pa.table([c.cast(i.type) for c, i in zip(columns, POINTS, strict=True)], schema=POINTS))
        found = statistics_of_points(pa.concat_tables(parts))
        ordered = found.sort_by([("diaobjectid", "ascending"), ("band", "ascending")])
        assert ordered.to_pylist() == expected(connection)
    assert statistics_of_points(POINTS.empty_table()).num_rows == 0


@pytest.mark.slow
def test_spark_gives_the_same(database_url: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: pip install 'broker_assets[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    _, artefact, version = spark_statistics.PACKAGE.split(":")
    jar = Path.home() / ".m2/repository/org/apache/iceberg" / artefact / version / f"{artefact}-{version}.jar"
    if not jar.exists():
        pytest.skip(f"Iceberg for Spark is not there: mvn dependency:get -Dartifact={spark_statistics.PACKAGE}")
    with filled(database_url) as connection:
        store = ColdStore(database_url, (tmp_path / "cold").as_uri())
        states = states_of_nights(connection)
        connection.commit()
        for night in NIGHTS:
            write_night(store, night, [*(point_table(table) for table in PARTITIONED), objects_of(states)])
        connection.commit()
        locations = dict(connection.execute("SELECT name, metadata_location FROM cold_tables").fetchall())
        target = tmp_path / "statistics"
        job = {"locations": locations, "target": str(target), "master": "local[1]", "parts": 2}
        rows = spark_statistics.rebuild(job)
        assert rows["statistics"] > 0
        found = pq.read_table(target / "statistics").sort_by([("diaobjectid", "ascending"), ("band", "ascending")])
        assert found.to_pylist() == expected(connection)
        features = pq.read_table(target / "features").sort_by([("diaobjectid", "ascending"), ("night", "ascending")])
        wanted = features_of_points(states, feature_points(connection))
        assert rows["features"] == wanted.num_rows == len(OBJECTS) * len(NIGHTS)
        assert features.to_pylist() == wanted.to_pylist()
        assert len(set(features["nposdiasources"].to_pylist())) == len(NIGHTS)
