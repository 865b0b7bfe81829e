"""The topic of all enriched alerts: every stored alert as JSON without images, with everything computed for it.

Alerts are read from the packet archive, file by file in the order in which batches wrote them, so that they need no
rows in the outbox. The table `enriched_topics` records the progress. Each message has a header `delivery-id`, the same
whenever it is sent again; after a start, the first messages are searched for at the end of the topic before they are
sent.
"""

from __future__ import annotations

import hashlib
import itertools
import logging
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from broker_assets.database.tables import associations, object_features
from broker_assets.delivery import queue
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.messages import JsonObject, as_json
from broker_assets.delivery.topics import Outgoing, Refused, Topics, Written
from broker_assets.packets.archive import ArchivedPacket, ArchiveError, read_file
from broker_assets.provenance.revisions import BatchesDoNotEnd, newest_number, wait_for_writers
from broker_assets.settings import Settings
from broker_assets.stream.packet_contents import alert_documents

log = logging.getLogger(__name__)

Connection = psycopg.Connection[Any]
Alert = tuple[int, int]
"""`diaObjectId` and `diaSourceId`."""

AT_A_TIME: Final = 200
"""Alerts sent together: bounds the memory."""
LOCK: Final = -2
"""Number that the one sender of the topic locks in place of a sink."""
_WAIT_SECONDS: Final = 30.0
_HIDDEN: Final = frozenset({"diaobjectid", "diasourceid", "ingestid", "night", "associationid", "healpix"})


@dataclass
class _Place:
    """Progress of the topic."""

    archivefileid: int
    packets: int
    next_offset: int


class EnrichedTopic:
    """Sends new alerts to the topic.

    Parameters
    ----------
    topic : str
        Kafka topic.
    topics : Topics
        The cluster.
    surveys : mapping of str to str
        Survey of each stream, by the name under which its packets are archived.
    """

    def __init__(self, topic: str, topics: Topics, surveys: Mapping[str, str]) -> None:
        self._topic = topic
        self._topics = topics
        self._surveys = surveys
        self._sure = False
        """Whether this process wrote the newest messages: nothing is at the end of the topic that it does not know."""

    @classmethod
    def of(cls, settings: Settings) -> EnrichedTopic | None:
        """The sender of the platform; None if its settings name no such topic."""
        delivery = settings.delivery
        if delivery.enriched_topic is None:
            return None
        topics = Topics(
            settings.delivery_cluster,
            confirm_seconds=delivery.confirm_seconds,
            replication=delivery.replication,
            retention_days=delivery.retention_days,
        )
        return cls(delivery.enriched_topic, topics, {stream.name: stream.survey for stream in settings.streams})

    def send(self, connection: Connection) -> int:
        """Send the alerts of files written since the last call; return their number.

        Parameters
        ----------
        connection : psycopg.Connection
            In autocommit.

        Raises
        ------
        psycopg.Error
            If the database fails; nothing is lost.
        """
        if not queue.lock(connection, [LOCK]):
            return 0
        try:
            return self._send(connection)
        except (SinkUnavailableError, OSError, BatchesDoNotEnd) as error:
            log.warning("the topic %s waits: %s", self._topic, error)
            self._sure = False
            return 0
        finally:
            if not connection.closed:
                queue.unlock(connection, [LOCK])

    def close(self) -> None:
        """Disconnect from Kafka."""
        self._topics.close()

    def _send(self, connection: Connection) -> int:
        place = self._place(connection)
        # A file of a batch in progress already has a number, but its row is not yet visible.
        newest = newest_number(connection, "archive_file", "archivefileid")
        if newest <= place.archivefileid:
            return 0
        wait_for_writers(connection, _WAIT_SECONDS)
        files = connection.execute(
            "SELECT archivefileid, topic, url FROM archive_file WHERE archivefileid > %s AND archivefileid <= %s"
            " ORDER BY archivefileid",
            (place.archivefileid, newest),
        ).fetchall()
        sent = 0
        for number, stream, url in files:
            survey = self._surveys.get(stream)
            if survey is None:
                log.warning("alerts of %s are not sent to %s: no stream has that name", stream, self._topic)
            else:
                sent += self._send_file(connection, place, survey, url)
            place.archivefileid, place.packets = number, 0
            self._note(connection, place)
        return sent

    def _send_file(self, connection: Connection, place: _Place, survey: str, url: str) -> int:
        sent = 0
        try:
            for packets in _parts(itertools.islice(read_file(url), place.packets, None)):
                sent += self._send_alerts(connection, place, survey, packets)
                place.packets += len(packets)
                self._note(connection, place)
        except ArchiveError as error:
            log.error("the rest of %s is not sent to %s: %s", url, self._topic, error)
        return sent

    def _send_alerts(
        self, connection: Connection, place: _Place, survey: str, packets: Sequence[ArchivedPacket]
    ) -> int:
        messages = []
        for (alert, document), packet in zip(_documents(connection, survey, packets), packets, strict=True):
            if isinstance(document, MessageRefusedError):
                log.error("an alert at %s is not sent to %s: %s", packet.position, self._topic, document)
                continue
            identity = hashlib.sha256(f"{self._topic} {survey} {alert[0]} {alert[1]}".encode()).hexdigest()[:32]
            messages.append(Outgoing(self._topic, identity, as_json(document), (("_format", b"json"),)))
        if not self._sure:
            found, _ = self._topics.seen(self._topic, place.next_offset, {one.identity for one in messages})
            messages = [one for one in messages if one.identity not in found]
        for identity, answer in self._topics.send(messages).items():
            if isinstance(answer, Written):
                place.next_offset = max(place.next_offset, answer.offset + 1)
            elif isinstance(answer, Refused) and answer.of_the_message:
                log.error("the alert %s is not sent to %s: %s", identity, self._topic, answer.reason)
            else:
                raise SinkUnavailableError(answer.reason)
        self._sure = True
        return len(messages)

    def _place(self, connection: Connection) -> _Place:
        connection.execute(
            "INSERT INTO enriched_topics (topic, archivefileid) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (self._topic, newest_number(connection, "archive_file", "archivefileid")),
        )
        row = connection.execute(
            "SELECT archivefileid, packets, next_offset FROM enriched_topics WHERE topic = %s", (self._topic,)
        ).fetchone()
        return _Place(*row) if row is not None else _Place(0, 0, 0)

    def _note(self, connection: Connection, place: _Place) -> None:
        connection.execute(
            "UPDATE enriched_topics SET archivefileid = %s, packets = %s, next_offset = %s, updated_at = now()"
            " WHERE topic = %s",
            (place.archivefileid, place.packets, place.next_offset, self._topic),
        )


