"""Alerts of the simulation as tar files, one for each integer MJD: `<mjd>.tar` with members `<alertid>.avro`."""

from __future__ import annotations

import io
import math
import tarfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg

from broker_assets.storage.atomic import Part
from broker_assets.tom.survey.alerts import AlertWriter
from broker_assets.tom.survey.points import read_light_curves
from broker_assets.tom.survey.reconstruction import BEFORE_FIRST_DAYS, DAYS
from broker_assets.tom.survey.selection import Window, pages

Connection = psycopg.Connection[Any]


class ArchiveExists(FileExistsError):
    """There is already an archive with this name; the message says how to overwrite it."""


def write_archives(
    connection: Connection,
    start_day: float,
    through_day: float,
    folder: Path,
    *,
    version: str = "0.9.1",
    clobber: bool = False,
    write: bool = True,
    done: Callable[[int, int], None] = lambda day, alerts: None,
) -> dict[int, int]:
    """Write the alerts of some days, sent or not, with 365 days of history.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    start_day, through_day : float
        First and last day, MJD, both included.
    folder : Path
        Where the archives are written.
    version : str
        Version of the schema, see `schemas.schema_version`.
    clobber : bool
        Whether archives are overwritten.
    write : bool
        Whether anything is written; otherwise the alerts are counted.
    done : callable
        Called with each day that has alerts, and their number.

    Returns
    -------
    dict of int to int
        Number of alerts by day; days without alerts have no archive.

    Raises
    ------
    ArchiveExists
        If the archive of a day exists; those of earlier days have been written.
    """
    written: dict[int, int] = {}
    for day in range(math.floor(start_day), math.floor(through_day) + 1):
        # Up to the next midnight, which belongs to the next day.
        chosen = Window(float(day), math.nextafter(day + 1.0, -math.inf))
        alerts = write_archive(
            connection, chosen, folder / f"{day}.tar" if write else None, version=version, clobber=clobber
        )
        if alerts:
            written[day] = alerts
            done(day, alerts)
    return written


def write_archive(
    connection: Connection, chosen: Window, path: Path | None, *, version: str = "0.9.1", clobber: bool = False
) -> int:
    """Write the alerts of an interval, sent or not, as one tar file; without alerts, no file is written.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    chosen : Window
        Times of the detections.
    path : Path or None
        The file, which appears when it is complete; None: the alerts are counted.
    version, clobber
        See `write_archives`.

    Returns
    -------
    int
        Number of alerts.

    Raises
    ------
    ArchiveExists
        If the file exists.
    """
    alerts = 0
    now = int(time.time())
    with ExitStack() as stack:
        part: Part | None = None
        archive: tarfile.TarFile | None = None
        for page in pages(connection, chosen, sent=None):
            if path is not None and archive is None:
                if path.exists() and not clobber:
                    raise ArchiveExists(f"{path} exists; -c overwrites it")
                part = stack.enter_context(Part(path.parent, path.name, mode=0o644))
                archive = stack.enter_context(tarfile.open(part.path, "w"))
            if archive is not None:
                since = float(page.mjd.min()) - max(DAYS, BEFORE_FIRST_DAYS)
                curves = read_light_curves(connection, page.object.tolist(), since=since, before=float(page.mjd.max()))
                datums = AlertWriter(curves, version).write(page.alert, page.source)
                for alert, datum in zip(page.alert.tolist(), datums, strict=True):
                    member = tarfile.TarInfo(f"{alert}.avro")
                    member.size, member.mtime, member.mode = len(datum), now, 0o664
                    archive.addfile(member, io.BytesIO(datum))
            alerts += len(page.alert)
        if path is not None and part is not None and archive is not None:
            archive.close()
            part.move_to(path)
    return alerts
