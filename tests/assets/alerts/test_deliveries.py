"""The asset of deliveries over a night."""

from __future__ import annotations

from typing import Any

import pytest
from queued_messages import NIGHT, add_sink, queue

from broker_assets.database.engine import connect

pytestmark = pytest.mark.database


def test_a_night_is_counted(platform: Any) -> None:
    with connect(platform.database.url, autocommit=True) as connection:
        add_sink(connection)
        queue(connection, [11, 12, 21])
    platform.make("deliveries", night=NIGHT.isoformat())
    metadata = platform.materialisations("deliveries")[0].asset_materialization.metadata
    assert (metadata["dagster/row_count"].value, metadata["objects"].value, metadata["pending"].value) == (3, 2, 3)
