"""The instrument database of one version: SCOS-2000 tables in an SQLite file, read once into memory."""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker_assets.telemetry.idb.calibration import Calibration, CalibrationError, Curve, Polynomial, TextTable
from broker_assets.telemetry.idb.instrument_rules import Instrument, StructureKey
from broker_assets.telemetry.idb.layouts import Layout, Parameter, UnsupportedLayout, fixed_layout, variable_layout
from broker_assets.telemetry.idb.stix_rules import STIX

logger = logging.getLogger(__name__)


class DatabaseError(ValueError):
    """An instrument database cannot be read; the message names the file and what is wrong."""


@dataclass(frozen=True)
class Structure:
    """A packet kind of the catalogue (table PID)."""

    key: StructureKey
    spid: int
    description: str
    variable: int
    """VPD_TPSD of its rows; -1 for a fixed layout."""
    checksum: bool
    """The last two bytes of the packet are a CRC (PID_CHECK = 1)."""


def version_tuple(version: str) -> tuple[int, ...]:
    """Version text as numbers, for comparing.

    Examples
    --------
    >>> version_tuple("2.26.34") < version_tuple("2.26.35")
    True
    """
    return tuple(int(part) for part in version.split("."))


@dataclass(repr=False)
class InstrumentDatabase:
    """Packet catalogue, layouts, parameters and calibrations of one version.

    Make one with `InstrumentDatabase.open`. Calibrations that a build of the file lacks
    (`Instrument.completed_calibrations`) are added in memory, so that every build of a version decodes alike.
    """

    path: Path
    version: str
    created: str
    """Creation time as the file says."""
    sha256: str
    instrument: Instrument
    structures: dict[StructureKey, Structure]
    structure_id_positions: dict[tuple[int, int], tuple[int, int]]
    """(service, subservice) to byte offset from the packet start and width in bits of the structure id."""
    parameters: dict[str, Parameter]
    descriptions: dict[str, str]
    """Long descriptions (table SW_PARA)."""
    _curves: dict[str, list[tuple[float, float]]]
    _polynomials: dict[str, tuple[float, ...]]
    _texts: dict[str, list[tuple[int, int, str]]]
    _fixed_rows: dict[int, list[tuple[str, int]]]
    _variable_rows: dict[int, list[tuple[str, int, int]]]
    _unsupported: dict[str, str]
    _layouts: dict[int, Layout] = field(default_factory=dict)
    _calibrations: dict[tuple[str, str], Calibration] = field(default_factory=dict)
    plans: dict[object, Any] = field(default_factory=dict)
    """Compiled plans by structure, kept by `plan.plan_of`."""

    def __repr__(self) -> str:
        return f"InstrumentDatabase({str(self.path)!r}, version={self.version!r})"

    @classmethod
    def open(cls, path: str | Path, instrument: Instrument = STIX) -> InstrumentDatabase:
        """Read a database file.

        Parameters
        ----------
        path : path
            `idb.sqlite` of one version.
        instrument : Instrument
            Rules that supplement the database.

        Raises
        ------
        DatabaseError
            If the file is missing, is not an SQLite file, or lacks a table or column.
        """
        path = Path(path)
        if not path.is_file():
            raise DatabaseError(f"instrument database {path} does not exist")
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        try:
            # immutable: the file may lie in a folder where SQLite cannot write its journal.
            connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
            try:
                return _read(path, digest, connection, instrument)
            finally:
                connection.close()
        except (sqlite3.Error, TypeError) as error:
            raise DatabaseError(f"instrument database {path} cannot be read: {error}") from error

    def structure(self, service: int, subservice: int, structure_id: int | None) -> Structure | None:
        """The packet kind with this key, or None if the catalogue has no such packet."""
        return self.structures.get((service, subservice, structure_id))

    def layout(self, structure: Structure) -> Layout:
        """The fields of a packet kind.

        Raises
        ------
        UnsupportedLayout
            If a row names an unknown parameter or one of a type that cannot be in a packet.
        """
        if structure.spid not in self._layouts:
            if structure.variable < 0:
                fixed = [(self._parameter(name, structure), bit) for name, bit in self._fixed_rows[structure.spid]]
                self._layouts[structure.spid] = fixed_layout(fixed)
            else:
                rows = self._variable_rows[structure.variable]
                variable = [(self._parameter(name, structure), size, offset) for name, size, offset in rows]
                self._layouts[structure.spid] = variable_layout(variable)
        return self._layouts[structure.spid]

    def calibration(self, name: str, category: str) -> Calibration:
        """A calibration by its name.

        Parameters
        ----------
        name : str
            As PCF_CURTX writes it.
        category : str
            `S` for texts, `N` for curves (names beginning `CIXP`) and polynomials (`CIX`).

        Raises
        ------
        CalibrationError
            If it does not exist, has too few points, or the category is another.
        """
        key = (name, category)
        if key not in self._calibrations:
            prefix = name[: next((i for i, letter in enumerate(name) if letter.isdigit()), len(name))]
            calibration: Calibration
            if category == "S":
                calibration = TextTable(name, tuple(self._texts.get(name, ())))
            elif category == "N" and prefix == "CIXP":
                calibration = Curve(name, tuple(sorted(self._curves.get(name, ()))))
            elif category == "N" and prefix == "CIX":
                calibration = Polynomial(name, self._polynomials.get(name, ()))
            else:
                raise CalibrationError(f"calibration {name} has the unknown category {category!r} or prefix {prefix!r}")
            self._calibrations[key] = calibration
        return self._calibrations[key]

    def _parameter(self, name: str, structure: Structure) -> Parameter:
        if name in self._unsupported:
            raise UnsupportedLayout(f"{structure.description} (SPID {structure.spid}): {self._unsupported[name]}")
        if name not in self.parameters:
            raise UnsupportedLayout(f"{structure.description} (SPID {structure.spid}): parameter {name} is not defined")
        return self.parameters[name]


