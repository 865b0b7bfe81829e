"""HTTP requests to other services, over `requests`.

An `HttpClient` is a session for one service: it limits the time and the size of an answer, retries temporary failures
after the pauses of `broker_assets.backoff`, and follows a redirect to another host only where it is allowed to, so that
no key in a form and no password is sent to another host by accident. What is asked of a service and what its answers
mean belongs to the module of that service.
"""

from __future__ import annotations

import datetime
import email.utils
import json
import math
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.stop import stop_base
from tenacity.wait import wait_base

from broker_assets import backoff
from broker_assets.instants import with_zone

LARGEST_ANSWER: Final = 64 * 1024**2
"""Bytes, after decompression."""
LONGEST_WAIT: Final = 30.0
"""Seconds; a server that asks to wait longer is not asked again now."""
_CHUNK: Final = 256 * 1024
_MAY_PASS: Final = frozenset({408, 429})
"""Statuses, besides those of server errors (5xx), that say nothing about the request itself."""


class HttpError(ConnectionError):
    """There is no usable answer; the message says why and holds no secret."""


class RedirectRefusedError(HttpError):
    """The service sends us to another host, which may not see what was meant for it."""


class AnswerTooLargeError(HttpError):
    """The answer is larger than any sensible one and was not read to its end."""


@dataclass(frozen=True)
class Answer:
    """What a service answered."""

    url: str
    """Where the answer comes from, after redirects."""
    status: int
    """HTTP status."""
    content: bytes
    """The body, decompressed."""
    headers: Mapping[str, str] = field(default_factory=CaseInsensitiveDict)
    """Header fields; names in any case."""

    @property
    def ok(self) -> bool:
        """Whether the status is one of success (2xx)."""
        return 200 <= self.status < 300

    def json(self) -> Any:
        """The body as JSON; raises `ValueError` if it is not JSON, or is nested too deeply to be read."""
        try:
            return json.loads(self.content)
        except RecursionError as error:
            raise ValueError("the document is nested too deeply") from error


