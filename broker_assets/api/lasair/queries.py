"""`query` as in Lasair's REST interface: a filter in Lasair's form, over all objects as they are now."""

from __future__ import annotations

from typing import Annotated, Any

import psycopg
from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from broker_assets.api.authentication import caller
from broker_assets.api.connections import database
from broker_assets.api.documents import Document
from broker_assets.api.parameters import BadRequestError, Parameters, Text, checked

router = APIRouter(prefix="/api", tags=["Lasair"])
Database = Annotated[psycopg.Connection[Any], Depends(database)]


class Query(BaseModel):
    """Parameters of `query`."""

    selected: Text = Field(max_length=4096)
    tables: Text = Field(max_length=1024)
    conditions: Text = Field(max_length=4096)
    limit: int = Field(default=1000, ge=0, le=1_000_000)
    offset: int = Field(default=0, ge=0, le=10_000_000)


@router.get("/query/", response_class=Document, operation_id="lasair_query_get")
@router.post("/query/", response_class=Document, operation_id="lasair_query_post")
def query(request: Request, connection: Database, given: Parameters) -> Response:
    """Rows of a filter, as objects; lists and annotators must be public or the caller's own.

    `limit` is capped at the row limit of the account; the first `offset` rows are skipped.
    """
    from broker_assets.filters.interactive import TookTooLong, run
    from broker_assets.filters.query import FilterError, Form, check
    from broker_assets.filters.registry import unreadable

    who = caller(request, given.get("token"))
    asked = checked(Query, given)
    try:
        wanted = check(Form(asked.selected, asked.tables, asked.conditions))
    except FilterError as error:
        raise BadRequestError(str(error)) from error
    hidden = unreadable(connection, who.user.username, wanted)
    if hidden:
        raise BadRequestError(f"{', '.join(hidden)}: there is none, or it is neither public nor yours")
    limit = min(asked.limit, who.rows)
    seconds = request.app.state.interactive_seconds
    try:
        found = run(connection, wanted, limit=asked.offset + limit, seconds=seconds, viewer=who.user.username)
    except TookTooLong as error:
        raise BadRequestError(f"{error}: ask for less, with narrower conditions") from error
    return Document(found.rows[asked.offset :])