def _read(path: Path, digest: str, connection: sqlite3.Connection, instrument: Instrument) -> InstrumentDatabase:
    identity = connection.execute("SELECT version, creation_datetime FROM IDB").fetchone()
    if identity is None:
        raise DatabaseError(f"instrument database {path} does not say its version (table IDB is empty)")
    positions = {
        (service, subservice): (offset, width)
        for service, subservice, offset, width in connection.execute(
            "SELECT PIC_TYPE, PIC_STYPE, PIC_PI1_OFF, PIC_PI1_WID FROM PIC"
        )
        if offset >= 0 and width > 0
    }
    structures: dict[StructureKey, Structure] = {}
    columns = "PID_TYPE, PID_STYPE, PID_PI1_VAL, PID_SPID, PID_DESCR, PID_TPSD, PID_CHECK"
    for service, subservice, pi1, spid, description, tpsd, check in connection.execute(f"SELECT {columns} FROM PID"):  # noqa: S608 - constant text
        key = (service, subservice, pi1 if (service, subservice) in positions else None)
        variable = -1 if tpsd is None else tpsd
        structures[key] = Structure(key, spid, description, variable, bool(check))
    fixed: defaultdict[int, list[tuple[str, int]]] = defaultdict(list)
    # Fields that begin in the same byte follow one another by name, as the products of the original have them.
    query = "SELECT PLF_SPID, PLF_NAME, PLF_OFFBY, PLF_OFFBI, PLF_NBOCC, PLF_LGOCC FROM PLF ORDER BY 1, 3, 2"
    for spid, name, byte, bit, occurrences, distance in connection.execute(query):
        for occurrence in range(max(occurrences or 1, 1)):
            fixed[spid].append((name, byte * 8 + bit + occurrence * (distance or 0)))
    variable_rows: defaultdict[int, list[tuple[str, int, int]]] = defaultdict(list)
    query = "SELECT VPD_TPSD, VPD_NAME, VPD_GRPSIZE, VPD_OFFSET FROM VPD ORDER BY VPD_TPSD, VPD_POS"
    for tpsd, name, size, offset in connection.execute(query):
        variable_rows[tpsd].append((name, size or 0, offset or 0))
    curves: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for name, x, y in connection.execute("SELECT CAP_NUMBR, CAP_XVALS, CAP_YVALS FROM CAP"):
        curves[name].append((float(x), float(y)))
    polynomials = {
        name: tuple(_number(c) for c in coefficients)
        for name, *coefficients in connection.execute(
            "SELECT MCF_IDENT, MCF_POL1, MCF_POL2, MCF_POL3, MCF_POL4, MCF_POL5 FROM MCF"
        )
    }
    texts: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for name, first, last, text in connection.execute(
        "SELECT TXP_NUMBR, TXP_FROM, TXP_TO, TXP_ALTXT FROM TXP ORDER BY rowid"
    ):
        texts[name].append((int(float(first)), int(float(last)), text))
    parameters, unsupported = _parameters(connection, instrument)
    version = str(identity[0])
    _complete(parameters, polynomials, instrument, version)
    descriptions = {n: d for n, d in connection.execute("SELECT SCOS_NAME, SW_DESCR FROM SW_PARA") if d is not None}
    return InstrumentDatabase(
        path=path,
        version=version,
        created=str(identity[1]),
        sha256=digest,
        instrument=instrument,
        structures=structures,
        structure_id_positions=positions,
        parameters=parameters,
        descriptions=descriptions,
        _curves=dict(curves),
        _polynomials=polynomials,
        _texts=dict(texts),
        _fixed_rows=fixed,
        _variable_rows=variable_rows,
        _unsupported=unsupported,
    )


