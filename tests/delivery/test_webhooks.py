"""Webhooks are signed, and lead to public addresses only."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from certificates import loopback_certificate
from delivery_peers import receiver

from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.webhooks import is_public, key_of, post, signature

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
