"""HEAD wherever GET is answered, and requests that change something with and without the slash at the end of a path.

Clients look at what they would download with HEAD, and write `…/annotate` as well as `…/annotate/`. FastAPI answers the
first with 405, and the second with a redirect, in which many clients lose the body or turn a POST into a GET.
"""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from starlette.datastructures import URL
from starlette.responses import RedirectResponse
from starlette.routing import Match, Router

from broker_assets.web_guard import READING, Application, Receive, Scope, Send

_LISTENING: Final = "2.3"
"""Version of ASGI in which an answer that is written piece by piece listens for the end of the connection."""


class HeadAsGet:
    """ASGI middleware that answers HEAD with the header of what GET answers.

    Parameters
    ----------
    app : ASGI application
        What answers GET.
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
            # Nobody waits for the rest of an answer that is written while it is read, or that has no end.
            return {"type": "http.disconnect"} if sent else await receive()

        asgi = {**scope.get("asgi", {}), "spec_version": _LISTENING}
        await self.app({**scope, "method": "GET", "asgi": asgi}, until_sent, header_alone)


class EitherSlash:
    """What a router answers if it has no such path: that of the path with or without the slash at its end.

    Parameters
    ----------
    router : Router
        The router.
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
                    await self.router.app(other, receive, send)
                return
        await self.otherwise(scope, receive, send)


def take_either_slash(app: FastAPI) -> None:
    """Let an application answer requests that change something with and without the slash at the end of a path."""
    app.router.redirect_slashes = False
    app.router.default = EitherSlash(app.router)
