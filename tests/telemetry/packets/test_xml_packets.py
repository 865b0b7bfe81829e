"""XML files of packets: each damaged element is reported and costs no other."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_specimens import PACKETS, delivered, xml

from broker_assets.telemetry import BadPacket, RawPacket
from broker_assets.telemetry.packets.files import read
from broker_assets.telemetry.packets.space_packets import GROUND_HEADER
from broker_assets.telemetry.packets.xml_packets import read_xml


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
        (lambda e: e.replace(b"<Packet>", b"<Packet>zz"), "not hexadecimal text"),
        (lambda e: e.replace(b"<Packet>", b"<Packet>0"), "not hexadecimal text"),
        (lambda e: e.replace(b"<Packet>", b"<Packet>00"), "are not a space packet"),
        (lambda e: e[: len(e) // 2], "the hexadecimal text of the packet is truncated"),
        (lambda e: e[:40], "the element is truncated before its packet"),
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
