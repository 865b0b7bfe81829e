"""What is known of objects in a processing version: root object, base versions, position."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import psycopg

from broker_assets.tom.versions.curves import RootCurves
from broker_assets.tom.versions.definitions import OBJECTS, POSITIONS, Version

POSITION: Final = ("ra", "dec", "raerr", "decerr", "ra_dec_cov")
"""Columns of a position: deg, ICRS; with uncertainties and covariance."""
COLUMNS: Final = ("diaobjectid", "rootid", "obj_base_procver", "pos_base_procver", *POSITION)
"""Columns about an object."""
SIGNIFICANT: Final = 3.0
"""Signal-to-noise ratio above which the position of a detection counts."""

_KNOWN: Final = (
    "SELECT object.diaobjectid, object.rootid, base.description, place.description, place.ra, place.dec, place.raerr,"
    " place.decerr, place.ra_dec_cov FROM diaobject AS object JOIN base_procver_of_procver AS part"
    " ON part.base_procver_id = object.base_procver_id AND part._table = %(objects)s AND part.procver_id = %(version)s"
    " JOIN base_processing_version AS base ON base.id = object.base_procver_id LEFT JOIN LATERAL (SELECT own.*,"
    " origin.description FROM diaobject_position AS own JOIN base_procver_of_procver AS part ON part.base_procver_id"
    " = own.base_procver_id AND part._table = %(positions)s AND part.procver_id = %(place)s JOIN"
    " base_processing_version AS origin ON origin.id = own.base_procver_id WHERE own.diaobjectid = object.diaobjectid"
    " ORDER BY part.priority DESC LIMIT 1) AS place ON true WHERE {condition} ORDER BY object.diaobjectid"
)


def known_objects(
    connection: psycopg.Connection[Any],
    version: Version,
    given: Sequence[int] | Sequence[uuid.UUID],
    *,
    positions: Version | None = None,
) -> dict[str, list[Any]]:
    """Read what is known of objects.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    version : Version
        Version of the objects.
    given : sequence of int or of UUID
        Objects, or root objects, which stand for all of their objects.
    positions : Version, optional
        Version of the positions; default: `version`.

    Returns
    -------
    dict of str to list
        A list for each of `COLUMNS`, ordered by the number of the object.
    """
    condition = (
        "object.rootid = ANY(%(given)s::uuid[])"
        if given and isinstance(given[0], uuid.UUID)
        else "object.diaobjectid = ANY(%(given)s::bigint[])"
    )
    rows = connection.execute(
        _KNOWN.format(condition=condition),  # type: ignore[arg-type]
        {
            "objects": OBJECTS, "positions": POSITIONS, "version": version.identifier,
            "place": (positions or version).identifier, "given": list(given),
        },
    ).fetchall()  # fmt: skip
    return {name: [row[number] for row in rows] for number, name in enumerate(COLUMNS)}


def weighted_positions(curves: RootCurves) -> dict[uuid.UUID, tuple[float | None, ...]]:
    """Mean positions of the detections of root objects, weighted with the square of their signal-to-noise ratio.

    Parameters
    ----------
    curves : RootCurves
        With positions of detections.

    Returns
    -------
    dict of UUID to tuple
        `POSITION`; root objects without a detection above `SIGNIFICANT` are left out.
    """
    flux, error = (np.asarray(curves.columns[name], np.float64) for name in ("flux", "fluxerr"))
    place = {name: np.ma.filled(curves.columns[f"det_{name}"].astype(np.float64), np.nan) for name in POSITION}
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = flux / error
    counts = (ratio > SIGNIFICANT) & np.isfinite(place["ra"]) & np.isfinite(place["dec"]) & np.isfinite(ratio)
    weight = np.where(counts, ratio, 0.0) ** 2
    begins = curves.begins[:-1]
    if not len(begins):
        return {}
    sizes = np.diff(curves.begins)

    def total(values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        found: np.ndarray[Any, np.dtype[np.float64]] = np.add.reduceat(np.where(counts, values, 0.0), begins)
        return found

    whole = total(weight)
    # Offsets from one of the detections: the mean of right ascensions on both sides of 0° would lie on the opposite
    # side of the sky.
    reference = np.fmin.reduceat(np.where(counts, place["ra"], np.inf), begins)
    offset = (place["ra"] - np.repeat(reference, sizes) + 180.0) % 360.0 - 180.0
    with np.errstate(divide="ignore", invalid="ignore"):
        ra = (reference + total(weight * offset) / whole) % 360.0
        dec = total(weight * place["dec"]) / whole
        errors = [np.sqrt(total((weight * place[name]) ** 2)) / whole for name in ("raerr", "decerr")]
        covariance = total(weight**2 * place["ra_dec_cov"]) / whole**2
    table = np.column_stack([ra, dec, *errors, covariance])
    return {
        identifier: tuple(None if np.isnan(value) else float(value) for value in row)
        for identifier, row, known in zip(curves.identifiers, table, whole > 0, strict=True)
        if known
    }
