"""One transaction for a batch: whole or not at all, and only for the run whose position it is."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.accounting import balance, ledger
from broker_assets.accounting.ledger import StaleStreamPosition
from broker_assets.database.engine import connect
from broker_assets.stream.archive import BatchPreparer
from broker_assets.stream.commit import PreparedBatch, write_batch
from broker_assets.stream.messages import Message
from broker_assets.stream.orphaned_files import PendingFiles
from broker_assets.stream.progress import Committed

pytestmark = pytest.mark.database

Prepare = Callable[..., PreparedBatch]


@pytest.fixture
def prepare(broker: Any) -> Prepare:
    """A function that decodes and archives payloads from an offset on."""

    def one(values: list[bytes], first: int = 0) -> PreparedBatch:
        preparer = BatchPreparer(
            broker.decoder(),
            archive_url=broker.archive_url,
            topic=broker.topic,
            positions={0: first},
            compare=_nothing_known,
            pending=PendingFiles(broker.archive_url, broker.topic),
            condemned={},
        )
        return preparer.archive(preparer.decode([Message(0, first + n, 1000, None, v) for n, v in enumerate(values)]))

    return one


def _nothing_known(triggers: Any, points: Any) -> Any:
    """No comparison before the transaction: what is stored is found by the write itself."""
    return np.ones(len(points.trigger), bool), None


def commit(broker: Any, batch: PreparedBatch) -> Committed:
    """Write a batch as a run would."""
    with connect(broker.database_url, autocommit=True) as connection:
        enriched = broker.plan.compute(batch.decoded.tables, connection)
        return write_batch(connection, batch, enriched, topic=broker.topic, run_id="run", plan=broker.plan)


def tables(broker: Any) -> dict[str, list[Any]]:
    """Everything that a batch may write."""
    names = ("diasources", "diaforcedsources", "objects", "ingest_batch", "stream_offset", "archive_file", "quarantine")
    return {name: broker.rows(name) for name in names}


def test_rows_files_position_and_ledger_at_once(broker: Any, packets: ModuleType, prepare: Prepare) -> None:
    survey = packets.Survey(objects=3, visits=2)
    values = [*survey.packets(), b"no packet"]
    done = commit(broker, prepare(values))
    assert (done.received, done.stored, done.duplicate, done.quarantined) == (7, 6, 0, 1)
    assert done.ranges == {0: (0, 7)}
    assert broker.value("SELECT count(*) FROM diasources") == len(survey.sources())
    assert broker.value("SELECT next_offset FROM stream_offset") == 7
    assert broker.value("SELECT count(*) FROM quarantine WHERE topic = 'alerts'") == 1
    assert sum(counts.stored for counts in done.nights.values()) == 6
    with connect(broker.database_url) as connection:
        assert balance.batches(connection) == []
    broker.assert_closed_ledger()


def test_a_position_that_somebody_moved_stops_everything(broker: Any, packets: ModuleType, prepare: Prepare) -> None:
    """A run that was thought dead writes nothing, whatever it has prepared."""
    values = list(packets.Survey(objects=4, visits=2).packets())
    late, ours = prepare(values[:3]), prepare(values)
    commit(broker, ours)
    before = tables(broker)
    with pytest.raises(StaleStreamPosition):
        commit(broker, late)
    with pytest.raises(StaleStreamPosition):
        commit(broker, prepare(values, first=20))
    assert tables(broker) == before


def test_the_same_alerts_at_other_offsets_are_duplicates(broker: Any, packets: ModuleType, prepare: Prepare) -> None:
    values = list(packets.Survey(objects=2, visits=2).packets())
    first = commit(broker, prepare(values))
    again = commit(broker, prepare(values, first=len(values)))
    assert (first.stored, again.stored, again.duplicate) == (4, 0, 4)
    assert broker.value("SELECT count(*) FROM diasources") == 4
    broker.assert_closed_ledger()


def test_a_refused_row_leaves_no_trace(broker: Any, packets: ModuleType, prepare: Prepare) -> None:
    """The database is as before, and the note of the archive files says what must go."""
    broker.execute("ALTER TABLE objects ADD CONSTRAINT none_of_these CHECK (diaobjectid <> 2)")
    before = tables(broker)
    batch = prepare(list(packets.Survey(objects=3, visits=1).packets()))
    with pytest.raises(psycopg.errors.CheckViolation):
        commit(broker, batch)
    assert tables(broker) == before
    assert batch.note is not None
    removed = PendingFiles(broker.archive_url, broker.topic).sweep([0], lambda urls: _known(broker, urls))
    assert removed == len(batch.groups)


def _known(broker: Any, urls: list[str]) -> set[str]:
    with connect(broker.database_url) as connection:
        return ledger.known_archive_urls(connection, urls)


def test_a_flood_of_one_reason_is_marked(broker: Any, prepare: Prepare) -> None:
    done = commit(broker, prepare([b"no packet %d" % number for number in range(200)]))
    assert done.flood is not None
    assert (done.flood.failed, done.flood.received, done.flood.first_offsets) == (200, 200, {0: 0})
    assert commit(broker, prepare([b"x"], first=200)).flood is None
