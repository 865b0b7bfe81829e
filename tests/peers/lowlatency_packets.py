"""Packets that answer a request of the low-latency system."""

from __future__ import annotations

from typing import Any

from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.packets.encoding import PacketHeader, encode


def flags(database: InstrumentDatabase, start: int, samples: int = 3) -> bytes:
    """A packet of flare flags."""
    values: dict[str, Any] = {"NIX00265": 34, "NIX00445": start, "NIX00446": 0, "NIX00405": 39, "NIX00089": samples}
    structure = database.structure(21, 6, 34)
    assert structure is not None
    first = database.layout(structure).root.fields[0].parameter.name
    values = {first: 34, **{name: value for name, value in values.items() if name != "NIX00265"}}
    lists = {name: [0] * samples for name in ("NIX00283", "NIX00284", "NIXD0059", "NIXD0060", "NIXD0061", "NIXD0449")}
    names = {field.parameter.name for field in _fields(database.layout(structure).root)}
    packet_values = {name: value for name, value in (values | lists).items() if name in names or name == first}
    return encode(database, (21, 6, 34), packet_values, PacketHeader(start + 4 * samples))


def _fields(group: Any) -> list[Any]:
    return [inner for field in group.fields for inner in (field, *(_fields(field.repeats) if field.repeats else ()))]
