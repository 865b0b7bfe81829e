"""Dagster's webserver behind the guard: ``python -m broker_assets.webserver``.

Dagster's own program executes mutations by GET, for any host and any origin. This one serves the same application in
one process, and takes the options that Dagster's chart gives to it, so that it can replace that program in the image.
"""

from __future__ import annotations

import json
import logging
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Final

import dagster
import graphql
import sqlalchemy as sa
import typer
import uvicorn
from dagster_webserver.webserver import DagsterWebserver
from starlette.datastructures import Headers
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from broker_assets.dagster_internals import WorkspaceFileTarget, WorkspaceProcessContext
from broker_assets.settings import ServerSettings, load_settings
from broker_assets.web_guard import READING, Application, Receive, Scope, Send, WebGuard

GRAPHQL_TYPES: Final = frozenset({"application/json", "application/graphql"})
"""Content types of GraphQL by POST. No form and no page of another site can send them unasked; Dagster would also take
the query of a POST from its address, and search the whole header, parameters included, for these words."""
POOL_RECYCLE: Final = 3600
"""Seconds after which connections to Dagster's database are replaced."""
POOL_OVERFLOW: Final = 20
"""Connections to it beyond those that are kept."""


RIGHTS: Final = "x-broker-rights"
"""Header of the proxy with what an account may do (`api.account.check`); a proxy replaces that of the request."""


def may_write(rights: str | None, asks_accounts: bool) -> bool:
    """Whether a request may change something.

    Parameters
    ----------
    rights : str or None
        Value of the header.
    asks_accounts : bool
        Whether a proxy sends the header with every request: a request without it may then only read.

    Examples
    --------
    >>> may_write("write", True), may_write("read", False), may_write(None, True), may_write(None, False)
    (True, False, False, True)
    """
    return rights == "write" if rights is not None else not asks_accounts


def is_mutation(query: object) -> bool:
    """Whether a GraphQL document can change something; one that cannot be read counts as such.

    Examples
    --------
    >>> is_mutation("{ version }"), is_mutation("query A { version } mutation B { terminateRun }"), is_mutation("{")
    (False, True, True)
    """
    try:
        document = graphql.parse(query, max_tokens=20_000) if isinstance(query, str) else None
    except (graphql.GraphQLError, RecursionError):
        document = None
    if document is None:
        return True
    operations = [one for one in document.definitions if isinstance(one, graphql.OperationDefinitionNode)]
    return any(one.operation is graphql.OperationType.MUTATION for one in operations)


class ReadersGuard:
    """ASGI middleware that refuses changes by accounts that may only read. Dagster itself checks GraphQL."""

    def __init__(self, app: Application, asks_accounts: bool) -> None:
        self.app = app
        self.asks_accounts = asks_accounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "http" and scope["method"] not in READING and not scope["path"].endswith("/graphql"):
            rights = Headers(scope=scope).get(RIGHTS)
            if not may_write(rights, self.asks_accounts):
                await PlainTextResponse(READ_ONLY, 403)(scope, receive, send)
                return
        await self.app(scope, receive, send)


READ_ONLY: Final = "Only operators may change something here.\n"


