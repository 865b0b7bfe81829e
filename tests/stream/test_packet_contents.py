"""What messages hold of packets is what the packets say, read back out of the archive."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from queued_messages import MESSAGE

from broker_assets.database.engine import connect
from broker_assets.delivery.errors import MessageRefusedError
from broker_assets.delivery.messages import Message, Place, as_json
from broker_assets.stream.packet_contents import PacketContents

pytestmark = pytest.mark.database

VISITS = [(0, 61000.2), (1, 61001.2), (2, 61002.2)]


@pytest.fixture
def messages(broker: Any, packets: ModuleType) -> list[Message]:
    """Messages about three alerts in the archive, and one that is not."""
    broker.drain(packets.ListSource.of([packets.encode(packets.alert(number, VISITS)) for number in (5, 6, 7)]))
    made = [
        dataclasses.replace(MESSAGE, deliveryid=number, diaobjectid=number, diasourceid=packets.source_id(number, 2))
        for number in (5, 6, 7)
    ]
    return [*made, dataclasses.replace(MESSAGE, deliveryid=8, diaobjectid=8, diasourceid=1)]


def test_lite_has_the_light_curve_by_time(broker: Any, messages: list[Message], packets: ModuleType) -> None:
    with connect(broker.database_url) as connection:
        found = PacketContents().alerts(connection, messages, full=False)
    assert sorted(found) == [5, 6, 7, 8]
    document = found[6]
    assert isinstance(document, dict)
    assert [one["midpointMjdTai"] for one in document["diaSourcesList"]] == [61000.2, 61001.2, 61002.2]
    assert {tuple(one) for one in document["diaSourcesList"]} == {
        ("psfFlux", "psfFluxErr", "midpointMjdTai", "band", "reliability")
    }
    own = packets.source(6, 2, 61002.2)
    assert document["diaSourcesList"][-1]["psfFlux"] == pytest.approx(own["psfFlux"], rel=1e-6)
    missing = found[8]
    assert isinstance(missing, MessageRefusedError)
    assert missing.final


def test_full_has_everything_but_the_images(broker: Any, messages: list[Message], packets: ModuleType) -> None:
    with connect(broker.database_url) as connection:
        document = PacketContents().alerts(connection, messages[:1], full=True)[5]
    assert isinstance(document, dict)
    assert document["diaObject"]["diaObjectId"] == 5
    assert [one["diaSourceId"] for one in document["diaSourcesList"]] == [packets.source_id(5, n) for n in (0, 1, 2)]
    text = as_json(document).decode()
    assert "cutout" not in text.lower()
    assert json.loads(text)["diaSourcesList"][0]["visit"] == 0


def test_a_damaged_file_is_of_its_messages_alone(broker: Any, messages: list[Message]) -> None:
    (file,) = list(Path(broker.archive).rglob("*.avro"))
    file.write_bytes(file.read_bytes()[:-40])
    with connect(broker.database_url) as connection:
        found = PacketContents().alerts(connection, messages, full=False)
    refused = {number for number, one in found.items() if isinstance(one, MessageRefusedError)}
    assert refused == {7, 8}


def test_places_are_those_of_the_objects(broker: Any, messages: list[Message]) -> None:
    with connect(broker.database_url) as connection:
        found = PacketContents().places(connection, messages)
        row = connection.execute("SELECT ra, decl, lastdiasourcemjdtai FROM objects WHERE diaobjectid = 5").fetchone()
    assert row is not None
    assert sorted(found) == [5, 6, 7]
    assert found[5] == Place(*row)
