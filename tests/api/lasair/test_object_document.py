"""Magnitudes, and annotations of others."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pytest
from fastapi import HTTPException
from stored_points import FIRST, alert, store

from broker_assets.api.lasair.object_document import complete, magnitude_text, position
from broker_assets.database import engine
from broker_assets.database.tables import annotations as annotation_table
from broker_assets.database.tables import annotators, objects

pytestmark = pytest.mark.database
WHEN = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@pytest.fixture
def connection(database_url: str) -> Any:
    store(database_url, objects, diaobjectid=3137, survey=1, ra=10.0, decl=-0.25)
    store(database_url, objects, diaobjectid=3138, survey=1)
    for number, flux in enumerate((100.0, 3000.0, -20.0)):
        alert(database_url, 3137, 10 + number, 0.3 + 0.01 * number, psfflux=flux, psffluxerr=10.0)
    for topic, owner, public in (("open", "ann", True), ("own", "ann", False)):
        store(database_url, annotators, topic=topic, owner=owner, public=public, active=True, revision=1)
        store(
            database_url, annotation_table, annotationid=len(topic), diaobjectid=3137, topic=topic, classification="SN",
            version="1", content="", revision=1, ingestid=1, timestamp=WHEN,
        )  # fmt: skip
    with engine.connect(database_url) as opened:
        yield opened


def _document(connection: Any, user: str = "bob") -> dict[str, Any]:
    return complete(connection, "3137", 3137, lite=True, least_reliability=0.0, user=user, base="http://x")


def test_first_last_and_brightest_detection(connection: Any) -> None:
    data = _document(connection)["lasairData"]
    assert data["discMag"] == magnitude_text(100.0, 10.0)
    assert data["peakMag"] == magnitude_text(3000.0, 10.0)
    assert data["latestMag"] is None
    assert data["discMjd"] < data["peakMjd"] < data["latestMjd"]
    assert data["peakUtc"][:10] in (FIRST.isoformat(), (FIRST + datetime.timedelta(1)).isoformat())
    assert data["decsex"] == "-00:15:00.00"


def test_detections_have_the_names_that_skyportal_reads(connection: Any) -> None:
    document = _document(connection)
    assert document["objectId"] == "3137"
    assert document["objectData"] == {"ramean": 10.0, "decmean": -0.25, "ncand": 3}
    newest, brightest, first = document["candidates"]
    assert [one["candid"] for one in (newest, brightest, first)] == [
        one["diaSourceId"] for one in document["diaSourcesList"]
    ]
    assert (newest["magpsf"], newest["sigmapsf"]) == (None, None)
    assert (brightest["magpsf"], brightest["sigmapsf"]) == pytest.approx(
        (31.4 - 2.5 * np.log10(3000), 1.0857 / 300), 1e-4
    )
    assert (first["ra"], first["dec"], first["filter"]) == (10.0, -0.25, document["diaSourcesList"][-1]["band"])
    tai = document["diaSourcesList"][-1]["midpointMjdTai"]
    assert first["jd"] - 2_400_000.5 == pytest.approx(tai - 37 / 86_400, abs=1e-8)


def test_annotations_that_are_not_public_are_shown_to_their_owner(connection: Any) -> None:
    def topics(user: str) -> set[str]:
        return {row["topic"] for row in _document(connection, user)["lasairData"]["annotations"]}

    assert topics("bob") == {"open"}
    assert topics("ann") == {"open", "own"}


def test_an_object_without_position_is_named(connection: Any) -> None:
    assert position(connection, "3137", 3137) == (10.0, -0.25)
    with pytest.raises(HTTPException, match="has no position"):
        position(connection, "3138", 3138)
    with pytest.raises(HTTPException, match="is unknown"):
        position(connection, "1", 1)


def test_errors_of_magnitudes_are_those_of_a_small_change_of_flux() -> None:
    text = magnitude_text(1000.0, 1.0)
    assert text is not None
    magnitude, error = map(float, text.split("±"))
    assert magnitude == pytest.approx(31.4 - 2.5 * np.log10(1000.0), abs=5e-4)
    assert error == pytest.approx(2.5 * np.log10(1.001), abs=5e-4)
    assert magnitude_text(1000.0, None) == f"{magnitude:.3f}"
    assert magnitude_text(float("nan"), 1.0) is None
