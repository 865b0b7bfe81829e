"""The whole path of one message to a sink: packet, light curve, catalogues, lists, filter, sink and receipt.

Each part shows what was used for this message, with its version, or states that it is no longer known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
from psycopg.rows import dict_row

from broker_assets.delivery.backlog import shown
from broker_assets.provenance.why import Locate, why

Line = tuple[str, str]
"""Name of a part (empty on its further lines), and what it was."""
Connection = psycopg.Connection[Any]


def notification_path(connection: Connection, number: int, locate: Locate) -> list[Line]:
    """The path of a message.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the database.
    number : int
        The message, `deliveries.deliveryid`.
    locate : callable
        Returns the place of a packet in Kafka, see `broker_assets.packets.kafka_place`.

    Raises
    ------
    LookupError
        If there is no such message.
    """
    message = shown(connection, number)
    if message is None:
        raise LookupError(f"there is no message {number} to a sink: see `broker-assets delivery backlog`")
    return [
        *_message(message),
        *_trigger(connection, message, locate),
        *_light_curve(connection, message),
        *_computed(connection, message),
        *_context(connection, message),
        *_filter(connection, message),
        *_lists(connection, message),
        *_sink(message),
    ]


def _message(message: dict[str, Any]) -> Iterator[Line]:
    late = ", late: out of the quarantine" if message["late"] else ""
    yield "message", f"{message['deliveryid']}, {message['state']}{late}; delivery-id {message['identity']}"
    yield "", f"object {message['diaobjectid']}, night {message['night']}, trigger {message['trigger']}"
    yield "record", message["record"] or "(pruned)"


def _trigger(connection: Connection, message: dict[str, Any], locate: Locate) -> Iterator[Line]:
    if message["diasourceid"] is None:
        yield from _annotation(connection, message)
        return
    identity = {"diaobjectid": message["diaobjectid"], "diasourceid": message["diasourceid"]}
    found = why(connection, "diasources", identity, locate, limit=1)
    packet = found[0].packet if found else None
    if packet is None:
        yield "packet", f"that of source {message['diasourceid']} is no longer known"
        return
    place = packet.problem or f"partition {packet.partition}, offset {packet.offset}"
    yield "packet", f"topic {packet.topic}, {place}; source {packet.diasourceid}"
    yield "archive file", f"{packet.archive_url}, byte {packet.position}, {packet.length} bytes"


def _annotation(connection: Connection, message: dict[str, Any]) -> Iterator[Line]:
    number = int(message["trigger"].rpartition("/")[2])
    rows = _rows(
        connection,
        "SELECT topic, version, classification, explanation, url FROM annotation_history WHERE annotationid = %s"
        " UNION SELECT topic, version, classification, explanation, url FROM annotations WHERE annotationid = %s",
        (number, number),
    )
    if not rows:
        yield "annotation", f"{number}, which is no longer known"
    for row in rows[:1]:
        yield "annotation", f"{number} by {row['topic']} {row['version']}: {row['classification']}"
        if row["explanation"]:
            yield "", row["explanation"]
    yield from _batch(connection, message["ingestid"], "annotation received")


def _batch(connection: Connection, ingestid: int, name: str) -> Iterator[Line]:
    rows = _rows(
        connection,
        'SELECT topic, kind, code_version, run_id, finished_at, revision, "partition", first_offset, next_offset'
        " FROM ingest_batch LEFT JOIN ingest_batch_range USING (ingestid, topic) WHERE ingestid = %s"
        ' ORDER BY "partition"',
        (ingestid,),
    )
    for row in rows[:1]:
        yield name, f"by batch {ingestid} ({row['kind']}) of {row['topic']}, {_time(row['finished_at'])}"
        lists = "" if row["revision"] is None else f"; lists as of change {row['revision']}"
        yield "", f"code {row['code_version']}; run {row['run_id'] or '-'}{lists}"
    for row in rows:
        if row["partition"] is not None:
            yield "", f"partition {row['partition']}, offsets {row['first_offset']} to {row['next_offset'] - 1}"


def _light_curve(connection: Connection, message: dict[str, Any]) -> Iterator[Line]:
    for table, name in (("diasources", "light curve"), ("diaforcedsources", "")):
        (row,) = _rows(
            connection,
            "SELECT count(*) AS points, count(DISTINCT ingestid) AS batches, min(ingestid) AS first,"  # noqa: S608
            f" max(ingestid) AS last FROM {table} WHERE diaobjectid = %s AND night <= %s",
            (message["diaobjectid"], message["night"]),
        )
        what = "sources" if table == "diasources" else "forced points"
        batches = f", from {row['batches']} batches ({row['first']} to {row['last']})" if row["points"] else ""
        yield name, f"{row['points']} {what} up to that night{batches}"


def _computed(connection: Connection, message: dict[str, Any]) -> Iterator[Line]:
    """What was computed for the alert in its batch, and from what."""
    if message["diasourceid"] is None:
        return
    yield from _batch(connection, message["ingestid"], "matched")
    rows = _rows(
        connection,
        "SELECT asset, enrichment, version, inputs FROM ingest_batch_facts WHERE ingestid = %s AND night = %s"
        " ORDER BY asset",
        (message["ingestid"], message["night"]),
    )
    for place, row in enumerate(rows):
        used = ", ".join(f"{asset} {version}" for asset, version in row["inputs"].items())
        yield "" if place else "computed", f"{row['asset']}: {row['enrichment']} {row['version']}{_of(used)}"


def _context(connection: Connection, message: dict[str, Any]) -> Iterator[Line]:
    rows = _rows(
        connection,
        "SELECT classification, association_type, catalogue_table_name, catalogue_object_id, separationarcsec,"
        " annotator FROM associations JOIN context_matches USING (diaobjectid, associationid)"
        " WHERE diaobjectid = %s AND (%s::bigint IS NULL OR diasourceid = %s) ORDER BY diasourceid DESC LIMIT 1",
        (message["diaobjectid"], message["diasourceid"], message["diasourceid"]),
    )
    for row in rows:
        near = (
            f"{row['catalogue_table_name']} {row['catalogue_object_id']}" if row["catalogue_table_name"] else "nothing"
        )
        apart = f" at {row['separationarcsec']:.2f}″" if row["separationarcsec"] is not None else ""
        yield "catalogue", f"{row['classification']}: near to {near}{apart}; {row['annotator']}"
    if not rows:
        yield "catalogue", "no association"


def _filter(connection: Connection, message: dict[str, Any]) -> Iterator[Line]:
    rows = _rows(
        connection,
        "SELECT filters.owner, filters.name, definition, code_version, saved_by, saved_at, kept.revision"
        " FROM filter_versions AS kept LEFT JOIN filters USING (filterid)"
        " WHERE filterid = %s AND kept.version = %s",
        (message["filterid"], message["version"]),
    )
    named = f"{message['filterid']}, version {message['version']}"
    if not rows:
        yield "filter", f"{named}, which is no longer known"
    for row in rows:
        yield "filter", f"{row['name'] or message['name']} of {row['owner'] or message['owner']}: {named}"
        saved = f"saved by {row['saved_by']}, {_time(row['saved_at'])}, change {row['revision']}"
        yield "", f"{saved}; code of the language {row['code_version']}"
        yield "definition", " ".join(str(row["definition"]).split())


def _lists(connection: Connection, message: dict[str, Any]) -> Iterator[Line]:
    """Watchlists and areas that contained the alert, whether or not the filter uses them."""
    if message["diasourceid"] is None:
        return
    key = (message["diaobjectid"], message["diasourceid"])
    rows = _rows(
        connection,
        "SELECT DISTINCT wl_id AS number, watchlists.name, watchlists.owner, cone.name AS cone, arcsec,"
        " cone.revision_from AS revision FROM watchlist_facts JOIN watchlist_cones AS cone USING (cone_id)"
        " JOIN watchlists USING (wl_id) WHERE diaobjectid = %s AND diasourceid = %s ORDER BY 1",
        key,
    )
    for row in rows:
        yield (
            "watchlist",
            (
                f"{row['number']} {row['name']} of {row['owner']}: cone {row['cone'] or '-'}, {row['arcsec']:.2f}″,"
                f" in it since change {row['revision']}"
            ),
        )
    rows = _rows(
        connection,
        "SELECT ar_id, name, owner, moc_version, revision FROM areas WHERE ar_id IN (SELECT unnest(ar_ids)"
        " FROM area_facts WHERE diaobjectid = %s AND diasourceid = %s) ORDER BY 1",
        key,
    )
    for row in rows:
        yield "area", f"{row['ar_id']} {row['name']} of {row['owner']}: {row['moc_version']}, change {row['revision']}"


def _sink(message: dict[str, Any]) -> Iterator[Line]:
    when = "" if message["schedule"] == "now" else f", by {message['schedule']}"
    yield "sink", f"{message['sinkid']}: {message['kind']} {message['target']}, {message['format']}{when}"
    yield "queued", f"{_time(message['created_at'])}; {message['attempts']} attempts"
    if message["state"] == "delivered":
        yield "delivered", f"{_time(message['finished_at'])}, {message['bytes']} bytes"
    if message["failure"]:
        yield "failure", message["failure"]
    receipt = message["receipt"]
    yield "receipt", ", ".join(f"{name} {value}" for name, value in receipt.items()) if receipt else "none yet"


def _rows(connection: Connection, statement: str, values: tuple[Any, ...]) -> list[dict[str, Any]]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, values).fetchall()  # type: ignore[arg-type]  # statements of this module


def _of(used: str) -> str:
    return f"; of {used}" if used else ""


def _time(value: Any) -> str:
    return "-" if value is None else f"{value:%Y-%m-%d %H:%M:%S} UTC"


def as_document(lines: list[Line]) -> str:
    """The path as JSON: an object of lists of lines."""
    found: dict[str, list[str]] = {}
    last = ""
    for name, text in lines:
        last = name or last
        found.setdefault(last, []).append(text)
    return json.dumps(found, indent=1)
