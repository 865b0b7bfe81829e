"""Webhooks are signed, and lead to public addresses only."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from certificates import loopback_certificate
from delivery_peers import receiver
from rude_receiver import Behaviour, begins, drips, rude_receiver, says

from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.webhooks import LONGEST_WAIT, is_public, key_of, post, signature

OPTIONS: dict[str, Any] = {"key": key_of(b"secret", "sink/1"), "identity": "ab", "seconds": 3.0}


def test_the_signature_is_that_of_the_standard() -> None:
    """The example of its libraries (https://github.com/standard-webhooks/standard-webhooks)."""
    key = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    body = b'{"test": 2432232314}'
    signed = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
     "255.255.255.255", "::1", "::", "fe80::1%lo", "fc00::1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1"],
)  # fmt: skip
def test_addresses_that_only_we_can_reach_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f000001", "2130706433", "[::1]", "127.1"])
def test_no_spelling_of_loopback_is_reached(host: str) -> None:
    with receiver() as hook:
        with pytest.raises((MessageRefusedError, SinkUnavailableError)):
            post(f"http://{host}:{hook.port}/", b"{}", **OPTIONS)
        assert hook.requests == []


def test_a_name_that_changes_between_check_and_request_leads_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address that was checked is connected to; the name is looked up once."""
    looked_up: list[str] = []

    def answers(host: str, port: int, **_: Any) -> Any:
        looked_up.append(host)
        address = "203.0.113.1" if len(looked_up) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    monkeypatch.setattr(socket, "getaddrinfo", answers)
    with pytest.raises((MessageRefusedError, SinkUnavailableError)):
        post("http://rebind.example/", b"{}", **{**OPTIONS, "seconds": 0.2})
    assert looked_up.count("rebind.example") == 1


def test_a_name_with_a_private_address_among_others_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, 443)) for one in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: entries)
    with pytest.raises(MessageRefusedError, match="not public") as refused:
        post("https://two.example/", b"{}", **OPTIONS)
    assert refused.value.final


def test_a_setting_allows_private_addresses() -> None:
    with receiver() as hook:
        receipt = post(hook.url(), b"{}", private_addresses=True, **OPTIONS)
        assert receipt == {"status": 200, "reply": "ok"}
        hook.answer = lambda request: (429, {"retry-after": "7"})
        with pytest.raises(SinkUnavailableError, match="429") as away:
            post(hook.url(), b"{}", private_addresses=True, **OPTIONS)
        assert away.value.retry_after == 7.0


def test_a_certificate_that_nobody_knows_is_not_trusted(tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own = loopback_certificate(tmp_path / "certificate.pem")
    context.load_cert_chain(own)
    with receiver(context) as hook:
        url = f"https://127.0.0.1:{hook.port}/"
        with pytest.raises(SinkUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            post(url, b"{}", private_addresses=True, **OPTIONS)
        assert hook.requests == []
        assert post(url, b"{}", private_addresses=True, ca_file=str(own), **OPTIONS)["status"] == 200


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    "behaviour",
    [
        begins(b""),
        drips(b"", b"H"),
        drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        drips(b"HTTP/1.1 503 Busy\r\ncontent-length: 100000\r\n\r\n", b"x"),
        says(b"\0\1\2 not HTTP\r\n\r\n"),
        says(OK + b"x: " + b"a" * 100_000),
        says(OK + b"x: a\r\n" * 1000 + b"\r\n"),
        says(b"HTTP/1.1 99999999999999999999 OK\r\n\r\n"),
    ],
    ids=["silent", "no status", "continues", "slow body", "garbage", "long field", "too many fields", "no such status"],
)  # fmt: skip
def test_no_answer_keeps_us_longer_than_its_time(behaviour: Behaviour) -> None:
    """Each byte of it comes in time."""
    with rude_receiver(behaviour) as url, pytest.raises(SinkUnavailableError):
        post(url, b"{}", private_addresses=True, **{**OPTIONS, "seconds": 0.4})


@pytest.mark.parametrize(
    "behaviour",
    [
        drips(OK, b"x"),
        drips(OK, b"x-more: a\r\n"),
        drips(OK + b"content-length: 100000\r\n\r\n", b"x"),
        says(OK + b"content-length: 100000\r\n\r\nok"),
        says(OK + b"content-len"),
    ],
    ids=["no fields", "many fields", "slow body", "short body", "cut"],
)
def test_who_says_that_it_has_the_message_has_it(behaviour: Behaviour) -> None:
    with rude_receiver(behaviour) as url:
        receipt = post(url, b"{}", private_addresses=True, **{**OPTIONS, "seconds": 0.4})
    assert receipt["status"] == 200


@pytest.mark.parametrize(
    ("asked", "waits"),
    [("7", 7.0), ("-1", 0.0), ("1e300", LONGEST_WAIT), ("inf", LONGEST_WAIT), ("nan", None), ("soon", None),
     ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_WAIT), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0)],
)  # fmt: skip
def test_nobody_is_waited_for_longer_than_an_hour(asked: str, waits: float | None) -> None:
    with receiver() as hook:
        hook.answer = lambda request: (503, {"retry-after": asked})
        with pytest.raises(SinkUnavailableError) as away:
            post(hook.url(), b"{}", private_addresses=True, **OPTIONS)
        assert away.value.retry_after == waits
