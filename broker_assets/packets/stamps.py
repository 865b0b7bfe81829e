"""Stamps of a batch of packets as arrays, for computations on their pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.packets.cutouts import CutoutError, image, to_fits
from broker_assets.packets.framing import FramedPackets, FramedSchema, keep
from broker_assets.packets.reader import PacketReader
from broker_assets.packets.surveys import adapter_of

_CARD: Final = 80
_BLOCK: Final = 2880
_MOST_CARDS: Final = 360
"""Header cards that are searched, at most; longer headers are left to astropy."""
_FLOATS: Final[dict[str, np.dtype[Any]]] = {"-32": np.dtype(">f4"), "-64": np.dtype(">f8")}

_readers: dict[tuple[str, tuple[str, ...]], PacketReader | None] = {}


class Stamps:
    """The stamps in the packets of a batch, read on request.

    Parameters
    ----------
    framed : FramedPackets
        Datums of the batch; kept until `release`.
    """

    def __init__(self, framed: FramedPackets) -> None:
        self._framed: FramedPackets | None = framed

    def release(self) -> None:
        """Release the packets; from now on they have no stamps."""
        self._framed = None

    def __call__(self, packets: NDArray[np.integer], kinds: Sequence[str], size: int) -> NDArray[np.float32]:
        """Stamps of some packets.

        Parameters
        ----------
        packets : (n,) integer array
            Numbers in the batch.
        kinds : sequence of str
            "science", "template", "difference".
        size : int
            Pixels along a side. Larger stamps are cropped, smaller ones padded with NaN; the central pixel (for an even
            size, the one above and to the right of the centre) stays central.

        Returns
        -------
        (n, kinds, size, size) float32 array
            Values as stored, rows from the bottom; NaN where a packet has no such stamp, it is damaged, or a pixel has
            no value.
        """
        found = np.full((len(packets), len(kinds), size, size), np.nan, np.float32)
        framed = self._framed
        if framed is None or not len(packets):
            return found
        schemas = framed.schema[packets]
        for number in np.unique(schemas[schemas >= 0]).tolist():
            chosen = np.flatnonzero(schemas == number)
            reader, fields = _reader(framed.schemas[number], tuple(kinds))
            if reader is None:
                continue
            wanted = np.asarray(packets)[chosen]
            decoded = reader.read(
                [framed.buffers[packet] for packet in wanted.tolist()],
                starts=framed.starts[wanted],
                ends=framed.ends[wanted],
            ).tables[""]
            rows = chosen[decoded["packet"].to_numpy()]
            for place, field in fields.items():
                for row, content in zip(rows.tolist(), decoded[field].to_pylist(), strict=True):
                    if content:
                        _place(found[row, place], content)
        return found


def _reader(schema: FramedSchema, kinds: tuple[str, ...]) -> tuple[PacketReader | None, dict[int, str]]:
    """Reader for the stamps in packets of a schema, and the field of each kind that the schema has."""
    try:
        cutouts = adapter_of(schema.schema).CUTOUTS
    except ValueError:
        return None, {}
    fields = {place: cutouts[kind] for place, kind in enumerate(kinds) if kind in cutouts}
    if not fields:
        return None, {}
    key = (schema.fingerprint, tuple(fields.values()))
    if key not in _readers:
        try:
            keep(_readers, key, PacketReader(schema.schema, {"": list(fields.values())}))
        except ValueError:  # an older schema may lack the field
            keep(_readers, key, None)
    return _readers[key], fields


def _place(target: NDArray[np.float32], content: bytes) -> None:
    """Write an image into the middle of a square; a damaged one is left out."""
    try:
        fits = to_fits(content)
        pixels = _simple(fits)
        if pixels is None:
            pixels = image(fits)
    except CutoutError:
        return
    size = target.shape[0]
    into, out = [], []
    for length in pixels.shape:
        shift = size // 2 - length // 2
        begin, end = max(shift, 0), min(shift + length, size)
        into.append(slice(begin, end))
        out.append(slice(begin - shift, end - shift))
    with np.errstate(over="ignore"):
        target[tuple(into)] = pixels[tuple(out)]


def _simple(fits: bytes) -> NDArray[Any] | None:
    """The image in the primary HDU of a FITS file, if it has floating-point numbers without scaling.

    The stamps of all surveys do; astropy takes a hundred times as long to read one.
    """
    values: dict[bytes, str] = {}
    for card in range(_MOST_CARDS):
        key = fits[card * _CARD : card * _CARD + 8].rstrip()
        if key == b"END":
            break
        values[key] = fits[card * _CARD + 10 : card * _CARD + 30].decode("ascii", "replace").split("/")[0].strip()
    else:
        return None
    kind = _FLOATS.get(values.get(b"BITPIX", ""))
    if kind is None or values.get(b"NAXIS") != "2" or b"BSCALE" in values or b"BZERO" in values:
        return None
    try:
        columns, rows = int(values[b"NAXIS1"]), int(values[b"NAXIS2"])
    except (KeyError, ValueError):
        return None
    start = -(-(card + 1) * _CARD // _BLOCK) * _BLOCK
    if columns < 1 or rows < 1 or start + columns * rows * kind.itemsize > len(fits):
        return None
    pixels: NDArray[Any] = np.frombuffer(fits, kind, columns * rows, start)
    return pixels.reshape(rows, columns)
