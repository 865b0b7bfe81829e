"""Bulk files of TNS: asked for when they are due, observed once they were fetched."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from dagster import (
    AssetKey,
    AssetSelection,
    DagsterInstance,
    DagsterRunStatus,
    Definitions,
    RunRequest,
    SkipReason,
    asset,
    build_sensor_context,
    define_asset_job,
)
from pydantic import SecretStr

from broker_assets.automation import BACKGROUND
from broker_assets.database.engine import connect
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.tns import Tns
from broker_assets.sensors.tns import build_tns_cadence
from broker_assets.settings import TnsSettings

pytestmark = pytest.mark.database


@asset
def crossmatch_tns() -> None:
    """Stands for the table."""


FETCH = define_asset_job("fetch_tns", AssetSelection.assets(crossmatch_tns))
CONFIGURED = TnsSettings(key=SecretStr("secret"), bot_id=1, bot_name="bot")


class Cadence:
    """The sensor over a database of the test; requested runs are created and given a status."""

    def __init__(self, database_url: str, instance: DagsterInstance) -> None:
        self.database, self.instance = Database(database_url), instance
        self.sensor = build_tns_cadence(FETCH)
        self.definitions = Definitions(assets=[crossmatch_tns], jobs=[FETCH], sensors=[self.sensor])

    def tick(self, settings: TnsSettings = CONFIGURED) -> RunRequest | str:
        """The run that is asked for, or why there is none."""
        context = build_sensor_context(
            instance=self.instance,
            definitions=self.definitions,
            resources={"database": self.database, "tns": Tns(settings)},
        )
        found = self.sensor(context)
        return str(found.skip_message) if isinstance(found, SkipReason) else found  # type: ignore[return-value]

    def start(self, request: RunRequest, status: DagsterRunStatus) -> None:
        """Create the run that is asked for, in this status."""
        self.instance.create_run_for_job(
            self.definitions.resolve_job_def("fetch_tns"), tags=dict(request.tags), status=status
        )

    def observed(self) -> list[str]:
        """Data versions of the observations of the files, oldest first."""
        records = self.instance.fetch_observations(AssetKey("tns_bulk_files"), limit=100).records[::-1]
        events = [record.asset_observation for record in records]
        return [(event.tags or {})["dagster/data_version"] for event in events if event is not None]


@pytest.fixture
def cadence(database_url: str) -> Iterator[Cadence]:
    with DagsterInstance.ephemeral() as instance:
        yield Cadence(database_url, instance)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url, autocommit=True) as opened:
        yield opened


def applied(connection: psycopg.Connection, name: str, content: str, *, kind: str = "hour") -> None:
    """A file of which the table knows that it was applied."""
    connection.execute(
        "INSERT INTO tns_file (name, kind, sha256, rows, covers_until)"
        " VALUES (%s, %s, %s, 1, date_trunc('hour', now()))"
        " ON CONFLICT (name) DO UPDATE SET sha256 = excluded.sha256",
        (name, kind, content),
    )


def test_without_a_bot_nothing_is_asked_for(cadence: Cadence) -> None:
    assert cadence.tick(TnsSettings()) == (
        "TNS is not configured: BROKER_TNS__KEY, BROKER_TNS__BOT_ID, BROKER_TNS__BOT_NAME not set"
    )


def test_due_files_are_asked_for_once_and_again_after_a_pause(cadence: Cadence) -> None:
    asked = cadence.tick()
    assert isinstance(asked, RunRequest)
    assert asked.tags["broker/tns"].split(",")[0] == "full"
    assert BACKGROUND.items() <= asked.tags.items()
    cadence.start(asked, DagsterRunStatus.STARTED)
    assert cadence.tick() == "a run is in progress"


def test_a_run_that_failed_is_not_repeated_at_every_tick(cadence: Cadence) -> None:
    asked = cadence.tick()
    assert isinstance(asked, RunRequest)
    cadence.start(asked, DagsterRunStatus.FAILURE)
    assert "already requested, again in" in str(cadence.tick())


def test_files_are_observed_when_their_content_has_changed(cadence: Cadence, connection: psycopg.Connection) -> None:
    cadence.tick()
    assert cadence.observed() == []
    applied(connection, "tns_public_objects.csv.zip", "a", kind="full")
    cadence.tick()
    [first] = cadence.observed()
    assert versions.data_versions(connection, "tns_bulk_files", [""]) == {"": first}
    # fetched again without a change
    applied(connection, "tns_public_objects.csv.zip", "a", kind="full")
    cadence.tick()
    assert cadence.observed() == [first]
    applied(connection, "tns_public_objects_01.csv.zip", "b")
    cadence.tick()
    applied(connection, "tns_public_objects_01.csv.zip", "c")
    cadence.tick()
    assert len(set(cadence.observed())) == 3


def test_files_are_not_observed_while_a_run_applies_them(cadence: Cadence, connection: psycopg.Connection) -> None:
    """The run observes them itself, before the table that it made from them: none of them is stale in between."""
    asked = cadence.tick()
    assert isinstance(asked, RunRequest)
    cadence.start(asked, DagsterRunStatus.STARTED)
    applied(connection, "tns_public_objects.csv.zip", "a", kind="full")
    cadence.tick()
    assert cadence.observed() == []


def test_a_database_that_is_away_is_named(cadence: Cadence) -> None:
    cadence.database = Database(cadence.database.url.replace("/test_", "/absent_"))
    assert str(cadence.tick()).startswith("the applied files cannot be determined")
