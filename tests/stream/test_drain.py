"""The drain run as a whole: every message once, whatever happens around it."""

from __future__ import annotations

import dataclasses
import errno
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from database_proxy import DatabaseProxy
from enrichments import Meddler
from psycopg import sql

from broker_assets.accounting import balance
from broker_assets.accounting.facts import Written
from broker_assets.accounting.ledger import lock_partitions
from broker_assets.database.engine import connect
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import RegistryUnavailable, SchemaFolder
from broker_assets.settings import DrainSettings
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.errors import DrainFailedError
from broker_assets.stream.messages import SourceRefusedError, SourceUnavailableError
from broker_assets.stream.report import Outcome

pytestmark = pytest.mark.database

SMALL = DrainSettings(batch_max=13, batch_seconds=0.2, idle_seconds=0.1, budget_seconds=60)


@pytest.fixture
def survey(packets: ModuleType) -> Any:
    """Forty-eight alerts of eight objects over three nights."""
    return packets.Survey(objects=8, visits=6, shuffle=1)


@pytest.fixture
def source(packets: ModuleType, survey: Any) -> Any:
    """The survey on three partitions."""
    return packets.ListSource.of(list(survey.packets()), partitions=3)


def assert_complete(broker: Any, survey: Any) -> None:
    """The rows are those of the survey, each once, and ledger, archive and tables agree."""
    sources = broker.query("SELECT diaobjectid, diasourceid FROM diasources WHERE archivefileid IS NOT NULL")
    assert len(sources) == len(set(sources))
    assert set(sources) == survey.sources()
    forced = broker.query("SELECT diaobjectid, diaforcedsourceid FROM diaforcedsources")
    assert len(forced) == len(set(forced))
    assert set(forced) == survey.forced_sources()
    assert broker.value("SELECT count(*) FROM objects") == survey.objects
    assert broker.value("SELECT sum(received) FROM ingest_batch") == survey.objects * survey.visits
    assert broker.archive_files() == {Path(url).name for (url,) in broker.query("SELECT url FROM archive_file")}
    broker.assert_closed_ledger()
    with connect(broker.database_url) as connection:
        for check in (balance.batches, balance.offsets, balance.stored_rows, balance.archived_packets):
            assert check(connection) == []


def assert_report_is_complete(report: Any, survey: Any) -> None:
    """The report counts what was committed, no more and no less."""
    assert report.received == report.stored == survey.objects * survey.visits
    assert report.received == report.stored + report.duplicate + report.quarantined
    assert sum(counts.stored for counts in report.nights.values()) == report.stored
    assert sum(counts.archived for counts in report.nights.values()) == report.received


