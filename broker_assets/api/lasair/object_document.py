"""The document of an object in Lasair's REST interface (contract: `/api/object/`).

Where the content of Lasair's fields differs from their names, ours follows the names: `…Mag` are AB magnitudes of the
difference flux with their errors, and `latestFilter` is the band of the newest detection.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from fastapi import HTTPException
from psycopg import sql

from broker_assets.access.signing import IMAGES, Signer
from broker_assets.api.documents import records
from broker_assets.api.lasair.today import mjd_tai, utc_text
from broker_assets.api.objects import documented, sherlock_row
from broker_assets.database.tables import crossmatch_tns, diaforcedsources, diasources, objects
from broker_assets.packets.timescales import tai_to_utc

_LITE: Final = ("nDiaSources", "firstDiaSourceMjdTai", "lastDiaSourceMjdTai", "glat", "ebv")
_ZERO_POINT: Final = 31.4
"""AB magnitude of 1 nJy."""
_JULIAN_DATE: Final = 2_400_000.5
"""Julian date at MJD 0."""
_ERROR_FACTOR: Final = 2.5 / math.log(10.0)
_KINDS: Final = ("Science", "Template", "Difference")
_OBJECT: Final = sql.SQL("SELECT {} FROM objects WHERE diaobjectid = %s").format(
    sql.SQL(", ").join(map(sql.Identifier, objects.columns.keys()))
)
_TNS_COLUMNS: Final = tuple(name for name in crossmatch_tns.columns.keys() if name not in ("id", "objid"))  # noqa: SIM118
_TNS: Final = sql.SQL(
    "SELECT {} FROM crossmatch_tns WHERE tns_name = %s ORDER BY lastmodified_date DESC LIMIT 1"
).format(sql.SQL(", ").join(map(sql.Identifier, _TNS_COLUMNS)))
_ANNOTATIONS: Final = (
    "SELECT annotationid, topic, said.version, said.timestamp, classification, explanation, classdict, said.url"
    " FROM annotations AS said JOIN annotators USING (topic) WHERE diaobjectid = %s AND (public OR owner = %s)"
    " ORDER BY said.timestamp DESC"
)
_ANNOTATION_NAMES: Final = (
    "annotationID", "topic", "version", "timestamp", "classification", "explanation", "classdict", "url",
)  # fmt: skip


def position(connection: psycopg.Connection[Any], text: str, identifier: int) -> tuple[float, float]:
    """Position of an object, ICRS, degrees; HTTP 404 if it is unknown."""
    row = connection.execute("SELECT ra, decl FROM objects WHERE diaobjectid = %s", (identifier,)).fetchone()
    if row is None or row[0] is None or row[1] is None:
        raise HTTPException(404, f"object {text} is unknown" if row is None else f"object {text} has no position")
    return float(row[0]) % 360.0, float(row[1])


def stored(connection: psycopg.Connection[Any], text: str, identifier: int, *, lite: bool) -> dict[str, Any]:
    """The light curve as it is stored, oldest first; an unknown object has none."""
    answer: dict[str, Any] = {"diaObjectId": text}
    if not lite:
        row = connection.execute(_OBJECT, (identifier,)).fetchone()
        answer["diaObject"] = None if row is None else dict(zip(documented(objects).values(), row, strict=True))
    sources, forced = _light_curve(connection, identifier, full=not lite)
    return answer | {"diaSourcesList": sources, "diaForcedSourcesList": forced}


def complete(
    connection: psycopg.Connection[Any],
    text: str,
    identifier: int,
    *,
    lite: bool,
    least_reliability: float,
    user: str,
    base: str,
    signer: Signer | None = None,
) -> dict[str, Any]:
    """Everything that is known of an object.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    text, identifier : str, int
        Object as it was asked for, and its diaObjectId.
    lite : bool
        Few columns of the points and of the object.
    least_reliability : float
        Detections of smaller reliability are left out.
    user : str
        Account that asks; it also sees its own annotators that are not public.
    base : str
        Address of this server, for the images.
    signer : Signer, optional
        What signs the addresses of images, so that they are recognised as issued here; they are public without it, too.
    """
    row = connection.execute(_OBJECT, (identifier,)).fetchone()
    if row is None:
        raise HTTPException(404, f"object {text} is unknown")
    columns = dict(zip(documented(objects).values(), row, strict=True))
    sources, forced = _light_curve(connection, identifier, full=not lite)
    sources = [point for point in sources if not (point.get("reliability") or 0.0) < least_reliability]
    sources.reverse()
    forced.reverse()
    added = {name: columns[name] for name in _LITE if name in columns} if lite else dict(columns)
    added |= _positions(columns) | _times(columns, sources)
    added |= {
        "sherlock": sherlock_row(connection, identifier) or {},
        "TNS": _tns(connection, columns.get("tns_name")),
        "annotations": _annotations(connection, identifier, user),
        "imageUrls": [
            {kind: f"{base}{_image(point['diaSourceId'], kind, signer)}" for kind in _KINDS}
            | {"diaSourceId": point["diaSourceId"]}
            for point in sources
        ],
    }
    return {
        "diaObjectId": text,
        "diaObject": {name: columns[name] for name in ("ra", "decl", "firstDiaSourceMjdTai", "lastDiaSourceMjdTai")},
        "diaSourcesList": sources,
        "diaForcedSourcesList": forced,
        "lasairData": added,
        **former_shape(text, columns, sources),
    }


def _image(identifier: Any, kind: str, signer: Signer | None) -> str:
    path = f"/api/sources/{identifier}/cutouts/{kind.lower()}.fits"
    if signer is None:
        return path
    return f"{path}?signature={signer.sign(IMAGES, f'{identifier}_{kind.lower()}')}"


def former_shape(text: str, columns: dict[str, Any], newest_first: list[dict[str, Any]]) -> dict[str, Any]:
    """Position and detections under the names of Lasair's ZTF interface, which SkyPortal reads for every survey.

    Times are UTC there; a detection without a positive flux has no magnitude.
    """
    times = tai_to_utc([point["midpointMjdTai"] for point in newest_first]).tolist()
    candidates = []
    for point, mjd in zip(newest_first, times, strict=True):
        magnitude, error = magnitude_of(point["psfFlux"], point["psfFluxErr"])
        candidates.append(
            {
                "candid": point["diaSourceId"], "jd": mjd + _JULIAN_DATE, "mjd": mjd, "filter": point["band"],
                "ra": point.get("ra", columns["ra"]), "dec": point.get("decl", columns["decl"]),
                "magpsf": magnitude, "sigmapsf": error,
            }
        )  # fmt: skip
    place = {"ramean": columns["ra"], "decmean": columns["decl"], "ncand": len(candidates)}
    return {"objectId": text, "objectData": place, "candidates": candidates}


def _light_curve(
    connection: psycopg.Connection[Any], identifier: int, *, full: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    from broker_assets.database.reading import light_curve

    curve = light_curve(connection, identifier, full=full)

    def points(table: Any, rows: pa.Table) -> list[dict[str, Any]]:
        names = documented(table)
        return records(rows.rename_columns([names[name] for name in rows.column_names]))

    return points(diasources, curve.sources), points(diaforcedsources, curve.forced_sources)


def _positions(columns: dict[str, Any]) -> dict[str, Any]:
    """Position in other notations and coordinate systems."""
    if columns["ra"] is None or columns["decl"] is None:
        return {}
    from broker_assets.lightcurves.galactic import galactic
    from broker_assets.sky.angles import sexagesimal
    from broker_assets.sky.ecliptic import ecliptic

    ra, dec = float(columns["ra"]) % 360.0, float(columns["decl"])
    longitude, latitude = galactic(np.array([ra]), np.array([dec]))
    ecliptic_longitude, ecliptic_latitude = ecliptic(ra, dec)
    rasex, decsex = sexagesimal(ra, dec)
    return {
        "rasex": rasex, "decsex": decsex, "ec_lon": ecliptic_longitude, "ec_lat": ecliptic_latitude,
        "g_lon": float(longitude[0]), "g_lat": float(latitude[0]),
    }  # fmt: skip


def _times(columns: dict[str, Any], newest_first: list[dict[str, Any]]) -> dict[str, Any]:
    """When the object was detected first, last and brightest."""
    now = mjd_tai()
    found: dict[str, Any] = {"now_mjd": now}
    if not newest_first:
        return found
    found["mjdmin_ago"] = now - newest_first[-1]["midpointMjdTai"]
    found["mjdmax_ago"] = now - newest_first[0]["midpointMjdTai"]
    fluxes = [point["psfFlux"] if point["psfFlux"] is not None else -math.inf for point in newest_first]
    brightest = newest_first[int(np.argmax(np.nan_to_num(fluxes, nan=-np.inf)))]
    for name, point in (("disc", newest_first[-1]), ("latest", newest_first[0]), ("peak", brightest)):
        found |= {
            f"{name}Mjd": point["midpointMjdTai"],
            f"{name}Utc": utc_text(point["midpointMjdTai"]),
            f"{name}Mag": magnitude_text(point["psfFlux"], point["psfFluxErr"]),
            f"{name}Filter": point["band"],
        }
    return found


def magnitude_text(flux: float | None, error: float | None) -> str | None:
    """AB magnitude of a difference flux in nJy with its error; None for a flux that is not positive.

    Examples
    --------
    >>> magnitude_text(3630.8, 36.3)
    '22.500±0.011'
    >>> magnitude_text(-5.0, 1.0)
    """
    magnitude, uncertainty = magnitude_of(flux, error)
    if magnitude is None:
        return None
    return f"{magnitude:.3f}" if uncertainty is None else f"{magnitude:.3f}±{uncertainty:.3f}"


def magnitude_of(flux: float | None, error: float | None) -> tuple[float | None, float | None]:
    """AB magnitude of a difference flux in nJy, and its error; None where there is none.

    Examples
    --------
    >>> [round(value, 3) for value in magnitude_of(3630.8, 36.3)]
    [22.5, 0.011]
    >>> magnitude_of(-5.0, 1.0), magnitude_of(1.0, None)
    ((None, None), (31.4, None))
    """
    if flux is None or not flux > 0:
        return None, None
    uncertainty = None if error is None or not error >= 0 else _ERROR_FACTOR * error / flux
    return _ZERO_POINT - 2.5 * math.log10(flux), uncertainty


def _tns(connection: psycopg.Connection[Any], name: str | None) -> dict[str, Any]:
    if not name:
        return {}
    row = connection.execute(_TNS, (name,)).fetchone()
    return {} if row is None else dict(zip(_TNS_COLUMNS, row, strict=True))


def _annotations(connection: psycopg.Connection[Any], identifier: int, user: str) -> list[dict[str, Any]]:
    rows = connection.execute(_ANNOTATIONS, (identifier, user))
    return [dict(zip(_ANNOTATION_NAMES, row, strict=True)) for row in rows]
