"""Forms of pages: what was sent, by whom, and where the browser goes next.

A form that changes something is sent with POST by a logged-in user and repeats the CSRF token of the session; the
browser is then redirected to a page that it can reload safely. Everything works without scripts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, NoReturn, TypeVar
from urllib.parse import urlencode

from fastapi import Depends, HTTPException, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from starlette.datastructures import UploadFile

from broker_assets.access.accounts import User
from broker_assets.access.sessions import repeats
from broker_assets.api.authentication import session_of
from broker_assets.api.site.frame import viewer_of
from broker_assets.numerals import real, whole
from broker_assets.settings.access import AccessSettings

MOST_FIELDS: Final = 300
_ROOM: Final = 1024**2
"""Largest request apart from its file, bytes."""
Visitor = TypeVar("Visitor", bound=User | Response)
Number = Annotated[int, Path(ge=1, lt=2**63)]
"""Number in the path of an address."""
Chosen = Annotated[int | None, Query(ge=1, lt=2**63)]
"""Number in the query of an address; None without one."""


class BadField(ValueError):
    """A field has a value that is not valid; the message says which and why."""


@dataclass(frozen=True)
class SentForm:
    """A form as it was sent."""

    values: Mapping[str, str]
    """The last value of each field."""
    several: Mapping[str, list[str]] = field(default_factory=dict)
    """All values of each field."""
    file: bytes = b""
    file_name: str = ""

    def text(self, name: str, default: str = "") -> str:
        """A text without surrounding blanks; line ends are single characters."""
        return self.values.get(name, default).replace("\r\n", "\n").strip()

    def ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return self.values.get(name, "") in ("on", "1", "true", "yes")

    def number(self, name: str, *, least: float, most: float, what: str) -> float:
        """A number between two limits.

        Raises
        ------
        BadField
            If it is not such a number; the message names `what` and the limits.
        """
        written = self.text(name)
        try:
            found = real(written)
        except ValueError:
            raise BadField(f"{what}: {written[:40]!r} is not a number") from None
        if not least <= found <= most:
            raise BadField(f"{what}: {written[:40]} is not from {least:g} to {most:g}")
        return found

    def whole(self, name: str, *, least: int, most: int, what: str) -> int:
        """A whole number between two limits; see `number`."""
        written = self.text(name)
        try:
            found = whole(written)
        except ValueError:
            found = least - 1
        if not least <= found <= most:
            raise BadField(f"{what}: {written[:40]!r} is not a whole number from {least:,} to {most:,}")
        return found


async def sent_form(request: Request) -> SentForm:
    """Read the form of a request, with at most one file.

    Raises
    ------
    HTTPException
        413 if it is too large, 400 if it cannot be read.
    """
    settings: AccessSettings = request.app.state.access
    most = settings.upload_bytes + _ROOM
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise HTTPException(413, f"What was sent is larger than {settings.upload_bytes // 1024**2} MiB.")
    request._body = bytes(body)
    try:
        sent = await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=most)
    except Exception:  # noqa: BLE001 - whatever the parser says about what a stranger sent
        raise HTTPException(400, "The form cannot be read.") from None
    several: dict[str, list[str]] = {}
    content, name = b"", ""
    for key, value in sent.multi_items():
        if isinstance(value, UploadFile):
            content, name = await value.read(), (value.filename or "").replace("\\", "/").rpartition("/")[2]
        else:
            several.setdefault(key, []).append(value)
    await sent.close()
    if any("\0" in value for values in several.values() for value in values):
        raise HTTPException(400, "The form has a NUL character, which no text can have.")
    return SentForm({key: values[-1] for key, values in several.items()}, several, content, name[:200])


Sent = Annotated[SentForm, Depends(sent_form)]


def acting(request: Request, form: SentForm) -> User:
    """The account that changes something with a form.

    Raises
    ------
    HTTPException
        401 if nobody is logged in, 403 for guests and if the form does not repeat the CSRF token of the session.
    """
    session = session_of(request)
    if session is None:
        raise HTTPException(401, "Log in to change something.")
    if not repeats(form.values.get("csrfmiddlewaretoken") or request.headers.get("x-csrftoken"), session.csrf):
        raise HTTPException(403, "The form does not belong to this session: reload the page.")
    if session.user.is_guest:
        raise HTTPException(403, "Guests may only read. Ask an administrator for an account of your own.")
    return session.user


def logged_in(request: Request) -> User | Response:
    """The account that visits a page for accounts only, or a redirect to the log-in page."""
    user = viewer_of(request).user
    if user is None:
        return RedirectResponse(f"/accounts/login/?{urlencode({'next': request.url.path})}", 302)
    return user


def operator(user: Visitor) -> Visitor:
    """Require an operator; a redirect to the log-in page is returned unchanged.

    Raises
    ------
    HTTPException
        403 for accounts that are not operators'.
    """
    if isinstance(user, User) and not user.operates:
        raise HTTPException(403, "This page is for operators. Ask an administrator for the role.")
    return user


def missing(what: str, which: object) -> NoReturn:
    """Raise HTTP 404; the answer is the same whether the thing does not exist or may not be seen."""
    raise HTTPException(404, f"There is no {what} {which}, or it is private.")


def see(path: str, **query: Any) -> Response:
    """Redirect the browser to a page after a change."""
    given = {name: value for name, value in query.items() if value is not None}
    return RedirectResponse(path + (f"?{urlencode(given)}" if given else ""), 303)


def wants_part(request: Request) -> bool:
    """Whether a script made the request, which replaces only a part of the page."""
    return request.headers.get("hx-request") == "true"


def attachment(content: str | bytes, kind: str, name: str) -> Response:
    """A file to be downloaded.

    Parameters
    ----------
    content : str or bytes
        Its content.
    kind : str
        Media type.
    name : str
        File name; characters that are not safe in a header are replaced.
    """
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-") else "_" for sign in name)[:120]
    return Response(
        content,
        media_type=kind,
        headers={
            "Content-Disposition": f'attachment; filename="{safe}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "no-store",
        },
    )
