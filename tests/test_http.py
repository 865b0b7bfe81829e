"""The HTTP client against servers on loopback: redirects, bounds, attempts."""

from __future__ import annotations

import base64
import datetime
import email.utils
import gzip
import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest
from http_peer import HttpPeer
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.http import (
    Answer,
    AnswerTooLargeError,
    HttpClient,
    HttpError,
    HttpUnavailableError,
    RedirectRefusedError,
    retry_after,
)


@pytest.fixture
def peer() -> Iterator[HttpPeer]:
    with HttpPeer() as server:
        yield server


@pytest.fixture
def other() -> Iterator[HttpPeer]:
    """A server on another port, which counts as another host where secrets are concerned."""
    with HttpPeer() as server:
        yield server


def test_forms_documents_and_header_fields_arrive(peer: HttpPeer) -> None:
    peer.answers = [(200, {"X-Found": "yes"}, b'{"a": 1}')]
    with HttpClient(headers={"User-Agent": "ours"}, credentials=("user", "secret")) as client:
        answer = client.post(f"{peer.url}/form", form={"key": "a b&c"})
        client.post(f"{peer.url}/document", document={"x": [1]})
    assert (answer.status, answer.ok, answer.json(), answer.headers["x-found"]) == (200, True, {"a": 1}, "yes")
    form, document = peer.requests
    assert (form.method, form.path, form.body) == ("POST", "/form", b"key=a+b%26c")
    assert form.headers["user-agent"] == "ours"
    assert form.headers["authorization"] == "Basic " + base64.b64encode(b"user:secret").decode()
    assert json.loads(document.body) == {"x": [1]}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_host_is_refused_before_it_is_asked(peer: HttpPeer, other: HttpPeer, status: int) -> None:
    with HttpClient(credentials=("user", "secret"), attempts=3, sleep=lambda _: None) as client:
        for place in (other.url, other.url.replace("http://127.0.0.1", "//localhost")):
            peer.answers = [(status, {"Location": f"{place}/taken"}, b"")]
            with pytest.raises(RedirectRefusedError, match="another host") as caught:
                client.post(f"{peer.url}/asked", form={"api_key": "a-secret-key"})
            assert "secret" not in str(caught.value)
    assert other.requests == []
    assert len(peer.requests) == 2


def test_a_redirect_of_the_same_host_is_followed_with_everything(peer: HttpPeer) -> None:
    peer.answers = [(307, {"Location": "/there"}, b""), (308, {"Location": f"{peer.url}/at/last"}, b"")]
    with HttpClient(credentials=("user", "secret")) as client:
        answer = client.post(f"{peer.url}/here", form={"api_key": "k"})
    assert answer.url == f"{peer.url}/at/last"
    assert [(one.path, one.body) for one in peer.requests] == [
        (path, b"api_key=k") for path in ("/here", "/there", "/at/last")
    ]
    assert all("authorization" in one.headers for one in peer.requests)


def test_redirects_without_secrets_may_lead_anywhere(peer: HttpPeer, other: HttpPeer) -> None:
    peer.answers = [(302, {"Location": f"{other.url}/file"}, b"")]
    other.answers = [(200, {}, b"content")]
    with HttpClient(other_hosts=True) as client:
        assert client.get(f"{peer.url}/file").content == b"content"


def test_a_circle_of_redirects_ends(peer: HttpPeer) -> None:
    peer.answers = [(302, {"Location": "/again"}, b"")] * 100
    with HttpClient() as client, pytest.raises(HttpError, match="TooManyRedirects"):
        client.get(f"{peer.url}/again")


def test_large_answers_are_not_read_to_their_end(peer: HttpPeer) -> None:
    peer.answers = [(200, {}, b"x" * 1000), (200, {}, b"x" * 1001)]
    with HttpClient(largest=1000) as client:
        assert len(client.get(peer.url).content) == 1000
        with pytest.raises(AnswerTooLargeError, match="1,000 bytes"):
            client.get(peer.url)


def test_the_bound_is_that_of_the_unpacked_answer(peer: HttpPeer) -> None:
    packed = gzip.compress(bytes(10_000_000))
    peer.answers = [(200, {"Content-Encoding": "gzip"}, packed)] * 2
    with HttpClient(largest=len(packed) + 1) as client, pytest.raises(AnswerTooLargeError):
        client.get(peer.url)
    with HttpClient() as client:
        assert len(client.get(peer.url).content) == 10_000_000


