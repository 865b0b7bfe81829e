"""SQL of users: run at once, or queued, exactly as under the paths of the target and observation manager."""

from __future__ import annotations

import uuid
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response, StreamingResponse
from upath import UPath

from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import has_gone
from broker_assets.api.fastdb.answers import FastdbError, Given, Json, only
from broker_assets.api.fastdb.entrance import admitted
from broker_assets.api.tom.sql import address, blocks, document, left_out, statements_in
from broker_assets.settings.tom import TomSettings
from broker_assets.tom.queries import queue, running
from broker_assets.tom.queries.json_rows import columns_as_json, rows_as_json
from broker_assets.tom.queries.queue import Queued, TooManyQueriesError, UnknownQueryError
from broker_assets.tom.queries.result_files import FORMATS
from broker_assets.tom.queries.running import QueryError, QueryStoppedError
from broker_assets.tom.queries.statements import BadStatementError
from broker_assets.tom.queries.turns import NoTurnError, Turns

_KNOWN: Final = ("query", "subdict", "return_format")
_CONFLICT: Final = 409
"""Status when asking again later may succeed: the query, or others of the account, must end first."""


def run(request: Request, given: Given) -> Response:
    """Run SQL and answer its rows."""
    user = admitted(request)
    only(given, _KNOWN)
    form = given.get("return_format", 0)
    if form not in (0, 1) or isinstance(form, bool):
        raise FastdbError(f"Unknown return format {str(form)[:100]}")
    settings: TomSettings = request.app.state.tom
    turns: Turns = request.app.state.sql_turns
    encode = rows_as_json if form == 0 else columns_as_json
    try:
        statements = statements_in(given)
        url = address(request, user)
        with (
            turns.turn(user.userid),
            running.session(url, settings.query_seconds, who=user.username, unwanted=has_gone(request)) as (
                connection,
                _,
            ),
        ):
            found = encode(
                running.pieces(connection, statements), most_rows=settings.query_rows, most_bytes=settings.query_bytes
            )
    except NoTurnError as error:
        raise FastdbError(str(error), _CONFLICT) from None
    except (BadStatementError, QueryError, QueryStoppedError) as error:
        raise FastdbError(str(error)) from None
    answer = Json(b'{"status":"ok",' + (b'"rows":' if form == 0 else b'"data":') + found + b"}")
    answer.headers.update(left_out(request, statements))
    return answer


def submit(request: Request, given: Given) -> Response:
    """Queue SQL."""
    user = admitted(request, writing=True)
    only(given, _KNOWN)
    form = given.get("return_format", "csv")
    try:
        statements = statements_in(given)
        address(request, user)
        with accounts_of(request) as connection:
            number = queue.submit(connection, user.userid, statements, "csv" if form in (0, "0") else str(form)[:100])
    except TooManyQueriesError as error:
        raise FastdbError(str(error), _CONFLICT) from None
    except (BadStatementError, QueryError, ValueError) as error:
        raise FastdbError(str(error)) from None
    return Json({"status": "ok", "queryid": str(number)})


def check(request: Request, queryid: str) -> Response:
    """Progress of a query of the account."""
    return Json(document(_query(request, queryid)))


def results(request: Request, queryid: str) -> Response:
    """The file with the result of a query of the account."""
    query = _query(request, queryid)
    if query.state == "queued":
        raise FastdbError(f"Query {queryid} hasn't started yet", _CONFLICT)
    if query.state == "started":
        raise FastdbError(f"Query {queryid} hasn't finished yet", _CONFLICT)
    if query.state == "error":
        raise FastdbError(f"Query {queryid} errored out: {query.errortext}")
    path: UPath = request.app.state.sql_results / query.file
    try:
        file: Any = path.open("rb")
    except FileNotFoundError:
        raise FastdbError(f"the result of query {queryid} is no longer kept: submit it again") from None
    headers = {"Content-Length": str(query.resultbytes), "X-Content-Type-Options": "nosniff"}
    return StreamingResponse(blocks(file), headers=headers, media_type=FORMATS[query.format][0])


def _query(request: Request, queryid: str) -> Queued:
    user = admitted(request)
    try:
        with accounts_of(request) as connection:
            return queue.get(connection, user.userid, uuid.UUID(queryid))
    except (UnknownQueryError, ValueError) as error:
        raise FastdbError(str(error)) from None
