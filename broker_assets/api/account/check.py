"""Answers a reverse proxy's question about each request to Dagster's pages (nginx `auth_request`): who, with what
rights.

The answer is 204 with `X-Broker-User` and `X-Broker-Rights: write` for operators and `read` for all other accounts, or
401. The proxy passes the rights on to the webserver, which refuses mutations by readers (`webserver`). Requests of a
session that another site may have forged are refused there, by its guard.
"""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from fastapi.responses import Response

from broker_assets.api.authentication import NotAuthenticatedError, recognised

router = APIRouter(prefix="/auth", tags=["accounts"])
RIGHTS: Final = "X-Broker-Rights"
"""Header with what a request may do."""


@router.get("/check", status_code=204, response_class=Response)
def check(request: Request) -> Response:
    """Who makes a request, for the reverse proxy; requests are not counted."""
    headers = {"Cache-Control": "no-store"}
    try:
        user, writes, _ = recognised(request, forgeable=True)
    except NotAuthenticatedError:
        return Response(status_code=401, headers=headers)
    rights = "write" if writes and user.operates else "read"
    return Response(status_code=204, headers=headers | {RIGHTS: rights, "X-Broker-User": user.username})
