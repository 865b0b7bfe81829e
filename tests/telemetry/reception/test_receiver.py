"""Telemetry files from folders and servers into the packet store: each content once, whatever happens in between."""

from __future__ import annotations

import datetime
import errno
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from received_files import connection, ingest, rows, run, site
from telemetry_arrivals import DAY, NAME, Site, make_site
from watched_folder import watched

from broker_assets.database import engine
from broker_assets.telemetry.reception import register
from broker_assets.telemetry.reception.folders import folders
from broker_assets.telemetry.reception.receiver import (
    IngestBusy,
    Ingested,
    Limits,
    ingest_session,
    is_busy,
    look,
)

__all__ = ["connection", "ingest", "site"]

pytestmark = pytest.mark.database


def stored(site: Site) -> int:
    """Packets in the store."""
    with site.telemetry.store() as store:
        return int(store.index.rows("SELECT count(*) FROM packet")[0][0])  # type: ignore[call-overload]


def copies(site: Site) -> list[str]:
    """Files that we keep."""
    folder = site.telemetry.folders.incoming
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def again_now(connection: psycopg.Connection[Any]) -> None:
    """As if the time of the next try had come."""
    connection.execute("UPDATE telemetry_file SET next_try = now() WHERE next_try IS NOT NULL")


# What arrives ---------------------------------------------------------------------------------------------------------


def test_files_are_received_once(site: Site, ingest: Callable[..., Ingested], connection: Any) -> None:
    site.arrive(1, range(3))
    site.arrive(2, range(2, 5))
    done = ingest()
    assert (done.count("processed"), done.packets, done.new, done.bad, done.stopped) == (2, 6, 5, 0, "")
    assert rows(connection, "name, state, packets, new_packets, bad_packets, run_id") == [
        (NAME.format(number=1), "processed", 3, 3, 0, "run"),
        (NAME.format(number=2), "processed", 3, 2, 0, "run"),
    ]
    days = connection.execute("SELECT DISTINCT family, day FROM telemetry_file_day").fetchall()
    assert days == [("housekeeping", DAY)]
    assert stored(site) == 5
    assert copies(site) == []
    assert ingest().files == []


def test_a_file_is_complete_when_it_has_not_changed_for_a_while(tmp_path: Path, connection: Any) -> None:
    site = make_site(tmp_path, stable_seconds=60)
    path = site.arrive(1, range(2))
    began = datetime.datetime.now(datetime.UTC)
    incoming = folders(site.settings.telemetry)

    def waiting(after: float) -> int:
        now = began + datetime.timedelta(seconds=after)
        assert look(connection, incoming, now) == {}
        return register.waiting(connection, now, 60).files

    assert waiting(0) == 0
    assert waiting(50) == 0
    path.write_bytes(site.content(range(3)))
    assert waiting(61) == 0  # it grew in between
    assert waiting(110) == 0
    assert waiting(122) == 1


def test_same_name_with_other_content_is_a_new_version(
    site: Site, ingest: Callable[..., Ingested], connection: Any
) -> None:
    site.arrive(1, range(2))
    assert ingest().new == 2
    site.arrive(1, range(4))
    done = ingest()
    assert (done.packets, done.new) == (4, 2)
    assert [row[1:] for row in rows(connection)] == [(1, "processed"), (2, "processed")]


def test_known_content_under_another_name_costs_nothing(
    site: Site, ingest: Callable[..., Ingested], connection: Any
) -> None:
    site.arrive(5, range(2))
    ingest()

    class NothingIsDecoded:
        """Databases that nobody may ask."""

    site.arrive(6, range(2))
    done = ingest(databases=NothingIsDecoded())
    assert [(outcome.state, outcome.reason) for outcome in done.files] == [
        ("processed", f"same content as {NAME.format(number=5)}")
    ]
    assert rows(connection, "packets, new_packets, same_as IS NOT NULL")[1] == (2, 0, True)
    assert copies(site) == []


def test_a_touched_file_costs_nothing(site: Site, ingest: Callable[..., Ingested], connection: Any) -> None:
    path = site.arrive(1, range(2))
    ingest()
    os.utime(path, (1, 1))
    done = ingest(databases=object())
    assert done.count("processed") == 1
    assert rows(connection, "version, same_as IS NOT NULL") == [(1, False), (2, True)]


def test_the_first_name_of_a_content_is_the_origin_whichever_came_first(
    site: Site, ingest: Callable[..., Ingested]
) -> None:
    site.arrive(5, [1])
    ingest()
    site.arrive(4, [1])
    assert ingest().new == 1  # its first origin is another now: products name it
    with site.telemetry.store() as store:
        assert {row[0] for row in store.index.rows("SELECT min(file) FROM origin GROUP BY digest")} == {
            NAME.format(number=4)
        }


