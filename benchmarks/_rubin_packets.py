"""Makes many distinct full-size Rubin packets quickly.

fastavro writes about 140 packets per second with a year of history, so a benchmark would mostly wait for its input.
Here one packet is written by fastavro, and its identifiers and times are then patched in place, for thousands of
packets at once: identifiers are chosen so that their Avro form always takes nine bytes, times are doubles.
"""

from __future__ import annotations

import copy
import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import fastavro
import fastavro.schema
import numpy as np
from numpy.typing import NDArray

CUTOUT_BYTES = {"cutoutDifference": 34_560, "cutoutScience": 34_560, "cutoutTemplate": 69_120}
"""Sizes in the real alert of `../shared/data/alerts/lsst`."""

FIELD_DEGREES = 1.75
"""Radius of the field of a camera like that of Rubin."""
FIELDS = np.array([np.arange(10) * 36.0, np.linspace(-65.0, 5.0, 10)])
"""Right ascension and declination of the fields that a backlog is of, degrees."""

ID_BASE = 1 << 60
"""Added to every identifier, so that its zigzag form takes nine bytes whatever the number."""

_OBJECT, _SOURCE, _FORCED, _LAST_SOURCE, _LAST_FORCED = (ID_BASE + (1 << 58) + number for number in range(1, 6))
_HISTORY = 1 << 57
"""Added to identifiers of the history of an object."""
_TIME, _LAST_TIME = 987654.3210123, 876543.2101234
_RA, _DEC = 150.0123456789, 2.0123456789
_SPREAD = 0.7548776662466927
"""Its multiples, and those of its square, fill the unit square evenly (Roberts, M. 2018: the R2 sequence)."""


def rubin_schema(version: str) -> dict[str, Any]:
    """Alert schema of `lsst-alert-packet` in one piece."""
    found = find_spec("lsst.alert.packet")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("install the optional package lsst-alert-packet")
    major, minor = version.split("_")
    folder = Path(next(iter(found.submodule_search_locations))) / "schema" / major / minor
    schema = fastavro.schema.load_schema(str(folder / f"lsst.v{version}.alert.avsc"))
    assert isinstance(schema, dict)
    return {name: value for name, value in schema.items() if not name.startswith("__")}


