"""Common part of all survey adapters: declared fields, and columns moved by declaration.

An adapter declares for every field of every known schema to which column it goes, or why it is dropped. Unknown fields
(of a new minor version of the survey's schema) are not read and cause no failure; `unknown_fields` lists them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.database import tables as sql
from broker_assets.database.point_identity import IDENTIFYING, WITHDRAWN, PointKind, exposures
from broker_assets.packets import light_curves
from broker_assets.packets.named_types import AvroSchema
from broker_assets.packets.points import Points
from broker_assets.packets.reader import available_columns
from broker_assets.packets.surveys.fields import leaf_fields, qualified
from broker_assets.packets.tables import table
from broker_assets.packets.timescales import unix_to_mjd_tai
from broker_assets.packets.values import Column

NJY_ZERO_POINT: Final = 31.4
"""AB magnitude of 1 nJy: 8.90 + 22.5, to the precision that the surveys use (Oke & Gunn 1983; LSE-163)."""

UNITS: Final = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}
"""Units of Arrow's timestamps in one second."""


POINT_TABLES: Final[Mapping[str, PointKind]] = {
    "source": PointKind.SOURCE,
    "forced_source": PointKind.FORCED,
    "nondetection": PointKind.LIMIT,
}
"""Internal tables of points."""

_POINT_COLUMNS: Final[Mapping[PointKind, tuple[str, ...]]] = {
    kind: (
        "diaobjectid",
        "midpointmjdtai",
        WITHDRAWN,
        *IDENTIFYING[kind],
        *(("ccdvisitid", "visit", "detector") * (kind == 2)),
    )
    for kind in PointKind
}
"""Columns that are read before it is decided which points are read in full."""


