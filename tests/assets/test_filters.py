"""What is shown of filters."""

from __future__ import annotations

from dataclasses import replace

import pytest
from stored_filters import add_batch, add_run, enabled

from broker_assets.assets.filters import active_versions, build_filters, entry
from broker_assets.assets.sky.lists import AREAS, WATCHLISTS
from broker_assets.assets.sky.watchlists import product_entry
from broker_assets.database import engine
from broker_assets.filters.store import FilterChanges, change_filter, create_filter
from broker_assets.settings.sky import MocSettings
from broker_assets.sky.lists import create_area, create_watchlist
from broker_assets.sky.products import area_product, watchlist_product
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database
PNG = b"\x89PNG\r\n\x1a\n"


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


def test_what_is_private_is_not_in_dagster(database_url: str) -> None:
    """Every account may read Dagster."""
    with engine.connect(database_url) as connection:
        number = enabled(connection, "SELECT diaObjectId FROM objects", name="my secret", owner="secretary")
        private = entry(connection, str(number))
        change_filter(connection, "secretary", number, FilterChanges(public=True))
        public = entry(connection, str(number))
        watchlist = create_watchlist(connection, "secretary", "secret", parse_watchlist(["1, 1"]), radius=9.0)
        area = create_area(connection, "secretary", "secret", cone_area(10.0, 10.0, 1.0, order=8))
        products = [watchlist_product(connection, watchlist, MocSettings()), area_product(connection, area)]
    lists = [product_entry(source, "1", one, PNG) for source, one in zip((WATCHLISTS, AREAS), products, strict=True)]
    shown = [str((one.description, one.metadata)) for one in (private, *lists)]
    assert not any("secret" in text or "diaObjectId" in text or "footprint" in text for text in shown)
    assert "my secret" in str(public.metadata)
    assert "secretary" in str(public.metadata)
    open_list = product_entry(WATCHLISTS, "1", replace(products[0], public=True), PNG)
    assert "secret" in str(open_list.metadata)
    assert "footprint" in str(open_list.metadata)