class GuardedWebserver(DagsterWebserver[Any, Any]):
    """Dagster's web application for requests of its own pages and of scripts.

    Parameters
    ----------
    context : WorkspaceProcessContext
        Instance and code locations.
    server : ServerSettings
        Names under which it is reached.
    path_prefix : str
        Path below which it is served, such as `/dagster`.
    poll_rate : int
        Interval at which its pages poll for changes, milliseconds.
    """

    def __init__(self, context: Any, server: ServerSettings, *, path_prefix: str = "", poll_rate: int = 2000) -> None:
        super().__init__(context, path_prefix, poll_rate)
        self._server = server

    def build_middleware(self) -> list[Middleware]:
        """Dagster's own, within the guard."""
        readers = Middleware(ReadersGuard, self._server.asks_accounts)
        return [Middleware(WebGuard, self._server.names), readers, *super().build_middleware()]

    def _make_request_context(self, conn: HTTPConnection) -> Any:
        """The context of a request: Dagster itself refuses changes of those who may only read, and its pages say so."""
        context = super()._make_request_context(conn)
        if may_write(conn.headers.get(RIGHTS), self._server.asks_accounts):
            return context
        return type(context)(
            instance=context.instance,
            current_workspace=context.get_current_workspace(),
            process_context=context.process_context,
            version=context.version,
            source=conn,
            read_only=True,
        )

    def make_security_headers(self) -> dict[str, str]:
        """Those of Dagster, and one that forbids other sites to frame its pages."""
        return {**super().make_security_headers(), "X-Frame-Options": "SAMEORIGIN"}

    async def graphql_http_endpoint(self, request: Request) -> Response:
        """GraphQL by POST; by GET only the page for trying queries, which posts them."""
        is_page = request.method == "GET" and "text/html" in request.headers.get("accept", "")
        if request.method != "POST" and not is_page:
            reason = "GraphQL is answered by POST only: a GET must not change anything.\n"
            return PlainTextResponse(reason, 405, headers={"Allow": "POST"})
        content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if content_type not in GRAPHQL_TYPES and not is_page:
            return PlainTextResponse(f"Send GraphQL as one of {', '.join(sorted(GRAPHQL_TYPES))}.\n", 415)
        if not is_page and not may_write(request.headers.get(RIGHTS), self._server.asks_accounts):
            body = await request.body()
            try:
                query = json.loads(body).get("query") if content_type == "application/json" else body.decode()
            except (ValueError, AttributeError, RecursionError):
                query = None
            if is_mutation(query):
                return JSONResponse({"errors": [{"message": READ_ONLY.strip()}]}, 403)
        answer: Response = await super().graphql_http_endpoint(request)
        return answer


def replace_lost_connections() -> None:
    """Make pools test connections before they are used.

    Dagster keeps those to its database. After a restart of PostgreSQL the first requests of each would answer with
    status 500 and the error of whichever field was being read.
    """
    sa.event.listen(sa.pool.Pool, "checkout", _try_connection)


def _try_connection(connection: Any, _record: Any, _proxy: Any) -> None:
    """Raise the error that makes the pool replace a connection, if this one to PostgreSQL is lost."""
    if not hasattr(connection, "get_dsn_parameters"):
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        if not connection.autocommit:
            connection.rollback()
    except connection.Error:
        raise sa.exc.DisconnectionError from None


def serve(
    host: Annotated[str, typer.Option("--host", "-h", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", help="Port to listen at.")] = 3000,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="File of the code locations.")] = Path(
        "workspace.yaml"
    ),
    path_prefix: Annotated[str, typer.Option("--path-prefix", "-l", help="Path below which it is served.")] = "",
    db_statement_timeout: Annotated[int, typer.Option(help="Time limit of a statement, milliseconds.")] = 15_000,
    db_pool_recycle: Annotated[int, typer.Option(help="Seconds until a connection is replaced.")] = POOL_RECYCLE,
    db_pool_max_overflow: Annotated[int, typer.Option(help="Connections beyond those kept.")] = POOL_OVERFLOW,
    read_only: Annotated[bool, typer.Option("--read-only", help="Refuse every mutation.")] = False,
    live_data_poll_rate: Annotated[int, typer.Option(help="Interval of the pages' questions, milliseconds.")] = 2000,
    log_level: Annotated[str, typer.Option("--log-level", "--uvicorn-log-level", help="Of the server.")] = "warning",
) -> None:
    """Serve Dagster's pages and its GraphQL for this machine and the hosts in BROKER_SERVER__PUBLIC_HOSTS."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.INFO)
    with dagster.DagsterInstance.get() as instance:
        replace_lost_connections()
        instance.optimize_for_webserver(db_statement_timeout, db_pool_recycle, db_pool_max_overflow)
        target = WorkspaceFileTarget(paths=[str(workspace)])
        version = metadata.version("dagster")
        with WorkspaceProcessContext(instance, target, version=version, read_only=read_only) as context:
            webserver = GuardedWebserver(
                context, load_settings().server, path_prefix=path_prefix, poll_rate=live_data_poll_rate
            )
            logging.getLogger(__name__).info("Dagster's pages are at http://%s:%d%s", host, port, path_prefix)
            uvicorn.run(webserver.create_asgi_app(), host=host, port=port, log_level=log_level)


if __name__ == "__main__":
    typer.run(serve)
