"""A filter over all objects as they are now, and which clause rejects one object."""

from __future__ import annotations

import csv
import io
from typing import Final

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access.accounts import User
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site.filters import found
from broker_assets.api.site.forms import Number, attachment, logged_in
from broker_assets.api.site.frame import page
from broker_assets.database.query_role import as_user
from broker_assets.filters.errors import FilterError
from broker_assets.filters.explaining import explain_object, explain_parts
from broker_assets.filters.interactive import TookTooLong, run
from broker_assets.filters.query import CheckedQuery
from broker_assets.filters.registry import StoredFilter, unreadable, version_of
from broker_assets.sentences import sentence

router = APIRouter(prefix="/filters", include_in_schema=False)

MOST_ROWS: Final = 1000
"""Most rows of a result, as in Lasair."""
SECONDS: Final = 15.0
"""Time limit of a run for a page, seconds."""


@router.get("/{number}/run/")
def result(request: Request, number: Number, form: str = "") -> Response:
    """Rows of the newest version over all objects; `form=csv` gives a file."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    entry, query = _query(request, user, number)
    reader: Connections = request.app.state.connections
    try:
        with reader.use() as connection:
            got = run(connection, query, limit=MOST_ROWS, seconds=SECONDS, viewer=user.username)
    except TookTooLong as error:
        raise HTTPException(422, sentence(f"{error}: narrow its conditions")) from None
    if form == "csv":
        written = io.StringIO()
        writer = csv.writer(written)
        writer.writerow(got.columns)
        writer.writerows([row[name] for name in got.columns] for row in got.rows)
        return attachment(written.getvalue(), "text/csv", f"{entry.name}.csv")
    return page(request, "filter_result.html", entry=entry, got=got, most=MOST_ROWS, path=f"/filters/{number}/")


@router.get("/{number}/explain/")
def explain(request: Request, number: Number, object: str = "") -> Response:  # noqa: A002 - its name in the address
    """Each clause evaluated for an object, with the values of the columns that it names."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    entry, query = _query(request, user, number)
    wanted = object.strip()
    if not wanted.isascii() or not wanted.isdigit() or int(wanted) >= 2**63:
        raise HTTPException(422, "Give the identifier of an object: digits only.")
    reader: Connections = request.app.state.connections
    try:
        with reader.use() as connection:
            connection.execute("SET LOCAL statement_timeout = '15s'")
            with as_user(connection, user.username):
                rows = explain_object(connection, query, int(wanted))
                parts = explain_parts(connection, query, int(wanted)) if rows else {}
    except psycopg.errors.QueryCanceled:
        raise HTTPException(422, "It took too long.") from None
    shown = {"": rows, **parts}
    return page(request, "filter_explained.html", entry=entry, shown=shown, wanted=wanted, path=f"/filters/{number}/")


def _query(request: Request, user: User, number: int) -> tuple[StoredFilter, CheckedQuery]:
    """A filter that an account may see and whose lists it may read."""
    with accounts_of(request) as connection:
        entry = found(connection, user, number)
        try:
            query = version_of(connection, number).query()
        except FilterError as error:
            raise HTTPException(422, f"The filter is no longer accepted: {error}") from None
        hidden = unreadable(connection, user.username, query)
    if hidden:
        raise HTTPException(403, f"The filter reads {', '.join(hidden)}, which is neither public nor yours.")
    return entry, query
