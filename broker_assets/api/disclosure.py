"""Which parts of the platform's state a reader of the web pages may see.

Process ids, file paths, addresses of servers and names of database users help an operator, and an attacker; names of
annotators, and of their topics, may be private. Operators who are logged in, and requests with the token of the
settings, get everything, all others a copy without them. `broker-assets status` on the machine shows all.
"""

from __future__ import annotations

import hmac
import re
from pathlib import PurePosixPath
from typing import Any, Final, TypeVar

from fastapi import Request
from pydantic import BaseModel

from broker_assets.api.site.frame import viewer_of
from broker_assets.settings import Settings

HIDDEN: Final = "…"
_Shown = TypeVar("_Shown", bound=BaseModel)

_PRIVATE: Final = re.compile(
    r"""(?P<user> \b(?:user|role)\s+["'][^"']*["'] )
    | (?P<server> \( [^()]* \x20at\x20 (?!(?:all|least|most|once)\b) [^()]* \) )
    | (?P<process> \b(?:pid|process)[\s=:]+\d+ )
    | (?P<topic> \btopics?\s+["'][^"']*["'] )
    | (?P<broker> \bat\x20[^\s(),;/]+:\d{1,5}(?![\d.:]) | [\w.-]+:\d{1,5}/(?:bootstrap|\d+)\b | '[\w.-]+:\d{1,5}' )
    | (?P<annotator> \bannotator\.[^\s"'`<>,;:()]+ )
    | (?P<url> \b[a-z][a-z0-9+.-]*://[^\s"'`<>]+ )
    | (?P<path> (?<![\w.])…?/(?:[^\s/:,;()"'`<>]+/)*[^\s/:,;()"'`<>]+ )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def without_private(text: str, folders: tuple[str, ...] = ()) -> str:
    """A text without process ids, users, servers, topics and folders; of paths and URLs of files the last name is left.

    Parameters
    ----------
    text : str
        Message or name.
    folders : tuple of str
        Known folders; their names may contain spaces.

    Examples
    --------
    >>> without_private("webserver is stopped: see /home/ann/.broker/logs/webserver.log")
    'webserver is stopped: see …/webserver.log'
    >>> without_private('(broker at /run/pg as ann): connection failed: role "ann" does not exist, pid 4711')
    '(…): connection failed: role … does not exist, pid …'
    >>> without_private("Kafka at 10.0.0.7:9092 does not answer for topic 'mine': 10.0.0.7:9092/bootstrap: refused")
    'Kafka at … does not answer for topic …: …: refused'
    >>> without_private("file:///data/incoming: 3 files, see http://127.0.0.1:3000/runs")
    '…/incoming: 3 files, see http://127.0.0.1:3000/runs'
    """
    for folder in folders:
        text = text.replace(folder, HIDDEN)
    return _PRIVATE.sub(_replacement, text)


def _replacement(found: re.Match[str]) -> str:
    text = found[0]
    if found.lastgroup == "server":
        return f"({HIDDEN})"
    if found.lastgroup == "annotator":  # it may be private
        return f"annotator.{HIDDEN}"
    if found.lastgroup == "broker":
        return f"at {HIDDEN}" if text.startswith("at ") else HIDDEN
    if found.lastgroup in ("user", "process", "topic"):
        return f"{re.split(r'[^a-zA-Z]', text, maxsplit=1)[0]} {HIDDEN}"
    if text.lower().startswith(("http://", "https://")) and "@" not in text:
        return text
    name = text.rstrip(".,:;)").rpartition("/")[2]
    return f"{HIDDEN}/{name}" + text[len(text.rstrip(".,:;)")) :]


class Disclosure:
    """Decides for each request what it may see.

    Parameters
    ----------
    settings : Settings
        Settings with the token, and the folders that are not shown.
    """

    def __init__(self, settings: Settings) -> None:
        token = settings.server.status_token
        self._token = token.get_secret_value().encode() if token is not None else None
        known = {str(settings.home.resolve()), str(settings.sky), str(settings.telemetry_folder.absolute())}
        # The longest first: one may be in another.
        self._folders = tuple(sorted(known - {"/"}, key=len, reverse=True))
        self._archive = settings.archive.rstrip("/") + "/"

    def is_entitled(self, request: Request) -> bool:
        """Whether the request has the token, as `Authorization: Bearer …`, or the session of an operator."""
        user = viewer_of(request).user
        if user is not None and user.operates:
            return True
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        given_bytes = given.strip().encode("latin-1", errors="replace")
        return self._token is not None and kind.lower() == "bearer" and hmac.compare_digest(given_bytes, self._token)

    def shown(self, request: Request, document: _Shown) -> _Shown:
        """The document for a request: itself, or a copy without what is private."""
        if self.is_entitled(request):
            return document
        return type(document).model_validate(self._copy(document.model_dump()))

    def _copy(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self._copy(item, name) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._copy(item, key) for item in value]
        if key == "pid":
            return None
        if not isinstance(value, str):
            return value
        if key == "address":
            return value if value.startswith(("http://", "https://")) and "@" not in value else ""
        if key == "archive_url":
            return value.removeprefix(self._archive) if value.startswith(self._archive) else PurePosixPath(value).name
        return without_private(value, self._folders)
