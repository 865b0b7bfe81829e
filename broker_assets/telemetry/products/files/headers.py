"""Primary headers and tables of files as they are written."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.ephemeris import keywords as ephemeris_keywords
from broker_assets.telemetry.inputs.ephemeris import millisecond_text
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.fits import Card, Extension
from broker_assets.telemetry.products.files.tables import Column, Table
from broker_assets.telemetry.products.kinds import ProductKind
from broker_assets.telemetry.products.product import Product

CREATOR = "broker_assets"
LISTED = 8
"""Energy tables, and ranges of rows, that a comment lists, at most."""


@cache
def software_version() -> str:
    """Version of this package."""
    try:
        return metadata.version("broker_assets")
    except metadata.PackageNotFoundError:
        return "unknown"


def common_cards(
    kind: ProductKind,
    level: str,
    name: str,
    *,
    raw_files: Sequence[str],
    parents: Sequence[str],
    configuration: str,
    version: int,
    request: tuple[int, int] | None,
) -> list[Card]:
    """Cards that begin every primary header."""
    return [
        ("FILENAME", name, "FITS filename"),
        ("RAW_FILE", fits.printable(";".join(sorted(set(raw_files)))), "Raw filename(s)"),
        ("PARENT", fits.printable(";".join(sorted(set(parents)))), "Source file current data product"),
        ("DATE", fits.now(), "FITS file creation date in UTC"),
        ("BLANK", 4294967295, "Value marking undefined pixels (before the application of BSCALE, BZERO)"),
        ("LEVEL", level, "Data processing level"),
        ("ORIGIN", "STIX Team, FHNW", "FHNW"),
        ("CREATOR", CREATOR, "FITS creation software"),
        ("VERS_SW", software_version(), "Version of SW that provided FITS file"),
        ("VERS_CFG", configuration, "Version of the common instrument configuration package"),
        ("VERSION", f"{version:02d}", "Version of data product"),
        ("OBSRVTRY", "Solar Orbiter", "Satellite name"),
        ("TELESCOP", "SOLO/STIX", "Telescope/Sensor name"),
        ("INSTRUME", "STIX", "Instrument name"),
        ("STYPE", kind.service, "Service Type"),
        ("SSTYPE", kind.subservice, "Sub-service Type"),
        ("SSID", "" if kind.ssid is None else kind.ssid, "Science Structure ID"),
        ("SCI_RID", "" if request is None else f"{request[1]:010d}", "Science data request ID"),
        ("SCI_TCC", "" if request is None else f"{request[0]:05d}", "Science data request TC packet seq. control"),
    ]


def levelb_cards(first: int, last: int) -> list[Card]:
    """Times of a file of raw packets, from the first and last header time."""
    begin, end = clock.text(first), clock.text(last)
    return [
        ("OBT_BEG", begin, "Start of acquisition time in OBT"),
        ("OBT_END", end, "End of acquisition time in OBT"),
        ("TIMESYS", "OBT", "System used for time keywords"),
        ("DATE-OBS", begin, "Start of acquisition time in OBT"),
        ("DATE-BEG", begin, "Start of acquisition time in OBT"),
        ("DATE-END", end, "End of acquisition time in OBT"),
    ]


def measured_cards(product: Product) -> list[Card]:
    """Extremes of the measured values and lengths of the exposures."""
    parts = [product.data[name].values for name in product.kind.extremes if name in product.data]
    low: Any = 0.0
    high: Any = 0.0
    if parts and all(part.size for part in parts):
        low = min(np.nanmin(part) for part in parts)
        high = max(np.nanmax(part) for part in parts)
    return [
        ("DATAMIN", low, "Minimum valid physical value"),
        ("DATAMAX", high, "Maximum valid physical value"),
        ("BUNIT", product.kind.unit, "Units of physical value, after application of BSCALE, BZERO"),
        ("XPOSURE", float(product.timedel.min() / clock.TICKS_PER_SECOND), "[s] shortest exposure time"),
        ("XPOMAX", float(product.timedel.max() / clock.TICKS_PER_SECOND), "[s] maximum exposure time"),
    ]


def level0_cards(product: Product) -> list[Card]:
    """Cards of level L0 after the common ones."""
    start, end = product.start, product.end
    return [
        ("OBT_BEG", start / clock.TICKS_PER_SECOND, "Start acquisition time in OBT"),
        ("OBT_END", end / clock.TICKS_PER_SECOND, "End acquisition time in OBT"),
        ("TIMESYS", "OBT", "System used for time keywords"),
        ("DATE-OBS", clock.text(start), "Deprecated, same as DATE-BEG"),
        ("DATE-BEG", clock.text(start), "Start time of observation"),
        ("DATE-AVG", clock.text(product.average), "Average time of observation"),
        ("DATE-END", clock.text(end), "End time of observation"),
        *measured_cards(product),
        *marked(product).cards,
    ]


def level1_cards(product: Product, kernels: Kernels, planning: Planning) -> list[Card]:
    """Cards of level L1 after the common ones."""
    times = np.array([product.start, product.average, product.end], dtype=np.int64)
    start, average, end = kernels.clock.utc(times)
    begin = millisecond_text(start)
    return [
        *measured_cards(product),
        *marked(product).cards,
        *planning.keywords(start, end),
        ("OBT_BEG", product.start / clock.TICKS_PER_SECOND, "Start of acquisition time in OBT"),
        ("OBT_END", product.end / clock.TICKS_PER_SECOND, "End of acquisition time in OBT"),
        ("TIMESYS", "UTC", "System used for time keywords"),
        ("DATE-OBS", begin, "Start of acquisition time in UTC"),
        ("DATE-BEG", begin, "Start of acquisition time in UTC"),
        ("DATE-AVG", millisecond_text(average), "Center of acquisition time in UTC"),
        ("DATE-END", millisecond_text(end), "End of acquisition time in UTC"),
        *ephemeris_keywords(kernels, average, start),
    ]


def marked(product: Product) -> Product:
    """The product, with a warning if its rows differ in energies or if rows of its day are in other files."""
    if product.rows_elsewhere:
        product = product.warned(
            f"{product.rows_elsewhere} rows of this day have another number of energies, or other columns:"
        )
        product = product.warned(
            "they are in the file of the day" if product.apart else "they are in files named by their time range"
        )
    energies = product.row_energies
    if energies is None:
        return product
    same = int((energies.of_row == energies.main).sum())
    product = product.warned(f"ENERGIES holds for {same} of {len(energies.of_row)} rows of DATA, not for these:")
    others = [number for number in np.unique(energies.of_row).tolist() if number != energies.main]
    for number in others[:LISTED]:
        low, high = (energies.tables[number][name].values for name in ("e_low", "e_high"))
        limits = ", ".join(f"{begin:g}-{end:g}" for begin, end in zip(low.tolist(), high.tolist(), strict=True))
        product = product.warned(f"rows {_ranges(np.flatnonzero(energies.of_row == number) + 1)}: {limits} keV")
    left = len(others) - LISTED
    return product.warned(f"and {left} more energy tables") if left > 0 else product


def _ranges(numbers: NDArray[np.int64]) -> str:
    """Ascending numbers as ranges.

    Examples
    --------
    >>> _ranges(np.array([1, 2, 3, 7]))
    '1-3, 7'
    """
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    shown = [f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts[:LISTED]]
    return ", ".join([*shown, "..."] if len(parts) > LISTED else shown)


def remarks(product: Product) -> list[Card]:
    """Comments and history."""
    return [
        *(("COMMENT", text, "") for text in marked(product).comments),
        *(("HISTORY", text, "") for text in product.history),
    ]


def extensions(product: Product) -> list[Extension]:
    """The tables of a file: CONTROL, DATA, IDB_VERSIONS and ENERGIES."""
    data: Table = {}
    for name, column in product.data.items():
        if name in ("time", "timedel"):
            duration = product.timedel if name == "timedel" else product.time - product.start
            if product.kind.fine_time:
                column = Column(clock.seconds(duration), "s")
            else:
                column = Column(clock.centiseconds(duration).astype(np.uint32), "cs")
        data[name] = column
    versions = {
        "version": Column(np.array([item.version for item in product.versions])),
        "obt_start": Column(np.array([item.first / clock.TICKS_PER_SECOND for item in product.versions]), "s"),
        "obt_end": Column(np.array([item.last / clock.TICKS_PER_SECOND for item in product.versions]), "s"),
    }
    found = [Extension("CONTROL", product.control), Extension("DATA", data), Extension("IDB_VERSIONS", versions)]
    return found if product.energies is None else [*found, Extension("ENERGIES", product.energies)]
