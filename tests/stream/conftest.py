"""Fixtures of the tests of the stream: known packets, and a drain of a list of them into a database of their own."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
import pytest
from tiny_classifiers import tiny

from broker_assets.classifiers.alert_scores import AlertScores
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import ObjectContext
from broker_assets.database.engine import connect
from broker_assets.filters.engine.sandbox import Sandbox
from broker_assets.filters.matching import FilterMatches
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.surveys.adapter import SurveyAdapter
from broker_assets.settings import DrainSettings
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.drain import drain
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.report import DrainReport

QUICK = DrainSettings(batch_max=50, batch_seconds=0.2, idle_seconds=0.1, budget_seconds=60)


@pytest.fixture(scope="session")
def schema_folder(packets: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the schema of the packets."""
    return packets.write_schema_folder(tmp_path_factory.mktemp("schemas"))


@dataclass
class Broker:
    """A database, an archive and a topic."""

    database_url: str
    archive: Path
    schemas: Path
    sky: Path
    catalogues: Path
    classifiers: Path
    sandbox: Sandbox
    topic: str = "alerts"
    runs: int = field(default=0)

    @property
    def plan(self) -> EnrichmentPlan:
        """The enrichments of the platform, fresh, over the indices of this test."""
        context = ObjectContext(CataloguesInForce(self.catalogues))
        scores = AlertScores(self.classifiers, "context_matches")
        sky = SkyMatching(self.sky)
        filters = FilterMatches(sky.matches, self.sandbox)
        return EnrichmentPlan([sky, context, ObjectFeatures(), scores, filters])

    def decoder(self, survey: str | SurveyAdapter = "rubin") -> AlertDecoder:
        """A decoder of the topic."""
        return AlertDecoder(survey, "confluent", SchemaFolder(self.schemas), topic=self.topic)

    def drain(self, source: Any, *, settings: DrainSettings = QUICK, **options: Any) -> DrainReport:
        """Drain a source to its end."""
        self.runs += 1
        arguments = {
            "decoder": self.decoder,
            "topic": self.topic,
            "partitions": source.partitions(),
            "run_id": f"run-{self.runs}",
            "plan": self.plan,
            **options,
        }
        decoder = arguments.pop("decoder")
        return drain(source, self.database_url, self.archive_url, decoder, settings, **arguments)

    @property
    def archive_url(self) -> str:
        """fsspec URL of the archive."""
        return self.archive.as_uri()

    def query(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with connect(self.database_url) as connection:
            return connection.execute(statement, parameters).fetchall()

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement."""
        with connect(self.database_url, autocommit=True) as connection:
            connection.execute(statement, parameters)

    def value(self, statement: str, parameters: Sequence[Any] = ()) -> Any:
        """The only value of a query."""
        return self.query(statement, parameters)[0][0]

    def rows(self, table: str, *, without: Sequence[str] = ()) -> list[tuple[Any, ...]]:
        """All rows of a table in a fixed order, as text, so that NaN equals NaN."""
        names = [
            name
            for (name,) in self.query(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY column_name", [table]
            )
            if name not in without
        ]
        columns = ", ".join(f'"{name}"::text' for name in names)
        with connect(self.database_url) as connection:
            return sorted(connection.execute(f"SELECT {columns} FROM {table}").fetchall(), key=repr)

    def archive_files(self) -> set[str]:
        """Names of the files in the archive, notes of unfinished batches included."""
        return {path.name for path in self.archive.rglob("*") if path.is_file()}

    def assert_closed_ledger(self) -> None:
        """Every message has one outcome, and the offsets of each partition have no hole but the known ones."""
        assert self.query("SELECT * FROM ingest_batch WHERE received <> stored + duplicate + quarantined") == []
        assert self.query("SELECT * FROM ingest_batch WHERE finished_at IS NULL") == []
        ranges = self.query(
            'SELECT "partition", first_offset, next_offset FROM ingest_batch_range WHERE topic = %s'
            ' UNION ALL SELECT "partition", first_offset, next_offset FROM stream_gap WHERE topic = %s'
            ' ORDER BY "partition", first_offset',
            [self.topic, self.topic],
        )
        for (partition, _, end), (following, first, _) in itertools.pairwise(ranges):
            assert partition != following or first == end, f"hole or overlap in partition {partition} at {end}"
        ends: dict[int, int] = {}
        for partition, _, end in ranges:
            ends[partition] = max(end, ends.get(partition, 0))
        stored = self.query('SELECT "partition", next_offset FROM stream_offset WHERE topic = %s', [self.topic])
        assert dict(stored) == ends


@pytest.fixture(scope="session")
def classifier_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of classifiers with a tiny one."""
    folder = tmp_path_factory.mktemp("classifiers")
    ClassifierStore(folder / "store").add(tiny(folder / "tiny"))
    return folder / "store"


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """Where filters run; its process starts with the first filter."""
    with Sandbox() as found:
        yield found


@pytest.fixture
def broker(database_url: str, tmp_path: Path, schema_folder: Path, classifier_folder: Path, sandbox: Sandbox) -> Broker:
    """An empty database and archive."""
    folders = tmp_path / "archive", schema_folder, tmp_path / "sky", tmp_path / "catalogues", classifier_folder
    return Broker(database_url, *folders, sandbox)


@pytest.fixture
def terminate_connections(broker: Broker) -> Callable[[str], int]:
    """A function that ends the database connections of an application name, as a failing server would."""

    def terminate(application: str) -> int:
        with psycopg.connect(
            broker.database_url.replace("postgresql+psycopg://", "postgresql://"), autocommit=True
        ) as connection:
            row = connection.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = %s"
                " AND datname = current_database()",
                [application],
            ).fetchone()
            assert row is not None
            return int(row[0])

    return terminate
