"""Nights made again from the archive."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from dagster import AssetKey, evaluate_automation_conditions

pytestmark = pytest.mark.database

FIRST, SECOND = "2025-11-20", "2025-11-21"
ROWS = ("sources", "forced_sources", "objects")


def test_night_again_gives_equal_rows_and_the_same_version(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=15, visits=4).packets()))
    platform.drain()
    columns = "diaobjectid, diasourceid, midpointmjdtai, psfflux, band, night, archivefileid, archiveposition"
    before = platform.query(f"SELECT {columns} FROM diasources ORDER BY 1, 2")
    versions = {asset: platform.versions(asset) for asset in ROWS}
    result = platform.make(*ROWS, night=FIRST)
    assert result.success
    assert platform.query(f"SELECT {columns} FROM diasources ORDER BY 1, 2") == before
    assert {asset: platform.versions(asset) for asset in ROWS} == versions
    assert len(platform.materialisations("sources")) == 3
    event = platform.materialisations("sources")[0].asset_materialization
    assert event.metadata["outcome"].value == "rebuilt from the archive"
    assert event.metadata["alerts stored"].value == 30


def test_new_code_gives_a_new_version(
    platform: Any, survey: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    before = platform.versions("sources")
    monkeypatch.setattr("broker_assets.stream.reprocess.CODE_VERSION", "next")
    platform.make(*ROWS, night=FIRST)
    assert platform.versions("sources")[FIRST] != before[FIRST]
    recorded = platform.query("SELECT data_version FROM artefact WHERE asset = 'sources'")
    assert recorded == [(platform.versions("sources")[FIRST],)]


def test_archive_of_a_night_is_verified(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    version = platform.versions("packet_archive")
    result = platform.make("packet_archive", night=FIRST)
    assert result.success
    assert platform.versions("packet_archive") == version
    event = platform.materialisations("packet_archive")[0].asset_materialization
    assert event.metadata["packets"].value == 6
    (url,) = platform.query("SELECT url FROM archive_file LIMIT 1")[0]
    path = url.removeprefix("file://")
    with open(path, "r+b") as file:
        file.seek(-40, 2)
        file.write(b"\xff" * 8)
    assert not platform.make("packet_archive", night=FIRST, raise_on_error=False).success


def test_night_without_alerts_is_empty(platform: Any) -> None:
    assert platform.make("packet_archive", *ROWS, night="2020-01-01").success
    assert platform.query("SELECT count(*) FROM diasources") == [(0,)]


def test_drained_nights_are_not_stale_and_need_no_run(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    cursor = evaluate_automation_conditions(platform.definitions, platform.instance, cursor=None).cursor
    platform.append(list(survey(objects=3, visits=2, first_object=100).packets()))
    platform.drain()
    result = evaluate_automation_conditions(platform.definitions, platform.instance, cursor=cursor)
    names = ("object_statistics", "object_link", "reassigned_sources")
    after_the_night = [result.get_num_requested(AssetKey(name)) for name in names]
    assert (result.total_requested, after_the_night) == (3, [1, 1, 1]), "drain runs write all but these"