def _number(text: object) -> float:
    # An importer writes missing trailing cells as the text NULL.
    return 0.0 if text is None or text == "NULL" else float(str(text))


def _parameters(connection: sqlite3.Connection, instrument: Instrument) -> tuple[dict[str, Parameter], dict[str, str]]:
    letters = list(connection.execute("SELECT PTC, PFC_LB, PFC_UB, S2K_TYPE FROM tblConfigS2KParameterTypes"))
    parameters: dict[str, Parameter] = {}
    unsupported: dict[str, str] = {}
    columns = "PCF_NAME, PCF_DESCR, PCF_WIDTH, PCF_PTC, PCF_PFC, PCF_CATEG, PCF_CURTX, PCF_UNIT"
    for name, description, width, ptc, pfc, category, calibration, unit in connection.execute(
        f"SELECT {columns} FROM PCF"  # noqa: S608 - constant text
    ):
        width = instrument.widths.get(name, width)
        letter = next(
            (s for p, low, high, s in letters if p == ptc and low <= pfc <= (low if high is None else high)), None
        )
        if letter not in {"U", "T", "O", "I"}:
            unsupported[name] = f"parameter {name} has type {letter!r} (PTC {ptc}, PFC {pfc}), not an integer"
        elif not width or width < 1 or (letter == "I" and width > 64):
            unsupported[name] = f"parameter {name} has a width of {width} bits"
        else:
            parameters[name] = Parameter(name, description, width, letter == "I", category, calibration, unit)
    return parameters, unsupported


def _complete(
    parameters: dict[str, Parameter],
    polynomials: dict[str, tuple[float, ...]],
    instrument: Instrument,
    version: str,
) -> None:
    """Give the calibrations a build lacks, under names numbered on from the highest in use."""
    used = [p.calibration for p in parameters.values() if p.calibration is not None]
    number = max((int("".join(filter(str.isdigit, name)) or 0) for name in used), default=0)
    for completed in instrument.completed_calibrations:
        parameter = parameters.get(completed.parameter)
        if parameter is None or parameter.calibration is not None:
            continue
        if completed.newer_than and version_tuple(version) <= completed.newer_than:
            continue
        number += 1
        name = f"CIX{number:05d}TM"
        polynomials[name] = completed.coefficients
        parameters[parameter.name] = Parameter(
            parameter.name,
            parameter.description,
            parameter.width,
            parameter.signed,
            "N",
            name,
            completed.unit,
        )
        logger.debug("database %s: %s completed with calibration %s", version, parameter.name, name)