def _parts(packets: Iterator[ArchivedPacket]) -> Iterator[list[ArchivedPacket]]:
    while part := list(itertools.islice(packets, AT_A_TIME)):
        yield part


def _documents(
    connection: Connection, survey: str, packets: Sequence[ArchivedPacket]
) -> Iterator[tuple[Alert, JsonObject | MessageRefusedError]]:
    """The alert of each packet, and its message."""
    read = alert_documents(survey, packets, full=True)
    alerts = [(0, 0) if isinstance(one, MessageRefusedError) else _alert(one) for one in read]
    facts = _facts(connection, [alert for alert in alerts if alert != (0, 0)])
    for alert, one in zip(alerts, read, strict=True):
        if isinstance(one, MessageRefusedError):
            yield alert, one
        else:
            yield alert, {"diaObjectId": alert[0], "diaSourceId": alert[1], "alert": one, **facts.get(alert, {})}


def _alert(document: JsonObject) -> Alert:
    """The newest source of a packet is the one that triggered it."""
    source = document["diaSourcesList"][-1]
    return int(source["diaObjectId"] or 0), int(source["diaSourceId"])


def _facts(connection: Connection, alerts: Sequence[Alert]) -> dict[Alert, JsonObject]:
    """Facts that were computed for alerts in their batch; for lists, only public ones."""
    found: dict[Alert, JsonObject] = defaultdict(lambda: {"watchlists": [], "areas": []})
    wanted = (
        "unnest(%(objects)s::bigint[], %(sources)s::bigint[]) AS wanted (diaobjectid, diasourceid)"
        " JOIN {} AS fact USING (diaobjectid, diasourceid)"
    )
    values = {"objects": [one for one, _ in alerts], "sources": [source for _, source in alerts]}

    def rows(columns: str, table: str, more: str = "") -> Iterator[tuple[Alert, dict[str, Any]]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(
                f"SELECT wanted.diaobjectid AS object_, wanted.diasourceid AS source_, {columns}"  # noqa: S608 - our own
                f" FROM {wanted.format(table)} {more}",
                values,
            )
            for row in cursor:
                yield (row.pop("object_"), row.pop("source_")), row

    for alert, row in rows(_columns(object_features, "fact"), "object_features"):
        found[alert]["features"] = row
    nearest = (
        "JOIN associations AS near ON near.diaobjectid = wanted.diaobjectid AND near.associationid = fact.associationid"
    )
    for alert, row in rows(_columns(associations, "near"), "context_matches", nearest):
        found[alert]["context"] = row
    for alert, row in rows("classifier, version, class, score", "class_scores", "ORDER BY classifier, class"):
        classes = found[alert].setdefault("classes", {})
        one = classes.setdefault(row["classifier"], {"version": row["version"], "scores": {}})
        one["scores"][row["class"]] = row["score"]
    cones = "JOIN watchlist_cones AS cone USING (cone_id) JOIN watchlists USING (wl_id)"
    lists = f"{cones} WHERE public ORDER BY wl_id, arcsec"
    for alert, row in rows('wl_id, cone.name AS "name", arcsec', "watchlist_facts", lists):
        found[alert]["watchlists"].append(row)
    areas = "JOIN areas ON areas.ar_id = ANY(fact.ar_ids) WHERE public ORDER BY ar_id"
    for alert, row in rows('areas.ar_id, areas.name AS "name"', "area_facts", areas):
        found[alert]["areas"].append(row)
    return found


def _columns(table: Any, alias: str) -> str:
    """The columns of a table under their documented names."""
    return ", ".join(
        f'{alias}."{column.name}" AS "{column.info["documented"]}"'
        for column in table.columns
        if column.name not in _HIDDEN
    )