def _breaks_off(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("content-length", "100")
    handler.end_headers()
    handler.wfile.write(b"only this")
    handler.close_connection = True


def test_what_may_pass_is_tried_again_after_pauses(peer: HttpPeer) -> None:
    pauses: list[float] = []
    peer.answers = [(503, {}, b""), (429, {"Retry-After": "7"}, b""), (408, {}, b""), _breaks_off, (200, {}, b"whole")]
    with HttpClient(attempts=5, sleep=pauses.append) as client:
        assert client.get(peer.url).content == b"whole"
    assert len(pauses) == 4
    assert pauses[1] == 7.0
    assert all(0 <= pause <= 3.0 for pause in (pauses[0], *pauses[2:]))


@pytest.mark.parametrize("status", [400, 401, 404, 422])
def test_other_answers_are_given_back_at_once(peer: HttpPeer, status: int) -> None:
    peer.answers = [(status, {}, b"why")]
    with HttpClient(attempts=5, sleep=lambda _: None) as client:
        answer = client.get(peer.url)
    assert (answer.status, answer.ok, answer.content) == (status, False, b"why")
    assert len(peer.requests) == 1


def test_attempts_end(peer: HttpPeer) -> None:
    peer.answers = [(500, {}, b"")] * 9
    with HttpClient(attempts=3, sleep=lambda _: None) as client, pytest.raises(HttpUnavailableError, match="HTTP 500"):
        client.get(peer.url)
    assert len(peer.requests) == 3


def test_a_server_that_asks_for_too_long_a_pause_is_left_alone(peer: HttpPeer) -> None:
    pauses: list[float] = []
    peer.answers = [(429, {"Retry-After": "31"}, b"")]
    with (
        HttpClient(attempts=5, longest_wait=30.0, sleep=pauses.append) as client,
        pytest.raises(HttpUnavailableError) as caught,
    ):
        client.get(peer.url)
    assert caught.value.retry_after == 31.0
    assert pauses == []


def test_a_silent_server_costs_no_more_than_the_limit(peer: HttpPeer) -> None:
    release = threading.Event()

    def is_silent(_: BaseHTTPRequestHandler) -> None:
        release.wait(60)

    peer.answers = [is_silent, is_silent]
    try:
        with HttpClient(timeout=0.3) as client:
            began = time.monotonic()
            with pytest.raises(HttpUnavailableError, match="imeout"):
                client.get(peer.url)
            with pytest.raises(HttpUnavailableError, match="imeout"):
                client.get(peer.url, timeout=0.1)
            assert time.monotonic() - began < 20
    finally:
        release.set()


@pytest.mark.parametrize("url", ["http://", "gopher://127.0.0.1/", "http://[", "127.0.0.1"])
def test_what_is_no_address(url: str) -> None:
    with HttpClient() as client, pytest.raises(HttpError, match=r"Invalid(URL|Schema)|MissingSchema"):
        client.get(url)


def test_nobody_there() -> None:
    with HttpClient() as client, pytest.raises(HttpUnavailableError, match="refused"):
        client.get("http://127.0.0.1:1/")


@given(st.datetimes(datetime.datetime(2000, 1, 1), datetime.datetime(2100, 1, 1)), st.booleans())
def test_a_date_to_wait_for(until: datetime.datetime, zone: bool) -> None:
    written = email.utils.format_datetime(until.replace(tzinfo=datetime.UTC) if zone else until, usegmt=zone)
    asked = retry_after(Answer("http://127.0.0.1/", 503, b"", {"retry-after": written}))
    left = (until.replace(tzinfo=datetime.UTC) - datetime.datetime.now(datetime.UTC)).total_seconds()
    assert asked == pytest.approx(max(0.0, left), abs=60.0)


@given(st.text(max_size=30))
def test_whatever_a_server_writes_is_a_pause_or_none(written: str) -> None:
    asked = retry_after(Answer("http://127.0.0.1/", 503, b"", {"retry-after": written}))
    assert asked is None or asked >= 0.0
