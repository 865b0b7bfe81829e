"""Simulated Rubin packets, piece by piece."""

from __future__ import annotations

import io
from typing import Any

import fastavro
import numpy as np
import pytest

from broker_assets.simulation import Survey, schemas
from broker_assets.simulation.observing import ASTEROID, OBJECT
from broker_assets.simulation.rubin import CUTOUTS, RubinPackets


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    """Packets of two nights with small cutouts, as fastavro reads them."""
    try:
        survey = Survey(seed=4, objects=600, nights=2, history=10, cutouts="small")
    except schemas.SchemasNotInstalled:
        pytest.skip("lsst-alert-packet is not installed")
    schema = schemas.load(schemas.DEFAULT_VERSION)
    payloads = [alert.payload for alert in survey.alerts()]
    assert {payload[:5] for payload in payloads} == {
        b"\x00" + schemas.schema_id(schemas.DEFAULT_VERSION).to_bytes(4, "big")
    }
    return [fastavro.schemaless_reader(io.BytesIO(payload[5:]), schema, None) for payload in payloads]  # type: ignore[misc]


def test_a_packet_is_of_an_object_or_of_an_asteroid(records: list[dict[str, Any]]) -> None:
    moving = [record["ssSource"] is not None for record in records]
    assert any(moving)
    assert not all(moving)
    for record, asteroid in zip(records, moving, strict=True):
        assert (record["diaObject"] is None) == asteroid
        assert record["diaSourceId"] == record["diaSource"]["diaSourceId"]
        if not asteroid:
            assert record["diaObject"]["diaObjectId"] == record["diaSource"]["diaObjectId"]


def test_histories_are_of_the_object_and_of_the_past(records: list[dict[str, Any]]) -> None:
    seen = 0
    for record in records:
        trigger = record["diaSource"]
        for point in record["prvDiaSources"] or ():
            seen += 1
            assert point["diaObjectId"] == trigger["diaObjectId"]
            assert point["midpointMjdTai"] < trigger["midpointMjdTai"]
    assert seen


def test_cutouts_are_fits_files(records: list[dict[str, Any]]) -> None:
    for name in CUTOUTS:
        assert {record[name][:6] for record in records} == {b"SIMPLE"}


def test_ids_of_what_is_in_no_catalogue() -> None:
    try:
        packets = RubinPackets()
    except schemas.SchemasNotInstalled:
        pytest.skip("lsst-alert-packet is not installed")
    seen = {"kind": np.array([OBJECT, ASTEROID]), "source_id": np.array([7, 8])}
    assert packets.object_ids_without_object(seen, 61000).tolist() == [7, 0]
    assert packets.new_object_ids(np.array([7, 8]), 61000).tolist() == [7, 8]
    assert packets.keys({"asteroid_id": np.array([0, 5]), "object_id": np.array([7, 0])}) == [b"7", b"5"]
