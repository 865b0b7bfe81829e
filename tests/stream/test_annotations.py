"""Annotations from a stream: exactly once, in micro-batches, whatever a message is or does."""

from __future__ import annotations

import importlib
import json
import multiprocessing
import os
import signal
from collections.abc import Sequence
from typing import Any

import psycopg
import pytest
from broker_messages import fink
from failing_writes import LOSE_CONNECTION, REFUSE, failing_writes

from broker_assets.accounting import balance, ledger, quarantine
from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator, get
from broker_assets.database import engine
from broker_assets.settings import AnnotationSettings
from broker_assets.stream.annotation_messages import AnnotationStream, annotation_streams
from broker_assets.stream.annotations import AnnotationsRead, read_annotations
from broker_assets.stream.messages import Message

pytestmark = pytest.mark.database
SETTINGS = AnnotationSettings(batch_max=50)
stream_module: Any = importlib.import_module("broker_assets.stream.annotations")


def lasair(number: int | str, said: str = "SN", **more: Any) -> bytes:
    """A message of Lasair's producer."""
    return json.dumps({"objectId": number, "topic": "anno_fastfinder", "classification": said} | more).encode()


@pytest.fixture
def stream(database_url: str) -> AnnotationStream:
    with engine.connect(database_url) as connection, connection.transaction():
        connection.execute("INSERT INTO objects (diaobjectid, survey) SELECT n, 1 FROM generate_series(1, 500) AS n")
        add_annotator(connection, "fastfinder", "anna")
        return annotation_streams(get(connection, "fastfinder"))[0]


def read(
    database_url: str, stream: AnnotationStream, source: Any, settings: AnnotationSettings = SETTINGS
) -> AnnotationsRead:
    return read_annotations(source, database_url, stream, settings, idle_seconds=0.05)


def rows(database_url: str, query: str) -> list[tuple[Any, ...]]:
    with engine.connect(database_url) as connection:
        return connection.execute(query.encode()).fetchall()


def no_contradiction(database_url: str) -> bool:
    with engine.connect(database_url) as connection:
        return balance.batches(connection) == [] and balance.offsets(connection) == []


def test_messages_become_annotations_exactly_once(database_url: str, stream: AnnotationStream, packets: Any) -> None:
    values = [lasair(n, classdict={"p": 0.5}, version="2") for n in range(1, 301)]
    source = packets.ListSource.of(values, partitions=3)
    done = read(database_url, stream, source)
    assert (done.received, done.stored, done.duplicate, done.quarantined) == (300, 300, 0, 0)
    assert done.batches == 6
    assert len(done.latency) == 6
    assert read(database_url, stream, source).received == 0
    source.append(0, values[0])
    assert read(database_url, stream, source).duplicate == 1
    assert rows(database_url, "SELECT count(*), count(DISTINCT diaobjectid), min(version) FROM annotations") == [
        (300, 300, "2")
    ]
    # Each is found in its message.
    [(number, partition, offset)] = rows(
        database_url, 'SELECT diaobjectid, "partition", "offset" FROM annotation_history WHERE diaobjectid = 42'
    )
    assert json.loads(source.logs[partition][offset].value)["objectId"] == number
    assert rows(database_url, "SELECT DISTINCT kind, topic FROM ingest_batch") == [
        ("annotation", "annotator.fastfinder.anno_fastfinder")
    ]
    assert no_contradiction(database_url)


BAD = [
    (b"{", "cannot be read as json"),
    (b"", "empty"),
    (lasair("SN1987A"), "not a ZTF object name"),
    (lasair(1, topic="finkkn"), "the message is for the annotator 'finkkn'"),
    (lasair(1, classdict="{"), "classdict is not JSON"),
    (lasair(1, classdict={"q": 1}), "not of the annotator's schema"),
    (lasair(1, ""), "classification is missing"),
    (lasair(1, explanation="x" * 2000), "explanation has 2000"),
    (lasair(1, explanation="y" * 200_000), "more than 100000"),
]


def test_bad_messages_are_quarantined_with_bytes_and_reason_and_the_rest_goes_on(
    database_url: str, stream: AnnotationStream, packets: Any
) -> None:
    with engine.connect(database_url) as connection:
        schema = '{"properties": {"q": false}}'
        change_annotator(connection, "fastfinder", AnnotatorChange(schema=schema))
        connection.commit()
    good = [lasair(n) for n in range(1, len(BAD) + 1)]
    values = [value for pair in zip(good, [value for value, _ in BAD], strict=True) for value in pair]
    settings = AnnotationSettings(batch_max=50, message_bytes=100_000)
    done = read(database_url, stream, packets.ListSource.of(values), settings)
    assert (done.stored, done.quarantined, done.batches) == (len(good), len(BAD), 1)
    with engine.connect(database_url) as connection:
        entries = quarantine.entries(connection, topic=stream.name)
    for (value, message), entry in zip(BAD, entries, strict=True):
        assert entry.payload == value
        assert message in entry.reason
    assert no_contradiction(database_url)


def test_a_message_that_only_the_database_refuses_is_found_in_its_batch(
    database_url: str, stream: AnnotationStream, packets: Any
) -> None:
    source = packets.ListSource.of([lasair(n) for n in range(1, 41)], partitions=2)
    with failing_writes(database_url, "annotations", REFUSE, when="NEW.diaobjectid = 17"):
        done = read(database_url, stream, source)
    assert (done.received, done.stored, done.quarantined) == (40, 39, 1)
    assert rows(database_url, "SELECT payload FROM quarantine") == [(lasair(17),)]
    assert rows(database_url, "SELECT count(*) FROM stream_attempt") == [(0,)]
    assert no_contradiction(database_url)


