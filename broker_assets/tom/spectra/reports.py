"""Spectra that facilities have taken and reported."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from broker_assets.access.accounts import User
from broker_assets.tom.spectra.facilities import require_member, spelled
from broker_assets.tom.spectra.known_objects import require_known

Connection = psycopg.Connection[Any]

DAYS_OF_REPORTS: Final = (1.0, 200_000.0)
"""Times at which a spectrum can have been taken, MJD: a Julian date, or seconds, would hide the object for ever."""
NO_DAY: Final = "mjd must be a modified Julian date from 1 to 200000, not {:.10g}; MJD = JD - 2400000.5"
"""Message for other times."""


@dataclass(frozen=True)
class Report:
    """A spectrum that was taken."""

    number: int
    """Object."""
    facility: str
    mjd: float
    """When it was taken, MJD TAI."""
    z: float | None
    """Redshift."""
    classid: int | None
    """Class of the taxonomy."""
    reported: datetime.datetime


@dataclass(frozen=True, kw_only=True)
class Taken:
    """Which reported spectra are listed; None: no condition."""

    facility: str | None = None
    mjd_min: float | None = None
    mjd_max: float | None = None
    classid: int | None = None
    z_min: float | None = None
    z_max: float | None = None
    since: datetime.datetime | None = None

    def condition(self, **further: LiteralString) -> tuple[sql.Composable, dict[str, Any]]:
        """The condition after WHERE, and its parameters; `further` has the conditions for fields of a subclass."""
        known = _CONDITIONS | further
        given = {name: value for name, value in vars(self).items() if value is not None}
        if self.facility is not None:
            given["facility"] = spelled(self.facility)
        clauses = [sql.SQL(known[name]) for name in given]
        return sql.SQL(" AND ").join(clauses) if clauses else sql.SQL("true"), given


@dataclass(frozen=True, kw_only=True)
class Selection(Taken):
    """Which reports of objects are listed."""

    objects: list[int] | None = None


def report_spectrum(
    connection: Connection, user: User, number: int, facility: str, mjd: float, z: float | None, classid: int | None
) -> datetime.datetime:
    """Report a spectrum; the facility's plan and all requests for the object are fulfilled and removed.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Account that reports, and speaks for the facility.
    number : int
        Object.
    facility : str
        Facility.
    mjd : float
        When the spectrum was taken, MJD TAI.
    z : float, optional
        Redshift.
    classid : int, optional
        Class of the taxonomy.

    Returns
    -------
    datetime.datetime
        When it was reported.

    Raises
    ------
    UnknownObjectError
        If the object is not known.
    NotOfFacilityError
        If the account does not speak for the facility.
    """
    with connection.transaction():
        require_known(connection, [number])
        facility = require_member(connection, user, facility, register=True)
        row = connection.execute(
            "INSERT INTO elasticc2_spectruminfo (facility, inserted_at, mjd, z, classid, diaobject_id)"
            " VALUES (%s, now(), %s, %s, %s, %s) RETURNING inserted_at",
            (facility, mjd, z, classid, number),
        ).fetchone()
        connection.execute(
            "DELETE FROM elasticc2_plannedspectra WHERE diaobject_id = %s AND lower(facility) = lower(%s)",
            (number, facility),
        )
        # In the same order as requests are stored.
        connection.execute(
            "DELETE FROM elasticc2_wantedspectra WHERE wantspec_id IN (SELECT wantspec_id FROM elasticc2_wantedspectra"
            " WHERE diaobject_id = %s ORDER BY wantspec_id FOR UPDATE)",
            (number,),
        )
    if row is None:
        raise LookupError("INSERT … RETURNING gave no row")
    reported: datetime.datetime = row[0]
    return reported


_CONDITIONS: Final[dict[str, LiteralString]] = {
    "facility": "lower(facility) = lower(%(facility)s)",
    "mjd_min": "mjd >= %(mjd_min)s",
    "mjd_max": "mjd <= %(mjd_max)s",
    "classid": "classid = %(classid)s",
    "z_min": "z >= %(z_min)s::real",
    "z_max": "z <= %(z_max)s::real",
    "since": "inserted_at >= %(since)s",
}


def reported_spectra(connection: Connection, selection: Selection) -> list[Report]:
    """List reported spectra by the time at which they were taken."""
    condition, given = selection.condition(objects="diaobject_id = ANY(%(objects)s::bigint[])")
    query = sql.SQL(
        "SELECT diaobject_id AS number, facility, mjd, z, classid, inserted_at AS reported"
        " FROM elasticc2_spectruminfo WHERE {} ORDER BY mjd, specinfo_id"
    ).format(condition)
    with connection.cursor(row_factory=class_row(Report)) as cursor:
        return cursor.execute(query, given).fetchall()
