"""What is shown of filters."""

from __future__ import annotations

import pytest
from stored_filters import add_batch, add_run, enabled

from broker_assets.assets.filters import active_versions, build_filters, entry
from broker_assets.database import engine
from broker_assets.filters.store import create_filter

pytestmark = pytest.mark.database


def test_active_filters_with_their_yield(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        number = enabled(connection, "SELECT diaObjectId FROM objects")
        create_filter(connection, "ann", "inactive", "SELECT diaObjectId FROM objects")
        batch = add_batch(connection)
        add_run(connection, batch, number, 12)
        assert active_versions(connection) == {str(number): "version 1"}
        found = entry(connection, str(number))
    assert (found.artefact.partition, found.artefact.data_version) == (str(number), "version 1")
    metadata = found.metadata() if callable(found.metadata) else found.metadata
    assert metadata["matches of the newest night"] == 12
    assert metadata["matches by night"] == {"2025-11-20": 12}
    assert [key.to_user_string() for key in build_filters().keys] == ["filters"]
