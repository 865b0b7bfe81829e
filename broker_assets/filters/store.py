"""Filters in the database: created, saved, activated, paused and removed, each change in one transaction.

Every change locks the row of its filter and takes a number (`broker_assets.provenance.revisions`). Everything saved is
kept as a version for ever, and the time in which a version runs is a period with a first and a last number
(`filter_periods`), so that any past night can be filtered with the filters of its time.
"""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from broker_assets.access import visibility
from broker_assets.access.refusals import BadSetting, NameTaken, NotTheOwner
from broker_assets.delivery import sinks
from broker_assets.filters.query import CheckedQuery, Form, check
from broker_assets.filters.registry import (
    COLUMNS,
    LANGUAGE_VERSION,
    StoredFilter,
    UnknownFilter,
    unreadable,
    version_of,
    write_definition,
)
from broker_assets.provenance.revisions import next_revision

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class FilterChanges:
    """What can be changed about a filter besides its definition; None leaves a value as it is."""

    name: str | None = None
    description: str | None = None
    active: bool | None = None
    public: bool | None = None
    on_alerts: bool | None = None
    on_annotations: bool | None = None
    matches_per_night: int | Literal["default"] | None = None
    bytes_per_night: int | Literal["default"] | None = None
    expire: datetime.datetime | Literal["never"] | None = None


def create_filter(
    connection: Connection,
    owner: str,
    name: str,
    form: Form | str,
    *,
    description: str = "",
    public: bool = False,
    on_alerts: bool = True,
    on_annotations: bool = True,
    expire: datetime.datetime | None = None,
) -> int:
    """Create a filter with its first version; it does not run until it is activated.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    owner, name : str
        Account, and a name that it does not use yet, ignoring case.
    form : Form or str
        Its definition.
    description, public, on_alerts, on_annotations, expire
        See the columns of `filters`.

    Returns
    -------
    int
        `filterid`.

    Raises
    ------
    FilterError
        If the definition is not accepted.
    BadSetting
        If the name is empty, or the owner may not read a list or annotator that the filter names.
    NameTaken
        If the owner has a filter with this name.
    """
    query = check(form)
    _check_name(name)
    with connection.transaction():
        require_readable(connection, owner, query)
        try:
            row = connection.execute(
                "INSERT INTO filters (owner, name, description, public, on_alerts, on_annotations, version,"
                " date_expire) VALUES (%s, %s, %s, %s, %s, %s, 1, %s) RETURNING filterid",
                (owner, name.strip(), description, public, on_alerts, on_annotations, expire),
            ).fetchone()
        except psycopg.errors.UniqueViolation as error:
            raise NameTaken(f"{owner} already has a filter named {name!r}") from error
        if row is None:  # an INSERT without a conflict clause returns its row
            raise LookupError("the filter was not created")
        filterid = int(row[0])
        _add_version(connection, filterid, 1, form, query, owner, change(connection, filterid))
    return filterid


def save_filter(
    connection: Connection,
    owner: str,
    filterid: int,
    form: Form | str,
    *,
    expire: datetime.datetime | Literal["never"] | None = None,
) -> int:
    """Save a definition as the next version, which runs from now on if the filter is active.

    Returns
    -------
    int
        The version; the present one if the definition is the same.

    Raises
    ------
    FilterError, UnknownFilter, NotTheOwner, BadSetting
        As their names say.
    """
    query = check(form)
    with connection.transaction():
        present = lock(connection, filterid, owner)
        require_readable(connection, owner, query)
        known = version_of(connection, filterid, present.version)
        version = present.version
        renewed = {} if expire is None else {"date_expire": None if expire == "never" else expire}
        if known.definition != write_definition(form):
            version += 1
            _update(connection, filterid, {"version": version, **renewed})
            _add_version(connection, filterid, version, form, query, owner, change(connection, filterid))
        elif renewed:
            _update(connection, filterid, renewed)
            change(connection, filterid)
    return version


def change_filter(connection: Connection, owner: str, filterid: int, settings: FilterChanges) -> None:
    """Change the name of a filter, who may see it, whether it runs, its triggers, its quotas, and its expiry.

    Raises
    ------
    UnknownFilter, NotTheOwner, NameTaken, BadSetting
        As their names say.
    """
    if settings.name is not None:
        _check_name(settings.name)
    changes: dict[str, Any] = {
        key: value
        for key, value in vars(settings).items()
        if value is not None and key not in ("expire", "matches_per_night", "bytes_per_night")
    }
    for key in ("matches_per_night", "bytes_per_night"):
        value = getattr(settings, key)
        if value is not None:
            if value != "default" and value < 0:
                raise BadSetting(f"{key} cannot be negative: {value}")
            changes[key] = None if value == "default" else value
    if settings.expire is not None:
        changes |= {"date_expire": None if settings.expire == "never" else settings.expire}
    if settings.active:
        changes |= {"paused": None, "paused_at": None}
    with connection.transaction():
        present = lock(connection, filterid, owner)
        if not changes:
            return
        if settings.public is False and present.public:
            _require_no_open_topic(connection, filterid)
        if settings.active:
            require_readable(connection, present.owner, version_of(connection, filterid, present.version).query())
        try:
            _update(connection, filterid, changes)
        except psycopg.errors.UniqueViolation as error:
            raise NameTaken(f"{owner} already has a filter named {settings.name!r}") from error
        change(connection, filterid)


