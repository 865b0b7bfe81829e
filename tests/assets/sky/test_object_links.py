"""The asset of links over drained nights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.packets.kafka_place import kafka_place
from broker_assets.provenance import versions
from broker_assets.provenance.why import why
from broker_assets.settings import LinkSettings
from broker_assets.sky.object_links import version

pytestmark = pytest.mark.database
FIRST = "2025-11-20"


def test_objects_are_linked_and_a_new_radius_links_them_again(platform: Any, survey: Callable[..., Any]) -> None:
    platform.append(list(survey(objects=4, visits=2).packets()))
    platform.drain()
    # Every second object is of another survey, and at the place of the one before.
    platform.execute("UPDATE objects SET survey = 2 WHERE diaobjectid % 2 = 0")
    platform.execute(
        "UPDATE objects AS one SET ra = other.ra, decl = other.decl, healpix = other.healpix FROM objects AS other"
        " WHERE one.diaobjectid = other.diaobjectid + 1 AND one.survey = 2"
    )
    result = platform.make("object_link", night=FIRST)
    assert platform.checks(result)["object_link", "links_hold", FIRST]
    rows = "SELECT diaobjectid, linkedid FROM object_link ORDER BY 1, 2"
    assert platform.query(rows) == [(1, 2), (2, 1), (3, 4), (4, 3)]
    event = platform.materialisations("object_link")[0].asset_materialization
    assert (event.metadata["dagster/row_count"].value, event.metadata["objects"].value) == (4, 4)
    with engine.connect(platform.database.url) as connection:
        [found] = why(connection, "object_link", {"diaobjectid": 1}, kafka_place)
        assert found.missing == ()
        assert found.computed is not None
        assert found.computed.code_version == version(1.5)
        assert set(found.computed.inputs) == {f"objects:{FIRST}"}
        versions.deploy(connection, {"object_link": version(2.0)})
        assert [item.partition for item in versions.stale(connection, asset="object_link")] == [FIRST]
    platform.settings = platform.settings.model_copy(update={"links": LinkSettings(radius=2.0)})
    platform.reload()
    platform.make("object_link", night=FIRST)
    with engine.connect(platform.database.url) as connection:
        assert versions.stale(connection, asset="object_link") == []