class HttpUnavailableError(HttpError):
    """The service is unavailable, overloaded or faulty: try again later.

    Parameters
    ----------
    reason : str
        What happened in the last attempt.
    answer : Answer, optional
        What the service answered, if it did.
    retry_after : float, optional
        Seconds that it asks to wait.
    """

    def __init__(self, reason: str, answer: Answer | None = None, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.answer = answer
        self.retry_after = retry_after


def retry_after(answer: Answer) -> float | None:
    """Seconds that a server asks to wait (RFC 9110, 10.2.3: a number or a date); None if it does not ask.

    Examples
    --------
    >>> retry_after(Answer("http://example.org/", 429, b"", {"retry-after": "7"}))
    7.0
    """
    return asked_to_wait(answer.headers.get("retry-after"))


def asked_to_wait(written: str | None) -> float | None:
    """Seconds that a field `Retry-After` asks to wait; None if it is missing or not valid.

    Examples
    --------
    >>> [asked_to_wait(one) for one in ("7", "-3", "nan", "soon", None)]
    [7.0, 0.0, None, None, None]
    """
    if written is None:
        return None
    try:
        seconds = float(written)
    except ValueError:
        pass
    else:
        return None if math.isnan(seconds) else max(0.0, seconds)
    try:
        # "-0000" is UTC without a claim to where the server is: no zone.
        until = with_zone(email.utils.parsedate_to_datetime(written))
    except (ValueError, TypeError, IndexError, OverflowError):  # what the library raises for dates that are not valid
        return None
    return max(0.0, (until - datetime.datetime.now(datetime.UTC)).total_seconds())


class HttpClient:
    """A session with one service; safe for several threads.

    Parameters
    ----------
    headers : mapping, optional
        Header fields of every request.
    credentials : (user, password), optional
        Basic authentication.
    ca_file : path, optional
        Certificates (PEM) with which the server's is checked; by default those of the system.
    timeout : float
        Seconds to connect, and between two parts of an answer.
    largest : int
        Bytes of an answer, at most.
    attempts : int
        Attempts before `HttpUnavailableError` is raised: a request without an answer, or with 408, 429 or 5xx, is
        repeated.
    wait : wait_base
        Pauses between attempts where the server does not ask for one.
    longest_wait : float
        Seconds; a server that asks to wait longer ends the attempts.
    asked_to_wait : callable
        Function that finds the seconds that an answer asks to wait; for services with header fields of their own.
    sleep : callable
        Function that waits for some seconds.
    other_hosts : bool
        Whether redirects to other hosts are followed. Only for requests without any secret.

    Examples
    --------
    >>> with HttpClient(timeout=1.0) as client:
    ...     client.get("http://127.0.0.1:1/")
    Traceback (most recent call last):
    ...
    broker_assets.http.HttpUnavailableError: ConnectionError: ...
    """

    def __init__(
        self,
        *,
        headers: Mapping[str, str] | None = None,
        credentials: tuple[str, str] | None = None,
        ca_file: str | os.PathLike[str] | None = None,
        timeout: float = 30.0,
        largest: int = LARGEST_ANSWER,
        attempts: int = 1,
        wait: wait_base = backoff.HTTP,
        longest_wait: float = LONGEST_WAIT,
        asked_to_wait: Callable[[Answer], float | None] = retry_after,
        sleep: Callable[[float], None] = time.sleep,
        other_hosts: bool = False,
    ) -> None:
        self._largest = largest
        self._asked_to_wait = asked_to_wait
        self._session = requests.Session() if other_hosts else _OneHostSession()
        self._session.headers.update(headers or {})
        self._session.auth = credentials
        # Given with each request: an environment variable would win over the session's.
        self._ca_file = None if ca_file is None else os.fspath(ca_file)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _TimedAdapter(timeout))
        self._attempts = Retrying(
            retry=retry_if_exception_type(HttpUnavailableError),
            stop=stop_after_attempt(attempts) | _AskedToWaitLonger(longest_wait),
            wait=_AskedOr(wait),
            sleep=sleep,
            reraise=True,
        )

    def __enter__(self) -> HttpClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, url: str, *, timeout: float | None = None) -> Answer:
        """Make a GET request.

        Parameters
        ----------
        url : str
        timeout : float, optional
            Seconds; by default the timeout of the client.

        Raises
        ------
        HttpError
            One of its subclasses. Answers other than 408, 429 and 5xx are returned, whatever their status.
        """
        return self._attempts(self._ask, "GET", url, timeout=timeout)

    def post(self, url: str, *, form: Mapping[str, str] | None = None, document: Any = None) -> Answer:
        """Make a POST request with a form, or a JSON document.

        Raises
        ------
        HttpError
            See `get`.
        """
        return self._attempts(self._ask, "POST", url, data=form, json=document)

    def _ask(self, method: str, url: str, **options: Any) -> Answer:
        try:
            with self._session.request(method, url, stream=True, verify=self._ca_file, **options) as response:
                answer = Answer(response.url, response.status_code, self._content(response), response.headers)
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            raise HttpUnavailableError(f"{type(error).__name__}: {_reason(error)}") from error
        except (requests.exceptions.InvalidHeader, UnicodeEncodeError):
            # Their message has the value, which may be a token. Such are read from files that hold something else, too.
            raise HttpError(
                "a header field of the request has line ends or characters that HTTP does not allow: is a token or a"
                " password among them that was read from a wrong file?"
            ) from None
        except requests.RequestException as error:
            raise HttpError(f"{type(error).__name__}: {_reason(error)}") from error
        except HttpError:
            raise
        except OSError as error:  # the file of certificates
            raise HttpError(str(error)) from error
        if answer.status in _MAY_PASS or answer.status >= 500:
            raise HttpUnavailableError(f"HTTP {answer.status}", answer, self._asked_to_wait(answer))
        return answer

    def _content(self, response: requests.Response) -> bytes:
        parts = []
        left = self._largest
        for part in response.iter_content(_CHUNK):
            left -= len(part)
            if left < 0:
                raise AnswerTooLargeError(f"{_host(response.url)} answers with more than {self._largest:,} bytes")
            parts.append(part)
        return b"".join(parts)


class _OneHostSession(requests.Session):
    """Follows redirects of the host that was asked, also from http to https, and no others."""

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Decide about a redirect: `requests` calls this with the next request before it is sent."""
        # Its own rule for passwords. It would drop them and go on with the body of the request, where TNS has its key.
        old, new = str(response.request.url), str(prepared_request.url)
        if self.should_strip_auth(old, new):
            raise RedirectRefusedError(f"{_host(old)} redirects to another host, {_host(new)}, which is not allowed")
        super().rebuild_auth(prepared_request, response)


class _TimedAdapter(HTTPAdapter):
    """Connections whose requests have a time limit, which `requests` does not set by itself."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        *arguments: Any,
        **options: Any,
    ) -> requests.Response:
        """Send a request."""
        limit = self._seconds if timeout is None else timeout
        return super().send(request, stream, limit, *arguments, **options)


def _host(url: str) -> str:
    """Scheme, host and port of a URL, without the password that it may hold."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class _AskedOr(wait_base):
    """The pause that the server asks for, else our default."""

    def __init__(self, ours: wait_base) -> None:
        self._ours = ours

    def __call__(self, retry_state: RetryCallState) -> float:
        asked = _asked(retry_state)
        return self._ours(retry_state) if asked is None else asked


class _AskedToWaitLonger(stop_base):
    """Ends the attempts when the server asks for a longer pause than this, in seconds."""

    def __init__(self, longest: float) -> None:
        self._longest = longest

    def __call__(self, retry_state: RetryCallState) -> bool:
        return (_asked(retry_state) or 0.0) > self._longest


def _asked(state: RetryCallState) -> float | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error.retry_after if isinstance(error, HttpUnavailableError) else None


def _reason(error: requests.RequestException) -> str:
    """What went wrong, without the layers of `urllib3` around it."""
    cause: Any = error.args[0] if error.args else error
    return " ".join(str(getattr(cause, "reason", cause)).split())
