"""A small open instrument database: written by this code, with the tables and columns the reader uses.

The simulator, the demonstration and the tests work with it, so that they need no file of a mission.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from broker_assets.telemetry.idb.database_versions import DATABASE_FILE, HISTORY_FILE
from broker_assets.telemetry.idb.open_layouts import CHECKED, DESCRIPTIONS, FIXED, VARIABLE, OpenStructure
from broker_assets.telemetry.idb.stix_rules import STIX

VERSION: Final = "3.0.0"

_TABLES: Final = {
    "IDB": "creation_datetime, version",
    "PID": "PID_TYPE, PID_STYPE, PID_PI1_VAL, PID_SPID, PID_TPSD, PID_DESCR, PID_CHECK",
    "PIC": "PIC_TYPE, PIC_STYPE, PIC_PI1_OFF, PIC_PI1_WID",
    "PLF": "PLF_NAME, PLF_SPID, PLF_OFFBY, PLF_OFFBI, PLF_NBOCC, PLF_LGOCC",
    "VPD": "VPD_TPSD, VPD_POS, VPD_NAME, VPD_GRPSIZE, VPD_OFFSET",
    "PCF": "PCF_NAME, PCF_DESCR, PCF_WIDTH, PCF_PTC, PCF_PFC, PCF_CURTX, PCF_CATEG, PCF_UNIT",
    "tblConfigS2KParameterTypes": "PTC, PFC_LB, PFC_UB, S2K_TYPE",
    "CAP": "CAP_NUMBR, CAP_XVALS, CAP_YVALS",
    "MCF": "MCF_IDENT, MCF_POL1, MCF_POL2, MCF_POL3, MCF_POL4, MCF_POL5",
    "TXP": "TXP_NUMBR, TXP_FROM, TXP_TO, TXP_ALTXT",
    "SW_PARA": "SCOS_NAME, SW_NAME, SW_DESCR",
}

_STRUCTURE_IDS: Final = ((1, 1, -1, 0), (1, 7, -1, 0), (3, 25, 16, 8), (5, 1, 16, 16), (17, 2, -1, 0), (21, 6, 16, 8))
_UNSIGNED, _SIGNED = 3, 4
_TYPES: Final = ((_UNSIGNED, 1, 64, "U"), (_SIGNED, 1, 64, "I"), (8, 0, 99999, "A"))
"""(PTC, first PFC, last PFC, letter); here the PFC of a parameter is its width."""

_CURVES: Final[dict[str, tuple[tuple[float, float], ...]]] = {
    "CIXP0024TM": ((387, 99.99), (1690, 40), (3221, -0.01), (3800, -25.02), (4095, -62.2)),
    **{f"CIXP00{number}TM": ((0, 0), (4095, 800)) for number in (25, 26, 27, 28, 29, 30)},
    **{f"CIXP00{number}TM": ((0, 0), (4095, -900)) for number in (31, 32)},
    **{f"CIXP00{number}TM": ((0, 0), (4095, 9)) for number in (33, 34, 35, 36, 37)},
}
_POLYNOMIALS: Final[dict[str, tuple[float, ...]]] = {"CIX00001TM": (1.0, -0.5, 0.25)}
_TEXTS: Final[dict[str, tuple[tuple[int, int, str], ...]]] = {
    "CAAT0001TM": ((0, 0, "Off"), (1, 1, "On")),
    "CAAT0021TM": ((0, 0, "Still"), (1, 1, "Moving")),
    "CAAT0031TM": ((0, 0, "Disabled"), (1, 1, "Enabled")),
    "CAAT0033TM": ((0, 0, "False"), (1, 1, "True")),
    "CIXT0003TM": ((0, 0, "Redundant"), (1, 1, "Nominal")),
    "CIXT0021TM": ((0, 0, "Boot"), (1, 1, "Application")),
    "CIXT0022TM": ((0, 1, "Simulator"), (2, 7, "Other")),
    "CIXT0023TM": ((0, 0, "Boot"), (1, 1, "Safe"), (2, 2, "Standby"), (3, 3, "Configuration"), (4, 4, "Nominal")),
    "CIXT0059TM": ((0, 0, "No location"), (1, 3, "Located")),
    "CIXT0060TM": ((0, 0, "None"), (1, 1, "Weak"), (2, 2, "Medium"), (3, 3, "Strong")),
    "CIXT0061TM": ((0, 0, "None"), (1, 2, "Small"), (3, 7, "Large")),
    "CIXT0074TM": ((0, 0, "None"), (1, 1, "First"), (2, 2, "Second"), (3, 3, "Both")),
    "CIXT0120TM": tuple((kind.structure_id or 0, kind.structure_id or 0, kind.description) for kind in VARIABLE),
    "CIXT0293TM": ((0, 0, "Waiting"), (1, 255, "Sent")),
    "CIXT0401TM": ((0, 255, "Regime"),),
    "CIXT1168TM": ((0, 0, "No overrun"), (1, 63, "Overrun")),
}

_TOKEN = re.compile(r"([A-Z0-9]+)(?:\.\.([A-Z0-9]+))?:(\d+)(i?)(?:@([+-]?\d+))?(?:\*(\w+))?\s*(\{)?|(\})")
_PLACE = re.compile(r"(\d+)\.(\d):(\d+) (\w+) ([^\s;]+)(?: \[(\w+)(?: (\w+))?\])?")


def variable_rows(layout: str) -> Iterator[tuple[str, int, int, int, bool, str | None]]:
    """Rows of a variable layout in the notation of `open_layouts`.

    Yields
    ------
    (parameter, group size, offset, width, signed, calibration)

    Examples
    --------
    >>> [row[:2] for row in variable_rows("A1:8 {B1:8, B2:4 {C1:4}}")]
    [('A1', 3), ('B1', 0), ('B2', 1), ('C1', 0)]
    """
    rows: list[tuple[str, int, int, int, bool, str | None]] = []
    open_groups: list[int] = []
    for token in _TOKEN.finditer(layout):
        first, last, width, signed, offset, calibration, opens, closes = token.groups()
        if closes:
            counter = open_groups.pop()
            name, _, *rest = rows[counter]
            rows[counter] = (name, len(rows) - counter - 1, *rest)  # type: ignore[assignment]
            continue
        stem, start = first[:-5], int(first[-5:]) if last else 0
        names = [f"{stem}{number:05d}" for number in range(start, int(last[-5:]) + 1)] if last else [first]
        rows.extend((name, 0, int(offset or 0), int(width), bool(signed), calibration) for name in names)
        if opens:
            open_groups.append(len(rows) - 1)
    yield from rows


def fixed_rows(layout: str) -> Iterator[tuple[str, int, int, int, str, str | None, str | None]]:
    """Rows of a fixed layout in the notation of `open_layouts`.

    Yields
    ------
    (parameter, byte, bit, width, description, calibration, unit)

    Examples
    --------
    >>> list(fixed_rows("17.4:4 NIXD0023 instrument_mode [CIXT0023TM]"))
    [('NIXD0023', 17, 4, 4, 'instrument mode', 'CIXT0023TM', None)]
    """
    for byte, bit, width, name, column, calibration, unit in (place.groups() for place in _PLACE.finditer(layout)):
        yield name, int(byte), int(bit), int(width), column.replace("_", " "), calibration, unit


def write_open_database(path: Path, *, version: str = VERSION) -> Path:
    """Write the open database as one SQLite file.

    Parameters
    ----------
    path : path
        The file; it must not exist yet.
    version : str
        The version that the file states.

    Returns
    -------
    path
        The file.

    Raises
    ------
    FileExistsError
        If the file exists.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        raise FileExistsError(f"{path} exists already")
    connection = sqlite3.connect(path)
    with connection:
        for table, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {table} ({columns})")
        for table, rows in _rows(version).items():
            places = ", ".join("?" * (_TABLES[table].count(",") + 1))
            connection.executemany(f"INSERT INTO {table} VALUES ({places})", rows)  # noqa: S608 - names from above
    connection.close()
    return path


