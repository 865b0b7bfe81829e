"""The telemetry demonstration: a simulated day, copied into the watched folder and followed to its publication."""

from __future__ import annotations

import datetime
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from broker_assets.database.engine import connect
from broker_assets.local.demo_jobs import JobNotStartedError, start_job
from broker_assets.local.demo_settings import TARGET, DemoFolders, is_configured
from broker_assets.monitoring.state_file import Addresses
from broker_assets.settings import Settings
from broker_assets.settings.places import folder_url
from broker_assets.storage.atomic import new_folder, remove_abandoned, replace_atomically

PATIENCE_SECONDS: Final = 300.0
"""If nothing has happened for this long, the demonstration stops waiting and points to the logs."""
POLL_SECONDS: Final = 1.0
SEED: Final = 1
FAMILIES: Final = ("quicklook", "housekeeping", "science", "calibration", "auxiliary")
EXPECTED: Final = frozenset(
    {(level, family) for level in ("LB", "L0", "L1") for family in FAMILIES} | {("ANC", ""), ("LL03", "")}
)
"""Levels and families of a complete day; there is one kind each of ancillary files and plots."""
PUBLISH_JOB: Final = "publish_products"
CHECK_JOB: Final = "check_telemetry"


def prepare(settings: Settings, report: Callable[[str], None]) -> None:
    """Write the mission of the demonstration unless it exists or the user has configured telemetry.

    Called before the services start, so that they find all inputs of products. The packets follow later.
    """
    folders = DemoFolders.of(settings)
    if is_configured(settings) or folders.mission.is_dir():
        return
    # Imported here: the other commands need not wait for the numerical libraries.
    from broker_assets.telemetry.simulation import write_mission

    report("Simulating a day of telemetry …")
    yesterday = datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)
    remove_abandoned(folders.root)
    folders.incoming.mkdir(parents=True, exist_ok=True)
    folders.archive.mkdir(parents=True, exist_ok=True)
    with new_folder(folders.mission) as building:
        write_mission(building, start=yesterday, seed=SEED)