class TestUndisturbed:
    """Nothing goes wrong."""

    def test_all_rows_and_report(self, broker: Any, source: Any, survey: Any) -> None:
        """Small batches over several partitions and nights."""
        seen: list[Any] = []
        report = broker.drain(source, settings=SMALL, progress=seen.append)
        assert_complete(broker, survey)
        assert_report_is_complete(report, survey)
        assert report.outcome is Outcome.IDLE
        assert report.batches == 4
        assert report.offsets == {0: (0, 16), 1: (0, 16), 2: (0, 16)}
        assert report.lag == {0: 0, 1: 0, 2: 0}
        assert set(report.commit_latency.quantiles()) == {"p50", "p90", "p99"}
        assert set(report.nights) == {"2025-11-20", "2025-11-21", "2025-11-22"}
        assert {"identify", "compare", "decode", "archive", "write"} <= report.stages.keys()
        assert all(report.stages[stage].processor_seconds > 0.0 for stage in ("identify", "decode", "write"))
        assert all(one.processor_seconds <= one.seconds + 0.1 for one in report.stages.values())
        assert {night for _, night in report.data_versions} == set(report.nights)
        assert seen[-1].received == 48
        assert report.metadata()["stored"] == 48

    @pytest.mark.parametrize("batch_max", [1, 7, 1000])
    def test_rows_do_not_depend_on_batches(self, broker: Any, source: Any, survey: Any, batch_max: int) -> None:
        """One by one, or all at once."""
        broker.drain(source, settings=SMALL.model_copy(update={"batch_max": batch_max}))
        assert_complete(broker, survey)

    def test_second_run_goes_on(self, broker: Any, packets: ModuleType, survey: Any) -> None:
        """What was committed is not read again."""
        values = list(survey.packets())
        source = packets.ListSource.of(values[:20])
        broker.drain(source)
        for value in values[20:]:
            source.append(0, value)
        report = broker.drain(source)
        assert report.offsets == {0: (20, 48)}
        assert_complete(broker, survey)

    def test_bytes_bound_batches(self, broker: Any, packets: ModuleType) -> None:
        """A batch ends with the message that fills it."""
        values = [packets.encode(packets.alert(n, [(0, 61000.2)], cutout_bytes=20_000)) for n in range(30)]
        report = broker.drain(
            packets.ListSource.of(values), settings=SMALL.model_copy(update={"batch_max": 1000, "batch_bytes": 150_000})
        )
        assert report.stored == 30
        largest = broker.value("SELECT max(bytes) FROM ingest_batch WHERE ingestid > 1")
        assert largest < 150_000 + 2 * len(values[0])


class TestEnds:
    """Why a run ends."""

    def test_stop(self, broker: Any, source: Any, survey: Any) -> None:
        """On request it finishes what it has read; the next run does the rest."""
        asked: list[int] = []

        def stop() -> bool:
            asked.append(1)
            return len(asked) > 4

        report = broker.drain(source, settings=SMALL, stop=stop)
        assert report.outcome is Outcome.STOPPED
        assert report.received < 48
        broker.assert_closed_ledger()
        broker.drain(source, settings=SMALL)
        assert_complete(broker, survey)

    def test_budget(self, broker: Any, source: Any) -> None:
        """When its time is over, and says how much it leaves behind."""
        report = broker.drain(source, settings=SMALL.model_copy(update={"budget_seconds": 1e-6}))
        assert report.outcome is Outcome.BUDGET
        assert report.total_lag == 48

    def test_busy(self, broker: Any, source: Any) -> None:
        """Another run has one of the partitions: nothing is read and nothing written."""
        with connect(broker.database_url, autocommit=True) as other, lock_partitions(other, broker.topic, [1]):
            report = broker.drain(source)
        assert report.outcome is Outcome.BUSY
        assert report.received == 0
        assert source.assigned == {}
        assert broker.value("SELECT count(*) FROM ingest_batch") == 0

    def test_superseded(self, broker: Any, source: Any, survey: Any) -> None:
        """Somebody moved the position: the run ends and has written nothing over it."""

        def meddle(progress: Any) -> None:
            if progress.received == 3:
                broker.execute("UPDATE stream_offset SET next_offset = next_offset + 1")

        report = broker.drain(source, settings=SMALL.model_copy(update={"batch_max": 3}), progress=meddle)
        assert report.outcome is Outcome.SUPERSEDED
        assert report.received == broker.value("SELECT sum(received) FROM ingest_batch") < 48


