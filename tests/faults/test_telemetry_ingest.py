"""Ingest runs that are killed while they receive files and build days: nothing is lost, duplicated or unreported."""

from __future__ import annotations

import datetime
import os
import signal
import textwrap
import time
from pathlib import Path
from typing import Any, TextIO

import pytest
from forked_programs import open_program
from telemetry_arrivals import DAY, Site, make_site

from broker_assets.database import engine
from broker_assets.local.loaded_code import ForkedProcess
from broker_assets.provenance import versions
from broker_assets.telemetry.archive.days import day_version

pytestmark = [pytest.mark.database, pytest.mark.faults, pytest.mark.slow]

WORKER = textwrap.dedent(
    """
    import logging, os, sys, time
    from pathlib import Path

    errors = os.open(Path(sys.argv[2]) / "stderr.txt", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(errors, 2)
    from dagster import DagsterInstance
    from broker_assets.jobs.receive_telemetry import file_days
    from broker_assets.telemetry.reception.receiver import IngestBusy, Limits, Receiver, ingest_session
    from broker_assets.telemetry.reception.folders import folders
    from broker_assets.resources.database import Database
    from broker_assets.resources.telemetry import Telemetry
    from broker_assets.settings import Settings, TelemetrySettings

    url, root = sys.argv[1], Path(sys.argv[2])
    settings = Settings(
        home=root / "home",
        telemetry=TelemetrySettings(
            incoming=[str(root / "arriving")],
            stable_seconds=0,
            databases=root / "databases",
            configuration=root / "configuration",
        ),
    )
    telemetry = Telemetry.of(settings)
    log = logging.getLogger("killed")
    instance = DagsterInstance.ephemeral()
    print("ready", flush=True)
    while True:
        try:
            with ingest_session(url) as session, telemetry.store() as store:
                incoming, databases = folders(settings.telemetry), telemetry.inputs().databases
                copies, limits = telemetry.folders.incoming, Limits(tries=1000)
                receiver = Receiver(session, incoming, copies, store, databases, stable_seconds=0, limits=limits)
                done = receiver.run(progress=lambda outcome: print(outcome.file.name, flush=True))
                database = Database(url)
                for event in file_days(instance, session, database, telemetry, store, done, "run", log):
                    print(event.asset_key.to_user_string(), event.partition, flush=True)
            break
        except IngestBusy:  # the server has not yet seen that the one before is dead
            time.sleep(0.05)
    """
)
DAYS = [DAY + datetime.timedelta(days=number) for number in range(4)]


def start(site: Site, url: str) -> tuple[ForkedProcess, TextIO]:
    """A run, which has loaded everything and begins now, and what it writes."""
    (site.folder / "killed_ingest.py").write_text(WORKER)
    worker, output = open_program("killed_ingest", url, str(site.folder), paths=[site.folder])
    assert output.readline() == "ready\n", errors(site).read_text()
    return worker, output


def errors(site: Site) -> Path:
    """What all runs of a site wrote to stderr."""
    return site.folder / "stderr.txt"


def finish(site: Site, url: str) -> list[str]:
    """The lines of a run that nothing disturbs."""
    worker, output = start(site, url)
    with output:
        lines = output.read().splitlines()
    assert worker.wait(240) == 0, errors(site).read_text()
    return lines


def kill(site: Site, url: str, *, after: int, delay: float) -> None:
    """Kill a run some time after so many files and days; one that has less to do ends."""
    worker, output = start(site, url)
    with output:
        for _ in range(after):
            if not output.readline():
                break
        time.sleep(delay)
        worker.send_signal(signal.SIGKILL)
        assert worker.wait(60) in (0, -signal.SIGKILL), errors(site).read_text()


def arrive(site: Site) -> int:
    """Files of several days that share packets; how many packets there are."""
    for number, day in enumerate(day for day in DAYS for _ in range(6)):
        part = number % 6
        site.arrive(number, range(20 * part, 20 * part + 30), day)
    return len(DAYS) * (5 * 20 + 30)


def content(site: Site) -> dict[str, bytes]:
    """Product files without their dates of writing and what follows from them."""
    folder = site.telemetry.folders.products
    found = {}
    for path in sorted(folder.rglob("*.fits")):
        cards = [path.read_bytes()[at : at + 80] for at in range(0, path.stat().st_size, 80)]
        found[path.name] = b"".join(card for card in cards if card[:8].strip() not in (b"DATE", b"CHECKSUM"))
    return found


def test_killed_runs_leave_what_one_run_makes(
    tmp_path: Path, postgres: Any, new_database: Any, migrated_template: str
) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, killed = make_site(tmp_path / "whole"), make_site(tmp_path / "killed")
    packets = arrive(whole)
    arrive(killed)
    rounds = int(os.environ.get("BROKER_FAULT_ROUNDS", "6"))
    with new_database(migrated_template) as first, new_database(migrated_template) as second:
        assert finish(whole, postgres.url(first))
        for attempt in range(rounds):
            # After one file, after three more, …: the last rounds end while days are being built.
            kill(killed, postgres.url(second), after=4 * attempt + 1, delay=0.004 * (attempt % 5))
        finish(killed, postgres.url(second))
        assert finish(killed, postgres.url(second)) == []
        with engine.connect(postgres.url(second)) as connection:
            rows = connection.execute(
                "SELECT count(*), count(reported_at), count(*) FILTER (WHERE state = 'processed'),"
                " sum(new_packets)::int FROM telemetry_file"
            ).fetchone()
            assert rows == (24, 24, 24, packets)
            known = versions.data_versions(connection, "lb_housekeeping")
            recorded = {
                name
                for (name,) in connection.execute(
                    "SELECT name FROM product_file WHERE superseded_at IS NULL"
                ).fetchall()
            }
    with killed.telemetry.store() as store:
        assert known == {
            day.isoformat(): version for day in DAYS if (version := day_version(store, "housekeeping", day))
        }
        assert store.index.rows("SELECT count(*) FROM packet")[0][0] == packets
    assert len(recorded) == len(DAYS)
    assert content(killed) == content(whole)
    assert content(killed).keys() == recorded
