"""Changes of objects that a user already holds: those in a watchlist, those that a filter has matched, or a list.

A cursor is the number of a batch. `changes` returns the objects with new sources, annotations or changed rows since a
cursor, and the cursor for the next call; nothing is missed and nothing is returned twice, since it waits for the
batches that are in progress when it is called, and for no others. A source that comes in the history of another packet
first, and in its own packet later, counts both times. The cursor of a feed is stored here, and the feed is sent to a
webhook.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from broker_assets.backoff import SINK, pause_after
from broker_assets.delivery import webhooks
from broker_assets.delivery.errors import MessageRefusedError, SinkError, SinkUnavailableError, storable
from broker_assets.delivery.messages import as_json
from broker_assets.delivery.sinks import checked_webhook
from broker_assets.provenance.revisions import newest_number, wait_for_writers
from broker_assets.settings.delivery import DeliverySettings
from broker_assets.settings.stream import SecretFileError

log = logging.getLogger(__name__)

Connection = psycopg.Connection[Any]

OBJECTS_AT_A_TIME: Final = 1000
"""Objects in one answer or request; the next one continues."""
LOOK_SECONDS: Final = 60.0
"""Seconds between two checks of a feed."""
_BATCH_SECONDS: Final = 60.0

_HELD: Final = {
    "filterid": "SELECT diaobjectid FROM filter_matches WHERE filterid = %(filterid)s"
    " UNION SELECT diaobjectid FROM annotation_matches WHERE filterid = %(filterid)s",
    "wl_id": "SELECT diaobjectid FROM watchlist_hits WHERE wl_id = %(wl_id)s",
    "objects": "SELECT unnest(%(objects)s::bigint[]) AS diaobjectid",
}


@dataclass(frozen=True)
class Held:
    """Objects that a user holds; exactly one of the three is given."""

    filterid: int | None = None
    """Objects that this filter has matched."""
    wl_id: int | None = None
    """Objects in this watchlist."""
    objects: tuple[int, ...] | None = None
    """These objects."""

    @property
    def kind(self) -> str:
        """Which of the three is given.

        Raises
        ------
        SinkError
            If not exactly one is given.
        """
        given = [name for name in _HELD if getattr(self, name) is not None]
        if len(given) != 1:
            raise SinkError("say which objects: a filter, a watchlist, or a list of them")
        return given[0]


@dataclass(frozen=True)
class Changes:
    """Changes of objects."""

    cursor: int
    """Cursor for the next call."""
    objects: list[dict[str, Any]]
    """For each object: `diaObjectId`, `newSources`, `newForcedSources`, `lastDiaSourceMjdTai`, `annotations` (new ones,
    by topic)."""
    more: bool
    """Whether there are more: call again with the cursor."""


@dataclass(frozen=True)
class Feed:
    """A feed; see the table `change_feeds`."""

    feedid: int
    owner: str
    name: str
    filterid: int | None
    wl_id: int | None
    objects: list[int] | None
    url: str | None
    cursor: int
    failures: int
    failure: str | None

    @property
    def held(self) -> Held:
        """Its objects."""
        return Held(self.filterid, self.wl_id, None if self.objects is None else tuple(self.objects))


def newest(connection: Connection) -> int:
    """The present cursor: everything after it is new."""
    return newest_number(connection, "ingest_batch", "ingestid")


def changes(
    connection: Connection, held: Held, cursor: int, *, limit: int = OBJECTS_AT_A_TIME, seconds: float = _BATCH_SECONDS
) -> Changes:
    """Changes of some objects since a cursor.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode: what batches commit meanwhile must be visible.
    held : Held
        The objects.
    cursor : int
        Cursor from the last answer; 0: everything.
    limit : int
        Approximate number of objects: those of one batch are never divided.
    seconds : float
        Longest wait for batches in progress.

    Raises
    ------
    SinkError
        If the cursor is none of this database: it would leave out in silence what comes until its batch.
    BatchesDoNotEnd
        If a batch takes longer than that.
    """
    chosen = _HELD[held.kind]
    upto = newest(connection)
    if not 0 <= cursor <= upto:
        raise SinkError(
            f"{cursor} is not a cursor of this platform, whose newest batch is {upto}: give the one of the last "
            "answer, or 0 for everything"
        )
    if upto == cursor:
        return Changes(cursor, [], more=False)
    wait_for_writers(connection, seconds)
    values: Mapping[str, Any] = {
        "filterid": held.filterid, "wl_id": held.wl_id, "objects": None if held.objects is None else list(held.objects),
        "after": cursor, "upto": upto, "limit": limit,
    }  # fmt: skip
    with connection.cursor(row_factory=dict_row) as rows:
        rows.execute(
            f"""
            WITH held AS ({chosen}), written AS (
                SELECT diaobjectid, ingestid, archivefileid, broughtby, 1 AS source, 0 AS forced, NULL AS topic
                FROM diasources JOIN held USING (diaobjectid) WHERE ingestid > %(after)s
                UNION ALL
                SELECT diaobjectid, ingestid, NULL, broughtby, 0, 1, NULL
                FROM diaforcedsources JOIN held USING (diaobjectid) WHERE ingestid > %(after)s
                UNION ALL
                SELECT diaobjectid, ingestid, NULL, NULL, 0, 0, topic
                FROM annotations JOIN held USING (diaobjectid) WHERE ingestid > %(after)s
            ), given AS (
                -- Reprocessing writes rows again. They are as new as their packets, which were archived when they came.
                SELECT written.diaobjectid, source, forced, written.topic,
                    CASE kind WHEN 'reprocess' THEN (
                        SELECT file.ingestid FROM archive_file AS file
                        WHERE file.archivefileid = coalesce(written.archivefileid, (
                            SELECT own.archivefileid FROM diasources AS own
                            WHERE own.diaobjectid = written.diaobjectid AND own.diasourceid = written.broughtby LIMIT 1
                        ))
                    ) ELSE written.ingestid END AS ingestid
                FROM written JOIN ingest_batch USING (ingestid)
            ), new AS (
                SELECT * FROM given WHERE ingestid > %(after)s AND ingestid <= %(upto)s
            ), counted AS (
                SELECT ingestid, count(DISTINCT diaobjectid) AS objects FROM new GROUP BY ingestid
            ), reached AS (
                SELECT ingestid, sum(objects) OVER (ORDER BY ingestid) - objects AS before FROM counted
            ), upto AS (
                SELECT coalesce(max(ingestid), %(upto)s) AS last, count(*) AS kept FROM reached WHERE before < %(limit)s
            )
            SELECT diaobjectid::text AS "diaObjectId", sum(source)::int AS "newSources",
                sum(forced)::int AS "newForcedSources", max(objects.lastdiasourcemjdtai) AS "lastDiaSourceMjdTai",
                coalesce(json_agg(DISTINCT topic) FILTER (WHERE topic IS NOT NULL), '[]') AS annotations,
                (SELECT last FROM upto) AS last, (SELECT kept < (SELECT count(*) FROM counted) FROM upto) AS more
            FROM new LEFT JOIN objects USING (diaobjectid)
            WHERE new.ingestid <= (SELECT last FROM upto)
            GROUP BY diaobjectid ORDER BY diaobjectid
            """,  # noqa: S608 (one of our own statements)
            values,
        )
        found = rows.fetchall()
    more = bool(found and found[0]["more"])
    reached = int(found[0]["last"]) if more else upto
    return Changes(reached, [{k: v for k, v in row.items() if k not in ("last", "more")} for row in found], more=more)


def add_feed(
    connection: Connection, settings: DeliverySettings, owner: str, name: str, held: Held, url: str | None = None
) -> int:
    """Create a feed that begins now; return its number.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    settings : DeliverySettings
        Settings that say whether webhooks can be sent.
    owner, name : str
        Owner, and a name that they do not use yet.
    held : Held
        The objects.
    url : str, optional
        Webhook; without one the owner reads it with `read_feed`.

    Raises
    ------
    SinkError
        If the feed is not valid, or its filter or watchlist does not exist.
    """
    _check_exists(connection, held)
    address = None if url is None else checked_webhook(settings, url)
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO change_feeds (owner, name, filterid, wl_id, objects, url, cursor)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (owner, name) DO NOTHING RETURNING feedid",
            (
                owner, name, held.filterid, held.wl_id, None if held.objects is None else list(held.objects), address,
                newest(connection),
            ),
        ).fetchone()  # fmt: skip
    if row is None:
        raise SinkError(f"{owner} already has a feed named {name!r}")
    return int(row[0])


def _check_exists(connection: Connection, held: Held) -> None:
    """Refuse a filter or watchlist that is not there, whose feed would stay empty in silence."""
    what = {"filterid": ("filter", "filters"), "wl_id": ("watchlist", "watchlists")}.get(held.kind)
    if what is not None:
        name, table = what
        number = held.filterid if held.filterid is not None else held.wl_id
        query = sql.SQL("SELECT FROM {} WHERE {} = %s").format(sql.Identifier(table), sql.Identifier(held.kind))
        if connection.execute(query, (number,)).fetchone() is None:
            raise SinkError(f"there is no {name} {number}")


def move_feed(connection: Connection, owner: str, name: str, cursor: int) -> None:
    """Advance a feed past what was read; never back.

    Raises
    ------
    SinkError
        If the owner has no such feed.
    """
    _moved(connection, _named(connection, owner, name).feedid, cursor)


def read_feed(connection: Connection, owner: str, name: str, *, move: bool = True) -> Changes:
    """Changes for a feed; with `move`, its cursor advances past them.

    Raises
    ------
    SinkError
        If the owner has no such feed.
    """
    feed = _named(connection, owner, name)
    found = changes(connection, feed.held, feed.cursor)
    if move:
        _moved(connection, feed.feedid, found.cursor)
    return found


def _named(connection: Connection, owner: str, name: str) -> Feed:
    found = _feeds(connection, "owner = %s AND name = %s", (owner, name))
    if not found:
        raise SinkError(f"{owner} has no feed named {name!r}")
    return found[0]


def feeds(connection: Connection) -> list[Feed]:
    """All feeds, by owner and name."""
    return sorted(_feeds(connection, "true", ()), key=lambda feed: (feed.owner, feed.name))


def remove_feed(connection: Connection, owner: str, name: str) -> bool:
    """Remove a feed; False if there was none."""
    return connection.execute("DELETE FROM change_feeds WHERE owner = %s AND name = %s", (owner, name)).rowcount > 0


_SENT: Final = "url IS NOT NULL AND active AND due_at <= now()"


def feeds_due(connection: Connection) -> bool:
    """Whether a feed has a webhook that is due."""
    row = connection.execute(f"SELECT EXISTS (SELECT FROM change_feeds WHERE {_SENT})").fetchone()  # noqa: S608
    return bool(row and row[0])


def send_feeds(connection: Connection, settings: DeliverySettings) -> int:
    """Send changes to the webhooks of feeds that are due; return the number of objects sent.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode.
    settings : DeliverySettings
        Settings for signing and sending webhooks.
    """
    sent = 0
    try:
        secret = settings.revealed_webhook_key()
    except SecretFileError as error:
        for feed in _feeds(connection, _SENT, ()):
            _failed(connection, feed, str(error))
        return 0
    if secret is None:
        return 0
    for feed in _feeds(connection, _SENT, ()):
        found = changes(connection, feed.held, feed.cursor)
        pause = 0.0 if found.more else LOOK_SECONDS
        if not found.objects:
            _moved(connection, feed.feedid, found.cursor, pause)
            continue
        try:
            body = as_json({"feed": feed.name, "owner": feed.owner, "cursor": found.cursor, "objects": found.objects})
            webhooks.post(
                feed.url or "",
                body,
                key=webhooks.key_of(secret, f"feed/{feed.feedid}"),
                # The same if the same is sent again: the cursor moves only after it was accepted. Another if something
                # has come in since then: a receiver that took the first attempt, but answered too late, drops an
                # identifier that it knows, and would miss what is new.
                identity=f"feed-{feed.feedid}-{feed.cursor}-{_digest(found.objects)}",
                seconds=settings.webhook_seconds,
                private_addresses=settings.private_addresses,
            )
        except (SinkUnavailableError, MessageRefusedError) as error:
            _failed(connection, feed, str(error))
        except Exception as error:
            # A defect triggered by one feed must not affect the others.
            log.exception("feed %s of %s", feed.name, feed.owner)
            _failed(connection, feed, storable(f"a defect of the platform: {type(error).__name__}: {error}"))
        else:
            sent += len(found.objects)
            _moved(connection, feed.feedid, found.cursor, pause)
    return sent


def _digest(objects: list[dict[str, Any]]) -> str:
    return hashlib.md5(as_json(objects), usedforsecurity=False).hexdigest()[:12]


def _failed(connection: Connection, feed: Feed, reason: str) -> None:
    connection.execute(
        "UPDATE change_feeds SET failures = failures + 1, failure = %s, due_at = now() + make_interval(secs => %s)"
        " WHERE feedid = %s",
        (reason[:2000], pause_after(feed.failures + 1, SINK), feed.feedid),
    )


def _feeds(connection: Connection, condition: str, values: Sequence[Any]) -> list[Feed]:
    with connection.cursor(row_factory=class_row(Feed)) as cursor:
        cursor.execute(
            "SELECT feedid, owner, name, filterid, wl_id, objects, url, cursor, failures, failure FROM change_feeds"  # noqa: S608
            f" WHERE {condition} ORDER BY feedid",
            values,
        )
        return cursor.fetchall()


def _moved(connection: Connection, feedid: int, cursor: int, pause: float = 0.0) -> None:
    connection.execute(
        "UPDATE change_feeds SET cursor = greatest(cursor, %s), failures = 0, failure = NULL,"
        " due_at = now() + make_interval(secs => %s) WHERE feedid = %s",
        (cursor, pause, feedid),
    )
