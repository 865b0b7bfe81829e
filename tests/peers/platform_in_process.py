"""A whole platform in one process: database, archive, a stream made of a list, and an instance of Dagster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import (
    AssetKey,
    DagsterInstance,
    Definitions,
    EventLogRecord,
    ExecuteInProcessResult,
)

from broker_assets.assets.alerts.streams import drain_config
from broker_assets.build import build_defs
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import DrainSettings, Settings, StreamSettings
from broker_assets.stream.messages import StreamEnds

TOPIC = "rubin-alerts"


class ListKafka(Kafka):
    """A broker whose only topic is a list of payloads."""

    def __init__(self, module: ModuleType, settings: Settings) -> None:
        super().__init__(settings.locations())
        self.content = module.ListSource.of([])
        self.mirrored: dict[int, int] = {}

    def source(self, name: str) -> Any:
        source = type(self.content)(self.content.logs, self.content.begins)
        source.mirror = self.mirrored.update
        return source

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float = 5.0) -> StreamEnds:
        """The end of the list, whatever the name of the topic."""
        logs, begins = self.content.logs, self.content.begins
        ends = {partition: len(log) for partition, log in logs.items()}
        return StreamEnds(topic=name, ends=ends, beginnings={partition: begins.get(partition, 0) for partition in logs})


@dataclass
class Platform:
    """The definitions, with services of the test."""

    settings: Settings
    database: Database
    kafka: ListKafka
    instance: DagsterInstance
    definitions: Definitions = field(init=False)

    def __post_init__(self) -> None:
        self.reload()

    def reload(self) -> None:
        """Fresh definitions, as after a deployment."""
        self.definitions = build_defs(
            settings=self.settings, resource_overrides={"database": self.database, "kafka": self.kafka}
        )

    def append(self, values: Sequence[bytes]) -> None:
        """Let messages arrive."""
        for value in values:
            self.kafka.content.append(0, value)

    def run(self, job: str, **options: Any) -> ExecuteInProcessResult:
        """Run a job in this process."""
        return self.definitions.resolve_job_def(job).execute_in_process(
            instance=self.instance, raise_on_error=options.pop("raise_on_error", True), **options
        )

    def drain(self, **options: Any) -> ExecuteInProcessResult:
        """A drain run of the whole topic."""
        return self.run("drain", run_config=drain_config(TOPIC, [0]), **options)

    def make(self, *assets: str, night: str | None = None, **options: Any) -> ExecuteInProcessResult:
        """Materialise assets, with their checks."""
        return self.definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=self.instance,
            asset_selection=[AssetKey.from_user_string(asset) for asset in assets],
            partition_key=night,
            **options,
        )

    def materialisations(self, asset: str) -> list[EventLogRecord]:
        """Newest first."""
        return list(self.instance.fetch_materializations(AssetKey(asset), limit=1000).records)

    def versions(self, asset: str) -> dict[str, str]:
        """Data version of the newest materialisation, by night."""
        found: dict[str, str] = {}
        for record in self.materialisations(asset):
            event = record.asset_materialization
            assert event is not None
            found.setdefault(event.partition or "", (event.tags or {})["dagster/data_version"])
        return found

    def checks(self, result: ExecuteInProcessResult) -> Mapping[tuple[str, str, str], bool]:
        """Whether checks of a run passed, by asset, name and night."""
        return {
            (e.asset_key.to_user_string(), e.check_name, e.partition or ""): e.passed
            for e in result.get_asset_check_evaluations()
        }

    def query(self, statement: str) -> list[Any]:
        """Rows of a query."""
        with self.database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]

    def execute(self, statement: str) -> None:
        """Run a statement."""
        with self.database.engine.begin() as connection:
            connection.execute(sa.text(statement))


@pytest.fixture
def platform(packets: ModuleType, database_url: str, tmp_path: Path) -> Iterator[Platform]:
    """An empty platform with one Rubin stream."""
    settings = Settings(
        home=tmp_path,
        streams=[
            StreamSettings(
                topic=TOPIC,
                survey="rubin",
                framing="confluent",
                schemas=str(packets.write_schema_folder(tmp_path / "given-schemas")),
            )
        ],
        drain=DrainSettings(batch_max=50, batch_seconds=0.2, idle_seconds=0.1, budget_seconds=60),
    )
    with DagsterInstance.ephemeral() as instance:
        yield Platform(settings, Database(database_url), ListKafka(packets, settings), instance)


@pytest.fixture
def survey(packets: ModuleType) -> Callable[..., Any]:
    """Makes small surveys."""
    return packets.Survey  # type: ignore[no-any-return]
