"""Loading TNS into an embedded PostgreSQL: a full file of 250,000 objects, again, and a day's file of 500 rows."""

from __future__ import annotations

import csv
import datetime
import io
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from broker_assets.database import engine, migrations
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.tns.cadence import DueFile, apply_content
from broker_assets.tns.refresh import Kind, Refresh

OBJECTS = 250_000
DAY = 500
COLUMNS = (
    "objid", "name_prefix", "name", "ra", "declination", "redshift", "typeid", "type", "reporting_group",
    "source_group", "discoverydate", "discoverymag", "filter", "reporters", "internal_names", "lastmodified",
)  # fmt: skip
MIDNIGHT = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


def bulk_file(objects: range, *, redshift: str = "0.03") -> bytes:
    """A zip as TNS sends it."""
    random = np.random.default_rng(7)
    ra = random.uniform(0, 360, OBJECTS + DAY)
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, OBJECTS + DAY)))
    text = io.StringIO()
    text.write('"2026-11-19 00:00:00 - 23:59:59"\n')
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(COLUMNS)
    for number in objects:
        writer.writerow(
            [
                number + 1, "AT", f"2026{number:x}", ra[number], dec[number], redshift, "", "", "ZTF", "ZTF",
                "2026-11-18 05:06:07.123", 19.25, "r-ZTF", "A. Observer, B. Other (on behalf of a long list of people)",
                f"ZTF26{number:x}, ATLAS26{number:x}", "2026-11-19 01:02:03",
            ]
        )  # fmt: skip
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("tns_public_objects.csv", text.getvalue())
    return buffer.getvalue()


def main() -> None:
    """Print the table."""
    full, day = bulk_file(range(OBJECTS)), bulk_file(range(OBJECTS - DAY // 2, OBJECTS + DAY // 2), redshift="0.04")
    with tempfile.TemporaryDirectory(prefix="broker-tns-") as folder:
        Path(folder).chmod(0o711)
        with EmbeddedPostgres(Path(folder) / "postgres") as server:
            migrations.upgrade(server.url())
            with engine.connect(server.url(), autocommit=True) as connection:

                def apply(content: bytes, name: str, kind: Kind) -> Refresh:
                    return apply_content(connection, content, DueFile(name, kind, MIDNIGHT))

                for what, target, work in (
                    ("full file of 250,000 rows into an empty table", 15.0, lambda: apply(full, "full", "full")),
                    ("the same file again", 2.0, lambda: apply(full, "full", "full")),
                    ("another file that says the same", 15.0, lambda: apply(full, "other", "full")),
                    ("a day's file of 500 rows, half of them new", 1.0, lambda: apply(day, "day", "day")),
                ):
                    report(what, target, work, connection.info.backend_pid)


def report(what: str, target: float, work: Callable[[], Refresh], server: int) -> None:
    """Time one application, including reading the zip. CPU times show what a busy machine hides."""
    start, processor, theirs = time.perf_counter(), time.process_time(), server_seconds(server)
    done = work()
    seconds = time.perf_counter() - start
    print(
        f"{what:<48}{seconds:8.2f} s  (target {target:g} s; processor: {time.process_time() - processor:.2f} s ours,"
        f" {server_seconds(server) - theirs:.2f} s of the server)"
        f"  {done.new} new, {done.changed} changed, {done.deleted} deleted, {done.cones_changed} cones"
    )


def server_seconds(process: int) -> float:
    """Processor time that a process on this machine has used."""
    times = psutil.Process(process).cpu_times()
    return float(times.user + times.system)


if __name__ == "__main__":
    main()
