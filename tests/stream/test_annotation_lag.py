"""What waits of annotations, and which streams there are."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest
from listed_topics import ListedTopics

from broker_assets.annotations.annotators import AnnotatorChange, add_annotator, change_annotator
from broker_assets.annotations.content import UnknownAnnotator
from broker_assets.database import engine
from broker_assets.settings import AnnotationSettings, Settings
from broker_assets.stream.annotation_followup import annotate
from broker_assets.stream.annotation_lag import active_streams, look, stream_named
from broker_assets.stream.annotations import read_annotations

pytestmark = pytest.mark.database


def test_everything_that_waits_is_seen(database_url: str, packets: Any) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey) VALUES (1, 1)")
        for topic in ("one", "two", "absent", "away", "asleep"):
            add_annotator(connection, topic, "anna", active=topic != "asleep")
        add_annotator(connection, "odd", "anna")
        connection.execute("""UPDATE annotators SET source = '{"kind": "of a later version"}' WHERE topic = 'odd'""")
        source = packets.ListSource.of([b'{"objectId": 70, "classification": "SN"}'] * 3)
        kafka = ListedTopics(anno_one=source, anno_two=packets.ListSource.of([]), anno_away=None, anno_asleep=source)
        settings = Settings()
        found = look(connection, settings, kafka.ends_at)
        assert found.lag == {"annotator.one.anno_one": 3, "annotator.two.anno_two": 0}
        assert found.problems.keys() == {"annotator.away.anno_away", "odd"}
        assert (found.work, found.due, found.settled) == (True, False, True)
        streams, _ = active_streams(connection)
        assert [stream.topic for stream in streams] == ["anno_absent", "anno_away", "anno_one", "anno_two"]
        one = stream_named(connection, "annotator.one.anno_one")
        read_annotations(source, database_url, one, AnnotationSettings(), idle_seconds=0.05)
        assert not look(connection, settings, kafka.ends_at).work
        # A message held for an object is work as soon as the object is there, and so are filters.
        connection.execute("INSERT INTO objects (diaobjectid, survey) VALUES (70, 1)")
        assert not look(connection, settings, kafka.ends_at).settled
        connection.execute("DELETE FROM annotation_waiting")
        annotate(connection, None, [{"topic": "one", "objectId": 1, "classification": "SN"}])
        assert look(connection, settings, kafka.ends_at).due


def test_a_stream_is_found_by_its_name_also_of_an_annotator_that_sleeps(database_url: str) -> None:
    connection: psycopg.Connection[Any]
    with engine.connect(database_url, autocommit=True) as connection:
        add_annotator(connection, "one", "anna", version="3")
        change_annotator(connection, "one", AnnotatorChange(active=False))
        stream = stream_named(connection, "annotator.one.earlier.topic")
        assert (stream.topic, stream.version, stream.source.form) == ("earlier.topic", "3", "json")
        with pytest.raises(UnknownAnnotator):
            stream_named(connection, "annotator.none.topic")
        with pytest.raises(LookupError):
            stream_named(connection, "rubin-alerts")
