"""Sources of any kind in the loaded catalogues around a position, the nearest first, for finding charts."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from broker_assets.context.store import CatalogueStore

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChartSource:
    """A source of a catalogue."""

    catalogue: str
    identifier: str
    ra: float
    """Degrees, ICRS, at the epoch of the catalogue."""
    dec: float
    magnitude: float | None
    arcsec: float
    """Distance from the position."""


def sources_around(folder: Path, ra: float, dec: float, arcsec: float, *, most: int = 60) -> list[ChartSource]:
    """Sources within a radius, the nearest first.

    Parameters
    ----------
    folder : Path
        Folder of the catalogues, see `CatalogueStore`.
    ra, dec : float
        Degrees, ICRS.
    arcsec : float
        Radius, arcseconds; at most `store.FARTHEST`, up to which catalogues are read.
    most : int
        Sources, at most.

    Returns
    -------
    list of ChartSource
        A catalogue that cannot be read is left out, and logged: a chart without it is still a chart.
    """
    if not folder.is_dir():
        return []
    found: list[ChartSource] = []
    for one in CatalogueStore(folder).list():
        try:
            near = CatalogueStore(folder).open(one.name).near(np.array([ra]), np.array([dec]))
        except (OSError, ValueError, LookupError) as error:
            log.warning("catalogue %s cannot be read for a chart: %s", one.name, error)
            continue
        first, second = np.radians(near.dec), np.radians(dec)
        haversine = np.sin((first - second) / 2) ** 2
        haversine = haversine + np.cos(first) * np.cos(second) * np.sin(np.radians(near.ra - ra) / 2) ** 2
        away = np.degrees(2 * np.arcsin(np.sqrt(np.clip(haversine, 0, 1)))) * 3600
        for row in np.flatnonzero(away <= arcsec).tolist():
            magnitude = float(near.magnitude[row])
            found.append(
                ChartSource(
                    one.name, str(near.identifier[row].as_py() or ""), float(near.ra[row]) % 360.0,
                    float(near.dec[row]), magnitude if np.isfinite(magnitude) else None, float(away[row]),
                )
            )  # fmt: skip
    return sorted(found, key=lambda source: source.arcsec)[:most]
