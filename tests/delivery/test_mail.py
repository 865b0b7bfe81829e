"""Messages by e-mail: what they say, and what a mail server answers."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from certificates import loopback_certificate
from delivery_peers import Mailbox, mail_server

from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.mail import MailServer, compose, notice
from broker_assets.settings.delivery import MailSettings

RECORDS = [{"diaObjectId": 12, "class": "SN <b>", "UTC": "2026-11-20 03:04:05", "alert": {"big": [1]}}]
OPTIONS: dict[str, Any] = {
    "sender": "broker@example.org", "recipient": "ann@example.org", "filter_name": "bright\nBcc: x@y", "date": 1.7e9,
    "message_id": "<1@broker.example>", "objects_url": "http://broker.example/objects/", "attachment_bytes": 10_000,
}  # fmt: skip


@pytest.fixture(scope="module")
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as started:
        yield started


@pytest.fixture
def server(mailbox: Mailbox) -> Iterator[MailServer]:
    mailbox.messages.clear()
    made = MailServer(MailSettings(host="127.0.0.1", port=mailbox.port))
    yield made
    made.close()


def test_a_message_has_text_a_table_with_links_and_an_attachment(server: MailServer, mailbox: Mailbox) -> None:
    assert server.send(compose(RECORDS, **OPTIONS)) == "250 OK: queued as 1"
    (message,) = mailbox.messages
    assert message["Subject"] == "bright Bcc: x@y: object 12", "a name with a line end adds no header"
    assert message["Bcc"] is None
    text = message.get_body(("plain",))
    page = message.get_body(("html",))
    assert text is not None
    assert page is not None
    assert text.get_content().splitlines()[:2] == ["diaObjectId | class | UTC", "12 SN <b> 2026-11-20 03:04:05"]
    assert "http://broker.example/objects/12" in text.get_content()
    assert '<a href="http://broker.example/objects/12">12</a>' in page.get_content()
    assert "SN &lt;b&gt;" in page.get_content()
    (attachment,) = message.iter_attachments()
    assert json.loads(attachment.get_content()) == RECORDS


def test_a_large_attachment_is_left_out_and_the_message_says_so() -> None:
    message = compose(RECORDS * 600, **{**OPTIONS, "attachment_bytes": 100, "period": "day"})
    assert list(message.iter_attachments()) == []
    text = message.get_body(("plain",))
    assert text is not None
    assert "first 500 of 600 matches" in text.get_content()
    assert "attachment is left out" in text.get_content()
    assert message["Subject"].endswith("600 matches of the day")


def test_one_connection_serves_several_messages_and_survives_a_refusal(server: MailServer, mailbox: Mailbox) -> None:
    letter = notice(
        sender="b@example.org", recipient="ann@example.org", subject="Filter 3\nis paused", text="Zoë",
        message_id="<2@b>", date=1.7e9,
    )  # fmt: skip
    mailbox.answers += ["550 no such user", "450 try later", "421 going down"]
    with pytest.raises(MessageRefusedError, match="550 no such user") as refused:
        server.send(letter)
    assert refused.value.final
    with pytest.raises(MessageRefusedError, match="450 try later") as refused:
        server.send(letter)
    assert not refused.value.final
    with pytest.raises(SinkUnavailableError, match="421"):
        server.send(letter)
    server.send(letter)
    server.send(letter)
    assert mailbox.subjects == ["[broker-assets] Filter 3 is paused"] * 2


def test_a_server_out_of_reach_says_nothing_about_the_message() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        away = MailServer(MailSettings(host="127.0.0.1", port=taken.getsockname()[1], seconds=2))
        with pytest.raises(SinkUnavailableError, match="mail server 127"):
            away.send(compose(RECORDS, **OPTIONS))
    with pytest.raises(SinkUnavailableError, match="no mail server is configured"):
        MailServer(MailSettings()).send(compose(RECORDS, **OPTIONS))


@pytest.mark.parametrize("starttls", [False, True])
def test_the_certificate_of_the_server_is_checked(
    starttls: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers in place of the server would get our password."""
    certificate = loopback_certificate(tmp_path / "server.pem")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    message = compose(RECORDS, **OPTIONS)
    with mail_server(None if starttls else context, starttls=context if starttls else None) as mailbox:
        server = MailServer(MailSettings(host="127.0.0.1", port=mailbox.port, tls=not starttls, starttls=starttls))
        with pytest.raises(SinkUnavailableError, match="certificate verify failed"):
            server.send(message)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert server.send(message).startswith("250 OK")
        server.close()


def test_values_are_written_as_in_the_attachment() -> None:
    text = compose([{"a": {"b": [1, None]}, "c": True, "d": None}], **OPTIONS).get_body(("plain",))
    assert text is not None
    assert text.get_content().splitlines()[1] == '{"b": [1, null]} true '


@contextmanager
def scripted(**replies: str) -> Iterator[tuple[int, list[bytes]]]:
    """A mail server that gives these replies to commands, 250 to others; its port, and the lines that it got."""
    lines: list[bytes] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.say(replies.get("greeting", "220 hello"))
            for line in self.rfile:
                lines.append(line)
                word = line.split()[0].decode("ascii", "replace").lower()
                self.say(replies.get(word, "354 go on" if word == "data" else "250 fine"))
                if word == "data" and "data" not in replies:
                    for text in self.rfile:
                        lines.append(text)
                        if text == b".\r\n":
                            break
                    self.say(replies.get("end", "250 taken"))

        def say(self, reply: str) -> None:
            self.wfile.write(reply.encode() + b"\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1], lines
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("replies", "said"),
    [
        ({"greeting": "554 no service here"}, "refuses us: 554"),
        ({"ehlo": "550 who are you", "helo": "550 who are you"}, "refuses us: 550"),
        ({"mail": "553 not your address"}, "refuses our address: 553"),
        ({"mail": "451 later"}, "refuses our address: 451"),
        ({"rcpt": "503 bad sequence"}, "does not follow us: 503"),
        ({"data": "502 what"}, "does not follow us: 502"),
    ],
)
def test_what_a_server_has_against_us_is_no_dead_letter(replies: dict[str, str], said: str) -> None:
    with scripted(**replies) as (port, _):
        server = MailServer(MailSettings(host="127.0.0.1", port=port, seconds=5))
        for _ in range(2):
            with pytest.raises(SinkUnavailableError, match=said):
                server.send(compose(RECORDS, **OPTIONS))
        server.close()


@pytest.mark.parametrize(
    ("replies", "final"),
    [({"rcpt": "550 nobody"}, True), ({"rcpt": "450 grey"}, False), ({"end": "554 spam"}, True)],
)
def test_what_it_has_against_a_message_is(replies: dict[str, str], final: bool) -> None:
    with scripted(**replies) as (port, _):
        server = MailServer(MailSettings(host="127.0.0.1", port=port, seconds=5))
        with pytest.raises(MessageRefusedError) as refused:
            server.send(compose(RECORDS, **OPTIONS))
        assert refused.value.final is final
        server.close()


def test_messages_have_seven_bits() -> None:
    with scripted(rcpt="252 perhaps") as (port, lines):
        server = MailServer(MailSettings(host="127.0.0.1", port=port, seconds=5))
        records = [{"diaObjectId": 12, "said": "Zoë \u8d85\u65b0\u661f"}]
        assert server.send(compose(records, **{**OPTIONS, "filter_name": "Zoë"})) == "250 taken"
        server.close()
    assert all(line.isascii() for line in lines)
    assert max(map(len, lines)) <= 1000
