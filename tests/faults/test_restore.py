"""A small version of the closing scene: a night through three drain runs, its loss under load, and its restoration.

`closing_scene.py` is the same at full size. Only the test here shows that messages are read from Kafka again if the log
is lost, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
import pytest
from closing_steps import Stream, empty
from played_scene import Scene, make_factory, write_schema

from broker_assets.database import migrations
from broker_assets.local.postgres import EmbeddedPostgres

pytestmark = [pytest.mark.faults, pytest.mark.database, pytest.mark.kafka, pytest.mark.slow, pytest.mark.timeout(1800)]

SMALL = {"shared_buffers": "32MB", "min_wal_size": "32MB"}
ALERTS = 1000


@pytest.fixture(scope="module")
def mortal_postgres(service_folder: Path) -> Any:
    """A server of this module alone, small, for its base backups."""
    with EmbeddedPostgres(service_folder / "lost-postgres", configuration=SMALL) as server:
        yield server


def test_a_night_is_drained_moved_lost_and_restored(
    mortal_postgres: EmbeddedPostgres, mortal_kafka: Any, tmp_path: Path, service_folder: Path
) -> None:
    with psycopg.connect(mortal_postgres.dsn("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE night")
    migrations.upgrade(mortal_postgres.url("night"))
    factory = make_factory()
    stream = Stream(
        mortal_postgres, mortal_kafka, empty(tmp_path / "scene"), write_schema(tmp_path / "schemas", factory),
        "night", "night", bounds={"batch_max": 100, "batch_seconds": 0.2},
    )  # fmt: skip
    try:
        scene = Scene(stream, factory, ALERTS, seed=7, samples=25)
        backup = scene.play()
        assert len(stream.kills) == 1
        place = service_folder / "restored"
        scene.restored(backup, place)
        with EmbeddedPostgres(place, configuration=SMALL) as restored:
            scene.go_on(restored)

        # Without the log, the messages since the base backup are read from Kafka once more.
        place = service_folder / "restored-without-log"
        received = stream.restore(scene.shelf, backup, scene.programs, place, follow=False)
        assert received == scene.in_backup < scene.acknowledged
        with EmbeddedPostgres(place, configuration=SMALL) as restored:
            stream.postgres = restored
            stream.runs = 1
            stream.start(0)
            stream.wait()
            stream.stop()
            assert stream.assert_closed() == stream.produced
    finally:
        stream.stop(at_once=True)
