"""The bytes of a message in the format of its sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from broker_assets.delivery.errors import MessageRefusedError
from broker_assets.delivery.messages import Contents, JsonObject, Message, as_json, gcn_notice, record, voevent
from broker_assets.delivery.sinks import Sink
from broker_assets.delivery.traces import context_headers


class Writer:
    """Writes messages.

    Parameters
    ----------
    contents : Contents
        Reads what is not in a row.
    pages_url : str
        Address of the web application, for links.
    authority : str
        Publisher of VOEvents: a host name.
    """

    def __init__(self, contents: Contents, *, pages_url: str, authority: str) -> None:
        self.contents = contents
        self.objects_url = f"{pages_url.rstrip('/')}/objects/"
        self.authority = authority

    def records(
        self, connection: psycopg.Connection[Any], sinks: Mapping[int, Sink], messages: Sequence[Message]
    ) -> dict[int, JsonObject | MessageRefusedError]:
        """The record of each message, by its number, or the reason why it cannot be read.

        Raises
        ------
        OSError
            If the archive is unavailable.
        """
        alerts: dict[int, JsonObject | MessageRefusedError] = {}
        for form in ("lite", "full"):
            wanted = [one for one in messages if sinks[one.sinkid].format == form and one.diasourceid is not None]
            if wanted:
                alerts |= self.contents.alerts(connection, wanted, full=form == "full")
        found: dict[int, JsonObject | MessageRefusedError] = {}
        for message in messages:
            alert = alerts.get(message.deliveryid)
            if isinstance(alert, MessageRefusedError):
                found[message.deliveryid] = alert
                continue
            try:
                found[message.deliveryid] = record(message, alert)
            except MessageRefusedError as error:
                found[message.deliveryid] = error
        return found

    def values(
        self, connection: psycopg.Connection[Any], sinks: Mapping[int, Sink], messages: Sequence[Message]
    ) -> dict[int, bytes | MessageRefusedError]:
        """The bytes of each message, by its number, or the reason why it cannot be written.

        Raises
        ------
        OSError
            If the archive is unavailable.
        """
        networks = [one for one in messages if sinks[one.sinkid].format in ("gcn", "voevent")]
        plain = [one for one in messages if sinks[one.sinkid].format not in ("gcn", "voevent")]
        found: dict[int, bytes | MessageRefusedError] = {
            number: one if isinstance(one, MessageRefusedError) else as_json(one)
            for number, one in self.records(connection, sinks, plain).items()
        }
        places = self.contents.places(connection, networks) if networks else {}
        for message in networks:
            sink, place = sinks[message.sinkid], places.get(message.deliveryid)
            page = f"{self.objects_url}{message.diaobjectid}"
            if place is None:
                reason = f"the position of object {message.diaobjectid} is not known"
                found[message.deliveryid] = MessageRefusedError(reason, final=True)
                continue
            try:
                found[message.deliveryid] = (
                    as_json(gcn_notice(message, place, filter_name=sink.name, page=page))
                    if sink.format == "gcn"
                    else voevent(message, place, authority=self.authority, filter_name=sink.name, page=page)
                )
            except MessageRefusedError as error:
                found[message.deliveryid] = error
        return found


def headers(message: Message, sink: Sink) -> tuple[tuple[str, bytes], ...]:
    """Kafka headers of a message, besides its identity; hop-client needs `_format` to read it."""
    form = b"blob" if sink.format == "voevent" else b"json"
    found = [
        ("_format", form),
        ("filter", str(message.filterid).encode()),
        ("filter-version", str(message.version).encode()),
        ("trigger", message.trigger.encode()),
        *context_headers(message),
    ]
    return (*found, ("late", b"true")) if message.late else tuple(found)


def envelope(sink: Sink, messages: Sequence[Message], records: Sequence[JsonObject]) -> bytes:
    """Body of a webhook: which filter matched, and the records."""
    return as_json(
        {
            "filter": {"id": sink.filterid, "name": sink.name, "owner": sink.owner},
            "matches": [
                {
                    "id": message.identity,
                    "trigger": message.trigger,
                    "version": message.version,
                    "night": message.night.isoformat(),
                    "late": message.late,
                    "record": one,
                }
                for message, one in zip(messages, records, strict=True)
            ],
        }
    )
