"""Common part of all survey adapters: declared fields, and columns moved by declaration.

An adapter declares for every field of every known schema to which column it goes, or why it is dropped. Unknown fields
(of a new minor version of the survey's schema) are not read and cause no failure; `unknown_fields` lists them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database import tables as sql
from broker_assets.database.point_identity import IDENTIFYING, MJD_MAXIMUM, MJD_MINIMUM, PointKind, exposures
from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.points import Points
from broker_assets.packets.reader import available_columns
from broker_assets.packets.surveys.fields import leaf_fields, qualified
from broker_assets.packets.tables import table
from broker_assets.packets.timescales import unix_to_mjd_tai

NJY_ZERO_POINT: Final = 31.4
"""AB magnitude of 1 nJy: 8.90 + 22.5, to the precision that the surveys use (Oke & Gunn 1983; LSE-163)."""

Column: TypeAlias = "pa.Array | pa.ChunkedArray"


POINT_TABLES: Final[Mapping[str, PointKind]] = {
    "source": PointKind.SOURCE,
    "forced_source": PointKind.FORCED,
    "nondetection": PointKind.LIMIT,
}
"""Internal tables of points."""

_POINT_COLUMNS: Final[Mapping[PointKind, tuple[str, ...]]] = {
    kind: ("diaobjectid", "midpointmjdtai", *IDENTIFYING[kind], *(("ccdvisitid", "visit", "detector") * (kind == 2)))
    for kind in PointKind
}
"""Columns from which the identity of a point follows."""


@dataclass(frozen=True)
class Destination:
    """Destination of the values of a field."""

    table: str
    """Internal table."""
    column: str
    convert: Callable[[Column], Column] | None = None
    """Applied to the whole column; None keeps the values."""


@dataclass(frozen=True)
class Identity:
    """Identity of packets; arrays of equal length, one entry for each packet read."""

    packet: NDArray[np.int64]
    diasourceid: NDArray[np.int64]
    diaobjectid: NDArray[np.int64]
    """0 if the packet has no DIAObject."""
    ssobjectid: NDArray[np.int64]
    """0 if the packet has no solar-system object."""
    midpointmjdtai: NDArray[np.float64]
    ra: NDArray[np.float64]
    decl: NDArray[np.float64]


class SurveyAdapter(ABC):
    """Converts the output of the compiled reader for one survey to internal tables."""

    survey: ClassVar[str]
    FIELDS: ClassVar[Mapping[str, Destination | tuple[Destination, ...]]]
    """Dotted field to its destination, for every schema version of the survey."""
    DROPPED: ClassVar[Mapping[str, str]]
    """Dotted field to the reason why it has no column. It stays in the archived packet."""
    IDENTITY: ClassVar[tuple[str, ...]]
    """Fields of the packet that identify it."""
    CUTOUTS: ClassVar[Mapping[str, str]]
    """Kind of cutout to the field with its bytes."""
    OPTIONAL: ClassVar[tuple[str, ...]] = ()
    """Records that a packet may lack; the reader gives their presence."""
    HISTORY: ClassVar[Mapping[str, tuple[str, ...]]]
    """Path of each array of points to the internal tables that its points go to."""
    NUMBERS_EXPOSURES: ClassVar[bool] = True
    """Whether packets number the exposures of limits."""

    @property
    def survey_code(self) -> int:
        """Value of the column `survey`."""
        return sql.SURVEYS[self.survey]

    @abstractmethod
    def recognises(self, fields: Mapping[str, Sequence[str]]) -> bool:
        """Whether a schema with these fields (see `leaf_fields`) belongs to this survey."""

    @abstractmethod
    def identity(self, root: pa.Table) -> Identity:
        """Identity of the packets, from the fields `IDENTITY`."""

    @abstractmethod
    def convert(
        self, schema: AvroSchema, decoded: Mapping[str, pa.Table], identity: Identity
    ) -> tuple[dict[str, pa.Table], int]:
        """Internal tables by name, and the number of history points skipped because their time is not finite.

        `identity` has one entry for each row of `decoded[""]`; `packet` identifies the packet.
        """

    def points(self, decoded: Mapping[str, pa.Table], identity: Identity) -> dict[str, Points]:
        """The points of the histories, from the columns `identity_columns`.

        Returns
        -------
        dict of str to Points
            By path, in the order of the rows of `decoded`; `packet` as there.
        """
        return {
            path: self._points_of(path, decoded[path], identity)
            for path in self.HISTORY
            if path in decoded and decoded[path].num_rows
        }

    def _points_of(self, path: str, values: pa.Table, identity: Identity) -> Points:
        (name,) = self.HISTORY[path]
        columns = self.move(path, values, name)
        if name == "nondetection":
            columns["exposure"] = exposures(columns, numbered=self.NUMBERS_EXPOSURES)
        return Points.of(
            POINT_TABLES[name],
            as_integer(values["packet"]),
            objects_of(columns, identity),
            as_float(columns["midpointmjdtai"]),
            columns,
        )

    def identity_columns(self, schema: AvroSchema) -> dict[str, list[str]]:
        """Columns to read for `identity` and `points`."""
        present = leaf_fields(schema)
        wanted = {"": [name for name in self.IDENTITY if name in present[""]]}
        for path, tables in self.HISTORY.items():
            needed = [name for name in present.get(path, ()) if self._identifies_points(qualified(path, name), tables)]
            if needed:
                wanted[path] = needed
        return wanted

    def _identifies_points(self, field: str, tables: Sequence[str]) -> bool:
        found = self.FIELDS.get(field, ())
        return any(
            target.table in tables and target.column in _POINT_COLUMNS[POINT_TABLES[target.table]]
            for target in ((found,) if isinstance(found, Destination) else found)
        )

    def columns(self, schema: AvroSchema) -> dict[str, list[str]]:
        """Columns to read for `convert`."""
        cutouts = set(self.CUTOUTS.values())
        available = set(available_columns(schema)[""])
        wanted: dict[str, list[str]] = {}
        for path, names in leaf_fields(schema).items():
            kept = [
                name for name in names if qualified(path, name) in self.FIELDS or (not path and name in self.IDENTITY)
            ]
            if not path:
                kept += [f"{name}@length" for name in names if name in cutouts]
                kept += [name for name in self.OPTIONAL if name in available]
            if kept:
                wanted[path] = kept
        return wanted

    def unknown_fields(self, schema: AvroSchema) -> list[str]:
        """Fields of a schema that are neither kept nor dropped by declaration."""
        cutouts = set(self.CUTOUTS.values())
        return [
            name
            for path, names in leaf_fields(schema).items()
            for name in (qualified(path, leaf) for leaf in names)
            if name not in self.FIELDS and name not in self.DROPPED and name not in cutouts
        ]

    def move(self, path: str, values: pa.Table, name: str) -> dict[str, Any]:
        """Columns of the internal table `name` from the fields of a record or array, as `FIELDS` declares.

        Parameters
        ----------
        path : str
            Array of records, or "" for the packet itself.
        values : Table
            Output of the reader for it.
        name : str
            Internal table.
        """
        moved: dict[str, Any] = {"packet": values["packet"]}
        for field in values.column_names:
            found = self.FIELDS.get(qualified(path, field))
            for target in (found,) if isinstance(found, Destination) else found or ():
                if target.table == name:
                    column = values[field]
                    moved[target.column] = target.convert(column) if target.convert is not None else column
        moved["survey"] = constant(self.survey_code, values.num_rows, pa.int16())
        return moved

    def cutouts(self, root: pa.Table, identity: Identity) -> pa.Table | None:
        """The cutouts contained in the packets."""
        parts = []
        for kind, field in self.CUTOUTS.items():
            name = f"{field}@length"
            if name not in root.column_names:
                continue
            length = as_float(root[name])
            rows = np.flatnonzero(length > 0)
            parts.append(
                table(
                    "cutout",
                    {
                        "packet": identity.packet[rows],
                        "diasourceid": identity.diasourceid[rows],
                        "kind": constant(kind, len(rows), pa.string()),
                        "length": length[rows].astype(np.int64),
                    },
                )
            )
        return pa.concat_tables(parts) if parts else None


def constant(value: object, length: int, kind: pa.DataType) -> pa.Array:
    """A column with a constant value."""
    return pa.repeat(pa.scalar(value, type=kind), length)


def as_float(column: Column) -> NDArray[np.float64]:
    """A numeric column as float64, null as NaN."""
    return np.asarray(pc.fill_null(pc.cast(column, pa.float64()), np.nan).to_numpy(), dtype=np.float64)


def as_integer(column: Column, *, null: int = 0) -> NDArray[np.int64]:
    """An integer column as int64, null as a number."""
    return np.asarray(pc.fill_null(pc.cast(column, pa.int64()), null).to_numpy(), dtype=np.int64)


def as_flux(values: NDArray[np.floating[Any]], valid: NDArray[np.bool_]) -> pa.Array:
    """A float32 column; null where not valid, NaN and infinity kept where valid."""
    with np.errstate(over="ignore"):
        return pa.array(values.astype(np.float32), mask=~valid)


def sane_time(mjd: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether times are finite and within the years that surveys cover."""
    return (mjd >= MJD_MINIMUM) & (mjd <= MJD_MAXIMUM)


def timestamp_to_mjd_tai(column: Column) -> Column:
    """UTC timestamps as MJD TAI."""
    microseconds: Column = pc.cast(pc.cast(column, pa.timestamp("us", tz="UTC")), pa.int64())
    return pa.array(unix_to_mjd_tai(as_float(microseconds) / 1e6), mask=np.asarray(pc.is_null(column)))


def objects_of(columns: Mapping[str, Any], identity: Identity) -> NDArray[np.int64]:
    """The object of each point: that of its packet, unless the point names another one."""
    own = as_integer(columns["diaobjectid"]) if "diaobjectid" in columns else 0
    return np.where(own != 0, own, identity.diaobjectid[packet_rows(columns["packet"], identity)])


def packet_rows(packets: Column, identity: Identity) -> NDArray[np.int64]:
    """Row in `identity` of each packet number; `identity.packet` ascends."""
    return np.searchsorted(identity.packet, as_integer(packets))