def _varint(value: int) -> bytes:
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append((value & 0x7F) | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varints(values: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Avro form of positive identifiers of nine bytes, shape (n, 9)."""
    zigzag = values.astype(np.uint64) << np.uint64(1)
    groups = (zigzag[:, None] >> (np.arange(9, dtype=np.uint64) * np.uint64(7))) & np.uint64(0x7F)
    out = groups.astype(np.uint8)
    out[:, :8] |= 0x80
    return out


def _find(haystack: bytes, needle: bytes) -> NDArray[np.int64]:
    found, at = [], haystack.find(needle)
    while at >= 0:
        found.append(at)
        at = haystack.find(needle, at + len(needle))
    return np.array(found, np.int64)


def fits_like(generator: np.random.Generator, size: int) -> bytes:
    """Bytes that a compressor finds as hard as a real cutout: two fifths full-precision pixels, headers and padding.

    The alert of `../shared/data/alerts/lsst` becomes 42 % by zstandard at 1,150 MB/s; noise of few digits would be
    smaller and four times as slow.
    """
    cards = "".join(
        f"KEYWORD{number % 10}= {number * 7919 % 1000:>20} / what it means".ljust(80) for number in range(36)
    )
    blocks = []
    for number in range(size // 2880):
        pixels = generator.normal(0.0, 30.0, 720).astype(">f4").tobytes()
        blocks.append(pixels if number % 5 in (1, 3) else cards.encode())
    return b"".join(blocks).ljust(size, b"\0")


@dataclass
class PacketFactory:
    """Packets of one shape, with given numbers of earlier detections and of forced points, the last of which are new.

    The packets of the second visit list what those of the first brought, as a survey does.
    """

    history: int = 100
    forced: int = 365
    new_forced: int = 3
    schema_id: int = 1100
    version: str = "11_0"
    seed: int = 1
    fresh_mjd: float = 61300.0
    """Time of the new alert; the history lies in the year before the preloaded newest time."""
    old_mjd: float = 61299.0
    """Newest time that the preloaded rows have."""
    places: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
    """Positions that the objects have in turn, degrees."""
    cutouts: bool = True
    """Whether packets have images."""
    own_history: bool = False
    """Whether the history of each object has identifiers of its own, as those of a survey have."""
    _generator: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        self._generator = np.random.default_rng(self.seed)

    @cached_property
    def schema(self) -> dict[str, Any]:
        """The writer schema."""
        return rubin_schema(self.version)

    @cached_property
    def parsed(self) -> Any:
        """The schema as fastavro wants it."""
        return fastavro.parse_schema(copy.deepcopy(self.schema))

    def record(self) -> dict[str, Any]:
        """The template record, marks where identifiers and the new time stand."""
        kinds = {}

        def visit(node: Any) -> None:
            if isinstance(node, dict) and node.get("type") == "record":
                kinds[node["name"].split(".")[-1]] = node
                for entry in node["fields"]:
                    visit(entry["type"])
            elif isinstance(node, dict):
                visit(node.get("items"))
            elif isinstance(node, list):
                for entry in node:
                    visit(entry)

        visit(self.schema)

        def fill(name: str) -> dict[str, Any]:
            values: dict[str, Any] = {}
            for entry in kinds[name]["fields"]:
                kind = entry["type"]
                base = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
                base = base["type"] if isinstance(base, dict) else base
                values[entry["name"]] = {
                    "long": int(self._generator.integers(1 << 40)),
                    "int": int(self._generator.integers(100)),
                    "float": float(self._generator.normal(1000.0, 100.0)),
                    "double": float(self._generator.normal(1000.0, 100.0)),
                    "boolean": False,
                    "string": "text",
                }.get(base)
            if "timeWithdrawnMjdTai" in values:
                values["timeWithdrawnMjdTai"] = None
            return values

        def source(mjd: float, number: int) -> dict[str, Any]:
            record = fill("diaSource")
            record.update(diaSourceId=number, diaObjectId=_OBJECT, ssObjectId=None, parentDiaSourceId=None)
            record.update(midpointMjdTai=mjd, ra=_RA, dec=_DEC, band="r", reliability=0.8)
            return record

        def forced(mjd: float, number: int) -> dict[str, Any]:
            record = fill("diaForcedSource")
            record.update(diaForcedSourceId=number, diaObjectId=_OBJECT, midpointMjdTai=mjd, ra=_RA, dec=_DEC, band="i")
            return record

        summary = fill("diaObject")
        summary.update(diaObjectId=_OBJECT, ra=_RA, dec=_DEC, validityStartMjdTai=_TIME, lastDiaSourceMjdTai=_TIME)
        summary = {
            name: value for name, value in summary.items() if name in {f["name"] for f in kinds["diaObject"]["fields"]}
        }
        old_sources = np.sort(self._generator.uniform(self.old_mjd - 365, self.old_mjd, max(self.history - 1, 0)))
        old_forced = np.sort(
            self._generator.uniform(self.old_mjd - 365, self.old_mjd, max(self.forced - 2 * self.new_forced, 0))
        )
        return {
            "diaSourceId": _SOURCE,
            "observation_reason": "survey",
            "target_name": "lowdust",
            "diaSource": source(_TIME, _SOURCE),
            "prvDiaSources": [
                *(source(float(t), ID_BASE + i) for i, t in enumerate(old_sources)),
                source(_LAST_TIME, _LAST_SOURCE),
            ],
            "prvDiaForcedSources": [
                *(forced(float(t), ID_BASE + i) for i, t in enumerate(old_forced)),
                *(forced(_LAST_TIME, _LAST_FORCED) for _ in range(self.new_forced)),
                *(forced(_TIME, _FORCED) for _ in range(self.new_forced)),
            ],
            "diaObject": summary,
            "ssSource": None,
            "mpc_orbits": None,
            **{name: fits_like(self._generator, size) if self.cutouts else None for name, size in CUTOUT_BYTES.items()},
        }

    @cached_property
    def template(self) -> NDArray[np.uint8]:
        """One packet in the Confluent framing."""
        out = io.BytesIO()
        out.write(b"\0" + self.schema_id.to_bytes(4, "big"))
        fastavro.schemaless_writer(out, self.parsed, self.record())
        return np.frombuffer(out.getvalue(), np.uint8)

    def positions(self, objects: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Right ascension and declination of objects by their numbers: in ten fields of a camera, or at `places`."""
        if self.places is not None:
            ra, dec = self.places
            return ra[objects % len(ra)], dec[objects % len(dec)]
        turn, area = (objects * _SPREAD) % 1.0, (objects * _SPREAD**2) % 1.0
        centre_ra, centre_dec = FIELDS[:, objects % FIELDS.shape[1]]
        away, angle = FIELD_DEGREES * np.sqrt(area), 2.0 * np.pi * turn
        dec = centre_dec + away * np.sin(angle)
        return np.mod(centre_ra + away * np.cos(angle) / np.cos(np.radians(dec)), 360.0), dec

    def packets(self, objects: NDArray[np.int64], visit: int, *, chunk: int = 256) -> Iterator[bytes]:
        """One packet for each object (number from 0) at a visit (number from 0)."""
        raw = self.template.tobytes()
        at_object = _find(raw, _varint(_OBJECT))
        # Sources, forced points and time of this visit and of the one before; the first visit lists its own twice.
        marks = ((visit, _SOURCE, _FORCED, _TIME), (max(visit - 1, 0), _LAST_SOURCE, _LAST_FORCED, _LAST_TIME))
        at_ra, at_dec = (_find(raw, np.float64(mark).tobytes()) for mark in (_RA, _DEC))
        visits = [
            (number, _find(raw, _varint(source)), _find(raw, _varint(forced)), _find(raw, np.float64(time).tobytes()))
            for number, source, forced, time in marks
        ]
        old = range(max(self.history, self.forced)) if self.own_history else ()
        at_old = [_find(raw, _varint(ID_BASE + number)) for number in old]
        nine, eight = np.arange(9), np.arange(8)
        # One shared cutout would let the archive compress across nothing, but let the kernel's caches help: shift it.
        for start in range(0, objects.size, chunk):
            numbers = objects[start : start + chunk]
            block = np.repeat(self.template[None, :], numbers.size, axis=0)
            block[:, (at_object[:, None] + nine).ravel()] = np.tile(_varints(ID_BASE + numbers), (1, at_object.size))
            for at, degrees in zip((at_ra, at_dec), self.positions(numbers), strict=True):
                values = np.ascontiguousarray(degrees, np.float64).view(np.uint8).reshape(-1, 8)
                block[:, (at[:, None] + eight).ravel()] = np.tile(values, (1, at.size))
            for index, at in enumerate(at_old):
                own = _varints(ID_BASE + _HISTORY + numbers * len(at_old) + index)
                block[:, (at[:, None] + nine).ravel()] = np.tile(own, (1, at.size))
            for number, at_source, at_forced, at_time in visits:
                ids = ID_BASE + (np.int64(number + 1) << np.int64(40)) + numbers * 16
                mjd = np.frombuffer(np.float64(self.fresh_mjd + number * 0.003).tobytes(), np.uint8)
                block[:, (at_source[:, None] + nine).ravel()] = np.tile(_varints(ids), (1, at_source.size))
                for index, position in enumerate(at_forced):
                    block[:, position + nine] = _varints(ids + index)
                block[:, (at_time[:, None] + eight).ravel()] = np.tile(mjd, at_time.size)
            for row in block:
                yield row.tobytes()
