"""A night's versions follow from what was archived and the code that read it, and from nothing else."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from broker_assets.database.engine import connect
from broker_assets.settings import DrainSettings
from broker_assets.stream.commit import CODE_VERSION
from broker_assets.stream.data_versions import ARCHIVE_ASSET, ROW_ASSETS, data_versions, row_code_versions

pytestmark = pytest.mark.database

NIGHTS = ("2025-11-20", "2025-11-21")


def versions(broker: Any) -> dict[tuple[str, str], str]:
    with connect(broker.database_url) as connection:
        return data_versions(connection, NIGHTS)


def test_other_nights_keep_theirs_and_code_concerns_rows_alone(broker: Any, packets: ModuleType) -> None:
    values = list(packets.Survey(objects=4, visits=4).packets())
    broker.drain(packets.ListSource.of(values[:2]), settings=DrainSettings(batch_max=1, idle_seconds=0.1))
    first = versions(broker)
    assert {asset for asset, _ in first} >= {ARCHIVE_ASSET, *ROW_ASSETS}
    assert len({first[asset, NIGHTS[0]] for asset in ROW_ASSETS}) == len(ROW_ASSETS), "no two assets are the same thing"
    assert versions(broker) == first

    (touched,) = broker.query("SELECT DISTINCT night::text FROM archive_file")
    more = packets.ListSource.of(values)
    broker.drain(more)
    after = versions(broker)
    brought = {night for (night,) in broker.query("SELECT DISTINCT night::text FROM archive_file")}
    assert brought > set(touched)
    changed = {key for key in after if after[key] != first.get(key)}
    assert {(ARCHIVE_ASSET, night) for night in brought} <= changed

    broker.execute("UPDATE ingest_batch SET code_version = 'another' WHERE ingestid = 1")
    with connect(broker.database_url) as connection:
        made_by = row_code_versions(connection, [*NIGHTS, "2025-11-22"], without="none")
    assert {made_by[touched[0]]} == {f"another, {CODE_VERSION}"}
    assert made_by["2025-11-22"] == "none"

    broker.execute("UPDATE ingest_batch SET code_version = 'another'")
    rows = versions(broker)
    assert all(rows[ARCHIVE_ASSET, night] == after[ARCHIVE_ASSET, night] for night in NIGHTS)
    assert all(rows[asset, night] != after[asset, night] for asset in ROW_ASSETS for night in NIGHTS)