@dataclass(frozen=True)
class Destination:
    """Destination of the values of a field."""

    table: str
    """Internal table."""
    column: str
    convert: Callable[[Column], Column] | None = None
    """Function applied to the whole column; None keeps the values."""


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
    """Internal tables to which the points of an array go, by path of the array."""
    LIGHT_CURVE: ClassVar[Collection[str]] = light_curves.COLUMNS
    """Columns of sources and forced points whose fields are read for `light_curve`."""
    NUMBERS_EXPOSURES: ClassVar[bool] = True
    """Whether packets number the exposures of limits."""
    HISTORY_DAYS: ClassVar[float] = 365.0
    """How far back the histories of packets reach, as the survey documents it: one year of Rubin (LSE-163, 3.2.1)."""

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
    ) -> tuple[dict[str, pa.Table], Counter[str]]:
        """Internal tables by name, and the number of values that are not understood, by reason.

        `identity` has one entry for each row of `decoded[""]`; `packet` identifies the packet. The decoder (`usable`)
        removes rows that cannot be stored because they lack an identifier or a time.
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
            values["@end"].to_numpy(),
        )

    def light_curve(self, schema: AvroSchema, decoded: Mapping[str, pa.Table], identity: Identity) -> pa.Table:
        """The light curves of the packets, from the columns `identity_columns`; see `light_curves.light_curve`."""
        found: dict[str, list[dict[str, Any]]] = {
            "source": [self._photometry("", decoded[""], "source", schema)],
            "forced_source": [],
        }
        for path, tables in self.HISTORY.items():
            if path in decoded and decoded[path].num_rows:
                for name in found.keys() & set(tables):
                    found[name].append(self._photometry(path, decoded[path], name, schema))
        return light_curves.light_curve(identity.packet, identity.diasourceid, found["source"], found["forced_source"])

    def _photometry(self, path: str, values: pa.Table, name: str, schema: AvroSchema) -> dict[str, Any]:
        """Columns `LIGHT_CURVE` of the points of one array, or of the packets' own sources."""
        return self.move(path, values, name)

    def identity_columns(self, schema: AvroSchema) -> dict[str, list[str]]:
        """Columns to read for `identity`, `points` and `light_curve`."""
        present = leaf_fields(schema)
        wanted = {"": [n for n in present[""] if n in self.IDENTITY or self._is_of_point(n, ("source",), own=True)]}
        for path, tables in self.HISTORY.items():
            needed = [name for name in present.get(path, ()) if self._is_of_point(qualified(path, name), tables)]
            if needed:
                wanted[path] = [*needed, "@end"]
        return wanted

    def _is_of_point(self, field: str, tables: Sequence[str], *, own: bool = False) -> bool:
        """Whether a field is needed to identify a point, or for its photometry."""
        found = self.FIELDS.get(field, ())
        return any(
            target.table in tables
            and (
                (target.column in _POINT_COLUMNS[POINT_TABLES[target.table]] and not own)
                or (target.column in self.LIGHT_CURVE and target.table != "nondetection")
            )
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

    def present(self, root: pa.Table, record: str) -> NDArray[np.int64]:
        """Rows of the packets that have a record.

        If the schema does not allow the record to be null (as in schemas written by Spark), it is present where one of
        its fields is not null.
        """
        if record in root.column_names:
            return np.flatnonzero(as_integer(root[record]))
        fields = [name for name in root.column_names if name.startswith(f"{record}.")]
        found = np.zeros(root.num_rows, np.bool_)
        for name in fields:
            found |= np.asarray(pc.is_valid(root[name]))
        return np.flatnonzero(found)

    def move(self, path: str, values: pa.Table, name: str, omitted: Counter[str] | None = None) -> dict[str, Any]:
        """Columns of the internal table `name` from the fields of a record or array, as `FIELDS` declares.

        Parameters
        ----------
        path : str
            Array of records, or "" for the packet itself.
        values : Table
            Output of the reader for it.
        name : str
            Internal table.
        omitted : Counter, optional
            Counts values that cannot be converted and become null.
        """
        moved: dict[str, Any] = {"packet": values["packet"]}
        for field in values.column_names:
            found = self.FIELDS.get(qualified(path, field))
            for target in (found,) if isinstance(found, Destination) else found or ():
                if target.table == name:
                    column = values[field]
                    if target.convert is not None:
                        column = _converted(column, target.convert)
                        lost = column.null_count - values[field].null_count
                        if lost and omitted is not None:
                            omitted[f"{name}.{target.column}: {field} is not understood"] += lost
                    moved[target.column] = column
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


def _converted(column: Column, convert: Callable[[Column], Column]) -> Column:
    try:
        return convert(column)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # a type that the converter does not know
        return pa.nulls(len(column))


def constant(value: object, length: int, kind: pa.DataType) -> pa.Array:
    """A column with a constant value."""
    return pa.repeat(pa.scalar(value, type=kind), length)


def as_float(column: Column) -> NDArray[np.float64]:
    """A numeric column as float64, null as NaN."""
    return np.array(pc.fill_null(pc.cast(column, pa.float64(), safe=False), np.nan).to_numpy(), dtype=np.float64)


def as_integer(column: Column, *, null: int = 0) -> NDArray[np.int64]:
    """An integer column as int64, null as a number."""
    return np.asarray(pc.fill_null(pc.cast(column, pa.int64()), null).to_numpy(), dtype=np.int64)


def as_flux(values: NDArray[np.floating[Any]], valid: NDArray[np.bool_]) -> pa.Array:
    """A float32 column; null where not valid, NaN and infinity kept where valid.

    Parameters
    ----------
    values : (n,) float array
        Fluxes, nJy.
    valid : (n,) bool array
        Where a value exists.

    Returns
    -------
    (n,) Arrow float32 array
    """
    with np.errstate(over="ignore"):
        return pa.array(values.astype(np.float32), mask=~valid)


SENTINELS: Final = (-9.0, -99.0, -999.0, -9999.0, -99999.0)
"""Numbers that surveys write for "no value", where a value cannot be negative."""


def without_sentinels(column: Column) -> Column:
    """A numeric column that cannot be negative; sentinels are null."""
    return pc.if_else(pc.is_in(pc.cast(column, pa.float64()), pa.array(SENTINELS)), None, column)


def timestamp_to_mjd_tai(column: Column) -> Column:
    """UTC timestamps as MJD TAI; null if outside `MJD_MINIMUM` … `MJD_MAXIMUM`. Plain integers count microseconds."""
    unit = column.type.unit if pa.types.is_timestamp(column.type) else "us"
    # As numbers, since Arrow refuses a whole column if another unit cannot represent one of its times.
    mjd = unix_to_mjd_tai(as_float(pc.cast(column, pa.int64())) / UNITS[unit])
    return pa.array(mjd, mask=~np.isfinite(mjd))


def objects_of(columns: Mapping[str, Any], identity: Identity) -> NDArray[np.int64]:
    """The object of each point: that of its packet, unless the point names another one."""
    own = as_integer(columns["diaobjectid"]) if "diaobjectid" in columns else 0
    return np.where(own != 0, own, identity.diaobjectid[packet_rows(columns["packet"], identity)])


def packet_rows(packets: Column, identity: Identity) -> NDArray[np.int64]:
    """Row in `identity` of each packet number; `identity.packet` ascends."""
    numbers = as_integer(packets)
    if identity.packet.size and identity.packet[-1] == identity.packet.size - 1:  # no packet failed
        return numbers
    return np.searchsorted(identity.packet, numbers)
