"""What there is of filters, and as of when."""

from __future__ import annotations

import pytest
from stored_filters import enabled

from broker_assets.database import engine
from broker_assets.filters.query import Form
from broker_assets.filters.registry import (
    UnknownFilter,
    active_at,
    get_filter,
    list_filters,
    read_definition,
    version_of,
    write_definition,
)
from broker_assets.filters.store import FilterChanges, change_filter, create_filter
from broker_assets.provenance.revisions import current_revision

pytestmark = pytest.mark.database
ONE = "SELECT diaObjectId FROM objects"


def test_filters_are_listed_by_owner_and_state(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        first, second = enabled(connection, ONE, "a"), create_filter(connection, "bob", "b", ONE)
        assert [item.filterid for item in list_filters(connection)] == [first, second]
        assert [item.name for item in list_filters(connection, owner="bob")] == ["b"]
        assert [item.name for item in list_filters(connection, active=True)] == ["a"]
        with pytest.raises(UnknownFilter):
            get_filter(connection, second, viewer="ann")
        with pytest.raises(UnknownFilter, match="with a version 9"):
            version_of(connection, first, 9)


def test_triggers_are_apart(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        number = enabled(connection, ONE)
        running = current_revision(connection)
        change_filter(connection, "ann", number, FilterChanges(on_annotations=False))
        now = current_revision(connection)
        assert [item.filterid for item in active_at(connection, now)] == [number]
        assert active_at(connection, now, "annotations") == []
        assert [item.filterid for item in active_at(connection, running, "annotations")] == [number]


def test_definitions_are_read_as_they_were_written() -> None:
    for form in (ONE, Form("objects.ra", "objects", "objects.ra > 1")):
        assert read_definition(write_definition(form)) == form
