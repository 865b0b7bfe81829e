"""Rubin alert packets of any schema version from columns, including the history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.simulation import schemas
from broker_assets.simulation.asteroids import Asteroids, published_columns
from broker_assets.simulation.cadence import RUBIN
from broker_assets.simulation.encoding import (
    Column,
    RecordWriter,
    array,
    default_value,
    encode_column,
    join_columns,
    zigzag_varint,
)
from broker_assets.simulation.history import EncodedHistory, History
from broker_assets.simulation.observing import (
    ASTEROID,
    Columns,
    forced_columns,
    limit_columns,
    object_columns,
    source_columns,
)

OFFSET = 0.05
"""Observed minus predicted position of asteroids in each coordinate, arcsec."""
CUTOUTS = ("cutoutScience", "cutoutTemplate", "cutoutDifference")
"""In the order of `CutoutWriter`."""


def _record_name(avro_type: Any) -> str | None:
    """Short name of the record type of a field, of its non-null branch, or of its array items."""
    if isinstance(avro_type, list):
        return next((name for name in map(_record_name, avro_type) if name), None)
    if isinstance(avro_type, dict):
        if avro_type["type"] == "array":
            return _record_name(avro_type["items"])
        return str(avro_type["name"]).rsplit(".", 1)[-1] if avro_type["type"] == "record" else None
    return str(avro_type).rsplit(".", 1)[-1] if "." in str(avro_type) else None


def _nullable(avro_type: Any, encoded: bytes | None) -> bytes:
    """Prepend the union branch, if the type is a union, to an encoding; None is null."""
    if not isinstance(avro_type, list):
        if encoded is None:
            raise ValueError("null for a field that cannot be null")
        return encoded
    null = avro_type.index("null")
    return zigzag_varint(null) if encoded is None else zigzag_varint(1 - null) + encoded


class RubinPackets:
    """Writes packets of one schema version.

    Parameters
    ----------
    version : str
        `major.minor`.
    folder : Path, optional
        Folder of schemas; default: that of the installed `lsst-alert-packet`.
    """

    instrument = RUBIN
    memory = 365.0
    """Days of history in a packet."""

    def __init__(self, version: str = schemas.DEFAULT_VERSION, folder: Path | None = None) -> None:
        self.version = version
        self.schema = schemas.load(version, folder)
        self.schema_id = schemas.schema_id(version)
        self._folder = folder
        self._prefix = b"\x00" + self.schema_id.to_bytes(4, "big")
        named = {name.rsplit(".", 1)[-1]: record for name, record in self.schema["__named_schemas"].items()}
        self._writers = {name: RecordWriter(record) for name, record in named.items() if name != "alert"}
        self._fields: list[tuple[str, Any]] = [(entry["name"], entry["type"]) for entry in self.schema["fields"]]

    def new_object_ids(self, source_ids: NDArray[np.int64], day: int) -> NDArray[np.int64]:
        """Ids of objects detected for the first time: that of the detection."""
        return source_ids

    def object_ids_without_object(self, seen: Columns, day: int) -> NDArray[np.int64]:
        """Ids of objects that are not in the catalogue: asteroids have none, each artefact has its own."""
        return np.where(seen["kind"] == ASTEROID, 0, seen["source_id"])

    def encode_history(self, history: History) -> EncodedHistory:
        """The arrays of the history; None for those that Rubin leaves null when empty."""
        return {
            kind: array(records) if records or kind == "forced" else None for kind, records in history.records.items()
        }

    def sources(self, seen: Columns) -> list[bytes]:
        """Detections for the history."""
        return self._records("diaSource", source_columns(seen, self.instrument), len(seen["row"]))

    def forced(self, seen: Columns) -> list[bytes]:
        """Forced photometry for the history."""
        return self._records("diaForcedSource", forced_columns(seen, self.instrument), len(seen["row"]))

    def limits(self, seen: Columns) -> list[bytes]:
        """Limits of visits without a detection, for the history; empty if the version has none."""
        return self._records("diaNondetectionLimit", limit_columns(seen, self.instrument), len(seen["row"]))

    def _records(self, name: str, columns: Mapping[str, Column], rows: int) -> list[bytes]:
        writer = self._writers.get(name)
        return writer.write(columns, rows) if writer else []

    def keys(self, seen: Columns) -> list[bytes]:
        """Key of each message: the id of the object, or of the asteroid."""
        # Of the two ids one is always 0.
        return [b"%d" % identifier for identifier in (seen["asteroid_id"] + seen["object_id"]).tolist()]

    def write(
        self,
        seen: Columns,
        sources: Sequence[bytes],
        histories: Sequence[EncodedHistory | None],
        statistics: Columns,
        asteroids: Asteroids,
        cutouts: Sequence[tuple[bytes, bytes, bytes]] | None,
    ) -> list[bytes]:
        """Packets in Confluent framing.

        Parameters
        ----------
        seen : dict of str to array
            The n detections.
        sources : sequence of bytes
            Their encodings by `sources`.
        histories : sequence of EncodedHistory or None
            Earlier history of their objects; None for asteroids.
        statistics : dict of str to array
            Statistics of their objects, including them.
        asteroids : Asteroids
            The asteroids that rows refer to.
        cutouts : sequence of (science, template, difference), optional
            FITS files.
        """
        rows = len(sources)
        if not rows:
            return []
        stationary = seen["kind"] != ASTEROID
        objects = self._records("diaObject", object_columns(seen, statistics), rows)
        nested: dict[str, list[bytes | None]] = {
            "diaSource": list(sources),
            "diaObject": [one if keep else None for one, keep in zip(objects, stationary.tolist(), strict=True)],
        }
        moving = np.flatnonzero(~stationary)
        published = published_columns(
            asteroids, seen["row"][moving], seen["mjd"][moving], seen["source_id"][moving], OFFSET
        )
        for name, columns in published.items():
            nested[name] = [None] * rows
            for row, encoded in zip(moving.tolist(), self._records(name, columns, len(moving)), strict=False):
                nested[name][row] = encoded
        fields = []
        for name, avro_type in self._fields:
            if name in ("diaSourceId", "alertId"):
                fields.append(join_columns([encode_column(avro_type, seen["source_id"], rows)], rows))
            elif name in _HISTORIES:
                kind = _HISTORIES[name]
                fields.append([_nullable(avro_type, history[kind] if history else None) for history in histories])
            elif name in CUTOUTS:
                which = CUTOUTS.index(name)
                files = [None] * rows if cutouts is None else [_bytes(one[which]) for one in cutouts]
                fields.append([_nullable(avro_type, file) for file in files])
            elif (record := _record_name(avro_type)) is not None:
                fields.append([_nullable(avro_type, encoded) for encoded in nested.get(record, [None] * rows)])
            else:
                fields.append(join_columns([encode_column(avro_type, default_value(avro_type), rows)], rows))
        return [b"".join((self._prefix, *pieces)) for pieces in zip(*fields, strict=True)]

    def copy_schemas(self, folder: Path) -> None:
        """Copy the schema files of the version, as `<folder>/<major>/<minor>/*.avsc`."""
        schemas.copy(self.version, folder, self._folder)


def _bytes(data: bytes) -> bytes:
    return zigzag_varint(len(data)) + data


_HISTORIES = {"prvDiaSources": "source", "prvDiaForcedSources": "forced", "prvDiaNondetectionLimits": "limit"}
