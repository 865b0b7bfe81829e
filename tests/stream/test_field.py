"""Packets from public bug reports and real ones, in any order: nothing of their histories is lost."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from types import ModuleType
from typing import Any

import fastavro
import pytest

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.settings import DrainSettings
from broker_assets.stream.reprocess import reprocess_night

pytestmark = [pytest.mark.database, pytest.mark.shared]

ONE_BY_ONE = DrainSettings(batch_max=1, batch_seconds=0.02, idle_seconds=0.01)
POINTS = ("diasources", "diaforcedsources", "dianondetectionlimits")
NOT_COMPARED = ("ingestid", "archivefileid", "archiveposition", "archivelength")


def field(shared_folder: Path, name: str, number: int) -> list[bytes]:
    folder = shared_folder / "data" / "alerts" / "field"
    return [(folder / f"{name}_{k}.confluent.avro").read_bytes() for k in range(1, number + 1)]


def rows(broker: Any) -> dict[str, list[Any]]:
    return {table: broker.rows(table, without=NOT_COMPARED) for table in POINTS}


def rebuild(broker: Any, survey: str) -> None:
    for (night,) in broker.query("SELECT DISTINCT night::text FROM archive_file"):
        reprocess_night(broker.database_url, night, surveys={"alerts": survey}, plan=broker.plan)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_precovery_points_of_later_packets_are_stored(
    broker: Any, packets: ModuleType, shared_folder: Path, order: tuple[int, ...]
) -> None:
    """LSE-163, 3.2.1: precovery photometry arrives with later alerts."""
    values = field(shared_folder, "lsst11_precovery", 3)
    broker.drain(packets.ListSource.of([values[place] for place in order]), settings=ONE_BY_ONE)
    found = "SELECT count(*), count(*) FILTER (WHERE midpointmjdtai < (SELECT min(midpointmjdtai) FROM diasources))"
    assert broker.query(f"{found} FROM diaforcedsources") == [(7, 5)]
    before = rows(broker)
    rebuild(broker, "rubin")
    assert rows(broker) == before


@pytest.mark.parametrize("settings", [ONE_BY_ONE, DrainSettings(batch_seconds=0.2, idle_seconds=0.1)])
def test_a_julian_date_in_a_history_keeps_nothing_out(
    broker: Any, packets: ModuleType, shared_folder: Path, settings: DrainSettings
) -> None:
    broker.drain(packets.ListSource.of(field(shared_folder, "lsst11_jd_history", 2)), settings=settings)
    # The point of visit 0 is damaged in the first packet and whole in the second.
    assert [row[0] for row in broker.query("SELECT visit FROM diaforcedsources ORDER BY 1")] == [0, 1, 2, 3, 4]
    assert len(broker.query("SELECT FROM diasources")) == 6
    assert broker.query("SELECT max(midpointmjdtai) < 100000 FROM diaforcedsources") == [(True,)]
    assert broker.query("SELECT max(lastforcedmjdtai) < 100000 FROM objects") == [(True,)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_source_whose_time_differs_in_the_last_digit_is_one_row(
    broker: Any, packets: ModuleType, shared_folder: Path, order: tuple[int, int]
) -> None:
    values = field(shared_folder, "lsst11_same_source_next_float", 2)
    broker.drain(packets.ListSource.of([values[place] for place in order]), settings=ONE_BY_ONE)
    assert len(broker.query("SELECT FROM diasources WHERE diasourceid = 61000")) == 1


def test_real_packets_of_ztf_give_the_same_light_curves_in_any_order(
    broker: Any, packets: ModuleType, shared_folder: Path, new_database: Any, migrated_template: str, postgres: Any
) -> None:
    paths = sorted((shared_folder / "data" / "alerts" / "ztf").glob("*.avro"))
    by_object: dict[str, list[tuple[float, bytes]]] = {}
    for path in paths:
        content = path.read_bytes()
        with path.open("rb") as file:
            for record in fastavro.reader(file):
                assert isinstance(record, dict)
                by_object.setdefault(record["objectId"], []).append((record["candidate"]["jd"], content))
    values = [content for packets_of in by_object.values() if len(packets_of) > 1 for _, content in packets_of]
    values = values or [content for packets_of in by_object.values() for _, content in packets_of][:60]
    orders = [list(values), list(reversed(values)), random.Random(3).sample(values, len(values))]
    found = []
    for number, order in enumerate(orders):
        with new_database(migrated_template) as name:
            broker.database_url = postgres.url(name)
            broker.archive = broker.archive.with_name(f"archive{number}")
            settings = DrainSettings(batch_max=(1, 7, 1000)[number], batch_seconds=0.05, idle_seconds=0.02)
            broker.drain(
                packets.ListSource.of(order),
                settings=settings,
                decoder=lambda: AlertDecoder("ztf", "container"),
            )
            found.append(rows(broker))
            rebuild(broker, "ztf")
            found.append(rows(broker))
    assert found[0]["dianondetectionlimits"]
    for other in found[1:]:
        for table in POINTS:
            assert other[table] == found[0][table], table