def test_failures_of_the_surroundings_are_left_to_the_next_run(
    database_url: str, stream: AnnotationStream, packets: Any
) -> None:
    source = packets.ListSource.of([lasair(n) for n in range(1, 100)])
    second = failing_writes(database_url, "annotations", LOSE_CONNECTION, when="NEW.diaobjectid = 60")
    with second, pytest.raises(psycopg.OperationalError):
        read(database_url, stream, source)
    assert rows(database_url, "SELECT count(*) FROM annotations") == [(50,)]
    assert read(database_url, stream, source).stored == 49
    assert rows(database_url, "SELECT count(*) FROM stream_attempt") == [(0,)]
    assert no_contradiction(database_url)


def _die(database_url: str, stream: AnnotationStream, values: list[bytes]) -> None:
    import alert_packets

    def killer(one: AnnotationStream, messages: Sequence[Message], largest: int) -> Any:
        if any(b"killer" in message.value for message in messages):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(one, messages, largest)

    original, stream_module.read_messages = stream_module.read_messages, killer
    read(database_url, stream, alert_packets.ListSource.of(values))


@pytest.mark.slow
def test_a_message_that_ends_the_process_is_quarantined_and_nothing_is_lost(
    database_url: str, stream: AnnotationStream, packets: Any
) -> None:
    values = [lasair(n, "killer" if n == 7 else "SN") for n in range(1, 21)]
    for _ in range(6):
        process = multiprocessing.get_context("fork").Process(target=_die, args=(database_url, stream, values))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
    assert process.exitcode == 0
    assert rows(database_url, "SELECT count(*) FROM annotations") == [(19,)]
    [(payload, reason)] = rows(database_url, "SELECT payload, reason FROM quarantine")
    assert (payload, "runs died" in reason) == (values[6], True)
    assert no_contradiction(database_url)


def test_two_runs_do_not_read_one_stream(database_url: str, stream: AnnotationStream, packets: Any) -> None:
    with (
        engine.connect(database_url, autocommit=True) as connection,
        ledger.lock_partitions(connection, stream.name, [0]),
        pytest.raises(ledger.StreamBusy),
    ):
        read(database_url, stream, packets.ListSource.of([lasair(1)]))


def test_messages_that_the_broker_deleted_are_a_gap(database_url: str, stream: AnnotationStream, packets: Any) -> None:
    source = packets.ListSource.of([lasair(n) for n in range(1, 11)])
    read(database_url, stream, source)
    for n in range(11, 21):
        source.append(0, lasair(n))
    source.begins[0] = 15
    assert read(database_url, stream, source).stored == 5
    assert rows(database_url, "SELECT first_offset, next_offset FROM stream_gap") == [(10, 15)]
    assert no_contradiction(database_url)


def test_objects_that_no_alert_has_brought_are_waited_for(
    database_url: str, stream: AnnotationStream, packets: Any
) -> None:
    source = packets.ListSource.of([lasair(1), lasair(900), lasair("ZTF18abcdefg")])
    done = read(database_url, stream, source)
    assert (done.stored, done.waiting) == (3, 2)
    source.append(0, lasair(901))
    done = read(database_url, stream, source, AnnotationSettings(wait_hours=0))
    assert (done.quarantined, list(done.reasons)) == (1, ["no alert has brought the object 901"])
    assert no_contradiction(database_url)


def test_one_bad_annotation_of_a_message_does_not_stop_the_others(
    database_url: str, stream: AnnotationStream, packets: Any
) -> None:
    with engine.connect(database_url) as connection:
        change_annotator(connection, "fastfinder", AnnotatorChange(schema='{"properties": {"q": false}}'))
        connection.commit()
    several = [{"objectId": n, "classification": "SN", "classdict": {"q": 1} if n == 2 else {}} for n in (1, 2, 3)]
    done = read(database_url, stream, packets.ListSource.of([json.dumps(several).encode()]))
    assert (done.received, done.quarantined) == (1, 1)
    assert next(iter(done.reasons)).startswith("annotation 2 of 3: classdict is not of")
    assert rows(database_url, "SELECT diaobjectid FROM annotations ORDER BY 1") == [(1,), (3,)]


def test_fink_is_read_by_the_same_loop(database_url: str, packets: Any) -> None:
    with engine.connect(database_url) as connection, connection.transaction():
        connection.execute("INSERT INTO objects (diaobjectid, survey) VALUES (7, 1)")
        add_annotator(connection, "fink_sn", "fink", source={"kind": "fink", "topics": ["fink_sn_lsst"]})
        stream = annotation_streams(get(connection, "fink_sn"))[0]
    sent = fink(7)
    source = packets.ListSource({0: [Message(0, 0, 1_780_000_000_000, sent.key, sent.value)]})
    assert read(database_url, stream, source).stored == 1
    assert rows(database_url, "SELECT topic, classification, version, classdict FROM annotations") == [
        ("fink_sn", "fink_sn_lsst", "8.2",
         {"classification": "fink_sn_lsst", "classifiers": {"cats_class": 11, "snnSnVsOthers_score": 0.75}})
    ]  # fmt: skip
