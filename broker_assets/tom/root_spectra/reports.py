"""Spectra of root objects or their hosts that facilities have taken and reported."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from broker_assets.access.accounts import User
from broker_assets.tom.root_spectra.known_roots import require_roots
from broker_assets.tom.spectra.facilities import require_member
from broker_assets.tom.spectra.reports import Taken

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class RootReport:
    """A spectrum that was taken."""

    facility: str
    mjd: float
    """When it was taken, MJD TAI."""
    root: uuid.UUID | None = None
    ra: float | None = None
    """Degrees, ICRS: position of the source; default: that of the root object."""
    dec: float | None = None
    z: float | None = None
    """Redshift."""
    classid: int | None = None
    """Class of the taxonomy."""
    class_description: str | None = None
    is_host: bool | None = None


@dataclass(frozen=True, kw_only=True)
class RootSelection(Taken):
    """Which reports of root objects are listed."""

    roots: list[uuid.UUID] | None = None


def report_root_spectrum(connection: Connection, user: User, report: RootReport) -> None:
    """Report a spectrum; the fulfilled plan of the facility is removed.

    Requests stay: the requester decides whether one spectrum is enough, and `wanted` leaves out what was taken
    recently.

    Raises
    ------
    UnknownRootError
        If the root object is not known.
    NotOfFacilityError
        If the account does not speak for the facility.
    ValueError
        If there is neither a root object nor a position.
    """
    if report.root is None and (report.ra is None or report.dec is None):
        raise ValueError("a spectrum is of a root object, or of a position: give root_diaobject_id, or ra and dec")
    with connection.transaction():
        if report.root is not None:
            require_roots(connection, [report.root])
        facility = require_member(connection, user, report.facility, register=True)
        values = {**vars(report), "facility": facility}
        connection.execute(
            "INSERT INTO spectruminfo (root_diaobject_id, facility, mjd, z, classid, ra, dec, is_host,"
            " class_description) SELECT %(root)s, %(facility)s, %(mjd)s, %(z)s, %(classid)s,"
            " coalesce(%(ra)s, (SELECT ra FROM root_diaobject WHERE id = %(root)s)),"
            " coalesce(%(dec)s, (SELECT dec FROM root_diaobject WHERE id = %(root)s)), %(is_host)s,"
            " %(class_description)s",
            values,
        )
        connection.execute(
            "DELETE FROM plannedspectra WHERE root_diaobject_id = %(root)s"
            " AND lower(facility) = lower(%(facility)s) AND coalesce(is_host, false) = coalesce(%(is_host)s, false)",
            values,
        )


def reported_root_spectra(connection: Connection, selection: RootSelection) -> list[dict[str, Any]]:
    """Rows of `spectruminfo`, by the time at which the spectra were taken."""
    condition, given = selection.condition(roots="root_diaobject_id = ANY(%(roots)s::uuid[])")
    query = sql.SQL(
        "SELECT specinfo_id, root_diaobject_id, facility, inserted_at, mjd, z, classid, ra, dec, is_host,"
        " class_description FROM spectruminfo WHERE {} ORDER BY mjd, specinfo_id"
    ).format(condition)
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(query, given).fetchall()
