"""Messages from files have the object of their packet as key."""

from __future__ import annotations

from pathlib import Path

import pytest
from packet_containers import container

from broker_assets.replay.keys import object_keys
from broker_assets.replay.packet_files import FilePacket, read_packets
from broker_assets.simulation import Survey

SCHEMA = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}


RECORDS = [{"a": number, "b": "x" * number} for number in range(7)]


@pytest.mark.parametrize("survey", ["rubin", "ztf"])
def test_keys_are_those_of_the_survey(survey: str) -> None:
    alerts = list(Survey(survey=survey, objects=300, nights=1, history=3, cutouts="none").alerts())  # type: ignore[arg-type]
    assert alerts
    packets = [FilePacket(alert.payload, "here") for alert in alerts]
    assert [key for _, key in object_keys(packets)] == [alert.key for alert in alerts]


def test_packets_that_cannot_be_understood_have_no_key(tmp_path: Path) -> None:
    strange = [container(RECORDS[:1]), b"\x00\x00\x00\x00\x07rest", b"bare", b"Obj\x01broken", b""]
    packets = [FilePacket(value, "here") for value in strange] + [FilePacket(b"x", "here", key=b"kept")]
    assert [key for _, key in object_keys(packets)] == [None] * 5 + [b"kept"]


@pytest.mark.shared
def test_real_packets_have_keys(shared_folder: Path) -> None:
    ztf = list(object_keys(read_packets([shared_folder / "data" / "alerts" / "ztf"])))
    assert len(ztf) == 88
    assert all(key is not None and key.startswith(b"ZTF") for _, key in ztf)
    (rubin,) = object_keys(
        read_packets([shared_folder / "data" / "alerts" / "lsst" / "7912941781254298.confluent.avro"])
    )
    assert rubin[1] == b"7912941781254298"
    elasticc = list(object_keys(read_packets([shared_folder / "data" / "alerts" / "elasticc"], framing="container")))
    assert len(elasticc) == 60
    assert all(key is not None and key.isdigit() for _, key in elasticc)
