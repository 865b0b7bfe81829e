"""Sinks of filters: creates, lists and removes them; each change is checked before it is stored."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

import psycopg
from psycopg.rows import class_row

from broker_assets.delivery.errors import SinkError
from broker_assets.delivery.names import reduced, topic_name
from broker_assets.delivery.owners import BadAddressError, checked_address, contact
from broker_assets.settings.delivery import DeliverySettings
from broker_assets.settings.stream import SecretFileError

Connection = psycopg.Connection[Any]
Kind = Literal["kafka", "email", "webhook", "apprise"]
Format = Literal["plain", "lite", "full", "gcn", "voevent"]
Schedule = Literal["now", "hour", "day"]

_FORMATS: Final[dict[Kind, tuple[Format, ...]]] = {
    "kafka": get_args(Format),
    "webhook": get_args(Format),
    "email": ("plain", "lite", "full"),
    "apprise": ("plain",),
}

_COLUMNS: Final = (
    "sinkid, filterid, owner, name, kind, target, format, schedule, public, active, messages_per_night,"
    " bytes_per_night, created_at, removed_at, due_at, failures, failure, position"
)


@dataclass(frozen=True)
class Sink:
    """Where the matches of a filter are sent; see the table `filter_sinks`."""

    sinkid: int
    filterid: int
    owner: str
    name: str
    """Name of the filter."""
    kind: Kind
    target: str
    """Topic, address, URL, or name of a destination of the settings."""
    format: Format
    schedule: Schedule
    public: bool
    """Whether anybody may read its topic."""
    active: bool
    messages_per_night: int | None
    bytes_per_night: int | None
    created_at: datetime.datetime
    removed_at: datetime.datetime | None
    due_at: datetime.datetime
    failures: int
    failure: str | None
    position: int | None


def add(
    connection: Connection,
    settings: DeliverySettings,
    filterid: int,
    kind: Kind,
    target: str | None = None,
    *,
    form: Format = "plain",
    schedule: Schedule = "now",
    messages_per_night: int | None = None,
    bytes_per_night: int | None = None,
) -> Sink:
    """Create a sink of a filter, or restore one that was removed, with these settings.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    settings : DeliverySettings
        Settings of the platform, which determine the possible destinations.
    filterid, kind : int, str
        The filter, and `kafka`, `email`, `webhook` or `apprise`.
    target : str, optional
        Address, URL, or name of a destination. For Kafka, the platform names the topic; for e-mail, the default is the
        address of the owner.
    form, schedule : str
        See the columns `format` and `schedule`.
    messages_per_night, bytes_per_night : int, optional
        Quotas; by default those of the settings.

    Raises
    ------
    SinkError
        If there is no such filter, or the sink is not valid.
    """
    with connection.transaction():
        row = connection.execute(
            "SELECT owner, name, public FROM filters WHERE filterid = %s FOR SHARE", (filterid,)
        ).fetchone()
        if row is None:
            raise SinkError(f"there is no filter {filterid}: see `broker-assets filter list`")
        owner, name, public = row
        _check_choice("kind", kind, get_args(Kind))
        _check_choice("schedule", schedule, get_args(Schedule) if kind != "kafka" else ("now",))
        _check_choice(f"format of {kind}", form, _FORMATS[kind])
        chosen = _target(connection, settings, kind, target, filterid, owner, name, public=public)
        now = datetime.datetime.now(datetime.UTC)
        row = connection.execute(
            "INSERT INTO filter_sinks (filterid, owner, name, kind, target, format, schedule, public,"
            " messages_per_night, bytes_per_night, due_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (filterid, kind, target) DO UPDATE SET format = excluded.format, name = excluded.name,"
            " schedule = excluded.schedule, messages_per_night = excluded.messages_per_night,"
            " bytes_per_night = excluded.bytes_per_night, active = true, removed_at = NULL, due_at = excluded.due_at,"
            " failures = 0, failure = NULL"
            " RETURNING sinkid",
            (
                filterid, owner, name, kind, chosen, form, schedule, public and kind == "kafka", messages_per_night,
                bytes_per_night, next_due(schedule, now, settings.digest_hour),
            ),
        ).fetchone()  # fmt: skip
        if row is None:
            raise LookupError("INSERT … RETURNING gave no row")
        return get(connection, row[0])


def remove(connection: Connection, sinkid: int) -> int:
    """Remove a sink; dismiss the messages that wait for it, and return their number.

    Raises
    ------
    SinkError
        If there is no such sink.
    """
    with connection.transaction():
        found = connection.execute(
            "UPDATE filter_sinks SET removed_at = now(), active = false WHERE sinkid = %s AND removed_at IS NULL",
            (sinkid,),
        ).rowcount
        if not found:
            raise SinkError(f"there is no sink {sinkid}: see `broker-assets delivery sinks list`")
        return connection.execute(
            # What is on its way becomes delivered if it arrives; it is not tried again.
            "UPDATE deliveries SET finished_at = now(), failure = CASE state WHEN 'pending' THEN 'the sink was removed'"
            " ELSE 'the sink was removed while the message was on its way' END, state = 'dismissed'"
            " WHERE sinkid = %s AND state IN ('pending', 'sending')",
            (sinkid,),
        ).rowcount


def listed(connection: Connection, *, filterid: int | None = None, removed: bool = False) -> list[Sink]:
    """Sinks of a filter or of all, by filter."""
    with connection.cursor(row_factory=class_row(Sink)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM filter_sinks WHERE (%(filterid)s::bigint IS NULL OR filterid = %(filterid)s)"  # noqa: S608
            " AND (%(removed)s OR removed_at IS NULL) ORDER BY filterid, sinkid",
            {"filterid": filterid, "removed": removed},
        )
        return cursor.fetchall()


def get(connection: Connection, sinkid: int) -> Sink:
    """A sink, removed or not.

    Raises
    ------
    SinkError
        If there is none.
    """
    with connection.cursor(row_factory=class_row(Sink)) as cursor:
        cursor.execute(f"SELECT {_COLUMNS} FROM filter_sinks WHERE sinkid = %s", (sinkid,))  # noqa: S608
        found = cursor.fetchone()
    if found is None:
        raise SinkError(f"there is no sink {sinkid}: see `broker-assets delivery sinks list`")
    return found


def next_due(schedule: Schedule, after: datetime.datetime, digest_hour: int) -> datetime.datetime:
    """When messages that arrived by a time are sent: at once, at the next full hour, or with the daily digest.

    Examples
    --------
    >>> at = datetime.datetime(2026, 11, 20, 18, 30, tzinfo=datetime.UTC)
    >>> next_due("hour", at, 18).isoformat(), next_due("day", at, 18).isoformat()
    ('2026-11-20T19:00:00+00:00', '2026-11-21T18:00:00+00:00')
    """
    at = after.astimezone(datetime.UTC)
    if schedule == "now":
        return at
    full = at.replace(minute=0, second=0, microsecond=0)
    if schedule == "hour":
        return full + datetime.timedelta(hours=1)
    today = full.replace(hour=digest_hour)
    return today if today > at else today + datetime.timedelta(days=1)


def _target(
    connection: Connection,
    settings: DeliverySettings,
    kind: Kind,
    target: str | None,
    filterid: int,
    owner: str,
    name: str,
    *,
    public: bool,
) -> str:
    if kind == "kafka":
        if target is not None:
            raise SinkError("the topic of a filter is named by the platform: leave the target out")
        return _topic(connection, settings, filterid, owner, name, public=public)
    if kind == "email":
        address = target if target is not None else contact(connection, owner)
        if address is None:
            raise SinkError(f"{owner} has no address: give one, or set it with `broker-assets delivery contacts set`")
        try:
            return checked_address(address)
        except BadAddressError as error:
            raise SinkError(str(error)) from None
    if target is None:
        raise SinkError(f"a sink of kind {kind} needs a target")
    if kind == "webhook":
        return checked_webhook(settings, target)
    destination = settings.destinations.get(target)
    if destination is None or not {"*", owner} & set(destination.owners):
        usable = sorted(key for key, one in settings.destinations.items() if {"*", owner} & set(one.owners))
        raise SinkError(f"{owner} may not send to a destination {target!r}; there are: {', '.join(usable) or 'none'}")
    return target


def _topic(
    connection: Connection, settings: DeliverySettings, filterid: int, owner: str, name: str, *, public: bool
) -> str:
    """The topic that the filter has or had with this visibility, else a new name."""
    if not public and not settings.readers.access_control:
        raise SinkError(
            f"filter {filterid} is private, and this Kafka does not control who reads a topic, so that anybody could "
            "read its matches: make the filter public, choose another kind of sink, or set "
            "BROKER_DELIVERY__READERS__ACCESS_CONTROL where the cluster has an authorizer (docs/delivery.md)"
        )
    row = connection.execute(
        "SELECT target FROM filter_sinks WHERE filterid = %s AND kind = 'kafka' AND public = %s ORDER BY sinkid",
        (filterid, public),
    ).fetchone()
    if row is not None:
        return str(row[0])
    chosen = topic_name(owner, name, filterid, public=public)
    while _is_taken(connection, chosen):
        chosen = topic_name(owner, name, filterid, public=public, taken=True)
        name = f"{reduced(name)}-{filterid}"
    return chosen


def _is_taken(connection: Connection, topic: str) -> bool:
    """Whether Kafka would refuse a topic because of another: names that differ in `.` and `_` only collide in it."""
    return (
        connection.execute(
            "SELECT FROM filter_sinks WHERE kind = 'kafka' AND translate(target, '.', '_') = translate(%s, '.', '_')",
            (topic,),
        ).fetchone()
        is not None
    )


def checked_webhook(settings: DeliverySettings, url: str) -> str:
    """The URL of a webhook.

    Raises
    ------
    SinkError
        If it is not a valid webhook, or webhooks are off.
    """
    try:
        key = settings.revealed_webhook_key()
    except SecretFileError as error:
        raise SinkError(f"webhooks cannot be signed: {error}") from None
    if key is None:
        raise SinkError(
            "webhooks are off, since they cannot be signed: set BROKER_DELIVERY__WEBHOOK_KEY_FILE to a file with a "
            "secret of at least 32 characters"
        )
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise SinkError(f"not a URL: {error}") from None
    if parts.scheme not in ("https", "http") or not parts.hostname or port == 0:
        raise SinkError("a webhook is a URL of the form https://host/path")
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        # urllib would leave line ends out, and ask another address than the one that was written.
        raise SinkError("a URL has no blanks and no control characters: write a blank as %20")
    if parts.scheme == "http" and not settings.private_addresses:
        raise SinkError("a webhook must begin with https://, so that nobody on the way can read it")
    if parts.username is not None or parts.password is not None:
        raise SinkError("leave user and password out of the URL: messages are signed, see docs/delivery.md")
    try:
        # As certificates and requests name a host that is not ASCII.
        host = parts.hostname if parts.hostname.isascii() else parts.hostname.encode("idna").decode()
    except UnicodeError:
        raise SinkError(f"not a name of a host: {parts.hostname!r}") from None
    if not parts.hostname.isascii():
        parts = parts._replace(netloc=host if port is None else f"{host}:{port}")
    return parts._replace(fragment="").geturl()


def _check_choice(what: str, given: str, known: tuple[str, ...]) -> None:
    if given not in known:
        raise SinkError(f"{what}: {given!r} is not one of {', '.join(known)}")
