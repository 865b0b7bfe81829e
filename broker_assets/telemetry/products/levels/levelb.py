"""Level LB: the packets of a day or a request as received, with their headers as a table."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from broker_assets.telemetry.packets.batches import PacketBatch
from broker_assets.telemetry.packets.headers import parse_headers
from broker_assets.telemetry.products.files.fits import Card, Extension
from broker_assets.telemetry.products.files.headers import common_cards, levelb_cards
from broker_assets.telemetry.products.files.tables import Column, Table
from broker_assets.telemetry.products.kinds import BASE_VERSION, ProductKind
from broker_assets.telemetry.reception.packet_store import StoredPacket


def unique_packets(packets: Sequence[StoredPacket]) -> list[StoredPacket]:
    """One packet per time and sequence count, in that order.

    Of packets with the same time and count, one that can be decoded is taken; of several, the first by content, so that
    the result does not depend on the order of arrival.
    """
    places: dict[tuple[int, int], StoredPacket] = {}
    for packet in sorted(
        packets, key=lambda item: (item.scet, item.sequence_count, item.failure is not None, item.digest)
    ):
        places.setdefault((packet.scet, packet.sequence_count), packet)
    return list(places.values())


def levelb_file(
    kind: ProductKind, name: str, packets: Sequence[StoredPacket], configuration: str
) -> tuple[list[Card], list[Extension]]:
    """Header and tables of a file.

    Parameters
    ----------
    kind : ProductKind
    name : str
        Name of the file.
    packets : list of StoredPacket
        As `unique_packets` orders them; at least one.
    configuration : str
        Version of the instrument configuration.
    """
    batch = PacketBatch.of([packet.raw for packet in packets])
    headers = parse_headers(batch.data, batch.starts)
    count = len(packets)
    request = packets[0].request
    raw_files = np.array([packet.raw.file for packet in packets])
    columns: Table = {
        name: Column(getattr(headers, name))
        for name in (
            "version",
            "packet_type",
            "header_flag",
            "process_id",
            "packet_category",
            "sequence_flag",
            "sequence_count",
            "data_length",
            "pus_version",
            "service_type",
            "service_subtype",
            "destination_id",
        )
    }
    columns |= {
        "scet_coarse": Column(headers.scet_coarse.astype(np.uint32)),
        "scet_fine": Column(headers.scet_fine),
        "raw_file": Column(raw_files),
        "packet": Column(
            np.array([-1 if packet.raw.number is None else packet.raw.number for packet in packets], dtype=np.int64)
        ),
        "request_id": Column(
            np.zeros(count, dtype=bool)
            if request is None
            else np.array([packet.request for packet in packets], dtype=np.int64)
        ),
        "index": Column(np.arange(count, dtype=np.int64)),
    }
    if kind.ssid is not None:
        columns["ssid"] = Column(np.full(count, kind.ssid, dtype=np.int64))
    columns["time_sync"] = Column(headers.synchronised)
    data: Table = {
        "control_index": Column(np.arange(count, dtype=np.int64)),
        "data": Column(np.array([packet.raw.data.hex().encode() for packet in packets])),
    }
    files = sorted(set(raw_files.tolist()))
    cards = common_cards(
        kind,
        "LB",
        name,
        raw_files=files,
        parents=files,
        configuration=configuration,
        version=BASE_VERSION,
        request=request,
    )
    cards += [*levelb_cards(packets[0].scet, packets[-1].scet), ("HISTORY", "Processed by broker_assets LB", "")]
    return cards, [Extension("CONTROL", columns), Extension("DATA", data)]
