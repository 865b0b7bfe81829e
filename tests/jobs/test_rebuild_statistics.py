"""The job that starts Spark, and what Spark computes."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import s3fs
from dagster import DagsterInstance
from file_servers import S3Server

from broker_assets.assets.alerts.cold import NIGHT
from broker_assets.database.engine import connect
from broker_assets.database.tables import FEATURE_COLUMNS
from broker_assets.jobs.rebuild_statistics import build_rebuild_statistics
from broker_assets.lightcurves.statistics import statistics
from broker_assets.lightcurves.stored_curves import stored_curves
from broker_assets.resources.database import Database
from broker_assets.settings import ColdSettings, FeatureSettings

pytestmark = pytest.mark.database

OP = "rebuild_statistics_of_all"


def config(target: Path) -> dict[str, Any]:
    """Of a small cluster in the process of Spark."""
    return {"ops": {OP: {"config": {"target": str(target), "master": "local[2]", "parts": 3}}}}


@pytest.mark.parametrize(("installed", "reason"), [(0, "Spark is not installed"), (1, "nothing is in the cold")])
def test_what_is_missing_is_named(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: bool, reason: str
) -> None:
    if installed:
        (tmp_path / "pyspark").mkdir()
        (tmp_path / "pyspark" / "__init__.py").touch()
        monkeypatch.syspath_prepend(tmp_path)
    else:
        monkeypatch.setitem(sys.modules, "pyspark", None)
    with DagsterInstance.ephemeral() as instance:
        result = build_rebuild_statistics(FeatureSettings()).execute_in_process(
            run_config=config(tmp_path),
            resources={"database": Database(database_url)},
            instance=instance,
            raise_on_error=False,
        )
    assert not result.success
    failure = result.failure_data_for_node(OP)
    assert failure is not None
    assert reason in str(failure.user_failure_data)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_spark_gives_what_the_stream_stored(
    platform: Any, survey: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cold store is on S3, which Spark's own workers read."""
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("pyspark is not installed: pip install 'broker_assets[spark]'")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    for name, value in {
        "ACCESS_KEY_ID": "testing",
        "SECRET_ACCESS_KEY": "testing",
        "DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    with S3Server("spark") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        s3fs.S3FileSystem.clear_instance_cache()
        cold = ColdSettings(warehouse_url=server.url())
        platform.settings = platform.settings.model_copy(update={"cold": cold})
        platform.reload()
        rebuilt_from_the_store(platform, survey, tmp_path)
    s3fs.S3FileSystem.clear_instance_cache()


def rebuilt_from_the_store(platform: Any, survey: Callable[..., Any], tmp_path: Path) -> None:
    """The job over nights of the cold store of a platform; its rows are those of the database."""
    platform.append(list(survey(objects=6, visits=6, shuffle=1).packets()))
    platform.drain()
    nights = [str(night) for (night,) in platform.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]
    for night in nights:
        platform.make(NIGHT, night=night)
    result = platform.run("rebuild_statistics", run_config=config(tmp_path / "made"))
    assert result.success

    def made(folder: str, *order: str) -> pa.Table:
        return pq.read_table(tmp_path / "made" / folder).sort_by([(name, "ascending") for name in order])

    objects = np.arange(1, 7)
    with connect(platform.database.url) as connection:
        rows = statistics(stored_curves(connection, objects))
    wanted = rows.add_column(0, "diaobjectid", pa.array(objects[rows["object"].to_numpy()])).drop_columns(["object"])
    found = made("statistics", "diaobjectid", "band")
    assert found.to_pylist() == wanted.sort_by([("diaobjectid", "ascending"), ("band", "ascending")]).to_pylist()

    # Every alert, also those that were not the last of their night.
    columns = ("diaobjectid", "diasourceid", "night", *FEATURE_COLUMNS)
    found = made("features", "diaobjectid", "diasourceid")
    stored = platform.query(f"SELECT {', '.join(columns)} FROM object_features ORDER BY 1, 2")
    assert found.num_rows == len(stored) == 6 * 6 > 6 * len(nights)
    kept = pa.Table.from_pylist([dict(zip(columns, row, strict=True)) for row in stored], found.schema)
    for rebuilt, row in zip(found.to_pylist(), kept.to_pylist(), strict=True):
        for name, value in row.items():
            assert rebuilt[name] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), name
    assert len(set(found["nposdiasources"].to_pylist())) == 6
