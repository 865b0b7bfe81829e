"""SQL of users: run at once, or queued."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.responses import Response, StreamingResponse
from upath import UPath

from broker_assets.access import permissions
from broker_assets.access.accounts import User
from broker_assets.access.permissions import ELASTICC_ADMIN
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import has_gone
from broker_assets.api.tom.answers import EXPECTED, Json, TomError
from broker_assets.api.tom.bodies import Body, parsed
from broker_assets.api.tom.entrance import admitted
from broker_assets.database.border_sql import out_of_reach
from broker_assets.database.sql_roles import sql_url
from broker_assets.settings import Settings
from broker_assets.settings.tom import TomSettings
from broker_assets.tom.queries import queue, running
from broker_assets.tom.queries.json_rows import rows_as_json
from broker_assets.tom.queries.own_queue import show_own_queue
from broker_assets.tom.queries.queue import Queued, UnknownQueryError
from broker_assets.tom.queries.result_files import FORMATS
from broker_assets.tom.queries.result_store import results_folder
from broker_assets.tom.queries.running import QueryError, QueryStoppedError
from broker_assets.tom.queries.statements import BadStatementError, Statement, statements_of
from broker_assets.tom.queries.turns import NoTurnError, Turns

OFF: Final = "users' SQL is off: the operator sets BROKER_DATABASE__SQL_PASSWORD"
NOT_READ: Final = "X-Months-Not-Read"
"""Header that names the months that have left the database, which users' SQL does not read."""
_BLOCK: Final = 1024**2


def prepare(app: FastAPI, settings: Settings) -> None:
    """Remember where the database and the results are."""
    secret = settings.database.sql_password
    password = None if secret is None else secret.get_secret_value()
    url = settings.database.url
    app.state.sql_urls = {
        admin: None if url is None else sql_url(url.get_secret_value(), password, admin=admin)
        for admin in (False, True)
    }
    app.state.sql_turns = Turns(settings.tom.queries_at_once)
    app.state.sql_results = results_folder(settings)


def _failed(error: Exception | str) -> Response:
    """Errors are answers of status 200, as clients expect."""
    return Json({"status": "error", "error": str(error)})


def statements_in(given: Any) -> list[Statement]:
    """The statements that a request asks for.

    Raises
    ------
    BadStatementError
        If they are not as they should be.
    """
    if not isinstance(given, dict) or "query" not in given:
        raise BadStatementError("POST data must include 'query'")
    return statements_of(given["query"], given.get("subdict"))


def _statements(body: bytes) -> tuple[list[Statement], dict[str, Any]]:
    try:
        given = parsed(body, "")
    except TomError as error:
        raise BadStatementError(error.text) from None
    return statements_in(given), given


def address(request: Request, user: User) -> str:
    """URL of the database role that runs the SQL of an account, by what the account may read.

    Raises
    ------
    QueryError
        If users' SQL is off.
    """
    with accounts_of(request) as connection:
        admin = permissions.may(connection, user, ELASTICC_ADMIN)
    url: str | None = request.app.state.sql_urls[admin]
    if url is None:
        raise QueryError(OFF)
    return url


def left_out(request: Request, statements: Sequence[Statement]) -> dict[str, str]:
    """Header about months that have left the database, if statements name tables of points."""
    with request.app.state.connections.use() as connection:
        found = out_of_reach(connection, " ".join(statement.text for statement in statements))
    return {NOT_READ: found} if found else {}


def run(request: Request, body: Body) -> Response:
    """Run SQL and answer with its rows."""
    user = admitted(request)
    settings: TomSettings = request.app.state.tom
    turns: Turns = request.app.state.sql_turns
    try:
        statements, _ = _statements(body)
        url = address(request, user)
        with (
            turns.turn(user.userid),
            running.session(url, settings.query_seconds, who=user.username, unwanted=has_gone(request)) as (
                connection,
                _,
            ),
        ):
            with accounts_of(request) as owner:
                show_own_queue(owner, connection, user.userid, statements)
            rows = rows_as_json(
                running.pieces(connection, statements), most_rows=settings.query_rows, most_bytes=settings.query_bytes
            )
    except (BadStatementError, QueryError, QueryStoppedError, NoTurnError) as error:
        return _failed(error)
    return Response(
        b'{"status":"ok","rows":' + rows + b"}", media_type="application/json", headers=left_out(request, statements)
    )


def submit(request: Request, body: Body) -> Response:
    """Queue SQL."""
    user = admitted(request, writing=True)
    try:
        statements, given = _statements(body)
        address(request, user)
        with accounts_of(request) as connection:
            identifier = queue.submit(connection, user.userid, statements, str(given.get("format") or "csv"))
    except (ValueError, psycopg.DataError) as error:
        return _failed(error)
    return Json({"status": "ok", "queryid": str(identifier)})


def _query(request: Request, user: User, identifier: str) -> Queued:
    with accounts_of(request) as connection:
        return queue.get(connection, user.userid, uuid.UUID(identifier))


def listed(request: Request) -> Response:
    """Queries of the account, the newest first."""
    user = admitted(request)
    with accounts_of(request) as connection:
        found = queue.listed(connection, user.userid)
    return Json({"status": "ok", "queries": [document(one) for one in found]})


def check(request: Request, identifier: str) -> Response:
    """Progress of a query."""
    user = admitted(request)
    try:
        return Json(document(_query(request, user, identifier)))
    except (UnknownQueryError, ValueError) as error:
        return _failed(error)


def document(query: Queued) -> dict[str, Any]:
    """Progress of a query, for clients."""
    found: dict[str, Any] = {
        "queryid": str(query.queryid),
        "queries": query.queries,
        "subdicts": query.subdicts,
        "submitted": query.submitted.isoformat(),
        "status": query.state,
    }
    if query.started is not None:
        found |= {"started": query.started.isoformat(), "statement": query.statement, "rows": query.resultrows}
    if query.finished is not None:
        found["finished"] = query.finished.isoformat()
    if query.error:
        found["error"] = query.errortext
    return found


def cancel(request: Request, identifier: str) -> Response:
    """Cancel a query that waits or runs."""
    user = admitted(request, writing=True)
    try:
        query = _query(request, user, identifier)
    except (UnknownQueryError, ValueError) as error:
        return _failed(error)
    with accounts_of(request) as connection:
        cancelled = queue.cancel(connection, user.userid, query.queryid)
    return Json({"status": "ok", "queryid": identifier, "cancelled": cancelled})


def results(request: Request, identifier: str) -> Response:
    """The file with the result of a query."""
    user = admitted(request)
    try:
        query = _query(request, user, identifier)
    except ValueError as error:
        raise TomError(str(error)) from None
    except UnknownQueryError as error:
        raise TomError(str(error), 404) from None
    if query.state == "queued":
        raise TomError(f"Query {identifier} hasn't started yet", EXPECTED)
    if query.state == "started":
        raise TomError(f"Query {identifier} hasn't finished yet", EXPECTED)
    if query.state == "error":
        raise TomError(f"Query errored out: {query.errortext}", EXPECTED)
    path: UPath = request.app.state.sql_results / query.file
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise TomError(f"the result of query {identifier} is no longer kept: submit it again", 410) from None
    headers = {"Content-Length": str(query.resultbytes), "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(blocks(file), headers=headers, media_type=FORMATS[query.format][0])


def blocks(file: Any) -> Iterator[bytes]:
    """A file in pieces."""
    with file:
        while block := file.read(_BLOCK):
            yield block
