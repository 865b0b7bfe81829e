"""A night made again from the archive is the night that the stream made."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from psycopg import sql

from broker_assets.database.engine import transaction
from broker_assets.settings import DrainSettings
from broker_assets.stream.errors import DrainFailedError
from broker_assets.stream.reprocess import reprocess_night

pytestmark = pytest.mark.database

SURVEYS = {"alerts": "rubin"}
TABLES = (
    *("diasources", "diaforcedsources", "objects", "sssources"),
    *("object_features", "class_scores", "object_classes"),
)
MADE_BY = ("ingestid", "timestamp")
"""Columns that say which batch wrote a row, and when."""


def content(broker: Any) -> dict[str, list[Any]]:
    """All rows, without what says which batch wrote them."""
    return {table: broker.rows(table, without=MADE_BY) for table in TABLES}


def nights(broker: Any) -> list[str]:
    """Nights in the archive."""
    return [str(night) for (night,) in broker.query("SELECT DISTINCT night FROM archive_file ORDER BY 1")]


@pytest.fixture
def streamed(broker: Any, packets: ModuleType) -> Any:
    """Four nights of a small survey, over two partitions, in small batches."""
    survey = packets.Survey(objects=12, visits=8, shuffle=3)
    broker.drain(
        packets.ListSource.of(list(survey.packets()), partitions=2),
        settings=DrainSettings(batch_max=17, batch_seconds=0.2, idle_seconds=0.1),
    )
    return broker


def test_equal_rows_for_every_night(streamed: Any) -> None:
    """Whichever night is made again, and in whatever order: nothing changes but the batch."""
    before = content(streamed)
    assert len(nights(streamed)) == 4
    for night in [*reversed(nights(streamed)), *nights(streamed)]:
        report = reprocess_night(streamed.database_url, night, surveys=SURVEYS, plan=streamed.plan, run_id="again")
        assert report.received == report.stored == 24
        assert content(streamed) == before
    assert streamed.query("SELECT * FROM ingest_batch WHERE received <> stored + duplicate + quarantined") == []


def test_equal_data_versions(broker: Any, packets: ModuleType) -> None:
    """The same packets and the same code: the same versions."""
    survey = packets.Survey(objects=3, visits=2)
    streamed = broker.drain(packets.ListSource.of(list(survey.packets())))
    [night] = streamed.nights
    again = reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=broker.plan)
    assert again.data_versions == streamed.data_versions
    assert set(again.data_versions) == {
        (asset, night)
        for asset in (
            "packet_archive",
            "sources",
            "forced_sources",
            "objects",
            "watchlist_facts",
            "area_facts",
            "sky_map_facts",
            "context_matches",
            "object_features",
            "class_scores",
            "filter_matches",
        )
    }


def test_damaged_rows_are_mended(streamed: Any) -> None:
    """Rows that were changed or lost come back."""
    before = content(streamed)
    night = nights(streamed)[1]
    streamed.execute("DELETE FROM diasources WHERE night = %s AND diaobjectid < 4", [night])
    streamed.execute("UPDATE diaforcedsources SET psfflux = -1 WHERE night = %s", [night])
    reprocess_night(streamed.database_url, night, surveys=SURVEYS, plan=streamed.plan)
    assert content(streamed) == before


def test_no_look_ahead(streamed: Any) -> None:
    """The rows of the first night are the same whether or not later nights are in the database."""
    night = nights(streamed)[0]
    query = "SELECT diaobjectid, midpointmjdtai, diasourceid, psfflux FROM diasources WHERE night = %s ORDER BY 1, 2, 3"
    expected = streamed.query(query, [night])
    for table in ("diasources", "diaforcedsources"):
        streamed.execute(f"DELETE FROM {table} WHERE night > %s", [night])
    reprocess_night(streamed.database_url, night, surveys=SURVEYS, plan=streamed.plan)
    assert streamed.query(query, [night]) == expected


def test_late_packets(broker: Any, packets: ModuleType) -> None:
    """A packet that came after those of later nights: every night still makes its rows again."""
    times = packets.Survey(objects=1, visits=8).times()
    order = [7, 1, 0, 5]
    source = packets.ListSource.of([packets.encode(packets.alert(1, times[: last + 1])) for last in order])
    broker.drain(source, settings=DrainSettings(batch_max=1, batch_seconds=0.2, idle_seconds=0.1))
    assert broker.value("SELECT count(*) FROM diasources") == 8
    before = content(broker)
    for night in [*nights(broker), *reversed(nights(broker))]:
        reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=broker.plan)
        after = content(broker)
        assert after["diasources"] == before["diasources"]
        assert len(after["diaforcedsources"]) == len(before["diaforcedsources"])


def test_missing_file_changes_nothing(streamed: Any) -> None:
    """An archive that lacks a file of the night is an error and not an empty night."""
    before = content(streamed)
    night = nights(streamed)[2]
    victim = next(path for path in streamed.archive.rglob("*.avro") if path.parent.name == night)
    victim.unlink()
    with pytest.raises(DrainFailedError, match=victim.name):
        reprocess_night(streamed.database_url, night, surveys=SURVEYS, plan=streamed.plan)
    assert content(streamed) == before


def test_night_without_packets(broker: Any) -> None:
    """Nothing in, nothing out."""
    report = reprocess_night(broker.database_url, "2030-01-01", surveys=SURVEYS, plan=broker.plan)
    assert (report.received, report.files) == (0, 0)


def test_unknown_topic_is_named(streamed: Any) -> None:
    """A topic that no stream of the settings has."""
    with pytest.raises(KeyError, match="alerts"):
        reprocess_night(streamed.database_url, nights(streamed)[0], surveys={}, plan=streamed.plan)


@pytest.mark.parametrize("error", ["deadlock_detected", "serialization_failure", "lost"])
def test_a_night_that_the_server_rolls_back_is_rebuilt_again(streamed: Any, error: str) -> None:
    before = content(streamed)
    with transaction(streamed.database_url) as connection:
        # A sequence is not rolled back: it counts the attempts.
        connection.execute("CREATE SEQUENCE attempts")
        connection.execute(
            sql.SQL(
                "CREATE FUNCTION roll_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF nextval('attempts') <= 2 THEN {}; END IF; RETURN NEW; END $$"
            ).format(
                # As when the server is restarted.
                sql.SQL("PERFORM pg_terminate_backend(pg_backend_pid())")
                if error == "lost"
                else sql.SQL("RAISE EXCEPTION USING ERRCODE = {}").format(error)
            )
        )
        connection.execute(
            "CREATE TRIGGER roll_back BEFORE INSERT ON ingest_batch FOR EACH STATEMENT EXECUTE FUNCTION roll_back()"
        )
    report = reprocess_night(streamed.database_url, nights(streamed)[0], surveys=SURVEYS, plan=streamed.plan)
    assert report.received == report.stored == 24
    assert streamed.query("SELECT last_value >= 3 FROM attempts") == [(True,)]
    assert content(streamed) == before
