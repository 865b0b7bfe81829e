"""HEAD wherever GET is answered, paths with and without their final slash, and all methods of a path in `Allow`.

Clients use HEAD to look at what they would download, and write `…/annotate` as well as `…/annotate/`. FastAPI answers
the first with 405, and the second with a redirect, in which many clients lose the body or turn a POST into a GET. Where
a path has a route for each method, its 405 names the methods of the first route only.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from starlette.datastructures import URL
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse
from starlette.routing import Match, Router

from broker_assets.web_guard import READING, Application, Receive, Scope, Send

_LISTENING: Final = "2.3"
"""ASGI version in which a streamed response listens for the end of the connection."""
_METHODS: Final = ("DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT")
"""Methods that routes may have; HEAD is answered wherever GET is."""


class HeadAsGet:
    """ASGI middleware that answers HEAD with the headers of the answer to GET.

    Parameters
    ----------
    app : ASGI application
        Application that answers GET.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        sent = False

        async def header_alone(message: Any) -> None:
            nonlocal sent
            if message["type"] != "http.response.body":
                await send(message)
            elif not sent:
                sent = True
                await send({"type": "http.response.body", "body": b""})

        async def until_sent() -> Any:
            # Nobody waits for the rest of an answer that is streamed, perhaps without end.
            return {"type": "http.disconnect"} if sent else await receive()

        asgi = {**scope.get("asgi", {}), "spec_version": _LISTENING}
        await self.app({**scope, "method": "GET", "asgi": asgi}, until_sent, header_alone)


class EitherSlash:
    """Answers for a router that does not have a path but has it with, or without, the slash at its end.

    Parameters
    ----------
    router : Router
        Its `default` before this replaces it answers all other paths.
    """

    def __init__(self, router: Router) -> None:
        self.router = router
        self.otherwise = router.default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or redirect one that only reads."""
        path = scope.get("path", "")
        if scope["type"] == "http" and path.rstrip("/") != scope.get("root_path", "").rstrip("/"):
            other = {**scope, "path": path.rstrip("/") if path.endswith("/") else f"{path}/"}
            if any(route.matches(other)[0] is not Match.NONE for route in self.router.routes):
                if scope["method"] in READING:
                    await RedirectResponse(str(URL(scope=other)))(scope, receive, send)
                else:
                    await self.router(other, receive, send)
                return
        await self.otherwise(scope, receive, send)


class EveryMethod:
    """Names all methods of a path in the `Allow` header of a 405 (RFC 9110, 15.5.6), and HEAD with GET.

    Answers that a route gives itself are not changed.

    Parameters
    ----------
    router : Router
        The router.
    """

    def __init__(self, router: Router) -> None:
        self.router = router

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request.

        Raises
        ------
        HTTPException
            With status 405 if the path does not have the method of the request.
        """
        try:
            await self.router.app(scope, receive, send)
        except HTTPException as error:
            found = self._methods(scope) if error.status_code == 405 else []
            if not found:
                raise
            allowed = sorted({*found, "HEAD"} if "GET" in found else found)
            raise HTTPException(405, error.detail, headers={"Allow": ", ".join(allowed)}) from None

    def _methods(self, scope: Scope) -> list[str]:
        routes = [route for route in self.router.routes if route.matches(scope)[0] is not Match.NONE]
        return [
            method
            for method in _METHODS
            if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes)
        ]


def take_either_slash(app: FastAPI) -> None:
    """Make an application answer requests that change something with and without the slash at the end of a path."""
    app.router.redirect_slashes = False
    app.router.default = EitherSlash(app.router)


def name_every_method(app: FastAPI) -> None:
    """Make an application name all methods of a path when it refuses a method."""
    app.router.middleware_stack = EveryMethod(app.router)
