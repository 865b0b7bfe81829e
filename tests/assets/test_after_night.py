"""Assets of which a night is made as a whole: what is reported of it, and that a failure leaves nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from dagster import AssetExecutionContext, DagsterInstance, MaterializeResult, asset, materialize

from broker_assets.accounting.facts import NightRows
from broker_assets.assets.after_night import make_night
from broker_assets.database import engine
from broker_assets.partitions import nights
from broker_assets.provenance import versions
from broker_assets.resources.database import Database

pytestmark = pytest.mark.database

NIGHT = "2025-11-20"


def test_a_night_is_reported_with_its_parents_or_not_at_all(database_url: str) -> None:
    failing = False

    def make(connection: psycopg.Connection[Any], night: str) -> tuple[NightRows, Mapping[str, Any]]:
        connection.execute("INSERT INTO heartbeat (name, at) VALUES ('made', now())")
        if failing:
            raise RuntimeError("in the middle")
        return NightRows(2, 17, 255), {"seen": night}

    @asset(name="made", partitions_def=nights)
    def made(context: AssetExecutionContext) -> Iterator[MaterializeResult[Any]]:
        yield from make_night(context, Database(database_url), "made", "5", ["parent", "never made"], make)

    def run() -> bool:
        return materialize([made], partition_key=NIGHT, instance=instance, raise_on_error=False).success

    with engine.connect(database_url) as connection, DagsterInstance.ephemeral() as instance:
        parent = versions.Artefact(asset="parent", partition=NIGHT, data_version="3", code_version="1")
        versions.record(connection, [parent])
        connection.commit()
        assert run()
        known = versions.current(connection, "made", NIGHT)
        assert known is not None
        assert (known.data_version, known.code_version) == ("11-00000000000000ff", "5")
        assert [(item.asset, item.partition, item.data_version) for item in known.inputs] == [("parent", NIGHT, "3")]
        event = instance.get_latest_materialization_event(made.key)
        assert event is not None
        assert event.asset_materialization is not None
        said = {name: value.value for name, value in event.asset_materialization.metadata.items()}
        assert (said["objects"], said["dagster/row_count"], said["seen"]) == (2, 17, NIGHT)

        connection.execute("DELETE FROM heartbeat")
        connection.commit()
        failing = True
        assert not run()
        assert connection.execute("SELECT count(*) FROM heartbeat").fetchone() == (0,)
