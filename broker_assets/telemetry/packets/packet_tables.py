"""Packets from files of level LB: an archive of raw packets is a source of telemetry like any other.

A file of level LB has a table CONTROL with the headers of the packets, and a table DATA with the packets as hexadecimal
text. Each packet keeps the telemetry file and the number that the table names, so products made from it name the same
origin as those made from that file.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from broker_assets.storage.fits_headers import refuse_impossible_in
from broker_assets.telemetry.packets.batches import BadPacket, RawPacket
from broker_assets.telemetry.packets.space_packets import is_idle

FITS_BEGINNING: Final = b"SIMPLE  ="
_TEXT: Final = re.compile(r"\d*A")
_INTEGER: Final = re.compile(r"1?[BIJK]")


class NotPackets(ValueError):
    """A FITS file has no tables of packets, or is truncated; the message names it."""


def read_tables(stream: BinaryIO, name: str) -> Iterator[RawPacket | BadPacket]:
    """Every packet of a file of level LB, in the order of its table.

    Parameters
    ----------
    stream : binary file
    name : str
        Name of the file, for packets without a name of their own (files before the columns raw_file and packet).

    Yields
    ------
    RawPacket or BadPacket

    Raises
    ------
    NotPackets
        If it holds no packets or cannot be read.
    """
    # Imported here: it takes half a second, and most telemetry comes as XML.
    from astropy.io import fits as astropy_fits

    try:
        with warnings.catch_warnings():
            # astropy opens a truncated file with only a warning.
            warnings.simplefilter("error")
            refuse_impossible_in(stream)
            # Compressed images, and columns of varying length, could expand to any size.
            with astropy_fits.open(stream, memmap=False, lazy_load_hdus=False, disable_image_compression=True) as hdus:
                for table in ("CONTROL", "DATA"):
                    _check_columns(hdus[table].columns)
                control, data = hdus["CONTROL"].data, hdus["DATA"].data
                texts, rows = data["data"].tolist(), data["control_index"].tolist()
                origin = _origin(control, name)
    except Exception as error:
        # astropy's messages have several lines.
        reason = " ".join(str(error).split())[:500]
        raise NotPackets(f"{name} is not a file of level LB: {reason}") from error
    for place, (text, row) in enumerate(zip(texts, rows, strict=True)):
        file, number = origin.get(int(row), (name, None))
        try:
            packet = bytes.fromhex(text)
        except ValueError as error:
            yield BadPacket(f"its text is not hexadecimal: {error}", str(text).encode(), name, place, number)
            continue
        if not is_idle(packet):
            yield RawPacket(packet, file, place, number)


def _check_columns(columns: Any) -> None:
    """Check that the columns that are read have one integer, or one text, per row.

    Raises
    ------
    ValueError
        If one has another format.
    """
    for column in columns:
        wanted = {"data": _TEXT, "raw_file": _TEXT, "control_index": _INTEGER, "index": _INTEGER, "packet": _INTEGER}
        expected = wanted.get(column.name)
        if expected is not None and not (expected.fullmatch(str(column.format)) and column.dim is None):
            raise ValueError(f"column {column.name} has the format {column.format}")


def _origin(control: Any, name: str) -> dict[int, tuple[str, int | None]]:
    """Telemetry file and number of each packet, by the index that table DATA refers to."""
    columns = control.columns.names
    index = control["index"].tolist()
    files = control["raw_file"].tolist() if "raw_file" in columns else [name] * len(index)
    numbers = control["packet"].tolist() if "packet" in columns else [-1] * len(index)
    return {
        int(row): (str(file) or name, None if number < 0 else int(number))
        for row, file, number in zip(index, files, numbers, strict=True)
    }
