"""Files of packets: every readable packet is delivered, each damaged one reported, memory is bounded."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from packet_specimens import PACKETS, delivered

from broker_assets.telemetry import BadPacket, InstrumentDatabase
from broker_assets.telemetry.packets.batches import batched
from broker_assets.telemetry.packets.encoding import telemetry_packet, to_xml
from broker_assets.telemetry.packets.files import UnknownFile, kind_of, read, reports
from broker_assets.telemetry.packets.space_packets import GROUND_HEADER
from broker_assets.telemetry.packets.xml_packets import read_xml


def test_hexadecimal_text_by_line_and_broken_over_lines() -> None:
    lines = [PACKETS[0].hex(), (bytes(GROUND_HEADER) + PACKETS[1]).hex().upper(), ""]
    third = PACKETS[2].hex()
    lines += [third[:10], third[10:], "not hexadecimal", PACKETS[3].hex(), PACKETS[4].hex()[:20], PACKETS[5].hex()]
    packets, bad = delivered(read(io.BytesIO("\n".join(lines).encode())))
    assert packets == [*PACKETS[:4], PACKETS[5]]
    assert [item.reason for item in bad] == ["the line is not hexadecimal text", "the packet is truncated"]


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
