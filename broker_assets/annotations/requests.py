"""Requests of accounts to annotate objects, and the decisions of administrators."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row

from broker_assets.access import accounts, changes
from broker_assets.access.accounts import User
from broker_assets.annotations.annotators import TOPIC, BadAnnotator, TopicTaken, add_annotator

Connection = psycopg.Connection[Any]

MOST_OPEN: Final = 5
"""Most unanswered requests of an account."""
_COLUMNS: Final = (
    "SELECT requestid, request.userid, asking.username, topic, description, url, at, accepted, said, answered_at,"
    " answering.username AS answered_by FROM access.annotator_requests AS request"
    " JOIN access.users AS asking ON asking.userid = request.userid"
    " LEFT JOIN access.users AS answering ON answering.userid = request.answered_by"
)


class UnknownRequest(LookupError):
    """There is no unanswered request with this number."""


@dataclass(frozen=True)
class AnnotatorRequest:
    """A request."""

    requestid: int
    userid: int
    username: str
    topic: str
    description: str
    url: str | None
    at: datetime.datetime
    accepted: bool | None
    said: str
    answered_at: datetime.datetime | None
    answered_by: str | None


def ask(connection: Connection, user: User, topic: str, description: str, url: str | None = None) -> int:
    """Request to annotate objects.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : User
        Account that asks.
    topic, description, url : str
        Topic of the annotator, what it will annotate, and a page about it.

    Returns
    -------
    int
        `requestid`.

    Raises
    ------
    BadAnnotator
        If the topic or address is not valid, the description is missing, or too many requests wait for an answer.
    TopicTaken
        If there is an annotator with this topic.
    """
    if not TOPIC.fullmatch(topic):
        raise BadAnnotator("a topic is a letter, then letters, digits and underscores, at most 63")
    if not 10 <= len(description.strip()) <= 4000:
        raise BadAnnotator("describe in 10 to 4,000 characters what it will annotate, and by which method")
    if url and (len(url) > 1024 or not url.lower().startswith(("http://", "https://"))):
        raise BadAnnotator("the address of its page begins with http:// or https:// and has at most 1,024 characters")
    with connection.transaction():
        connection.execute("SELECT FROM access.users WHERE userid = %s FOR NO KEY UPDATE", (user.userid,))
        taken = connection.execute("SELECT topic FROM annotators WHERE lower(topic) = lower(%s)", (topic,)).fetchone()
        if taken is not None:
            raise TopicTaken(f"there is an annotator {taken[0]} already")
        row = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE lower(topic) = lower(%s)) FROM access.annotator_requests"
            " WHERE userid = %s AND accepted IS NULL",
            (topic, user.userid),
        ).fetchone()
        if row is not None and row[1]:
            raise BadAnnotator(f"you have asked for {topic} already; it is waiting for an answer")
        if row is not None and row[0] >= MOST_OPEN:
            raise BadAnnotator(f"{row[0]} of your requests wait for an answer")
        found = connection.execute(
            "INSERT INTO access.annotator_requests (userid, topic, description, url) VALUES (%s, %s, %s, %s)"
            " RETURNING requestid",
            (user.userid, topic, description.strip(), url or None),
        ).fetchone()
        changes.record(connection, user.userid, "annotator asked for", topic)
    if found is None:
        raise LookupError("INSERT … RETURNING gave no row")
    return int(found[0])


def listed(connection: Connection, *, user: User | None = None, unanswered: bool = False) -> list[AnnotatorRequest]:
    """Requests of an account or of all accounts, the oldest first; all, or only unanswered ones."""
    with connection.cursor(row_factory=class_row(AnnotatorRequest)) as cursor:
        return cursor.execute(
            f"{_COLUMNS} WHERE (%(userid)s::bigint IS NULL OR request.userid = %(userid)s)"
            " AND (NOT %(unanswered)s OR accepted IS NULL) ORDER BY requestid",
            {"userid": user.userid if user is not None else None, "unanswered": unanswered},
        ).fetchall()


def answer(connection: Connection, administrator: User, requestid: int, *, accepted: bool, said: str = "") -> None:
    """Accept a request, which creates the annotator and gives its owner the role for it, or refuse it.

    Raises
    ------
    PermissionError
        If the answering account is not an administrator's.
    UnknownRequest
        If there is no such unanswered request.
    TopicTaken
        If there is now an annotator with this topic.
    """
    if not administrator.administers:
        raise PermissionError("only administrators answer requests")
    with connection.transaction():
        row = connection.execute(
            "SELECT username, roles, topic, description, url FROM access.annotator_requests JOIN access.users"
            " USING (userid) WHERE requestid = %s AND accepted IS NULL AND date_removed IS NULL"
            " FOR UPDATE OF annotator_requests",
            (requestid,),
        ).fetchone()
        if row is None:
            raise UnknownRequest(f"there is no request {requestid} without an answer")
        username, roles, topic, description, url = row
        connection.execute(
            "UPDATE access.annotator_requests SET accepted = %s, said = %s, answered_at = now(), answered_by = %s"
            " WHERE requestid = %s",
            (accepted, said.strip(), administrator.userid, requestid),
        )
        if accepted:
            add_annotator(connection, topic, username, description=description, url=url)
            if "annotator_owner" not in roles:
                accounts.update(connection, username, roles=[*roles, "annotator_owner"], by=administrator.userid)
        word = "annotator accepted" if accepted else "annotator refused"
        changes.record(connection, administrator.userid, word, topic, username)
