"""Annotators in the database: added, changed and removed, each change with a number of the change counter.

A change locks the row of its annotator, closes the row of `annotator_history` that was in force and opens another.
Annotations lock the row too (`lock`), so that what they are checked against cannot change before they are written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from broker_assets.access import visibility
from broker_assets.annotations.content import InactiveAnnotator, NotTheOwner, UnknownAnnotator
from broker_assets.annotations.schemas import checked_schema
from broker_assets.annotations.sources import Source, checked_source
from broker_assets.provenance.revisions import next_revision

Connection = psycopg.Connection[Any]

TOPIC: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}")
"""Topics that annotators may have."""
_SETTINGS: Final = ("owner", "description", "version", "schema", "url", "active", "public", "source")


class BadAnnotator(ValueError):
    """An annotator cannot have this name or setting; the message says why."""


class TopicTaken(BadAnnotator):
    """There already is an annotator with this topic."""


@dataclass(frozen=True)
class Annotator:
    """An annotator as it is now."""

    topic: str
    owner: str
    description: str
    version: str
    """Default version of its annotations."""
    schema: dict[str, Any] | None
    """JSON Schema of classdict."""
    url: str | None
    active: bool
    public: bool
    source: dict[str, Any] | None
    """The source as given; `reads` is complete."""
    revision: int
    """Number of its last change."""

    @property
    def reads(self) -> Source:
        """The source from which its annotations are read."""
        return checked_source(self.topic, self.source)


@dataclass(frozen=True)
class AnnotatorChange:
    """What can be changed about an annotator; None leaves a value as it is."""

    owner: str | None = None
    description: str | None = None
    version: str | None = None
    schema: str | None = None
    """JSON text; an empty text removes the schema."""
    url: str | None = None
    active: bool | None = None
    public: bool | None = None
    source: dict[str, Any] | None = None
    """An empty mapping restores the default source."""


def add_annotator(
    connection: Connection,
    topic: str,
    owner: str,
    *,
    description: str = "",
    version: str = "0.1",
    schema: str | None = None,
    url: str | None = None,
    active: bool = True,
    public: bool = False,
    source: dict[str, Any] | None = None,
) -> Annotator:
    """Add an annotator.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    topic : str
        Its name: a letter, then letters, digits and underscores, at most 63, since it is the name of a table in users'
        SQL. No other annotator may have it, ignoring case.
    owner : str
        Account that may annotate with it.
    description, version, url, active, public
        See the columns of `annotators`.
    schema : str, optional
        JSON text of the JSON Schema of classdict, see `schemas.checked_schema`.
    source : dict, optional
        See `sources.checked_source`; default: Lasair's messages on the Kafka topic `anno_<topic>`.

    Raises
    ------
    BadAnnotator, BadSchema, BadSource
        If a value is not valid.
    TopicTaken
        If the topic is taken.
    """
    if not TOPIC.fullmatch(topic):
        raise BadAnnotator(
            f"{topic!r} cannot be the topic of an annotator: a letter, then letters, digits and underscores, at most 63"
        )
    if not owner.strip():
        raise BadAnnotator("an annotator needs an owner")
    _check(version, url)
    parsed = checked_schema(schema) if schema else None
    checked_source(topic, source)
    with connection.transaction():
        taken = connection.execute("SELECT topic FROM annotators WHERE lower(topic) = lower(%s)", (topic,)).fetchone()
        if taken is not None:
            raise TopicTaken(f"there is an annotator {taken[0]} already")
        revision = next_revision(connection)
        try:
            connection.execute(
                "INSERT INTO annotators (topic, owner, description, version, schema, url, active, public, source,"
                " revision) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (topic, owner.strip(), description, version, _json(parsed), url, active, public, _json(source or None),
                 revision),
            )  # fmt: skip
        except psycopg.errors.UniqueViolation as error:
            raise TopicTaken(f"there is an annotator {topic} already") from error
        _record(connection, topic, revision)
        return get(connection, topic)


def change_annotator(connection: Connection, topic: str, change: AnnotatorChange, *, owner: str | None = None) -> None:
    """Change an annotator.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    topic : str
        The annotator.
    change : AnnotatorChange
        What is changed.
    owner : str, optional
        Account that asks; None for an operator, who may change all.

    Raises
    ------
    UnknownAnnotator, NotTheOwner, BadAnnotator, BadSchema, BadSource
        As their names say; nothing is changed.
    """
    values: dict[str, Any] = {
        name: getattr(change, name)
        for name in ("owner", "description", "version", "url", "active", "public")
        if getattr(change, name) is not None
    }
    _check(change.version, change.url)
    if change.owner is not None and not change.owner.strip():
        raise BadAnnotator("an annotator needs an owner")
    if change.schema is not None:
        values["schema"] = _json(checked_schema(change.schema) if change.schema else None)
    if change.source is not None:
        checked_source(topic, change.source)
        values["source"] = _json(change.source or None)
    with connection.transaction():
        found = lock(connection, [topic])
        if topic not in found:
            raise UnknownAnnotator(f"there is no annotator with topic {topic}")
        check_owner(found[topic], owner)
        before = [getattr(found[topic], name) for name in _SETTINGS]
        assignments = psycopg.sql.SQL(", ").join(
            psycopg.sql.SQL("{} = {}").format(psycopg.sql.Identifier(name), psycopg.sql.Placeholder(name))
            for name in values
        )
        if not values:
            return
        connection.execute(
            psycopg.sql.SQL("UPDATE annotators SET {} WHERE topic = %(topic)s").format(assignments),
            {**values, "topic": topic},
        )
        now = get(connection, topic)
        if before == [getattr(now, name) for name in _SETTINGS]:
            return
        revision = next_revision(connection)
        connection.execute(
            "UPDATE annotators SET revision = %s, date_modified = now() WHERE topic = %s", (revision, topic)
        )
        _close(connection, topic, revision)
        _record(connection, topic, revision)


def remove_annotator(connection: Connection, topic: str, *, owner: str | None = None) -> int:
    """Remove an annotator and its current annotations; its past annotations are kept with their change numbers.

    Returns
    -------
    int
        Annotations that were in force.

    Raises
    ------
    UnknownAnnotator, NotTheOwner
        As their names say.
    """
    with connection.transaction():
        visibility.forget(connection, "annotator", topic)
        found = lock(connection, [topic])
        if topic not in found:
            raise UnknownAnnotator(f"there is no annotator with topic {topic}")
        check_owner(found[topic], owner)
        revision = next_revision(connection)
        _close(connection, topic, revision)
        connection.execute(
            "UPDATE annotation_history AS past SET revision_to = %s FROM annotations AS gone"
            " WHERE gone.topic = %s AND past.diaobjectid = gone.diaobjectid AND past.annotationid = gone.annotationid",
            (revision, topic),
        )
        connection.execute("DELETE FROM annotation_due WHERE topic = %s", (topic,))
        removed = connection.execute("DELETE FROM annotations WHERE topic = %s", (topic,)).rowcount
        connection.execute("DELETE FROM annotators WHERE topic = %s", (topic,))
    return removed


def get(connection: Connection, topic: str) -> Annotator:
    """The annotator with this topic.

    Raises
    ------
    UnknownAnnotator
        If there is none.
    """
    found = listing(connection, topics=[topic])
    if not found:
        raise UnknownAnnotator(f"there is no annotator with topic {topic}")
    return found[0]


def listing(
    connection: Connection, *, topics: Sequence[str] | None = None, active: bool | None = None
) -> list[Annotator]:
    """Annotators by topic."""
    with connection.cursor(row_factory=class_row(Annotator)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM annotators WHERE (%(topics)s::text[] IS NULL OR topic = ANY(%(topics)s))"  # noqa: S608
            " AND (%(active)s::boolean IS NULL OR active = %(active)s) ORDER BY topic",
            {"topics": None if topics is None else list(topics), "active": active},
        )
        return cursor.fetchall()


def lock(connection: Connection, topics: Sequence[str]) -> dict[str, Annotator]:
    """The annotators of some topics, locked in the order of topics until the transaction ends."""
    with connection.cursor(row_factory=class_row(Annotator)) as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM annotators WHERE topic = ANY(%s) ORDER BY topic FOR UPDATE",  # noqa: S608
            (list(topics),),
        )
        return {found.topic: found for found in cursor}


def check_owner(annotator: Annotator, owner: str | None) -> None:
    """Refuse an account that does not own an annotator; None is the platform itself.

    Raises
    ------
    NotTheOwner
        The message names both.
    """
    if owner is not None and owner != annotator.owner:
        raise NotTheOwner(f"{owner} does not own the annotator with topic {annotator.topic}")


def admitted(annotators: dict[str, Annotator], topic: str, *, owner: str | None = None) -> Annotator:
    """The annotator with this topic, if it may currently annotate.

    Parameters
    ----------
    annotators : dict of str to Annotator
        See `lock`.
    topic : str
        Topic in an annotation.
    owner : str, optional
        Account that annotates; None if the path of the annotation has already proven the owner.

    Raises
    ------
    UnknownAnnotator, NotTheOwner, InactiveAnnotator
        The three errors of Lasair's API; each message names the topic.
    """
    annotator = annotators.get(topic)
    if annotator is None:
        raise UnknownAnnotator(f"there is no annotator with topic {topic}")
    check_owner(annotator, owner)
    if not annotator.active:
        raise InactiveAnnotator(f"the annotator with topic {topic} is not active")
    return annotator


_COLUMNS: Final = f"topic, {', '.join(_SETTINGS)}, revision"


def _record(connection: Connection, topic: str, revision: int) -> None:
    columns = ", ".join(_SETTINGS)
    connection.execute(
        f"INSERT INTO annotator_history (topic, revision_from, {columns})"  # noqa: S608
        f" SELECT topic, %s, {columns} FROM annotators WHERE topic = %s",
        (revision, topic),
    )


def _close(connection: Connection, topic: str, revision: int) -> None:
    connection.execute(
        "UPDATE annotator_history SET revision_to = %s WHERE topic = %s AND revision_to IS NULL", (revision, topic)
    )


def _check(version: str | None, url: str | None) -> None:
    if version is not None and not 1 <= len(version) <= 80:
        raise BadAnnotator("a version has 1 to 80 characters")
    if url and (len(url) > 1024 or not url.lower().startswith(("http://", "https://"))):
        raise BadAnnotator("the url of an annotator begins with http:// or https:// and has at most 1024 characters")


def _json(value: Any) -> Jsonb | None:
    return None if value is None else Jsonb(value, dumps=json.dumps)
