"""What an account owns, as its user takes it away."""

from __future__ import annotations

import json

import pytest
from owned_things import own_something, owned

from broker_assets.database import engine
from broker_assets.ownership import belongings

pytestmark = pytest.mark.database


def test_everything_of_one_account_and_nothing_of_another(module_database_url: str) -> None:
    with engine.connect(module_database_url, autocommit=True) as connection:
        ann, _ = own_something(connection, "ann"), own_something(connection, "bob")
        assert owned(connection, "ann") == {"filters": 1, "watchlists": 1, "areas": 1, "annotators": 2}
        assert set(owned(connection, "nobody").values()) == {0}
        document = belongings.export(connection, ann)
    text = json.dumps(document)
    assert "bob" not in text
    assert "sha256" not in text
    assert document["account"]["email"] == "ann@example.org"
    assert [token["name"] for token in document["account"]["tokens"]] == ["script"]
    assert len(document["watchlist_cones"]) == 3
    assert document["areas"][0]["moc"]
    assert [query["queries"] for query in document["account"]["queued_sql"]] == [["SELECT 'ann'"]]
    assert [one["facility"] for one in document["account"]["facilities"]] == ["telescope of ann"]
    assert document["account"]["wanted_root_spectra"] == document["account"]["uploads"] == []
    assert json.loads(document["filter_versions"][0]["definition"])
