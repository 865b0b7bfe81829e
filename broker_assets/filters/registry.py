"""Stored filters: their list, their versions, and which of them run as of a number of the change counter.

`store` changes them.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from broker_assets.filters.query import CheckedQuery, Form, check

Connection = psycopg.Connection[Any]

LANGUAGE_VERSION = "1"
"""Increased whenever the same text is translated to statements that return different rows."""


class UnknownFilter(LookupError):
    """No filter has this number, or the caller may not see it."""


@dataclass(frozen=True)
class StoredFilter:
    """A filter as it is now."""

    filterid: int
    owner: str
    name: str
    description: str
    active: bool
    public: bool
    on_alerts: bool
    on_annotations: bool
    version: int
    """Newest version."""
    matches_per_night: int | None
    bytes_per_night: int | None
    paused: str | None
    """Why the platform paused it."""
    date_expire: datetime.datetime | None
    revision: int

    @property
    def state(self) -> str:
        """State in a word or two, for users."""
        return "active" if self.active else f"paused: {self.paused}" if self.paused else "inactive"


@dataclass(frozen=True)
class FilterVersion:
    """A version of a filter."""

    filterid: int
    version: int
    definition: str
    """What the user wrote: a SELECT, or the form as JSON."""
    owner: str
    name: str

    @property
    def form(self) -> Form | str:
        """The definition in the form of `check`."""
        return read_definition(self.definition)

    def query(self) -> CheckedQuery:
        """The checked query; raises `FilterError` if the language no longer accepts it."""
        return check(self.form)


def write_definition(form: Form | str) -> str:
    """A definition in stored form."""
    if isinstance(form, str):
        return form
    return json.dumps({"selected": form.selected, "tables": form.tables, "conditions": form.conditions})


def read_definition(text: str) -> Form | str:
    """A stored definition in the form of `check`."""
    if not text.startswith("{"):  # no SELECT begins like this
        return text
    return Form(**json.loads(text))


COLUMNS = sql.SQL(
    "filterid, owner, name, description, active, public, on_alerts, on_annotations, version, matches_per_night,"
    " bytes_per_night, paused, date_expire, revision"
)
"""Columns of `StoredFilter`."""


def get_filter(connection: Connection, filterid: int, *, viewer: str | None = None) -> StoredFilter:
    """A filter as it is now.

    Parameters
    ----------
    connection, filterid : psycopg.Connection, int
        Connection to use, and number of the filter.
    viewer : str, optional
        Account that asks, which sees its own, shared and public filters; None for an operator.

    Raises
    ------
    UnknownFilter
        If there is none, or the viewer may not see it.
    """
    with connection.cursor(row_factory=class_row(StoredFilter)) as cursor:
        found = cursor.execute(
            sql.SQL("SELECT {} FROM filters WHERE filterid = %s").format(COLUMNS), (filterid,)
        ).fetchone()
    if found is None or (
        viewer is not None
        and viewer != found.owner
        and not found.public
        and not _is_shared(connection, filterid, viewer)
    ):
        raise UnknownFilter(f"there is no filter {filterid}")
    return found


def _is_shared(connection: Connection, filterid: int, viewer: str) -> bool:
    """Whether its owner shares a filter with a group of an account."""
    row = connection.execute(
        "SELECT %s::text IN (SELECT shared_with('filter', %s))", (str(filterid), viewer)
    ).fetchone()
    return row is not None and bool(row[0])


def list_filters(connection: Connection, *, owner: str | None = None, active: bool | None = None) -> list[StoredFilter]:
    """Filters by number: all, those of an owner, or those that are active or inactive."""
    with connection.cursor(row_factory=class_row(StoredFilter)) as cursor:
        return cursor.execute(
            sql.SQL(
                "SELECT {} FROM filters WHERE (%(owner)s::text IS NULL OR owner = %(owner)s)"
                " AND (%(active)s::boolean IS NULL OR active = %(active)s) ORDER BY filterid"
            ).format(COLUMNS),
            {"owner": owner, "active": active},
        ).fetchall()


def filters_of_numbers(connection: Connection, numbers: Sequence[int]) -> list[StoredFilter]:
    """Filters with some numbers, as far as they exist, by number."""
    with connection.cursor(row_factory=class_row(StoredFilter)) as cursor:
        return cursor.execute(
            sql.SQL("SELECT {} FROM filters WHERE filterid = ANY(%s) ORDER BY filterid").format(COLUMNS),
            (list(numbers),),
        ).fetchall()


def version_of(connection: Connection, filterid: int, version: int | None = None) -> FilterVersion:
    """A version of a filter, by default the newest; that of a removed filter has its last name.

    Raises
    ------
    UnknownFilter
        If there is none.
    """
    row = connection.execute(
        "SELECT saved.filterid, saved.version, definition, coalesce(owner, saved_by), coalesce(name, '')"
        " FROM filter_versions AS saved LEFT JOIN filters AS now USING (filterid)"
        " WHERE filterid = %s AND (%s::integer IS NULL OR saved.version = %s) ORDER BY saved.version DESC LIMIT 1",
        (filterid, version, version),
    ).fetchone()
    if row is None:
        wanted = "" if version is None else f" with a version {version}"
        raise UnknownFilter(f"there is no filter {filterid}{wanted}")
    return FilterVersion(*row)


def active_at(
    connection: Connection,
    revision: int,
    trigger: Literal["alerts", "annotations"] = "alerts",
    *,
    annotators: Sequence[str] | None = None,
) -> list[FilterVersion]:
    """The versions that run as of a number of the change counter, by number of the filter.

    Parameters
    ----------
    connection, revision : psycopg.Connection, int
        Connection to use, and the number.
    trigger : str
        What triggers them.
    annotators : sequence of str, optional
        Only filters that ask for one of these annotators.
    """
    rows = connection.execute(
        sql.SQL(
            "SELECT period.filterid, period.version, definition, coalesce(now.owner, saved_by), coalesce(now.name, '')"
            " FROM filter_periods AS period JOIN filter_versions AS saved USING (filterid, version)"
            " LEFT JOIN filters AS now USING (filterid) WHERE revision_from <= %s"
            " AND (revision_to IS NULL OR revision_to > %s) AND period.{} AND (%s::text[] IS NULL OR EXISTS"
            " (SELECT FROM jsonb_array_elements_text(saved.annotators::jsonb) AS asked (topic)"
            " WHERE asked.topic = ANY(%s))) ORDER BY filterid"
        ).format(sql.Identifier(f"on_{trigger}")),
        (revision, revision, annotators, annotators),
    ).fetchall()
    return [FilterVersion(*row) for row in rows]


class Named(Protocol):
    """The names in a filter that may be private."""

    @property
    def watchlists(self) -> frozenset[int]: ...

    @property
    def areas(self) -> frozenset[int]: ...

    @property
    def annotators(self) -> frozenset[str]: ...


def unreadable(connection: Connection, owner: str, query: Named) -> list[str]:
    """Lists and annotators in a filter that its owner may not read, for example `watchlist 3`."""

    def missing(table: str, key: str, wanted: Sequence[Any], what: str) -> list[str]:
        if not wanted:
            return []
        found = {
            row[0]
            for row in connection.execute(
                sql.SQL(
                    "SELECT {key} FROM {table} WHERE {key} = ANY(%s) AND (public OR owner IN (%s, 'system')"
                    " OR {key}::text IN (SELECT shared_with(%s, %s)))"
                ).format(table=sql.Identifier(table), key=sql.Identifier(key)),
                (list(wanted), owner, what, owner),
            )
        }
        return [f"{what} {item}" for item in wanted if item not in found]

    return [
        *missing("watchlists", "wl_id", sorted(query.watchlists), "watchlist"),
        *missing("areas", "ar_id", sorted(query.areas), "area"),
        *missing("annotators", "topic", sorted(query.annotators), "annotator"),
    ]
