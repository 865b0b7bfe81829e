"""What is known of one object; annotations only of annotators that a viewer may read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from broker_assets.annotations.annotators import add_annotator, remove_annotator
from broker_assets.database import engine

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def annotated(filled_database_url: str, site: Any, v1_as: Callable[..., httpx.Client]) -> Iterator[int]:
    """An object with annotations of two annotators of ann's; others look at the star."""
    v1_as("v1ann")
    identifier = int(v1_as().get("/objects", params={"limit": 1}).json()["objects"][0]["diaObjectId"])
    with engine.connect(filled_database_url, autocommit=True) as connection:
        for number, (topic, public) in enumerate((("v1_public", True), ("v1_private", False))):
            add_annotator(connection, topic, "v1ann", public=public)
            connection.execute(
                "INSERT INTO annotation_history (annotationid, diaobjectid, topic, version, classification, content,"
                " revision_from, ingestid) VALUES (%s, %s, %s, '1', 'SN', 'x', 1, 0)",
                (10**9 + number, identifier, topic),
            )
        yield identifier
        connection.execute("DELETE FROM annotation_history WHERE topic LIKE 'v1%%'")
        for topic in ("v1_public", "v1_private"):
            remove_annotator(connection, topic)


def test_features(v1: httpx.Client, v1_star: Any) -> None:
    path = f"/objects/{v1_star['diaObjectId']}/features"
    found = v1.get(path).json()["features"]
    assert len(found) >= 1
    assert {"diaSourceId", "night", "latestR", "absMag"} <= set(found[0])
    table = pa.ipc.open_stream(v1.get(path, params={"format": "arrow"}).content).read_all()
    assert table.num_rows == len(found)
    assert table.schema.field("absMag").metadata[b"unit"] == b"mag"


def test_context_and_links(v1: httpx.Client, v1_star: Any) -> None:
    found = v1.get(f"/objects/{v1_star['diaObjectId']}/context").json()
    assert found["sherlock"]["classification"] == "VS"
    assert v1.get(f"/objects/{v1_star['diaObjectId']}/links").json()["linked"] == []
    assert v1.get("/objects/12/context").status_code == 404


@pytest.mark.parametrize(
    ("name", "topics"), [(None, ["v1_public"]), ("v1bob", ["v1_public"]), ("v1ann", ["v1_private", "v1_public"])]
)
def test_who_sees_which_annotations(
    v1_as: Callable[..., httpx.Client], annotated: int, name: str | None, topics: list[str]
) -> None:
    found = v1_as(name).get(f"/objects/{annotated}/annotations").json()["annotations"]
    assert [one["topic"] for one in found] == topics
    about = v1_as(name).get(f"/objects/{annotated}").json()["annotations"]
    assert [one["topic"] for one in about] == topics
