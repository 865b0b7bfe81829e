"""Requests that PostgreSQL rolled back for a deadlock or a serialisation failure are answered again, unnoticed.

Nothing is wrong with such a request: two transactions waited for each other, and one had to give way. Its user should
not be asked to send the form again. It is repeated as a whole, from the same bytes, provided that it committed nothing
outside `aside` and that nothing of its answer was sent. Requests with bodies larger than `LARGEST_BODY` repeat their
transaction themselves, with `again`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from broker_assets import backoff
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.web_guard import Application, Receive, Scope, Send

ATTEMPTS: Final = 5
"""Most attempts to answer a request."""
LARGEST_BODY: Final = 1 << 20
"""Largest body that is kept so that it can be read again, bytes; forms and documents of users are smaller."""

_Result = TypeVar("_Result")


class ConflictError(DatabaseUnavailableError):
    """Another transaction was in the way, and this one was rolled back."""


class Course:
    """What happened to one attempt to answer a request."""

    def __init__(self) -> None:
        self.conflict = False
        """Whether a transaction was rolled back because another one was in the way."""
        self.committed = False
        """Whether a transaction ended well: it would be repeated, too."""


_COURSE: ContextVar[Course | None] = ContextVar("course of a request", default=None)


def note(*, conflict: bool = False, committed: bool = False) -> None:
    """Note what happened to the request being answered in this context; outside a request nothing happens."""
    course = _COURSE.get()
    if course is not None:
        course.conflict |= conflict
        course.committed |= committed


@contextmanager
def aside() -> Iterator[None]:
    """Commit what a repeated request may do twice, such as counting it."""
    course = _COURSE.get()
    committed = course is not None and course.committed
    yield
    if course is not None:
        course.committed = committed


def again(attempt: Callable[[], _Result]) -> _Result:
    """Run a transaction, and repeat it while it conflicts with another one.

    Raises
    ------
    ConflictError
        If every attempt met a conflict.
    """
    retrying = Retrying(
        retry=retry_if_exception_type(ConflictError),
        stop=stop_after_attempt(ATTEMPTS),
        wait=backoff.CONFLICT,
        reraise=True,
    )
    return retrying(attempt)


class AnswerAgain:
    """ASGI middleware that answers a request again that was rolled back.

    Parameters
    ----------
    app : ASGI application
        Application that answers; its answer to a conflict is 503.
    """

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        body = _Body(receive)
        for number in range(1, ATTEMPTS + 1):
            course = Course()
            token = _COURSE.set(course)
            answer = _Answer(send, course, body, last=number == ATTEMPTS)
            own = {**scope, "state": dict(scope.get("state") or {})}
            try:
                await self.app(own, body.from_start(), answer.send)
            finally:
                _COURSE.reset(token)
            if not answer.withheld:
                return
            await asyncio.sleep(backoff.pause_after(number, backoff.CONFLICT))


class _Body:
    """The body of a request, which can be read again as long as it is small."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._kept: list[Any] = []
        self._size = 0
        self.whole = True

    def from_start(self) -> Callable[[], Awaitable[Any]]:
        """What the application receives from."""
        waiting = list(self._kept)

        async def receive() -> Any:
            if waiting:
                return waiting.pop(0)
            message = await self._receive()
            if message["type"] == "http.request" and self.whole:
                self._size += len(message.get("body", b""))
                self.whole = self._size <= LARGEST_BODY
                self._kept = [*self._kept, message] if self.whole else []
            return message

        return receive


class _Answer:
    """The answer to one attempt: sent, unless it says that the request was rolled back."""

    def __init__(self, send: Send, course: Course, body: _Body, *, last: bool) -> None:
        self._send = send
        self._course = course
        self._body = body
        self._last = last
        self.withheld = False

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and message["status"] == 503 and self._course.conflict:
            self.withheld = self._body.whole and not self._course.committed and not self._last
        if not self.withheld:
            await self._send(message)