def write_open_folder(folder: Path, *, version: str = VERSION) -> Path:
    """Write the open database as a folder of versions with its history, valid for all times.

    Returns
    -------
    path
        The folder, as `InstrumentDatabases` takes it.
    """
    write_open_database(folder / f"v{version}" / DATABASE_FILE, version=version)
    limits = [{"coarse": 0, "fine": 0}, {"coarse": 2**32, "fine": 0}]
    history = [{"version": version, "aswVersion": 0, "validityPeriodUTC": [], "validityPeriodOBT": limits}]
    (folder / HISTORY_FILE).write_text(json.dumps(history, indent=1))
    return folder


def _rows(version: str) -> dict[str, list[tuple[object, ...]]]:
    rows: dict[str, list[tuple[object, ...]]] = {table: [] for table in _TABLES}
    rows["IDB"] = [("2026-01-01 00:00:00", version)]
    rows["PIC"] = list(_STRUCTURE_IDS)
    rows["tblConfigS2KParameterTypes"] = list(_TYPES)
    parameters: dict[str, tuple[object, ...]] = {}

    def define(name: str, text: str, width: int, signed: bool, calibration: str | None, unit: str | None) -> None:
        known = calibration in _CURVES or calibration in _TEXTS or calibration in _POLYNOMIALS
        category = "S" if calibration in _TEXTS else "N"
        kind = _SIGNED if signed else _UNSIGNED
        parameters[name] = (name, text, width, kind, width, calibration if known else None, category, unit)

    def catalogue(kind: OpenStructure, variable: int) -> None:
        key = (kind.service, kind.subservice, kind.structure_id or 0)
        rows["PID"].append((*key, kind.spid, variable, kind.description, int(kind.spid in CHECKED)))

    for kind in VARIABLE:
        catalogue(kind, kind.spid)
        for position, (name, size, offset, width, signed, calibration) in enumerate(variable_rows(kind.layout), 1):
            rows["VPD"].append((kind.spid, position, name, size, offset))
            unit = "degC" if calibration == "CIXP0024TM" else None
            define(name, DESCRIPTIONS.get(name, name), width, signed, calibration, unit)
    for kind in FIXED:
        catalogue(kind, -1)
        for name, byte, bit, width, text, text_calibration, unit in fixed_rows(kind.layout):
            rows["PLF"].append((name, kind.spid, byte, bit, 1, 0))
            define(name, text, width, False, text_calibration, unit)
    # A quadratic polynomial, which no calibration of the flight database is.
    define("NIX09002", "Reading", 16, False, "CIX00001TM", "V")
    rows["PCF"] = list(parameters.values())
    rows["CAP"] = [(name, str(x), str(y)) for name, points in _CURVES.items() for x, y in points]
    rows["MCF"] = [(name, *map(str, c), *[None] * (5 - len(c))) for name, c in _POLYNOMIALS.items()]
    rows["TXP"] = [(name, str(a), str(b), text) for name, ranges in _TEXTS.items() for a, b, text in ranges]
    rows["SW_PARA"] = [(completed.parameter, None, "Completed in memory") for completed in STIX.completed_calibrations]
    return rows
