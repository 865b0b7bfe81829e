"""Files of packets: every readable packet is delivered, each damaged one reported, memory is bounded."""

from __future__ import annotations

import io
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.telemetry import BadPacket, InstrumentDatabase, RawPacket
from broker_assets.telemetry.packets.batches import batched
from broker_assets.telemetry.packets.encoding import telemetry_packet, to_xml
from broker_assets.telemetry.packets.files import UnknownFile, kind_of, read, reports
from broker_assets.telemetry.packets.space_packets import GROUND_HEADER, read_binary
from broker_assets.telemetry.packets.xml_packets import read_xml

PACKETS = [telemetry_packet((21, 6, None), bytes([number] * (number * 7))) for number in range(1, 9)]


def xml(packets: list[bytes] = PACKETS, *, ground_header: bytes | None = bytes(GROUND_HEADER)) -> bytes:
    """A telemetry file."""
    return b"".join(to_xml(packets, ground_header=ground_header))


def delivered(found: Iterator[RawPacket | BadPacket]) -> tuple[list[bytes], list[BadPacket]]:
    """Packets and bad places."""
    items = list(found)
    return [i.data for i in items if isinstance(i, RawPacket)], [i for i in items if isinstance(i, BadPacket)]


@pytest.mark.parametrize("ground_header", [bytes(GROUND_HEADER), bytes(range(76)), None])
@pytest.mark.parametrize("chunk", [1, 7, 100, 10**6])
def test_xml_with_and_without_ground_header(ground_header: bytes | None, chunk: int) -> None:
    text = xml(ground_header=ground_header)
    found = list(read_xml(io.BytesIO(text), "a.xml", chunk=chunk))
    assert all(isinstance(packet, RawPacket) for packet in found)
    assert [packet.data for packet in found] == PACKETS
    assert [packet.number for packet in found] == list(range(1, 9))
    assert {packet.file for packet in found} == {"a.xml"}
    assert all(text[packet.position :].startswith(b"<PktRawResponseElement") for packet in found)


def test_packets_keep_the_order_of_the_file() -> None:
    text = xml().replace(b'packetID="1"', b'packetID="11"')
    assert [packet.number for packet in read(io.BytesIO(text))] == [11, 2, 3, 4, 5, 6, 7, 8]


def damaged(change: Callable[[bytes], bytes]) -> tuple[list[bytes], list[BadPacket]]:
    """What a file gives whose third element was changed."""
    text = xml()
    start = text.index(b'<PktRawResponseElement packetID="3"')
    end = text.index(b'<PktRawResponseElement packetID="4"')
    return delivered(read(io.BytesIO(text[:start] + change(text[start:end]) + text[end:]), name="d.xml"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda e: e.replace(b"<Packet>", b"<Packet>zz"), "no hexadecimal text"),
        (lambda e: e.replace(b"<Packet>", b"<Packet>0"), "no hexadecimal text"),
        (lambda e: e.replace(b"<Packet>", b"<Packet>00"), "are no space packet"),
        (lambda e: e[: len(e) // 2], "the hexadecimal text of the packet is cut"),
        (lambda e: e[:40], "the element is cut before its packet"),
        (lambda e: b'<PktRawResponseElement packetID="3"></PktRawResponseElement>', "the element holds no packet"),
        (lambda e: e.replace(b"</Packet>", b"12</Packet>"), "the packet has 38 bytes and its header says 37"),
        (
            lambda e: b'<PktRawResponseElement packetID="3"><Packet>00</Packet></PktRawResponseElement>',
            "1 bytes are no",
        ),
    ],
)
def test_one_damaged_element_costs_no_other(change: Callable[[bytes], bytes], reason: str) -> None:
    packets, bad = damaged(change)
    assert packets == PACKETS[:2] + PACKETS[3:]
    assert len(bad) == 1
    assert reason in bad[0].reason
    assert (bad[0].file, bad[0].number) == ("d.xml", 3)
    assert bad[0].data


def test_a_lost_opening_tag_loses_one_packet_only() -> None:
    packets, _ = damaged(lambda e: e[30:])
    assert packets == PACKETS[:2] + PACKETS[3:]


def test_a_file_cut_at_its_end_keeps_what_is_whole() -> None:
    text = xml()
    packets, bad = delivered(read(io.BytesIO(text[: text.index(b'packetID="8"') + 100])))
    assert packets == PACKETS[:7]
    assert len(bad) == 1


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3)), min_size=1, max_size=10))
def test_any_damage_of_xml_is_survived(damage: list[tuple[int, bytes]]) -> None:
    text = bytearray(xml())
    head = text.index(b"<PktRawResponse>") + 16
    for place, piece in damage:
        at = head + place % (len(text) - head)
        text[at : at + len(piece)] = piece
    packets, _ = delivered(read_xml(io.BytesIO(bytes(text)), "x"))
    touched = len(damage)
    assert len([packet for packet in packets if packet in PACKETS]) >= len(PACKETS) - 2 * touched


def test_comments_blanks_and_character_data_are_read_over() -> None:
    text = b"<PktRawResponse><PktRawResponseElement packetID='5'><!-- <Packet>00</Packet> --><Packet><![CDATA[\n"
    text += b" ".join(PACKETS[0].hex().encode()[i : i + 10] for i in range(0, len(PACKETS[0]) * 2, 10))
    packets, bad = delivered(read(io.BytesIO(text + b"]]>\n</Packet></PktRawResponseElement></PktRawResponse>")))
    assert packets == PACKETS[:1]
    assert bad == []