def test_a_file_that_went_is_told_and_comes_back(site: Site, ingest: Callable[..., Ingested], connection: Any) -> None:
    path = site.arrive(1, range(2))
    look(connection, folders(site.settings.telemetry), datetime.datetime.now(datetime.UTC))
    content = path.read_bytes()
    path.unlink()
    assert ingest().files == []
    assert rows(connection)[0][2] == "gone"
    path.write_bytes(content)
    assert ingest().count("processed") == 1


# What is wrong with it ------------------------------------------------------------------------------------------------


def test_bad_packets_are_kept_with_their_bytes(site: Site, ingest: Callable[..., Ingested], connection: Any) -> None:
    good = site.content(range(3))
    text = site.packet(1).hex().encode()
    (site.incoming / NAME.format(number=1)).write_bytes(good.replace(text, text[:-6]))
    done = ingest()
    assert done.bad == 1
    ((position, reason, data),) = connection.execute(
        "SELECT position, reason, data FROM telemetry_quarantine"
    ).fetchall()
    assert position > 0
    assert reason
    assert data
    assert stored(site) >= 2
    assert rows(connection, "state, bad_packets") == [("processed", 1)]


def test_a_file_that_is_no_telemetry_is_given_up_and_kept(
    site: Site, ingest: Callable[..., Ingested], connection: Any
) -> None:
    (site.incoming / NAME.format(number=0)).write_text("<html>404</html>")
    site.arrive(1, range(2))
    done = ingest()
    assert (done.count("quarantined"), done.count("processed")) == (1, 1)
    state, reason, staged = rows(connection, "state, reason, staged")[0]
    assert state == "quarantined"
    assert "PktRawResponse" in reason
    assert (site.telemetry.folders.incoming / staged).read_text() == "<html>404</html>"
    assert ingest().files == []
    # A better file under the same name is another version.
    site.arrive(0, range(5, 7))
    assert ingest().new == 2


class Broken:
    """Databases that cannot be read."""

    @property
    def instrument(self) -> None:
        raise RuntimeError("no database today")


def test_failures_are_tried_again_later_and_given_up_in_the_end(
    site: Site, ingest: Callable[..., Ingested], connection: Any
) -> None:
    site.arrive(1, range(2))
    delays = []
    for _ in range(2):
        assert ingest(databases=Broken(), limits=Limits(tries=3)).count("failed") == 1
        (row,) = rows(connection, "extract(epoch FROM next_try - now())::float, reason, tries")
        delays.append(row[0])
        assert "no database today" in row[1]
        assert ingest(databases=Broken()).files == []  # it is not yet time
        again_now(connection)
    assert delays[1] > 2 * delays[0] > 60
    assert ingest(databases=Broken(), limits=Limits(tries=3)).count("quarantined") == 1
    assert copies(site) == [NAME.format(number=1)]
    assert register.retry(connection) == 1
    assert ingest().new == 2
    assert copies(site) == []


def test_a_file_that_ends_every_run_is_given_up(site: Site, ingest: Callable[..., Ingested], connection: Any) -> None:
    site.arrive(1, range(2))
    ingest(databases=Broken())
    connection.execute("UPDATE telemetry_file SET state = 'staged', tries = 6, next_try = NULL")
    (outcome,) = ingest().files
    assert (outcome.state, outcome.reason) == ("quarantined", "6 runs ended while reading it")


def test_a_file_that_grows_while_it_is_read_is_looked_at_again(
    tmp_path: Path, database_url: str, connection: Any
) -> None:
    grown: list[Path] = []

    def grows_once(path: Path) -> None:
        if not grown:
            path.write_bytes(own.content(range(3)))
            grown.append(path)

    with watched(tmp_path / "arriving", after_reading=grows_once) as url:
        own = make_site(tmp_path, incoming=[url])
        path = own.arrive(1, range(2))
        (outcome,) = run(own, database_url).files
        assert grown == [path]
        assert (outcome.state, "changed while it was copied" in outcome.reason) == ("new", True)
        assert copies(own) == []
        assert run(own, database_url).new == 3
    assert rows(connection) == [(NAME.format(number=1), 1, "processed")]


def test_an_interrupt_is_no_failure_of_the_file(site: Site, ingest: Callable[..., Ingested], connection: Any) -> None:
    site.arrive(1, range(2))

    class Interrupted:
        @property
        def instrument(self) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(databases=Interrupted())
    assert rows(connection, "state, tries") == [("staged", 0)]
    assert ingest().new == 2


