"""An annotation runs the filters that ask for its annotator, and their messages are queued."""

from __future__ import annotations

import pytest
from stored_filters import add_object, enabled

from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine
from broker_assets.filters.query import Form
from broker_assets.settings.filters import FilterSettings
from broker_assets.stream.annotation_filters import filters_of_annotations
from broker_assets.stream.annotation_followup import annotate, run_filters

pytestmark = pytest.mark.database
FORM = Form(
    "objects.diaObjectId, fastfinder.classification",
    "objects, annotator:fastfinder",
    "fastfinder.classification = 'SN'",
)


def test_an_annotation_that_a_filter_asks_for_is_a_match(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        for number in (1, 2):
            add_object(connection, number)
        add_annotator(connection, "fastfinder", "bob", public=True)
        filterid = enabled(connection, FORM)
        said = [{"topic": "fastfinder", "objectId": n, "classification": text} for n, text in ((1, "SN"), (2, "AGN"))]
        assert annotate(connection, "bob", said).outcomes == ["stored", "stored"]
        assert run_filters(connection, filters_of_annotations(FilterSettings())) == 1
        rows = connection.execute(
            'SELECT filterid, diaobjectid FROM annotation_matches WHERE "row" IS NOT NULL'
        ).fetchall()
        assert rows == [(filterid, 1)]
        # Another content about the same object is another match, the same content is none.
        again = {"topic": "fastfinder", "objectId": 1, "classification": "SN"}
        assert annotate(connection, "bob", [again, again | {"explanation": "surely"}]).outcomes == ["known", "stored"]
        assert run_filters(connection, filters_of_annotations(FilterSettings())) == 1
