"""ZTF-like alert packets: Avro containers of one record, in the style of schema 4.

The schema is written here from the names and types of the public one, reduced to what a broker reads; this makes no
difference to readers that follow the schema in the packet.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.packets.container import write_header, write_long
from broker_assets.packets.identifiers import ZTF_ID_BASE, ztf_object_name
from broker_assets.simulation.asteroids import Asteroids
from broker_assets.simulation.cadence import TAI_MINUS_UTC, ZTF
from broker_assets.simulation.encoding import RecordWriter, array, zigzag_varint
from broker_assets.simulation.history import EncodedHistory, History
from broker_assets.simulation.observing import ASTEROID, Columns

VERSION = "4.02"
_SYNC = b"broker_assets ZTF"[:16]
_YEAR = 26**7
"""Number of names per year."""
_ZERO_POINT = 26.3
"""Magnitude of one count in the forced photometry."""

_PRIMITIVE = {"d": "double", "f": "float", "i": "int", "l": "long", "s": "string"}


def _fields(names: str, *, nullable: bool) -> list[dict[str, Any]]:
    """Fields from `name:letter` words; a `?` after the letter makes a field nullable."""
    fields = []
    for word in names.split():
        name, _, letter = word.partition(":")
        primitive = _PRIMITIVE[letter[0]]
        optional = nullable or letter.endswith("?")
        fields.append(
            {"name": name, "type": ["null", primitive], "default": None}
            if optional
            else {"name": name, "type": primitive}
        )
    return fields


_VISIT = "jd:d fid:i pid:l diffmaglim:f? programid:i candid:l? isdiffpos:s? field:i? rcid:i?"
_MEASURED = (
    "xpos:f? ypos:f? ra:d? dec:d? magpsf:f? sigmapsf:f? chipsf:f? magap:f? sigmagap:f? distnr:f? magnr:f? sigmagnr:f?"
    " fwhm:f? classtar:f? elong:f? nbad:i? rb:f? rbversion:s? ssdistnr:f? ssmagnr:f? ssnamenr:s? ranr:d? decnr:d?"
    " scorr:d? magzpsci:f?"
)
_CANDIDATE = (
    "jd:d fid:i pid:l diffmaglim:f? programid:i candid:l isdiffpos:s field:i? rcid:i? xpos:f? ypos:f? ra:d dec:d"
    " magpsf:f sigmapsf:f chipsf:f? magap:f? sigmagap:f? distnr:f? magnr:f? sigmagnr:f? fwhm:f? classtar:f? elong:f?"
    " nbad:i? rb:f? rbversion:s ssdistnr:f? ssmagnr:f? ssnamenr:s? ranr:d decnr:d scorr:d? magzpsci:f? ndethist:i"
    " ncovhist:i jdstarthist:d? jdendhist:d? exptime:f? drb:f? drbversion:s"
)
_FORCED = (
    "field:i? rcid:i? fid:i pid:l exptime:f? sciinpseeing:f? magzpsci:f? magzpsciunc:f? diffmaglim:f? programid:i"
    " jd:d? forcediffimflux:f? forcediffimfluxunc:f? procstatus:s? distnr:f? ranr:d decnr:d magnr:f? sigmagnr:f?"
)


def _record(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "record", "name": f"ztf.alert.{name}", "fields": fields}


def schema() -> dict[str, Any]:
    """The schema of a packet."""
    cutout = _record("cutout", [{"name": "fileName", "type": "string"}, {"name": "stampData", "type": "bytes"}])
    previous = _record("prv_candidate", _fields(f"{_VISIT} {_MEASURED}", nullable=False))
    forced = _record("fp_hist", _fields(_FORCED, nullable=False))
    return {
        "type": "record",
        "name": "alert",
        "namespace": "ztf",
        "version": VERSION,
        "fields": [
            {"name": "schemavsn", "type": "string"},
            {"name": "publisher", "type": "string"},
            {"name": "objectId", "type": "string"},
            {"name": "candid", "type": "long"},
            {"name": "candidate", "type": _record("candidate", _fields(_CANDIDATE, nullable=False))},
            {"name": "prv_candidates", "type": ["null", {"type": "array", "items": previous}], "default": None},
            {"name": "fp_hists", "type": ["null", {"type": "array", "items": forced}], "default": None},
            {"name": "cutoutScience", "type": ["null", cutout], "default": None},
            {"name": "cutoutTemplate", "type": ["null", "ztf.alert.cutout"], "default": None},
            {"name": "cutoutDifference", "type": ["null", "ztf.alert.cutout"], "default": None},
        ],
    }


class ZtfPackets:
    """Writes ZTF-like packets.

    Parameters
    ----------
    seed : int
        Objects of surveys with different seeds (modulo 1024) get different names.
    """

    instrument = ZTF
    memory = 30.0
    """Days of history in a packet."""

    def __init__(self, seed: int) -> None:
        full = schema()
        types = {field["name"]: field["type"] for field in full["fields"]}
        self._candidate = RecordWriter(types["candidate"])
        self._previous = RecordWriter(types["prv_candidates"][1]["items"])
        self._forced = RecordWriter(types["fp_hists"][1]["items"])
        header = {"avro.schema": json.dumps(full, separators=(",", ":")).encode(), "avro.codec": b"null"}
        self._header = write_header(header, _SYNC) + write_long(1)
        self._next = seed % 1024 * (_YEAR // 1024)

    def _new_ids(self, count: int, day: int) -> NDArray[np.int64]:
        # Two digits of the year of discovery; a year of 365.25 days is accurate enough for a name.
        year = int((day - 51544) / 365.25)
        numbers = self._next + np.arange(count, dtype=np.int64)
        self._next += count
        return ZTF_ID_BASE | (year * _YEAR + numbers)

    def new_object_ids(self, source_ids: NDArray[np.int64], day: int) -> NDArray[np.int64]:
        """Ids of objects detected for the first time: the next names."""
        return self._new_ids(len(source_ids), day)

    def object_ids_without_object(self, seen: Columns, day: int) -> NDArray[np.int64]:
        """Every detection of an asteroid or artefact is a separate object."""
        return self._new_ids(len(seen["row"]), day)

    def encode_history(self, history: History) -> EncodedHistory:
        """`prv_candidates` (detections and limits, ordered by time) and `fp_hists`."""
        previous = [
            *zip(history.times["source"], history.records["source"], strict=True),
            *zip(history.times["limit"], history.records["limit"], strict=True),
        ]
        previous.sort(key=lambda entry: entry[0])
        forced = history.records["forced"]
        return {
            "source": array([record for _, record in previous]) if previous else None,
            "forced": array(forced) if forced else None,
        }

    def sources(self, seen: Columns) -> list[bytes]:
        """Detections for the history."""
        return self._previous.write(_measured(seen), len(seen["row"]))

    def limits(self, seen: Columns) -> list[bytes]:
        """Visits without a detection, for the history."""
        columns = _visit(seen) | dict.fromkeys(("candid", "isdiffpos", "rbversion", "ra", "dec", "rb"), None)
        unmeasured = {name: None for name, _ in self._previous.fields if name not in columns}
        return self._previous.write(columns | unmeasured, len(seen["row"]))

    def forced(self, seen: Columns) -> list[bytes]:
        """Forced photometry for the history."""
        scale = 10.0 ** ((_ZERO_POINT - 31.4) / 2.5)
        columns = _visit(seen) | {
            "forcediffimflux": seen["forced"] * scale,
            "forcediffimfluxunc": seen["error"] * scale,
            "procstatus": "0",
            "ranr": seen["object_ra"],
            "decnr": seen["object_dec"],
        }
        return self._forced.write(columns, len(seen["row"]))

    def keys(self, seen: Columns) -> list[bytes]:
        """Key of each message: the name of the object."""
        return [name.encode() for name in ztf_object_name(seen["object_id"]).tolist()] if len(seen["row"]) else []

    def write(
        self,
        seen: Columns,
        sources: Sequence[bytes],
        histories: Sequence[EncodedHistory | None],
        statistics: Columns,
        asteroids: Asteroids,
        cutouts: Sequence[tuple[bytes, bytes, bytes]] | None,
    ) -> list[bytes]:
        """Packets as Avro containers; see `RubinPackets.write`."""
        rows = len(sources)
        if not rows:
            return []
        moving = seen["kind"] == ASTEROID
        columns = _measured(seen) | {
            "ndethist": statistics["nDiaSources"],
            "ncovhist": statistics["nDiaSources"],
            "jdstarthist": _julian_date(statistics["firstDiaSourceMjdTai"]),
            "jdendhist": _julian_date(statistics["lastDiaSourceMjdTai"]),
            "exptime": self.instrument.exposure,
            "drb": seen["reliability"],
            "drbversion": "simulated-1",
            "ssdistnr": np.where(moving, 0.3, -999.0),
            "ssmagnr": np.where(moving, _magnitude(seen["flux"]), -999.0),
            "ssnamenr": [
                asteroids.designation(row) if one else "null"
                for row, one in zip(seen["row"].tolist(), moving.tolist(), strict=True)
            ],
        }
        start = _string(VERSION) + _string("broker_assets")
        packets = []
        for row, (name, candidate) in enumerate(
            zip(self.keys(seen), self._candidate.write(columns, rows), strict=True)
        ):
            history = histories[row] or {}
            previous, forced = history.get("source"), history.get("forced")
            source = int(seen["source_id"][row])
            pieces = [start, zigzag_varint(len(name)), name, zigzag_varint(source), candidate]
            pieces += [b"\x00" if encoded is None else b"\x02" + encoded for encoded in (previous, forced)]
            for kind, file in zip(("sci", "ref", "diff"), cutouts[row] if cutouts else (None,) * 3, strict=True):
                pieces.append(b"\x00" if file is None else b"\x02" + _cutout(f"candid{source}_{kind}.fits.gz", file))
            datum = b"".join(pieces)
            packets.append(b"".join((self._header, write_long(len(datum)), datum, _SYNC)))
        return packets

    def copy_schemas(self, folder: Path) -> None:
        """Nothing: each packet contains its schema."""


def _string(text: str) -> bytes:
    encoded = text.encode()
    return zigzag_varint(len(encoded)) + encoded


def _cutout(name: str, file: bytes) -> bytes:
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    data = compressor.compress(file) + compressor.flush()
    return _string(name) + zigzag_varint(len(data)) + data


def _julian_date(mjd_tai: NDArray[np.float64]) -> NDArray[np.float64]:
    """Julian dates, UTC, of the starts of exposures from the MJD TAI of their middles, as ZTF gives them."""
    return np.asarray(mjd_tai - TAI_MINUS_UTC - ZTF.exposure / 2 / 86_400 + 2_400_000.5)


def _magnitude(flux: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(31.4 - 2.5 * np.log10(np.maximum(np.abs(flux), 1e-3)))


def _visit(seen: Columns) -> Columns:
    return {
        "jd": _julian_date(seen["mjd"]),
        "fid": seen["band"] + 1,
        "pid": seen["visit_id"] * 100 + seen["detector"],
        "diffmaglim": 31.4 - 2.5 * np.log10(5.0 * seen["sky"]),
        "programid": 1,
        "field": seen["visit"] % 1000 + 200,
        "rcid": seen["detector"],
        "magzpsci": _ZERO_POINT,
    }


def _measured(seen: Columns) -> Columns:
    return _visit(seen) | {
        "candid": seen["source_id"],
        "isdiffpos": np.where(seen["flux"] > 0, "t", "f"),
        "xpos": seen["x"],
        "ypos": seen["y"],
        "ra": seen["ra"],
        "dec": seen["dec"],
        "magpsf": _magnitude(seen["flux"]),
        "sigmapsf": 2.5 / np.log(10.0) * seen["error"] / np.abs(seen["flux"]),
        "magap": _magnitude(1.02 * seen["flux"]),
        "sigmagap": 2.2 * 2.5 / np.log(10.0) * seen["error"] / np.abs(seen["flux"]),
        "magnr": _magnitude(seen["template"]),
        "sigmagnr": 0.05,
        "distnr": 0.4,
        "fwhm": seen["fwhm"],
        "rb": seen["reliability"],
        "rbversion": "simulated-1",
        "ranr": seen["ra"],
        "decnr": seen["dec"],
        "scorr": np.abs(seen["snr"]),
        "nbad": 0,
        "elong": 1.05,
        "ssnamenr": None,
        "ssdistnr": None,
        "ssmagnr": None,
    }
