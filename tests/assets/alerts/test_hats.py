"""The catalogue of objects, as an asset over a drained stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest
from upath import UPath

from broker_assets.assets.alerts.cold import NIGHT
from broker_assets.assets.alerts.hats import ASSET
from broker_assets.cold.hats.collection import latest

pytestmark = pytest.mark.database


def test_each_object_once_with_its_whole_light_curve(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    [(night,)] = platform.query("SELECT DISTINCT night::text FROM archive_file")
    folder = UPath(platform.settings.hats)
    for _ in range(3):
        platform.make(NIGHT, night=night)
        platform.make(ASSET, night=night)
    newest = latest(folder)
    assert newest is not None
    assert newest.total == len(platform.query("SELECT FROM objects WHERE ra IS NOT NULL"))
    table = pq.read_table(str(folder / newest.name / "objects" / "dataset"), partitioning=None)
    points = platform.query("SELECT count(*) FROM diasources WHERE diaobjectid <> 0")[0][0]
    assert sum(len(one["midpointmjdtai"]) for one in table["lightcurve"].to_pylist()) == points
    # The version before stays for those who have it open.
    assert len([path for path in folder.iterdir() if path.is_dir()]) == 2
    event = platform.materialisations(ASSET)[0].asset_materialization
    assert event.metadata["catalogue"].value == str(folder / newest.name)
    assert len(set(platform.versions(ASSET).values())) == 1
