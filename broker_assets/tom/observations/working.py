"""The run that processes requests: places each once, follows it, and stores its files.

Before a request is sent, this is committed as its state. If the answer is lost, the facility is asked for the request
by name before it is sent again. E-mails are queued in the transaction that marks the request as sent.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
from upath import UPath

from broker_assets.backoff import RUNS, pause_after
from broker_assets.database.turns import session_turn
from broker_assets.storage.objects import store
from broker_assets.tom.observations.facility import Facility, Letter, Order, Refused, RemoteFile, Unavailable

log = logging.getLogger(__name__)
Connection = psycopg.Connection[Any]
Post = Callable[[Connection, str, Letter, str], None]
"""Queues an e-mail for an owner in the transaction of the connection; the last argument is its cause, which can have
one e-mail."""
FOLDER: Final = "observations"
"""Folder in the object store."""
_TURN: Final = "broker_assets observations"
_AT_A_TIME: Final = 200
_MOST_ATTEMPTS: Final = 20
"""Most attempts to fetch a file."""
_IS_DUE: Final = (
    "SELECT EXISTS (SELECT FROM access.observations WHERE due <= now())"
    " OR EXISTS (SELECT FROM access.observation_products WHERE due <= now())"
)


@dataclass
class Report:
    """Results of a run."""

    placed: int = 0
    finished: int = 0
    looked: int = 0
    stored: int = 0
    refused: int = 0
    failures: int = 0
    """Attempts that failed and will be repeated."""


@dataclass(frozen=True)
class Work:
    """What a run needs.

    Parameters
    ----------
    facilities : mapping
        Facilities by name.
    folder : Path or UPath
        Folder of the files of observations, in the object store.
    post : callable
        Function that queues e-mails.
    pages : str
        Public address of the web application.
    minutes, days, most_bytes
        See `settings.tom.TomSettings`: `observation_minutes`, `products_days`, `product_bytes`.
    """

    facilities: Mapping[str, Facility]
    folder: Path | UPath
    post: Post
    pages: str = ""
    minutes: float = 5.0
    days: float = 3.0
    most_bytes: int = 512 * 1024**2


def is_due(connection: Connection) -> bool:
    """Whether there is something to do."""
    row = connection.execute(_IS_DUE).fetchone()
    return bool(row is not None and row[0])


def work(connection: Connection, plan: Work, stop: Callable[[], bool] = lambda: False) -> Report:
    """Do what is due; nothing if another run is doing it.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode.
    plan : Work
        What the run needs.
    stop : callable
        Whether to end early.
    """
    report = Report()
    with session_turn(connection, _TURN) as free:
        if not free:
            return report
        rows = connection.execute(
            "SELECT observationid, state, facility FROM access.observations WHERE due <= now() ORDER BY due LIMIT %s",
            (_AT_A_TIME,),
        ).fetchall()
        for number, state, name in rows:
            if stop():
                break
            facility = plan.facilities.get(name)
            try:
                if facility is None:
                    raise Unavailable(f"the settings name no facility {name!r}")
                _STEPS[state](connection, plan, facility, number, report)
            except Unavailable as error:
                report.failures += 1
                _wait(connection, "observations", "observationid", number, str(error))
            except Refused as error:
                report.refused += 1
                _refuse(connection, number, str(error))
            except psycopg.Error:
                raise
            except Exception as error:
                # A mistake in the class of one facility must not keep the requests of the others waiting.
                log.exception("request %d of %s", number, name)
                report.failures += 1
                _wait(connection, "observations", "observationid", number, _mistake(error))
        _fetch(connection, plan, report, stop)
    return report


def _mistake(error: Exception) -> str:
    return f"the class of this facility has a mistake ({type(error).__name__}): ask an administrator to look at the log"


def _order(connection: Connection, number: int) -> Order:
    row = connection.execute(
        "SELECT target, parameters, owner, remote, extract(epoch FROM created)::bigint FROM access.observations"
        " WHERE observationid = %s",
        (number,),
    ).fetchone()
    if row is None:
        raise Unavailable("it was removed")
    target, parameters, owner, remote, created = row
    # Another database with the same account at the facility also counts its requests from 1.
    return Order(number, f"broker-{number}-{created:x}", target, parameters, owner, remote)


def _place(connection: Connection, plan: Work, facility: Facility, number: int, report: Report) -> None:
    order = _order(connection, number)
    letter = facility.letter(order, f"{plan.pages}/targets/observations/{number}/")
    if letter is not None:
        with connection.transaction():
            if _placed(connection, number, order.name, plan.minutes, "waiting", following=False):
                plan.post(connection, order.owner, letter, f"observation {number}")
                report.placed += 1
        return
    taken = connection.execute(
        "UPDATE access.observations SET state = 'asking' WHERE observationid = %s AND state = 'waiting'", (number,)
    ).rowcount
    if taken:
        remote = facility.place(order)
        report.placed += _placed(connection, number, remote, plan.minutes, "asking")


def _place_again(connection: Connection, plan: Work, facility: Facility, number: int, report: Report) -> None:
    """Repeat an attempt whose answer is unknown, unless it arrived."""
    order = _order(connection, number)
    remote = facility.find(order) or facility.place(order)
    report.placed += _placed(connection, number, remote, plan.minutes, "asking")


def _placed(
    connection: Connection, number: int, remote: str, minutes: float, before: str, *, following: bool = True
) -> int:
    # A request that was cancelled meanwhile keeps that state, and gets the identifier needed to cancel it.
    return connection.execute(
        "UPDATE access.observations SET state = CASE state WHEN 'cancelling' THEN state ELSE 'placed' END,"
        " remote = %(remote)s, placed = now(), attempts = 0, failure = '',"
        " due = CASE WHEN state = 'cancelling' THEN now() WHEN %(following)s"
        " THEN now() + make_interval(secs => %(seconds)s) END"
        " WHERE observationid = %(number)s AND state IN (%(before)s, 'cancelling')",
        {"remote": remote, "following": following, "seconds": minutes * 60, "number": number, "before": before},
    ).rowcount


def _look(connection: Connection, plan: Work, facility: Facility, number: int, report: Report) -> None:
    order = _order(connection, number)
    progress = facility.look(order)
    files = facility.products(order)
    report.looked += 1
    with connection.transaction():
        for file in files:
            connection.execute(
                "INSERT INTO access.observation_products (observationid, remote, name, url) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (observationid, remote) DO UPDATE SET url = excluded.url",
                (number, file.remote, file.name[:500], file.url),
            )
        ended = progress.state != "placed"
        # Files may become available after the observation has ended, so they are looked for some days longer.
        row = connection.execute(
            "UPDATE access.observations SET remote_state = %(said)s, begins = coalesce(%(begins)s, begins),"
            " ends = coalesce(%(ends)s, ends), checked = now(), attempts = 0, failure = '',"
            " finished = CASE WHEN %(ended)s THEN coalesce(finished, now()) END,"
            " state = CASE WHEN state = 'cancelling' AND NOT %(ended)s THEN state ELSE %(state)s END,"
            " due = CASE WHEN state = 'cancelling' AND NOT %(ended)s THEN now()"
            " WHEN NOT %(ended)s OR coalesce(finished, now()) + make_interval(secs => %(days)s) > now()"
            " THEN now() + make_interval(secs => %(seconds)s) END WHERE observationid = %(number)s RETURNING state",
            {
                "said": progress.said[:200], "begins": progress.begins, "ends": progress.ends, "ended": ended,
                "state": progress.state, "days": plan.days * 86_400, "seconds": plan.minutes * 60, "number": number,
            },
        ).fetchone()  # fmt: skip
    report.finished += bool(ended and row is not None)


def _cancel(connection: Connection, plan: Work, facility: Facility, number: int, report: Report) -> None:
    order = _order(connection, number)
    letter = facility.letter(order, f"{plan.pages}/targets/observations/{number}/")
    if letter is not None:
        changed = Letter(
            letter.address,
            f"Cancelled: {letter.subject}",
            f"{order.owner} no longer needs this observation.\n\n{letter.text}",
        )
        with connection.transaction():
            if _cancelled(connection, number):
                plan.post(connection, order.owner, changed, f"observation {number} cancelled")
                report.finished += 1
        return
    remote = order.remote or facility.find(order)
    if remote:
        given = Order(order.number, order.name, order.target, order.parameters, order.owner, remote)
        try:
            facility.cancel(given)
        except Refused as error:
            # It was observed, or ended, before it could be cancelled; its state shows which.
            connection.execute(
                "UPDATE access.observations SET state = 'placed', remote = %s, failure = %s WHERE observationid = %s",
                (remote, str(error)[:2000], number),
            )
            _look(connection, plan, facility, number, report)
            return
    # What was observed before has files, too.
    report.finished += _cancelled(connection, number, plan.minutes if remote else None)


def _cancelled(connection: Connection, number: int, minutes: float | None = None) -> int:
    """Note that a request is cancelled; `minutes`: when the facility is asked for files of it."""
    return connection.execute(
        "UPDATE access.observations SET state = 'cancelled', finished = now(), attempts = 0, failure = '',"
        " due = now() + make_interval(secs => %s) WHERE observationid = %s AND state = 'cancelling'",
        (None if minutes is None else minutes * 60, number),
    ).rowcount


_STEPS: Final[dict[str, Callable[[Connection, Work, Facility, int, Report], None]]] = {
    "waiting": _place, "asking": _place_again, "placed": _look, "completed": _look, "expired": _look,
    "cancelled": _look, "cancelling": _cancel,
}  # fmt: skip
"""What is done with a request that is due, by its state."""


def _fetch(connection: Connection, plan: Work, report: Report, stop: Callable[[], bool]) -> None:
    """Store the files that are due."""
    rows = connection.execute(
        "SELECT productid, product.observationid, product.remote, name, url, facility"
        " FROM access.observation_products AS product JOIN access.observations USING (observationid)"
        " WHERE product.due <= now() ORDER BY product.due, productid LIMIT %s",
        (_AT_A_TIME,),
    ).fetchall()
    for productid, number, remote, name, url, by in rows:
        if stop():
            return
        facility = plan.facilities.get(by)
        try:
            if facility is None:
                raise Unavailable(f"the settings name no facility {by!r}")
            content = facility.fetch(RemoteFile(remote, name, url), plan.most_bytes)
            digest = hashlib.sha256(content).hexdigest()
            # The same content has the same name: an attempt that died after writing leaves no second file.
            path = f"{number}/{digest[:16]}-{safe_name(name)}"
            store(plan.folder / path, content)
        except (Unavailable, OSError) as error:
            report.failures += 1
            _wait(connection, "observation_products", "productid", productid, str(error))
            connection.execute(
                "UPDATE access.observation_products SET state = 'lost', due = NULL"
                " WHERE productid = %s AND attempts >= %s",
                (productid, _MOST_ATTEMPTS),
            )
        except psycopg.Error:
            raise
        except Refused as error:
            report.failures += 1
            connection.execute(
                "UPDATE access.observation_products SET state = 'lost', due = NULL, failure = %s WHERE productid = %s",
                (str(error)[:2000], productid),
            )
        except Exception as error:
            log.exception("file %s of request %d of %s", name, number, by)
            report.failures += 1
            _wait(connection, "observation_products", "productid", productid, _mistake(error))
        else:
            report.stored += 1
            connection.execute(
                "UPDATE access.observation_products SET state = 'stored', path = %s, bytes = %s, sha256 = %s,"
                " stored = now(), due = NULL, failure = '' WHERE productid = %s",
                (path, len(content), digest, productid),
            )


def safe_name(name: str) -> str:
    """A file name without characters that could lead to another folder.

    Examples
    --------
    >>> safe_name("../a b.fits"), safe_name("..")
    ('a_b.fits', 'file')
    """
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name.rpartition("/")[2]).lstrip("._")[:120] or "file"


def _wait(connection: Connection, table: str, key: str, number: int, reason: str) -> None:
    row = connection.execute(
        f"SELECT attempts FROM access.{table} WHERE {key} = %s",  # type: ignore[call-overload] # noqa: S608
        (number,),
    ).fetchone()
    attempts = int(row[0]) + 1 if row is not None else 1
    connection.execute(
        f"UPDATE access.{table} SET failure = %s, attempts = %s, due = now() + make_interval(secs => %s)"  # noqa: S608
        f" WHERE {key} = %s",  # type: ignore[call-overload]
        (reason[:2000], attempts, pause_after(attempts, RUNS), number),
    )


def _refuse(connection: Connection, number: int, reason: str) -> None:
    connection.execute(
        "UPDATE access.observations SET state = 'refused', failure = %s, finished = now(), due = NULL"
        " WHERE observationid = %s",
        (reason[:2000], number),
    )
