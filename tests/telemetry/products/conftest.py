"""The maker of a product of one packet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from single_packets import START

from broker_assets.telemetry import InstrumentDatabase, RawPacket
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.packets.encoding import PacketHeader, encode
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem, level0_of_request, whole
from broker_assets.telemetry.products.product import Product
from broker_assets.telemetry.reception.packet_store import StoredPacket

Key = tuple[int, int, int | None]
Maker = Callable[..., Product]


@pytest.fixture
def make(open_database: InstrumentDatabase, open_inputs: Inputs) -> Maker:
    """The one product of one packet of a kind with given values."""

    def made(
        key: Key, values: dict[str, Any], *, table: RequestTable | None = None, problem: str | None = None
    ) -> Product:
        named = {"NIX00120": key[2]} if key[:2] == (21, 6) else {}
        packet = encode(open_database, key, named | values, PacketHeader(START + 3600, 0, 1, 3))
        request = (50001, 1234567) if kind_of(key).by_request else None
        digest = hashlib.sha256(packet).digest()
        stored = StoredPacket(RawPacket(packet, "x.xml", 0, 1), digest, (START + 3600) << 16, 1, request, None)
        inputs = replace(open_inputs, requests=table or RequestTable())
        problems: list[Problem] = []
        if kind_of(key).by_request:
            found = level0_of_request(kind_of(key), [stored], inputs, problems)
        else:
            product = whole(kind_of(key), [stored], inputs, problems)
            found = [] if product is None else [product]
        assert [item.reason for item in problems] == ([] if problem is None else [problem])
        return found[0] if found else None  # type: ignore[return-value]

    return made