@pytest.mark.parametrize("prefix", [b"", bytes(GROUND_HEADER), b"\x00\x00\x00\x00_" + bytes(71)])
@pytest.mark.parametrize("chunk", [3, 10**6])
def test_packets_one_after_another(prefix: bytes, chunk: int) -> None:
    packets, bad = delivered(read_binary(io.BytesIO(b"".join(prefix + packet for packet in PACKETS)), "b", chunk=chunk))
    assert packets == PACKETS
    assert bad == []


def test_binary_files_are_read_on_after_damage() -> None:
    joined = PACKETS[0] + b"\xff" * 50 + b"".join(PACKETS[1:4]) + PACKETS[4][:-9] + b"".join(PACKETS[5:])
    packets, bad = delivered(read(io.BytesIO(joined)))
    assert packets == PACKETS[:4] + PACKETS[5:]
    assert [len(item.data) for item in bad] == [50, len(PACKETS[4]) - 9]
    assert bad[1].reason == "the packet is cut"


def test_a_binary_file_cut_in_its_last_packet() -> None:
    packets, bad = delivered(read(io.BytesIO(b"".join(PACKETS)[:-5])))
    assert packets == PACKETS[:-1]
    assert [item.reason for item in bad] == ["the packet is cut"]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_of_a_binary_file_are_accounted_for(data: bytes) -> None:
    found = list(read_binary(io.BytesIO(data), "b"))
    assert sum(len(item.data) for item in found) == len(data) or any(isinstance(i, RawPacket) for i in found)


def test_hexadecimal_text_by_line_and_broken_over_lines() -> None:
    lines = [PACKETS[0].hex(), (bytes(GROUND_HEADER) + PACKETS[1]).hex().upper(), ""]
    third = PACKETS[2].hex()
    lines += [third[:10], third[10:], "not hexadecimal", PACKETS[3].hex(), PACKETS[4].hex()[:20], PACKETS[5].hex()]
    packets, bad = delivered(read(io.BytesIO("\n".join(lines).encode())))
    assert packets == [*PACKETS[:4], PACKETS[5]]
    assert [item.reason for item in bad] == ["the line is no hexadecimal text", "the packet is cut"]


def test_several_packets_in_one_line() -> None:
    assert delivered(read(io.BytesIO(b"".join(PACKETS).hex().encode())))[0] == PACKETS


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<html></html>", "is XML without PktRawResponse"),
        (b"Dear operator, no telemetry today.", "is text"),
        (b"<ResponsePart><Response><PktTcReportResponse/></Response></ResponsePart>", "telecommand reports"),
    ],
)
def test_files_of_other_kinds_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(UnknownFile, match=message):
        list(read(io.BytesIO(content)))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        kind_of(tmp_path / "missing.xml")


def test_batches_keep_everything() -> None:
    found = [RawPacket(packet) for packet in PACKETS] + [BadPacket("bad", b"x")]
    batches = list(batched(found, batch_bytes=200))
    assert len(batches) > 1
    assert [packet.data for batch in batches for packet in batch.packets] == PACKETS
    assert sum(len(batch.bad) for batch in batches) == 1


class Endless(io.RawIOBase):
    """A large telemetry file that is never in memory as a whole."""

    def __init__(self, count: int) -> None:
        self._pieces = to_xml(telemetry_packet((21, 6, None), bytes(4096)) for _ in range(count))
        self._rest = b""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (piece := next(self._pieces, None)) is not None:
            self._rest += piece
        read, self._rest = self._rest[:size], self._rest[size:]
        return read


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file() -> None:
    """60 MB of XML in batches of 2 MB; a gigabyte differs only in time."""
    tracemalloc.start()
    packets = 0
    for batch in batched(read_xml(Endless(7000), "large", chunk=1024**2), batch_bytes=2 * 1024**2):  # type: ignore[arg-type]
        packets += len(batch)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert packets == 7000
    assert peak < 32 * 1024**2


@pytest.mark.shared
def test_real_files(shared_folder: Path, flight_database: InstrumentDatabase) -> None:
    counts = {path.name: len(list(read(path))) for path in sorted((shared_folder / "data/stix/tm_xml").glob("*.xml"))}
    assert counts == {"PktTmRaw.20aaf313.xml": 10, "PktTmRaw.9082c694.xml": 11}
    for path in (shared_folder / "data/stix").glob("tm_*/*"):
        packets, bad = delivered(read(path))
        assert packets, path
        assert not bad, path


@pytest.mark.shared
def test_real_telecommand_reports(shared_folder: Path) -> None:
    found = list(reports(shared_folder / "data/stix/tc_xml/PktTcReport.xml"))
    assert found
    first = found[0]
    assert not isinstance(first, BadPacket)
    assert first.name == "ZIX0602A"
    assert first.execution_time is not None
    assert first.execution_time.isoformat() == "2020-05-18T08:11:57.355586+00:00"
    assert first.uplink_time is None
    assert first.fields["PUSServiceType"] == "6"