def test_a_lost_copy_is_made_again(site: Site, ingest: Callable[..., Ingested], connection: Any) -> None:
    site.arrive(1, range(2))
    ingest(databases=Broken())
    (copy,) = [path for path in site.telemetry.folders.incoming.rglob("*") if path.is_file()]
    copy.unlink()
    again_now(connection)
    assert ingest().count("new") == 1
    assert ingest().new == 2


# What is wrong around it ----------------------------------------------------------------------------------------------


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """A disk on which no file can grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_leaves_everything_to_the_next_run(
    site: Site, ingest: Callable[..., Ingested], connection: Any
) -> None:
    site.arrive(1, [1])
    ingest()  # the files of the store are there
    path = site.arrive(2, range(2, 1500))
    site.arrive(3, range(1500, 1502))
    with largest_file(path.stat().st_size // 2):
        done = ingest()
    assert "cannot be written" in done.stopped
    assert [row[2] for row in rows(connection)] == ["processed", "new", "new"]
    assert copies(site) == []
    assert ingest().new == 1500


def test_a_full_disk_under_the_packet_store_is_no_failure_of_the_file(
    site: Site, ingest: Callable[..., Ingested], connection: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.arrive(1, range(2))

    replace = os.replace

    def full(source: Any, target: Any, **options: Any) -> None:
        if "segments" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", full)
        done = ingest()
    assert "packet store cannot be written" in done.stopped
    assert rows(connection, "state, tries") == [("staged", 0)]
    assert ingest().new == 2


def test_one_run_at_a_time(site: Site, ingest: Callable[..., Ingested], database_url: str) -> None:
    with engine.transaction(database_url) as connection:
        assert not is_busy(connection)
    with ingest_session(database_url):
        with engine.transaction(database_url) as connection:
            assert is_busy(connection)
        with pytest.raises(IngestBusy):
            ingest()
    assert ingest().files == []


def test_a_run_ends_at_its_limits(site: Site, ingest: Callable[..., Ingested]) -> None:
    for number in range(4):
        site.arrive(number, [number])
    assert len(ingest(limits=Limits(files=3)).files) == 3
    assert len(ingest(limits=Limits(seconds=-1)).files) == 0
    seen: list[Any] = []
    assert len(ingest(stop=lambda: True).files) == 0
    assert len(ingest(progress=seen.append).files) == len(seen) == 1


# Over the network -----------------------------------------------------------------------------------------------------


# Killed at any moment -------------------------------------------------------------------------------------------------

WORKER = textwrap.dedent(
    """
    import sys
    from pathlib import Path
    from broker_assets.telemetry.reception.receiver import IngestBusy, Limits, Receiver, ingest_session
    from broker_assets.telemetry.reception.folders import folders
    from broker_assets.settings import TelemetrySettings
    from broker_assets.telemetry.reception.packet_store import PacketStore
    from broker_assets.telemetry.idb.database_versions import InstrumentDatabases

    url, root = sys.argv[1], Path(sys.argv[2])
    settings = TelemetrySettings(incoming=[str(root / "arriving")], stable_seconds=0)
    databases = InstrumentDatabases(root / "databases")
    print("ready", flush=True)
    while True:
        try:
            with ingest_session(url) as session, PacketStore(root / "home/telemetry/packets") as store:
                incoming = folders(settings)
                copies = root / "home/telemetry/incoming"
                limits = Limits(tries=1000)
                receiver = Receiver(session, incoming, copies, store, databases, stable_seconds=0, limits=limits)
                done = receiver.run(progress=lambda outcome: print(outcome.state, flush=True))
        except IngestBusy:  # the server has not yet seen that the one before is dead
            continue
        if not done.files:
            break
    """
)


@pytest.mark.faults
@pytest.mark.slow
def test_killed_runs_lose_nothing_and_double_nothing(site: Site, database_url: str, connection: Any) -> None:
    """Killed at different moments after different numbers of files; then what is left is done."""
    files = 24
    for number in range(files):
        site.arrive(number, range(30 * number, 30 * number + 40))
    rounds = int(os.environ.get("BROKER_FAULT_ROUNDS", "6"))
    for attempt in range(rounds + 1):
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, database_url, str(site.folder)], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        if attempt < rounds:
            for _ in range(1 + attempt % 4):
                worker.stdout.readline()
            time.sleep(0.004 * (attempt % 5))
            worker.send_signal(signal.SIGKILL)
        worker.stdout.read()
        code = worker.wait(120)
        worker.stdout.close()
    assert code == 0
    packets = 30 * (files - 1) + 40
    assert stored(site) == packets
    assert rows(connection, "state, packets") == [("processed", 40)] * files
    assert connection.execute("SELECT sum(new_packets)::int FROM telemetry_file").fetchone() == (packets,)
    assert copies(site) == []
