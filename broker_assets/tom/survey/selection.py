"""Which alerts of the survey are sent, and the clock of the simulation.

The clock is not stored: it is the time of the latest detection whose alert was sent. A night of the simulation ends at
12 UT, which is the morning in Chile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

Connection = psycopg.Connection[Any]
PAGE: Final = 10_000
"""Alerts that are selected at a time."""


class Window(NamedTuple):
    """Times of detections, MJD (TAI), both included."""

    start: float | None
    """None: from the beginning."""
    through: float


class AlertPage(NamedTuple):
    """Alerts in the order of their times; each an (n,) array."""

    alert: NDArray[np.int64]
    source: NDArray[np.int64]
    object: NDArray[np.int64]
    mjd: NDArray[np.float64]
    """MJD (TAI)."""


class NoWindow(ValueError):
    """The arguments do not define an interval; the message says why."""


def simulation_clock(connection: Connection) -> float | None:
    """Time of the simulation, MJD TAI: that of the latest detection whose alert was sent; None if none was."""
    found = connection.execute(
        "SELECT max(source.midpointtai) FROM elasticc2_ppdbalert AS alert JOIN elasticc2_ppdbdiasource AS source"
        " ON source.diasource_id = alert.diasource_id AND source.diaobject_id = alert.diaobject_id"
        " WHERE alert.alertsenttimestamp IS NOT NULL"
    ).fetchone()
    return None if found is None else found[0]


def window(
    connection: Connection,
    *,
    through_day: float | None = None,
    added_days: float | None = None,
    start_day: float | None = None,
) -> Window | None:
    """The interval of times to send.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    through_day : float, optional
        Last time, MJD.
    added_days : float, optional
        Number of nights after the clock of the simulation; the last one ends at 12 UT. Before any alert was sent, they
        count from `start_day`, or from the day before the first alert.
    start_day : float, optional
        First time, MJD.

    Returns
    -------
    Window or None
        None if there is no alert at all.

    Raises
    ------
    NoWindow
        If neither or both of `through_day` and `added_days` are given, a value is not finite, `added_days` is negative,
        or `start_day` is after `through_day`.
    """
    if (through_day is None) == (added_days is None):
        raise NoWindow("give either the last day to send through, or how many days to add")
    for value in (through_day, added_days, start_day):
        if value is not None and not math.isfinite(value):
            raise NoWindow(f"{value} is not a time")
    if added_days is not None and added_days < 0:
        raise NoWindow(f"{added_days} nights cannot be added: give 0 or more")
    if through_day is not None and start_day is not None and start_day > through_day:
        raise NoWindow(f"the first day, {start_day}, is after the last one, {through_day}")
    if through_day is not None:
        return Window(start_day, through_day)
    assert added_days is not None  # noqa: S101 - the other of the two
    clock = simulation_clock(connection)
    start = start_day if clock is None else max(clock, start_day) if start_day is not None else clock
    if start is None:
        first = connection.execute(
            "SELECT min(source.midpointtai) FROM elasticc2_ppdbalert AS alert JOIN elasticc2_ppdbdiasource AS source"
            " ON source.diasource_id = alert.diasource_id AND source.diaobject_id = alert.diaobject_id"
        ).fetchone()
        if first is None or first[0] is None:
            return None
        start = first[0] - 1
    return Window(start, math.floor(start + 0.5) + added_days + 0.5)


def count(connection: Connection, chosen: Window) -> int:
    """Number of alerts in an interval that were not sent."""
    found = connection.execute(f"SELECT count(*) {_CHOSEN}{_STATES[False]}", _parameters(chosen)).fetchone()
    return 0 if found is None else int(found[0])


def pages(
    connection: Connection, chosen: Window, *, size: int = PAGE, sent: bool | None = False
) -> Iterator[AlertPage]:
    """Alerts in an interval, by time and number; by default those that were not sent.

    Each page begins after the last alert of the previous one, whether or not that was sent meanwhile.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    chosen : Window
        The times.
    size : int
        Alerts at a time.
    sent : bool or None
        True: only alerts that were sent; False: only the others; None: all.
    """
    after: tuple[float, int] = (-math.inf, -1)
    while True:
        rows = connection.execute(
            "SELECT alert.alert_id, source.diasource_id, source.diaobject_id, source.midpointtai"
            f" {_CHOSEN}{_STATES[sent]} AND (source.midpointtai, alert.alert_id) > (%(mjd)s, %(alert)s)"
            " ORDER BY source.midpointtai, alert.alert_id LIMIT %(size)s",
            {**_parameters(chosen), "mjd": after[0], "alert": after[1], "size": size},
        ).fetchall()
        if not rows:
            return
        alert, source, thing, mjd = zip(*rows, strict=True)
        yield AlertPage(
            np.array(alert, np.int64), np.array(source, np.int64), np.array(thing, np.int64), np.array(mjd, np.float64)
        )
        after = (mjd[-1], alert[-1])


_STATES: Final = {
    False: " AND alert.alertsenttimestamp IS NULL", True: " AND alert.alertsenttimestamp IS NOT NULL", None: "",
}  # fmt: skip
_CHOSEN: Final = (
    "FROM elasticc2_ppdbalert AS alert JOIN elasticc2_ppdbdiasource AS source"
    " ON source.diasource_id = alert.diasource_id AND source.diaobject_id = alert.diaobject_id"
    " WHERE source.midpointtai <= %(through)s AND source.midpointtai >= %(start)s"
)


def _parameters(chosen: Window) -> dict[str, float]:
    return {"start": -math.inf if chosen.start is None else chosen.start, "through": chosen.through}
