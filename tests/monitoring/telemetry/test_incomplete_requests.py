"""Answers to requests of which packets are missing, from the register of products and the packet store."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.monitoring.telemetry.incomplete_requests import LOOK_BACK, incomplete_answers, recent_answers
from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.packets.encoding import PacketHeader, telemetry_packet
from broker_assets.telemetry.products.builders.sequences import CONTINUED, FIRST, LAST
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.products.product import levelb_path
from broker_assets.telemetry.reception.packet_store import NewPacket, PacketStore

PIXELS = (21, 6, 21)
SCET = 664156800 << 16
Add = Callable[..., None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "packets"


@pytest.fixture
def add(folder: Path) -> Add:
    """Put packets of an answer into the store."""

    def one(request: tuple[int, int], flags: Sequence[tuple[int, int]], *, failure: str | None = None) -> None:
        packets = []
        for count, flag in flags:
            header = PacketHeader(SCET >> 16, sequence_count=count, sequence_flag=flag)
            data = telemetry_packet(PIXELS, bytes([count, request[1], failure is not None]), header)
            raw = RawPacket(data, "a.xml", count, count)
            packets.append(NewPacket(raw, PIXELS, SCET, count, SCET, SCET, request, failure))
        with PacketStore(folder) as store:
            store.add(packets)

    return one


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC))


@pytest.fixture
def connection(records: Records) -> Iterator[psycopg.Connection[Any]]:
    with connect(records.database.url, autocommit=True) as opened:
        yield opened


def answer(records: Records, request: tuple[int, int], *, made: float = 1.0, kind: str = "21-6-21") -> None:
    """The file of level LB of an answer, made so many hours ago."""
    name = levelb_path(kind_of(PIXELS), None, request).name
    records.product(
        "LB", "2021-01-17", kind=kind, family="science", name=name, made=made,
        request_control=request[0], request=request[1],
    )  # fmt: skip


@pytest.mark.database
def test_what_is_missing_is_said_by_answer(records: Records, connection: Any, add: Add, folder: Path) -> None:
    whole, cut, two = (50001, 1), (50001, 2), (50002, 3)
    add(whole, [(1, FIRST), (2, LAST)])
    add(cut, [(1, FIRST), (2, CONTINUED), (4, LAST)])
    add(two, [(11, FIRST), (12, LAST), (13, FIRST), (14, CONTINUED)])
    for number, request in enumerate((whole, cut, two)):
        answer(records, request, made=10.0 - number)
    found = incomplete_answers(folder, recent_answers(connection, records.now))
    assert [(item.request, item.missing, item.whole) for item in found] == [
        (3, "its last packet is missing", 1),
        (2, "1 of 4 packets are missing", 0),
    ]


@pytest.mark.database
def test_packets_that_cannot_be_decoded_are_missing(records: Records, connection: Any, add: Add, folder: Path) -> None:
    request = (50001, 1)
    add(request, [(1, FIRST), (3, LAST)])
    add(request, [(2, CONTINUED)], failure="it ends before NIX00260")
    answer(records, request)
    (found,) = incomplete_answers(folder, recent_answers(connection, records.now))
    assert found.missing == "1 of 3 packets are missing"


@pytest.mark.database
def test_only_current_answers_of_the_last_weeks_are_looked_at(records: Records, connection: Any) -> None:
    answer(records, (50001, 1), made=1.0)
    answer(records, (50001, 2), made=LOOK_BACK / datetime.timedelta(hours=1) + 1)
    answer(records, (50001, 3), made=2.0)
    records.product("LB", "2021-01-17")
    records.execute("UPDATE product_file SET superseded_at = now() WHERE request = 3")
    assert [item.request for item in recent_answers(connection, records.now)] == [1]


@pytest.mark.database
@pytest.mark.parametrize("content", [None, b"no database"])
def test_without_a_store_that_can_be_read_nothing_is_said(
    records: Records, connection: Any, folder: Path, content: bytes | None
) -> None:
    """The runs that need it say so."""
    answer(records, (50001, 1))
    if content is not None:
        folder.mkdir()
        (folder / "index.sqlite").write_bytes(content)
    assert incomplete_answers(folder, recent_answers(connection, records.now)) == []
