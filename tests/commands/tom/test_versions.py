"""Versions of the processing on the command line."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from broker_assets.database import engine


@pytest.mark.database
def test_a_reduction_from_files(command, database_url, tmp_path):
    with engine.connect(database_url) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (1, 1, 5, 5)")
    assert "1 objects, 1 new root objects" in command("tom", "versions", "place").output
    assert "dr1 is reduction 1" in command("tom", "versions", "add-base", "dr1").output
    assert command("tom", "versions", "add-base", "dr1").exit_code == 2
    assert command("tom", "versions", "add", "dr1", "dr1", "realtime").exit_code == 0
    assert command("tom", "versions", "add", "dr2", "none").exit_code == 2
    assert command("tom", "versions", "alias", "newest", "dr1").exit_code == 0
    assert command("tom", "versions", "alias", "newest", "none").exit_code == 2
    shown = command("tom", "versions", "list").output
    assert "dr1 (1), realtime (0)" in shown
    assert "newest" in shown
    pq.write_table(pa.Table.from_pylist([{"diaObjectId": 9, "ra": 5.0, "dec": 5.0}]), tmp_path / "objects.parquet")
    point = {"diaForcedSourceId": 3, "diaObjectId": 9, "midpointMjdTai": 61000.0, "band": "r", "psfFlux": 1.0}
    pq.write_table(pa.Table.from_pylist([{**point, "psfFluxErr": 1.0}]), tmp_path / "forced.parquet")
    files = ["--objects", str(tmp_path / "objects.parquet"), "--forced", str(tmp_path / "forced.parquet")]
    done = command("tom", "versions", "load", "dr1", *files)
    assert "1 objects (0 new root objects), 0 sources, 1 forced points, 0 host galaxies" in done.output
    assert command("tom", "versions", "load", "realtime", *files).exit_code == 2
    assert command("tom", "versions", "load", "dr1", "--survey", "none").exit_code == 2
