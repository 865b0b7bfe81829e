"""Lists in Dagster: one tick of the sensor and of automation, after which the requested runs are executed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from dagster import (
    AssetKey,
    AssetSelection,
    RunRequest,
    build_sensor_context,
    evaluate_automation_conditions,
)

from broker_assets.database import engine
from broker_assets.sky.cells import cells_at


def tick(platform: Any, name: str) -> Any:
    """Evaluate a sensor."""
    definitions = platform.definitions
    sensor = definitions.get_repository_def().get_sensor_def(name)
    resources = {key: definitions.resources[key] for key in sensor.required_resource_keys}
    with build_sensor_context(instance=platform.instance, resources=resources) as context:
        return sensor(context)


@pytest.fixture
def follow(platform: Any) -> Callable[[], list[str]]:
    """One tick of `lists` and one of `automation`; requested runs are executed at once, and their names returned."""
    files = ("area", "sky_map", "watchlist")
    selection = AssetSelection.assets(*files)
    cursor = evaluate_automation_conditions(platform.definitions, platform.instance, asset_selection=selection).cursor

    def tick_both() -> list[str]:
        nonlocal cursor
        asked = tick(platform, "lists")
        done: list[str] = []
        if isinstance(asked, RunRequest):
            result = platform.run(asked.job_name)
            done.append(str(asked.job_name))
            assert not [key for key, passed in platform.checks(result).items() if not passed]
        found = evaluate_automation_conditions(
            platform.definitions, platform.instance, asset_selection=selection, cursor=cursor
        )
        cursor = found.cursor
        for name in files:
            for key in sorted(key for key in found.get_requested_partitions(AssetKey(name)) if key):
                result = platform.make(name, night=key)
                assert not [key for key, passed in platform.checks(result).items() if not passed]
                done.append(f"{name}:{key}")
        return done

    return tick_both


def add_objects(platform: Any, positions: list[tuple[float, float]]) -> None:
    with engine.connect(platform.database.url, autocommit=True) as connection:
        for number, (ra, dec) in enumerate(positions, start=1):
            cell = int(cells_at(np.array([ra]), np.array([dec]))[0])
            connection.execute(
                "INSERT INTO objects (diaobjectid, survey, ra, decl, healpix) VALUES (%s, 1, %s, %s, %s)",
                (number, ra, dec, cell),
            )