class TestInterruptions:
    """The surroundings fail for a while, or for good."""

    def test_connection_lost_within_a_transaction(
        self, broker: Any, source: Any, survey: Any, terminate_connections: Any
    ) -> None:
        """Rows written, nothing committed: rolled back and done again."""
        meddler = Meddler()

        def lose(_: Written) -> None:
            if meddler.batches == 2:
                assert terminate_connections("broker-assets drain") == 1

        meddler.on_write = lose
        report = broker.drain(source, settings=SMALL, plan=EnrichmentPlan([meddler]))
        assert len(report.interruptions) >= 1
        assert_complete(broker, survey)
        assert_report_is_complete(report, survey)

    def test_connection_lost_after_the_commit(self, broker: Any, source: Any, survey: Any) -> None:
        """Committed, but the run never hears of it: neither done again nor left out of the report."""
        with DatabaseProxy(broker.database_url) as proxy:
            meddler = Meddler()

            def lose(_: Written) -> None:
                if meddler.batches == 2:
                    proxy.lose_next_commit()

            meddler.on_write = lose
            through = dataclasses.replace(broker, database_url=proxy.url)
            report = through.drain(source, settings=SMALL, plan=EnrichmentPlan([meddler]))
            assert proxy.lost == 1
        assert len(report.interruptions) >= 1
        assert_complete(broker, survey)
        assert_report_is_complete(report, survey)

    def test_comparison_connection_lost(
        self, broker: Any, source: Any, survey: Any, terminate_connections: Any
    ) -> None:
        """The second connection of the run."""
        done: list[int] = []

        def progress(_: Any) -> None:
            if not done:
                done.append(terminate_connections("broker-assets drain comparison"))

        report = broker.drain(source, settings=SMALL.model_copy(update={"batch_max": 5}), progress=progress)
        assert_complete(broker, survey)
        assert_report_is_complete(report, survey)

    def test_broker_away_for_a_while(self, broker: Any, source: Any, survey: Any) -> None:
        """Twice no answer, then all is well."""
        source.failures = [SourceUnavailableError("away"), SourceUnavailableError("still away")]
        report = broker.drain(source, settings=SMALL)
        assert len(report.interruptions) == 2
        assert_complete(broker, survey)

    def test_broker_refuses(self, broker: Any, source: Any) -> None:
        """What waiting does not mend ends the run at once."""
        source.failures = [SourceRefusedError("no such topic")]
        with pytest.raises(SourceRefusedError, match="no such topic"):
            broker.drain(source)

    def test_broker_that_is_slow_to_send(
        self, broker: Any, source: Any, survey: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A stream is not idle while its end lies ahead."""
        ready = time.monotonic() + 2.0
        consume = source.consume

        def slow(max_messages: int, timeout: float) -> Any:
            if time.monotonic() < ready:
                time.sleep(min(timeout, 0.2))
                return []
            return consume(max_messages, timeout)

        monkeypatch.setattr(source, "consume", slow)
        report = broker.drain(source, settings=SMALL)
        assert report.outcome is Outcome.IDLE
        assert_complete(broker, survey)

    def test_registry_away_for_a_while(self, broker: Any, source: Any, survey: Any) -> None:
        """No packet is thrown out because a server was away."""
        schemas = UnreachableSchemas(broker.schemas, failures=2)
        report = broker.drain(source, settings=SMALL, decoder=lambda: AlertDecoder("rubin", "confluent", schemas))
        assert report.quarantined == 0
        assert len(report.interruptions) == 2
        assert_complete(broker, survey)

    def test_registry_away_for_good(self, broker: Any, source: Any, survey: Any) -> None:
        """The run fails with a clear message and has written nothing; the next one does it all."""
        schemas = UnreachableSchemas(broker.schemas, failures=10**6)
        with pytest.raises(DrainFailedError, match=r"nothing is lost.*the registry is away"):
            broker.drain(
                source, settings=SMALL, decoder=lambda: AlertDecoder("rubin", "confluent", schemas), retry_seconds=1.0
            )
        assert broker.value("SELECT count(*) FROM ingest_batch") == 0
        assert broker.archive_files() == set()
        broker.drain(source, settings=SMALL)
        assert_complete(broker, survey)

    def test_store_full_for_a_while(
        self, broker: Any, source: Any, survey: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A file that could not be written whole is not there, and its batch is done again."""
        original = os.fsync
        calls: list[int] = []

        def fsync(descriptor: int) -> None:
            calls.append(1)
            if len(calls) in (1, 12):
                raise OSError(errno.ENOSPC, "No space left on device")
            original(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        report = broker.drain(source, settings=SMALL)
        assert report.interruptions
        assert_complete(broker, survey)

    def test_store_full_for_good(self, broker: Any, packets: ModuleType, small_volume: Path) -> None:
        """A real file system without room: a clear failure, and after it has grown nothing is missing."""
        broker.archive = small_volume / "archive"
        survey = packets.Survey(objects=8, visits=6, cutout_bytes=20_000)
        source = packets.ListSource.of(list(survey.packets()))
        with pytest.raises(DrainFailedError, match="No space left"):
            broker.drain(source, settings=SMALL, retry_seconds=1.0)
        broker.assert_closed_ledger()
        subprocess.run(["mount", "-o", "remount,size=100m", str(small_volume)], check=True)
        broker.drain(source, settings=SMALL)
        assert_complete(broker, survey)

    @pytest.mark.parametrize("error", ["deadlock_detected", "lock_not_available", "admin_shutdown", "disk_full"])
    def test_what_the_server_may_do_next_time(self, broker: Any, source: Any, survey: Any, error: str) -> None:
        """A deadlock, or a server that restarts, is tried again: any OperationalError is."""
        meddler = Meddler()
        raising = sql.SQL("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = {}; END $$").format(error)

        def fail(written: Written) -> None:
            if meddler.batches in (1, 3):
                written.connection.execute(raising)

        meddler.on_write = fail
        report = broker.drain(source, settings=SMALL, plan=EnrichmentPlan([meddler]))
        assert len(report.interruptions) == 2
        assert_complete(broker, survey)
        assert_report_is_complete(report, survey)


class UnreachableSchemas:
    """A registry that does not answer at first."""

    def __init__(self, folder: Path, failures: int) -> None:
        self._folder = SchemaFolder(folder)
        self._failures = failures

    def by_id(self, schema_id: int) -> Any:
        """The schema, when it is reachable."""
        if self._failures:
            self._failures -= 1
            raise RegistryUnavailable("the registry is away")
        return self._folder.by_id(schema_id)

    def for_topic(self, topic: str | None) -> Any:
        """Not used."""
        raise NotImplementedError


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 kB; needs the right to mount."""
    folder = tmp_path / "volume"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


class Killed(BaseException):
    """Ends a process."""


def test_orphans_of_a_crash_are_removed(broker: Any, source: Any, survey: Any) -> None:
    """Files written, process gone before the commit: the next run removes them and writes its own."""

    def kill(_: Written) -> None:
        raise Killed

    with pytest.raises(Killed):
        broker.drain(source, settings=SMALL, plan=EnrichmentPlan([Meddler(on_write=kill)]))
    left = {name for name in broker.archive_files() if name.endswith(".avro")}
    assert left
    report = broker.drain(source, settings=SMALL)
    assert report.orphans_removed >= len(left)
    assert not left & broker.archive_files()
    assert_complete(broker, survey)


def test_files_that_the_database_knows_are_never_swept(broker: Any, source: Any, survey: Any) -> None:
    """Gone between the commit and the removal of its note: the note is settled, the files stay."""
    with DatabaseProxy(broker.database_url) as proxy:
        meddler = Meddler(on_write=lambda _: proxy.lose_next_commit(for_good=True))
        through = dataclasses.replace(broker, database_url=proxy.url)
        with pytest.raises(DrainFailedError, match="nothing is lost"):
            through.drain(source, plan=EnrichmentPlan([meddler]), retry_seconds=0.5)
    assert broker.value("SELECT sum(received) FROM ingest_batch") == 48
    assert [name for name in broker.archive_files() if name.endswith(".json")]
    report = broker.drain(source, settings=SMALL)
    assert (report.received, report.orphans_removed) == (0, 0)
    assert not [name for name in broker.archive_files() if name.endswith(".json")]
    assert_complete(broker, survey)
