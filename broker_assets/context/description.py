"""The sentence about the sky context of a position, and the fields of the association by their published names."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.context.association import Reliability
from broker_assets.context.merging import DIRECT, PHOTOMETRIC, SPECTROSCOPIC, Associated
from broker_assets.context.rules import CLASSES, ORPHAN

ORPHAN_SENTENCE: Final = "Nothing in the catalogues is near this position."
"""Description of a position without any match."""

NAMES: Final = {
    "BS": "bright star",
    "star": "star",
    "galaxy": "galaxy",
    "agn": "active galactic nucleus",
    "qso": "quasar",
    "cv": "cataclysmic variable",
    "unknown": "source of unknown type",
}
"""Names of kinds of sources in sentences."""

_SOURCES: Final = {
    DIRECT: "a distance that does not rest on its redshift",
    SPECTROSCOPIC: "its spectroscopic redshift",
    PHOTOMETRIC: "its photometric redshift",
}


def descriptions(found: Associated) -> pa.Array:
    """A sentence or two about each association.

    Parameters
    ----------
    found : Associated
        As `merging.merged` gives them.

    Returns
    -------
    (n,) array of strings
    """
    synonym = pa.array(found.reliability == Reliability.SYNONYM)
    bright = pa.array(found.label == CLASSES.index("BS"))
    kinds = pa.array(list(NAMES.values()), pa.string())
    place = pc.fill_null(pc.index_in(found.kind, pa.array(list(NAMES), pa.string())), list(NAMES).index("unknown"))
    what = pc.if_else(bright, NAMES["BS"], kinds.take(place))
    magnitude = _joined(" of ", fixed(found.magnitude, 2), " mag", pc.fill_null(_joined(" in ", found.band), ""))
    first = _joined(
        "The position ",
        pc.if_else(synonym, "coincides with", "is near"),
        " the ",
        what,
        " ",
        found.identifier,
        pc.fill_null(magnitude, ""),
        " (",
        found.catalogue,
        ")",
    )
    offset = _joined(
        ": ",
        fixed(np.abs(found.north), 2),
        pc.if_else(pa.array(found.north >= 0), "″ north and ", "″ south and "),
        fixed(np.abs(found.east), 2),
        pc.if_else(pa.array(found.east >= 0), "″ east", "″ west"),
        pc.fill_null(_joined(", ", fixed(found.kiloparsecs, 1), " kpc in projection"), ""),
    )
    modulus = 5.0 * np.log10(np.where(found.best_distance > 0, found.best_distance, np.nan)) + 25.0
    causes = pa.array(list(_SOURCES.values()), pa.string()).take(
        pc.index_in(found.best_distance_flag, pa.array(list(_SOURCES), pa.string()))
    )
    distance = _joined(
        " It is ", fixed(found.best_distance, 1), " Mpc away (m − M = ", fixed(modulus, 2), ") by ", causes, "."
    )
    return _joined(first, pc.if_else(synonym, "", offset), ".", pc.fill_null(distance, ""))


def classes(found: Associated, positions: int) -> tuple[pa.Array, NDArray[np.int64]]:
    """The class of each position, and the place of its best association.

    Parameters
    ----------
    found : Associated
        As `merging.merged` gives them.
    positions : int
        How many positions were searched.

    Returns
    -------
    labels : (positions,) array of strings
        One of `CLASSES`, or `ORPHAN`.
    place : (positions,) int64 array
        Place in `found`, −1 without association.
    """
    best = np.flatnonzero(found.rank == 1)
    place = np.full(positions, -1)
    place[found.position[best]] = best
    labels = np.full(positions, len(CLASSES))
    labels[found.position[best]] = found.label[best]
    return pa.array([*CLASSES, ORPHAN], pa.string()).take(pa.array(labels)), place


def published(found: Associated) -> pa.Table:
    """The fields of an association by the names of Lasair's schema; angles in degrees and arcseconds.

    Numbers except positions are rounded to three decimals. `rank` and `position` are those of `found`.
    """

    def rounded(values: NDArray[np.float64]) -> pa.Array:
        return pa.array(np.round(values, 3), pa.float64(), mask=~np.isfinite(values))

    columns: dict[str, Any] = {
        "position": pa.array(found.position),
        "rank": pa.array(found.rank),
        "classification": pa.array(CLASSES, pa.string()).take(pa.array(found.label)),
        "association_type": pa.array([None, "synonym", "association", "annotation"]).take(pa.array(found.reliability)),
        "catalogue_table_name": found.catalogue,
        "catalogue_object_id": found.identifier,
        "catalogue_object_type": found.kind,
        "raDeg": pa.array(found.ra),
        "decDeg": pa.array(found.dec),
        "separationArcsec": rounded(found.separation),
        "northSeparationArcsec": rounded(found.north),
        "eastSeparationArcsec": rounded(found.east),
        "physical_separation_kpc": rounded(found.kiloparsecs),
        "direct_distance": rounded(found.distance),
        "best_distance": rounded(found.best_distance),
        "best_distance_flag": found.best_distance_flag,
        "best_distance_source": found.best_distance_source,
        "distance": rounded(found.best_distance),
        "z": rounded(found.redshift),
        "zErr": rounded(found.redshift_error),
        "photoZ": rounded(found.photometric_redshift),
        "photoZErr": rounded(found.photometric_redshift_error),
        "Mag": rounded(found.magnitude),
        "MagFilter": found.band,
        "MagErr": rounded(found.magnitude_error),
        "classificationReliability": pa.array(found.reliability),
        "major_axis_arcsec": rounded(found.major_axis),
        "description": descriptions(found),
    }
    return pa.table(columns)


def fixed(values: NDArray[np.float64], decimals: int) -> pa.Array:
    """Numbers with a given number of decimals; null where they are not finite or larger than 10⁹."""
    known = np.isfinite(values) & (np.abs(values) < 1e9)
    scaled = np.round(np.where(known, values, 0.0) * 10**decimals).astype(np.int64)
    sign = pc.if_else(pa.array(scaled < 0), "-", "")
    whole, part = np.divmod(np.abs(scaled), 10**decimals)
    text = _joined(
        sign,
        pc.cast(pa.array(whole), pa.string()),
        ".",
        pc.utf8_lpad(pc.cast(pa.array(part), pa.string()), width=decimals, padding="0"),
    )
    return pc.if_else(pa.array(known), text, pa.scalar(None, pa.string()))


def _joined(*parts: Any) -> pa.Array:
    """Concatenated texts; null where one of them is."""
    return pc.binary_join_element_wise(*parts, "", null_handling="emit_null")