class TelemetryDemonstration:
    """Delivers a day of telemetry and shows its processing.

    Parameters
    ----------
    settings : Settings
        Settings with the folders of `demo_settings`.
    addresses : Addresses
        The running platform.
    console : Console
        Console for progress and result.
    start : callable
        Starts a job of the platform and returns the id of its run, as `start_job` does.
    """

    def __init__(
        self,
        settings: Settings,
        addresses: Addresses,
        console: Console,
        *,
        start: Callable[[Addresses, str], str] = start_job,
    ) -> None:
        self._settings = settings
        self._start = start
        self._addresses = addresses
        self._console = console
        self._folders = DemoFolders.of(settings)
        self._record = self._folders.root / "dropped.json"

    @property
    def _files(self) -> list[Path]:
        return sorted((self._folders.mission / "incoming").glob("*.xml"))

    def drop(self) -> bool:
        """Put the files into the watched folder, where each appears complete; return whether any of our files is there.

        Returns immediately; the telemetry sensor finds them during the rest of the demonstration.
        """
        wanted = [folder_url(self._folders.incoming)]
        if self._settings.telemetry.incoming != wanted or not self._folders.mission.is_dir():
            return False
        if not self._record.exists():
            for path in self._files:
                replace_atomically(self._folders.incoming / path.name, path)
        return True

    def follow(self, ending: threading.Event) -> None:
        """Wait until the day is published, and print what was made; return early when the platform stops."""
        if self._record.exists():
            self._say("The simulated day of telemetry was received at an earlier start.")
        else:
            try:
                self._watch(ending)
            except (psycopg.Error, OSError) as error:  # a server that is being restarted
                self._say(f"The demonstration of telemetry was interrupted: {error}")
        if not ending.is_set():
            self._summarise()

    def _watch(self, ending: threading.Event) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with (
            Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[note]}"), console=self._console) as bar,
            connect(self._addresses.database_url, autocommit=True) as connection,
        ):
            receiving = bar.add_task("Telemetry files received", total=len(self._files), note="")
            making = bar.add_task("Levels of its products made", total=len(EXPECTED), note="", start=False)
            publishing = bar.add_task("Product files published", total=None, note="", start=False)
            bar.update(receiving, note="(complete once they no longer change)")
            if not self._until(lambda: self._received(connection), len(self._files), bar, receiving, ending):
                return
            bar.start_task(making)
            bar.update(making, note="(by automation: L0, then L1, then what follows)")
            if not self._until(lambda: self._made(connection), len(EXPECTED), bar, making, ending):
                return
            bar.start_task(publishing)
            if self._publish(connection, bar, publishing, ending):
                self._check()
                replace_atomically(self._record, json.dumps({"files": [path.name for path in self._files]}))

    def _until(
        self, count: Callable[[], int], total: int, bar: Progress, task: TaskID, ending: threading.Event
    ) -> bool:
        """Poll until a count reaches a total; False, and a message, if it does not change for a long time."""
        done, changed = -1, time.monotonic()
        while not ending.is_set():
            now = count()
            if now != done:
                done, changed = now, time.monotonic()
                bar.update(task, completed=now)
                if now:
                    bar.update(task, note="")
            if now >= total:
                return True
            if time.monotonic() - changed > PATIENCE_SECONDS:
                logs = Path(self._addresses.home) / "logs"
                self._say(
                    f"{bar.tasks[task].description}: {done} of {total}, no change for {PATIENCE_SECONDS / 60:.0f} min; "
                    f"see {logs}/daemon.log and {self._addresses.webserver_url}/runs"
                )
                return False
            ending.wait(POLL_SECONDS)
        return False

    def _received(self, connection: psycopg.Connection[Any]) -> int:
        row = connection.execute(
            "SELECT count(*) FROM telemetry_file WHERE folder = %s AND state IN ('processed', 'quarantined')",
            (folder_url(self._folders.incoming),),
        ).fetchone()
        return int(row[0]) if row else 0

    def _made(self, connection: psycopg.Connection[Any]) -> int:
        rows = connection.execute(
            "SELECT DISTINCT level, CASE WHEN level IN ('LB', 'L0', 'L1') THEN family ELSE '' END"
            " FROM product_file WHERE superseded_at IS NULL"
        ).fetchall()
        return len(EXPECTED & {(level, family) for level, family in rows})

    def _publish(
        self, connection: psycopg.Connection[Any], bar: Progress, task: TaskID, ending: threading.Event
    ) -> bool:
        """Request the run that the schedule would request within the hour, and follow it."""
        asked = datetime.datetime.now(datetime.UTC)
        try:
            run_id = self._start(self._addresses, PUBLISH_JOB)
        except JobNotStartedError as error:
            self._say(f"Publication could not be started ({error}); the schedule publish_due will run within the hour.")
            return False
        bar.update(task, note=f"(job {PUBLISH_JOB}, run {run_id[:8]})")
        changed, done = time.monotonic(), 0
        while not ending.wait(POLL_SECONDS):
            row = connection.execute(
                "SELECT count(*) FILTER (WHERE delivered_at IS NOT NULL),"
                " (SELECT max(finished_at) FROM publication_run WHERE target = %(target)s AND started_at > %(asked)s)"
                " FROM publication WHERE target = %(target)s",
                {"target": TARGET, "asked": asked},
            ).fetchone()
            delivered, finished = row or (0, None)
            if delivered != done:
                done, changed = delivered, time.monotonic()
                bar.update(task, completed=delivered)
            if finished is not None:
                bar.update(task, completed=delivered, total=delivered, note="")
                return True
            if time.monotonic() - changed > PATIENCE_SECONDS:
                self._say(f"Nothing was published for a long time; see {self._addresses.webserver_url}/runs/{run_id}")
                return False
        return False

    def _check(self) -> None:
        """Start the checks that the schedule would start within the hour, so that all of them turn green."""
        try:
            self._start(self._addresses, CHECK_JOB)
        except JobNotStartedError as error:
            self._say(f"The checks could not be started ({error}); the schedule will start them within the hour.")

    def _summarise(self) -> None:
        with connect(self._addresses.database_url, autocommit=True) as connection:
            files, packets, new, bad = connection.execute(
                "SELECT count(*), coalesce(sum(packets), 0), coalesce(sum(new_packets), 0),"
                " coalesce(sum(bad_packets), 0) FROM telemetry_file WHERE folder = %s",
                (folder_url(self._folders.incoming),),
            ).fetchone() or (0, 0, 0, 0)
            levels = connection.execute(
                "SELECT level, count(*), sum(rows), sum(size), count(delivered.name) FROM product_file AS product"
                " LEFT JOIN (SELECT DISTINCT path AS name FROM publication"
                "  WHERE target = %s AND delivered_at IS NOT NULL) AS delivered ON delivered.name = product.path"
                " WHERE superseded_at IS NULL GROUP BY level"
                " ORDER BY array_position(ARRAY['LB', 'L0', 'L1', 'CAL', 'ANC', 'LL03'], level)",
                (TARGET,),
            ).fetchall()
            day = connection.execute(
                "SELECT max(day) FROM product_file WHERE superseded_at IS NULL AND kind = 'ql-lightcurve'"
                " AND level = 'L1'"
            ).fetchone()
        self._say(f"Telemetry: {files} files, {packets:,} packets of which {new:,} new, {bad:,} unusable")
        table = Table(box=None, pad_edge=False)
        for heading in ("level", "files", "rows", "MB", "published"):
            table.add_column(heading, justify="left" if heading == "level" else "right")
        for level, count, rows, size, published in levels:
            table.add_row(level, f"{count:,}", f"{rows or 0:,}", f"{float(size or 0) / 1e6:.1f}", f"{published:,}")
        self._console.print(table)
        if day and day[0]:
            where = f"{self._addresses.webserver_url}/assets/l1_quicklook?view=partitions&partition={day[0]}"
            self._say(f"Light curve of {day[0]}: {where} (metadata, at the end)")
        self._say(f"Published files: {self._folders.archive}")

    def _say(self, message: str) -> None:
        self._console.print(escape(message), highlight=False, soft_wrap=True)
