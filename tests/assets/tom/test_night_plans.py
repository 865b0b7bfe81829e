"""Plans of nights as an asset: a run of a night that changes nothing has the same version."""

from __future__ import annotations

import pytest
from dagster import DagsterInstance, materialize

from broker_assets.assets.tom.night_plans import build_night_plans
from broker_assets.partitions import nights
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.tom.spectra.visibility import OBSERVATORIES

pytestmark = pytest.mark.database


def test_a_night_is_planned_at_every_observatory_once(database_url: str) -> None:
    asset = build_night_plans(Settings())
    night = nights.get_partition_keys()[-1]
    made = []
    with DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            result = materialize(
                [asset], resources={"database": Database(database_url)}, instance=instance, partition_key=night
            )
            [event] = [
                one.step_materialization_data.materialization
                for one in result.all_events
                if one.is_step_materialization
            ]
            made.append(((event.tags or {})["dagster/data_version"], event.metadata["new plans"].value))
    assert [number for _, number in made] == [len(OBSERVATORIES), 0]
    assert made[0][0] == made[1][0]
