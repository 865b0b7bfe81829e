"""Messages to Slack, Mattermost, e-mail and the other services that apprise supports, each given by one URL.

The URL usually contains a token. Apprise names addresses in its log, and says only there why a message was not
accepted; so its log is read here, and nothing of it goes further before the parts of the URL are taken out.
"""

from __future__ import annotations

import contextvars
import hashlib
import logging
import re
from typing import Any, Final, Literal
from urllib.parse import unquote

import apprise

_STATUS: Final = re.compile(r"\berror=(\d{3})\b")
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://")
_SHORTEST_SECRET: Final = 4
"""Characters; shorter parts of a URL are not secret, and taking them out would make a sentence unreadable."""
_said: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("_said", default=None)

Kind = Literal["info", "warning", "failure", "success"]


class BadChatAddressError(ValueError):
    """Not a URL that apprise knows."""


class ChatFailedError(Exception):
    """A service did not accept a message.

    Parameters
    ----------
    reason : str
        What happened, without parts of the URL.
    status : int, optional
        HTTP status of its answer, where apprise says it.
    reached : bool
        Whether the service answered.
    """

    def __init__(self, reason: str, *, status: int | None = None, reached: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        self.reached = reached


class ChatService:
    """A service of apprise; several threads may use it.

    Parameters
    ----------
    url : str
        URL of apprise.

    Raises
    ------
    BadChatAddressError
        If apprise does not know it; the message has the scheme only.

    Examples
    --------
    >>> ChatService("slack://secret")
    Traceback (most recent call last):
    ...
    broker_assets.chat.BadChatAddressError: not a URL that apprise knows: slack://…
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._apprise = apprise.Apprise()
        with _Listening():
            added = self._apprise.add(url)
        if not added:
            scheme = _SCHEME.match(url)
            raise BadChatAddressError(f"not a URL that apprise knows: {scheme[0] if scheme else ''}…")
        service: Any = self._apprise[0]
        # Apprise's own form without passwords has the path, which is the secret of many services.
        self.name = f"{service.service_name} {hashlib.sha256(url.encode()).hexdigest()[:8]}"
        """Kind of service and a few digits of a hash of the URL, the same for the same URL."""

    def send(self, title: str, body: str, kind: Kind = "info") -> None:
        """Send a message in Markdown.

        Parameters
        ----------
        title, body : str
            Subject, and text in Markdown; what others wrote goes through `plain` before.
        kind : str
            Services show it by colour, icon or priority.

        Raises
        ------
        ChatFailedError
            If the service did not accept it.
        """
        with _Listening() as said:
            accepted = self._apprise.notify(
                title=title, body=body, body_format=apprise.NotifyFormat.MARKDOWN, notify_type=apprise.NotifyType(kind)
            )
        if accepted:
            return
        status = next((int(one[1]) for one in map(_STATUS.search, said) if one), None)
        raise ChatFailedError(
            " ".join(self._without_secrets(one) for one in said) or "it did not accept the message",
            status=status,
            reached=status is not None or not any("connection error" in one.lower() for one in said),
        )

    def _without_secrets(self, sentence: str) -> str:
        parts = {part for text in (self._url, unquote(self._url)) for part in re.split(r"[/:@?&=,\s]+", text)[1:]}
        for part in sorted(parts, key=len, reverse=True):
            if len(part) >= _SHORTEST_SECRET:
                sentence = sentence.replace(part, "…")
        return sentence


def plain(text: str) -> str:
    """A text of somebody else on one line, so that no service takes it for a link, a mention or a format.

    Backslashes would do for Markdown, but some services show them.

    Examples
    --------
    >>> plain("<!channel> [here](http://evil.example)")
    '‹!channel› [here] (http://evil.example)'
    >>> plain("@everyone").encode("ascii", "backslashreplace")
    b'@\\\\u200beveryone'
    """
    signs = str.maketrans({"<": "‹", ">": "›", "`": "'", "@": "@\N{ZERO WIDTH SPACE}"})
    return " ".join(text.translate(signs).replace("](", "] (").split())


class _Listening:
    """Context in which the warnings of apprise are collected."""

    def __enter__(self) -> list[str]:
        said: list[str] = []
        self._token = _said.set(said)
        return said

    def __exit__(self, *_: object) -> None:
        _said.reset(self._token)


class _Collector(logging.Filter):
    """Keeps what apprise says for who listens, and from every log; apprise hands the context on to its threads."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = _said.get()
        if said is not None:
            said.append(record.getMessage())
        return False


_log = logging.getLogger("apprise")
# Below, it writes whole messages.
_log.setLevel(logging.WARNING)
_log.addFilter(_Collector())
