"""The stamps of an alert: science, template and difference image, as FITS and as PNG."""

from __future__ import annotations

import functools
import io
import json
import math
import zlib
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.packets.archive import ArchivedPacket
from broker_assets.packets.container import ContainerError, gunzip
from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.reader import PacketReader
from broker_assets.packets.surveys import adapter_of
from broker_assets.packets.surveys.fields import leaf_fields
from broker_assets.packets.tables import CUTOUT_KINDS
from broker_assets.storage.fits_headers import refuse_impossible

FITS_MAXIMUM: Final = 64 << 20
"""Bytes: a stamp that is larger when decompressed is taken for malicious."""
PIXELS_MAXIMUM: Final = 1 << 24
"""Pixels of an image, and of the picture made from it, at most; stamps have some thousands."""
NEUTRAL_GREY: Final = 128
"""Grey level of pixels without a value."""

_GZIP: Final = b"\x1f\x8b"


class CutoutError(ValueError):
    """There is no such cutout, or it is not an image."""


def from_packet(packet: ArchivedPacket, kind: str) -> bytes:
    """A cutout of an archived packet as a FITS file; `kind` is "science", "template" or "difference".

    Raises
    ------
    CutoutError
        If the packet has no such cutout.
    """
    return from_datum(packet.datum, packet.schema.schema, kind)


def from_datum(datum: bytes, schema: AvroSchema, kind: str) -> bytes:
    """A cutout of an Avro datum as a FITS file, decompressed if the survey compresses it.

    Raises
    ------
    CutoutError
        If the packet has no such cutout, cannot be read, or the cutout is damaged.
    """
    if kind not in CUTOUT_KINDS:
        raise CutoutError(f"unknown kind of cutout {kind!r}; known: {', '.join(CUTOUT_KINDS)}")
    try:
        fields, reader = _reader(json.dumps(schema))
    except ValueError as error:
        raise CutoutError(str(error)) from error
    field = fields.get(kind)
    if field is None:
        raise CutoutError(f"packets of this survey have no {kind} cutout")
    decoded = reader.read([datum])
    if decoded.failures:
        raise CutoutError(f"the packet cannot be read: {decoded.failures[0].reason}")
    content = decoded.tables[""][field][0].as_py()
    if not content:
        raise CutoutError(f"the packet has no {kind} cutout")
    return to_fits(content)


@functools.lru_cache(maxsize=16)
def _reader(schema: str) -> tuple[dict[str, str], PacketReader]:
    """Fields with cutouts by their kind, and their reader; takes a tenth of a second for each new schema."""
    parsed = json.loads(schema)
    known = leaf_fields(parsed)[""]
    fields = {kind: field for kind, field in adapter_of(parsed).CUTOUTS.items() if field in known}
    return fields, PacketReader(parsed, {"": list(fields.values())})


def to_fits(content: bytes) -> bytes:
    """The bytes of a cutout as a FITS file, decompressed if they are gzip, as in ZTF.

    Raises
    ------
    CutoutError
        If they are damaged or not a FITS file.
    """
    if content[:2] == _GZIP:
        try:
            content = gunzip(content, FITS_MAXIMUM)
        except ContainerError as error:
            raise CutoutError(f"the cutout cannot be read: {error}") from error
    if content[:9] != b"SIMPLE  =":
        raise CutoutError(f"the cutout is not a FITS file: it begins with {content[:9]!r}")
    return content


def image(fits: bytes) -> NDArray[np.float64]:
    """The first image of a FITS file with two axes (Rubin's variance and point-spread function come after it).

    Returns
    -------
    (rows, columns) float64 array
        Values as stored, the first row at the bottom of the sky image; NaN where there is no value.

    Raises
    ------
    CutoutError
        If there is no such image.
    """
    from astropy.io import fits as astropy_fits  # takes half a second, and most commands never need it

    try:
        refuse_impossible(fits)
        with astropy_fits.open(io.BytesIO(fits), memmap=False) as units:
            for unit in units:
                if not getattr(unit, "is_image", False) or len(unit.shape) != 2:
                    continue
                if math.prod(unit.shape) > PIXELS_MAXIMUM:  # a compressed image claims them with a few bytes
                    raise CutoutError(f"the cutout has {unit.shape} pixels; at most {PIXELS_MAXIMUM} are read")
                if unit.data is not None:
                    return np.asarray(unit.data, dtype=np.float64)
    except CutoutError:
        raise
    except Exception as error:
        raise CutoutError(f"the cutout cannot be read as FITS: {error}") from error
    raise CutoutError("the cutout has no image with two axes")


def to_png(fits: bytes, *, scale: int = 4) -> bytes:
    """A cutout as a greyscale image, between the limits of IRAF's z-scale algorithm.

    Parameters
    ----------
    fits : bytes
        FITS file.
    scale : int
        Pixels of the PNG along each side of an image pixel.

    Returns
    -------
    bytes
        PNG, eight bits of grey; row 0 of the image at the bottom, pixels without a value in neutral grey.

    Raises
    ------
    CutoutError
        If the bytes are not a FITS image, or it is too large.
    ValueError
        If `scale` is less than 1.
    """
    from astropy.visualization import ZScaleInterval

    if scale < 1:
        raise ValueError(f"scale must be at least 1, not {scale}")
    pixels = image(fits)
    if pixels.size * scale**2 > PIXELS_MAXIMUM:
        raise CutoutError(f"an image of {pixels.shape} pixels times {scale} is larger than {PIXELS_MAXIMUM} pixels")
    known = np.isfinite(pixels)
    grey = np.full(pixels.shape, NEUTRAL_GREY, dtype=np.uint8)
    if known.any():
        low, high = ZScaleInterval().get_limits(pixels[known])
        if high > low:
            stretched = np.clip((pixels[known] - low) / (high - low), 0.0, 1.0)
            grey[known] = np.round(stretched * 255).astype(np.uint8)
    return encode_png(np.kron(grey[::-1], np.ones((scale, scale), dtype=np.uint8)))


def encode_png(grey: NDArray[np.uint8]) -> bytes:
    """Encode an image as PNG (ISO/IEC 15948), eight bits of grey, no filter.

    Parameters
    ----------
    grey : (rows, columns) uint8 array
        The first row is the top one.

    Examples
    --------
    >>> encode_png(np.zeros((2, 3), np.uint8))[:8]
    b'\\x89PNG\\r\\n\\x1a\\n'
    """
    rows, columns = grey.shape
    lines = np.zeros((rows, columns + 1), dtype=np.uint8)  # each line begins with its filter, 0
    lines[:, 1:] = grey

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    header = columns.to_bytes(4, "big") + rows.to_bytes(4, "big") + bytes([8, 0, 0, 0, 0])
    content = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", content) + chunk(b"IEND", b"")
