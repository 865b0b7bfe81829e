"""The maker of a product of one packet."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from single_packets import START

from broker_assets.telemetry import InstrumentDatabase, RawPacket
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.packets.encoding import CONTINUATION, FIRST, LAST, STANDALONE, PacketHeader, encode
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem, level0_of_request, whole
from broker_assets.telemetry.products.levels.levelb import unique_packets
from broker_assets.telemetry.products.product import Product
from broker_assets.telemetry.reception.packet_store import StoredPacket

Key = tuple[int, int, int | None]
Maker = Callable[..., Product]
MakerOfAll = Callable[..., tuple[list[Product], list[str]]]


@pytest.fixture
def make_all(open_database: InstrumentDatabase, open_inputs: Inputs) -> MakerOfAll:
    """The products of packets of a kind with given values, one after another, and the problems noted."""

    def made(
        key: Key,
        *given: dict[str, Any],
        table: RequestTable | None = None,
        counts: Sequence[int] = (),
        times: Sequence[int] = (),
        configuration: InstrumentConfiguration | None = None,
    ) -> tuple[list[Product], list[str]]:
        named = {"NIX00120": key[2]} if key[:2] == (21, 6) else {}
        request = (50001, 1234567) if kind_of(key).by_request else None
        packets = []
        for number, values in enumerate(given):
            flag = STANDALONE if len(given) == 1 else {0: FIRST, len(given) - 1: LAST}.get(number, CONTINUATION)
            count = counts[number] if counts else 1 + number
            time = (START + 3600) << 16 | (times[number] if times else number)
            packet = encode(open_database, key, named | values, PacketHeader(START + 3600, time & 0xFFFF, count, flag))
            digest = hashlib.sha256(packet).digest()
            packets.append(StoredPacket(RawPacket(packet, "x.xml", 0, 1), digest, time, count, request, None))
        inputs = replace(
            open_inputs,
            requests=table or RequestTable(),
            configuration=configuration or open_inputs.configuration,
        )
        problems: list[Problem] = []
        packets = unique_packets(packets)
        if kind_of(key).by_request:
            found = level0_of_request(kind_of(key), packets, inputs, problems)
        else:
            found = whole(kind_of(key), packets, inputs, problems)
        return found, [item.reason for item in problems]

    return made


@pytest.fixture
def make(make_all: MakerOfAll) -> Maker:
    """The one product of one packet of a kind with given values."""

    def made(
        key: Key, values: dict[str, Any], *, table: RequestTable | None = None, problem: str | None = None
    ) -> Product:
        found, problems = make_all(key, values, table=table)
        assert problems == ([] if problem is None else [problem])
        return found[0] if found else None  # type: ignore[return-value]

    return made
