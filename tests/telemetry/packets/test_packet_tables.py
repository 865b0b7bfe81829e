"""Files of level LB as a source of packets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from broker_assets.telemetry import BadPacket, RawPacket
from broker_assets.telemetry.packets import files

PACKETS = [bytes([13, 161, 192, number, 0, 3, 16, 1, 1, 0]) + bytes(number) for number in range(3)]


def write(path: Path, texts: list[str], **columns: Any) -> Path:
    """A file with tables CONTROL and DATA; rows of DATA in the opposite order of those of CONTROL."""
    count = len(texts)
    control = {"index": np.arange(count)} | columns
    data = {"control_index": np.arange(count)[::-1], "data": np.array(texts[::-1])}
    tables = []
    for name, table in (("CONTROL", control), ("DATA", data)):
        values = [np.asarray(column) for column in table.values()]
        record = np.rec.fromarrays(values, names=list(table))  # type: ignore[call-overload]
        tables.append(fits.BinTableHDU(record, name=name))
    fits.HDUList([fits.PrimaryHDU(), *tables]).writeto(path)
    return path


def test_packets_keep_their_origin(tmp_path: Path) -> None:
    """Each has the telemetry file and the number of its row of CONTROL."""
    path = write(
        tmp_path / "solo_LB.fits",
        [packet.hex() for packet in PACKETS],
        raw_file=np.array(["a.xml", "b.xml", ""]),
        packet=np.array([7, -1, 9]),
    )
    assert files.kind_of(path) == "tables"
    found = {packet.data: (packet.file, packet.number) for packet in files.read(path, name="solo_LB.fits")}
    assert found == {PACKETS[0]: ("a.xml", 7), PACKETS[1]: ("b.xml", None), PACKETS[2]: ("solo_LB.fits", 9)}


def test_files_without_origin(tmp_path: Path) -> None:
    """The first files did not say where packets came from: they came from the file."""
    path = write(tmp_path / "old.fits", [packet.hex().upper() for packet in PACKETS])
    assert list(files.read(path, name="old.fits")) == [
        RawPacket(packet, "old.fits", place, None) for place, packet in enumerate(PACKETS[::-1])
    ]


def test_text_that_is_no_packet_costs_no_other(tmp_path: Path) -> None:
    """It is a bad packet with what was found."""
    path = write(tmp_path / "bad.fits", [PACKETS[0].hex(), "0da1zz", PACKETS[2].hex()])
    _, bad, _ = files.read(path, name="bad.fits")
    assert isinstance(bad, BadPacket)
    assert (bad.data, bad.position) == (b"0da1zz", 1)
    assert "not hexadecimal" in bad.reason


@pytest.mark.parametrize("size", [40, 2880, 6000, 9000])
def test_cut_files_and_others(tmp_path: Path, size: int) -> None:
    """A file that ends early, or holds something else, is no file of packets; the message names it."""
    path = write(tmp_path / "whole.fits", [packet.hex() for packet in PACKETS])
    cut = tmp_path / "cut.fits"
    cut.write_bytes(path.read_bytes()[:size])
    assert len(path.read_bytes()) > size
    with pytest.raises(files.UnknownFile, match=r"cut\.fits is not a file of level LB"):
        list(files.read(cut))
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2)), name="DATA")]).writeto(tmp_path / "image.fits")
    with pytest.raises(files.UnknownFile, match=r"image\.fits is not a file of level LB"):
        list(files.read(tmp_path / "image.fits"))
