"""An alert's trace: from Kafka's time stamp to its row, and on to the message of a filter."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from delivery_peers import header, read_topic, sender, settings
from queued_messages import add_sink, queue
from trace_collector import collector

from broker_assets.database import engine
from broker_assets.stream.traces import alert
from broker_assets.tracing import Subject

pytestmark = [pytest.mark.database, pytest.mark.kafka]


def test_from_the_alert_over_the_commit_to_the_message(broker: Any, packets: ModuleType, kafka: str) -> None:
    source = packets.ListSource.of([packets.encode(packets.alert(number, [(1, 61_000.3)])) for number in (71, 72)])
    with collector() as found:
        report = broker.drain(source)
        assert report.stored == 2
        (((diaobjectid, diasourceid, ingestid),)) = broker.query(
            "SELECT diaobjectid, diasourceid, ingestid FROM diasources ORDER BY diasourceid LIMIT 1"
        )
        with engine.connect(broker.database_url, autocommit=True) as connection:
            add_sink(connection, kind="kafka", target="lasair_traced")
            queue(connection, [diasourceid], ingestid=ingestid)
            connection.execute(
                "UPDATE deliveries SET trigger = %s, diaobjectid = %s",
                (f"alert/{diaobjectid}/{diasourceid}", diaobjectid),
            )
        with sender(broker.database_url, settings(), kafka) as started:
            assert started.send_due().delivered == 1
        spans = found.of(alert(diaobjectid, diasourceid))
        batch = Subject("batch", str(ingestid))
        (of_batch,) = found.of(batch)
    by_name = {span.name: span for span in spans}
    assert set(by_name) == {"alert", "waits in Kafka", "commit", "message"}
    whole = by_name["alert"]
    assert {span.parent for span in spans if span is not whole} == {whole.identifier}
    assert by_name["commit"].links == [of_batch.trace]
    assert by_name["commit"].ends == pytest.approx(whole.ends)
    assert by_name["message"].attributes["messaging.destination.name"] == "lasair_traced"
    assert whole.attributes["broker.batch"] == ingestid
    assert of_batch.attributes["broker.stored"] == 2
    assert len(of_batch.links) == 2
    assert of_batch.attributes["broker.seconds.decode"] > 0
    # Who reads the topic can go on with the trace.
    (message,) = read_topic(kafka, "lasair_traced", 1)
    assert header(message, "traceparent") == f"00-{whole.trace}-{whole.identifier}-01"