def pause(connection: Connection, filterid: int, reason: str) -> bool:
    """Pause a filter on behalf of the platform, with a reason; return whether it was active."""
    with connection.transaction():
        row = connection.execute("SELECT active FROM filters WHERE filterid = %s FOR UPDATE", (filterid,)).fetchone()
        if row is None or not row[0]:
            return False
        connection.execute(
            "UPDATE filters SET active = false, paused = %s, paused_at = now() WHERE filterid = %s", (reason, filterid)
        )
        change(connection, filterid)
    return True


def remove_filter(connection: Connection, owner: str, filterid: int) -> None:
    """Remove a filter and its sinks; its versions, when they ran, and what was sent are kept."""
    with connection.transaction():
        visibility.forget(connection, "filter", filterid)
        lock(connection, filterid, owner)
        for sink in sinks.listed(connection, filterid=filterid):
            sinks.remove(connection, sink.sinkid)
        connection.execute(
            "UPDATE filter_periods SET revision_to = %s WHERE filterid = %s AND revision_to IS NULL",
            (next_revision(connection), filterid),
        )
        connection.execute("DELETE FROM filters WHERE filterid = %s", (filterid,))


def change(connection: Connection, filterid: int) -> int:
    """Take the number for a change of a filter, whose row is locked and already has its new values.

    Its period ends if it no longer runs, or no longer with the same version and triggers; a new period begins if it
    runs.

    Returns
    -------
    int
        The number, now `revision` of the filter.
    """
    revision = next_revision(connection)
    values = {"id": filterid, "revision": revision}
    connection.execute(
        "UPDATE filters SET revision = %(revision)s, date_modified = now() WHERE filterid = %(id)s", values
    )
    connection.execute(
        "UPDATE filter_periods AS period SET revision_to = %(revision)s WHERE filterid = %(id)s AND revision_to IS NULL"
        " AND NOT EXISTS (SELECT FROM filters AS now WHERE now.filterid = period.filterid AND now.active"
        " AND (now.version, now.on_alerts, now.on_annotations)"
        " = (period.version, period.on_alerts, period.on_annotations))",
        values,
    )
    connection.execute(
        "INSERT INTO filter_periods (filterid, revision_from, version, on_alerts, on_annotations)"
        " SELECT filterid, %(revision)s, version, on_alerts, on_annotations FROM filters WHERE filterid = %(id)s"
        " AND active AND NOT EXISTS (SELECT FROM filter_periods AS period WHERE period.filterid = %(id)s"
        " AND period.revision_to IS NULL)",
        values,
    )
    return revision


def lock(connection: Connection, filterid: int, owner: str) -> StoredFilter:
    """Lock a filter of an owner until the end of the transaction.

    Raises
    ------
    UnknownFilter, NotTheOwner
        If there is none that the owner may see, or it belongs to somebody else.
    """
    with connection.cursor(row_factory=class_row(StoredFilter)) as cursor:
        found = cursor.execute(
            sql.SQL("SELECT {} FROM filters WHERE filterid = %s FOR UPDATE").format(COLUMNS), (filterid,)
        ).fetchone()
    if found is None or (found.owner != owner and not found.public):
        raise UnknownFilter(f"there is no filter {filterid}")
    if found.owner != owner:
        raise NotTheOwner(f"filter {filterid} belongs to {found.owner}; only its owner may change it")
    return found


def _require_no_open_topic(connection: Connection, filterid: int) -> None:
    """Refuse to hide a filter with a public topic, which would keep receiving the matches of a private filter."""
    for sink in sinks.listed(connection, filterid=filterid):
        if sink.public:
            raise BadSetting(f"everybody may read its topic {sink.target}: remove that destination first")


def require_readable(connection: Connection, owner: str, query: CheckedQuery) -> None:
    """Require that an owner may read the lists and annotators that a filter names.

    Raises
    ------
    BadSetting
        If one does not exist, or the owner may not read it; the message names all of them.
    """
    missing = unreadable(connection, owner, query)
    if missing:
        raise BadSetting(f"{', '.join(missing)}: there is none that {owner} may read")


def _add_version(
    connection: Connection,
    filterid: int,
    version: int,
    form: Form | str,
    query: CheckedQuery,
    owner: str,
    revision: int,
) -> None:
    connection.execute(
        "INSERT INTO filter_versions (filterid, version, definition, tables, annotators, output, duckdb_sql,"
        " postgres_sql, code_version, saved_by, revision) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            filterid,
            version,
            write_definition(form),
            json.dumps(sorted(query.tables)),
            json.dumps(sorted(query.annotators)),
            json.dumps(list(query.output)),
            query.duckdb(),
            query.postgres(),
            LANGUAGE_VERSION,
            owner,
            revision,
        ),
    )


def _update(connection: Connection, filterid: int, changes: dict[str, Any]) -> None:
    assignments = sql.SQL(", ").join(
        sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column)) for column in changes
    )
    connection.execute(
        sql.SQL("UPDATE filters SET {} WHERE filterid = %(filterid)s").format(assignments),
        {**changes, "filterid": filterid},
    )


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > 256:
        raise BadSetting("a filter needs a name of 1 to 256 characters")
