"""Destinations of filters' messages in tests: a mail server, an HTTP receiver, and readers of topics."""

from __future__ import annotations

import base64
import email
import email.policy
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import psycopg
from aiosmtpd.controller import Controller
from confluent_kafka import Consumer, Message, TopicPartition
from loopback import LoopbackServer, QuietHandler

from broker_assets.delivery.errors import MessageRefusedError
from broker_assets.delivery.messages import Message as Outgoing
from broker_assets.delivery.messages import Place
from broker_assets.delivery.sender import Sender
from broker_assets.local.processes import free_ports
from broker_assets.settings.delivery import DeliverySettings, MailSettings
from broker_assets.settings.stream import ClusterSettings

KEY = "a secret of the tests that is long enough"
PAGES = "http://broker.example"


@dataclass
class Mailbox:
    """A mail server and the messages it accepted."""

    messages: list[EmailMessage] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    """What it answers to the next messages in place of 250."""
    port: int = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append(parsed)
        return f"250 OK: queued as {len(self.messages)}"

    @property
    def subjects(self) -> list[str]:
        return [str(message["Subject"]) for message in self.messages]


@contextmanager
def mail_server(context: ssl.SSLContext | None = None, *, starttls: ssl.SSLContext | None = None) -> Iterator[Mailbox]:
    """A mail server on loopback; with a context it is encrypted from the beginning, or by STARTTLS."""
    mailbox = Mailbox()
    (mailbox.port,) = free_ports(1)
    controller = Controller(mailbox, hostname="127.0.0.1", port=mailbox.port, ssl_context=context, tls_context=starttls)
    controller.start()
    try:
        yield mailbox
    finally:
        controller.stop()


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    def is_signed_with(self, key: str) -> bool:
        """Whether the signature is that of Standard Webhooks."""
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + self.body
        mac = hmac.new(base64.b64decode(key.removeprefix("whsec_")), signed, hashlib.sha256).digest()
        return self.headers["webhook-signature"] == "v1," + base64.b64encode(mac).decode()


@dataclass
class Receiver:
    """An HTTP server and the requests that it got."""

    requests: list[Request] = field(default_factory=list)
    accepted: list[Request] = field(default_factory=list)
    """Those that were answered by 200."""
    answer: Callable[[Request], int | tuple[int, dict[str, str]]] = lambda request: 200
    port: int = 0

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"


@contextmanager
def receiver(context: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    """An HTTP server on loopback, or HTTPS with a context."""
    state = Receiver()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            request = Request(self.path, {key.lower(): value for key, value in self.headers.items()}, body)
            state.requests.append(request)
            answer = state.answer(request)
            if answer == 200:
                state.accepted.append(request)
            status, headers = answer if isinstance(answer, tuple) else (answer, {})
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    with LoopbackServer(Handler, context=context) as server:
        state.port = server.port
        yield state


def read_topic(bootstrap: str, topic: str, count: int, *, seconds: float = 30.0, **properties: Any) -> list[Message]:
    """Return the first messages of a topic of one partition; fewer if there are not enough when the time is over."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "reader",
            "enable.auto.commit": False,
            "log_level": 0,
            **properties,
        }
    )
    consumer.assign([TopicPartition(topic, 0, 0)])
    found: list[Message] = []
    deadline = time.monotonic() + seconds
    try:
        while len(found) < count and time.monotonic() < deadline:
            found += [one for one in consumer.consume(count - len(found), 0.2) if one.error() is None]
    finally:
        consumer.close()
    return found


def header(message: Message, name: str) -> str | None:
    """A header of a message."""
    headers: Any = message.headers() or ()
    values = [value for key, value in headers if key == name]
    return values[0].decode() if values else None


def value(message: Message) -> bytes:
    """The bytes of a message."""
    found = message.value()
    assert isinstance(found, bytes)
    return found


class PlainContents:
    """What packets hold, without packets."""

    def alerts(self, connection: Any, messages: Sequence[Outgoing], *, full: bool) -> dict[int, Any]:
        return {
            one.deliveryid: MessageRefusedError("no packet", final=True)
            if one.diasourceid == 13
            else {"diaSourcesList": [{"psfFlux": 1.0}], "full": full}
            for one in messages
        }

    def places(self, connection: Any, messages: Sequence[Outgoing]) -> dict[int, Place]:
        return {one.deliveryid: Place(10.5, -20.25, 61000.0) for one in messages}


def settings(*, mail_port: int | None = None, **changes: Any) -> DeliverySettings:
    """Settings of tests: a mail server, webhooks on loopback, short times."""
    mail = MailSettings(host="127.0.0.1" if mail_port else None, port=mail_port or 25, sender="broker@example.org")
    values: dict[str, Any] = {
        "mail": mail, "webhook_key": KEY, "private_addresses": True, "confirm_seconds": 3.0, "webhook_seconds": 5.0,
        "attempts": 3, **changes,
    }  # fmt: skip
    return DeliverySettings(**values)


@contextmanager
def sender(database_url: str, configured: DeliverySettings, bootstrap: str | None = None) -> Iterator[Sender]:
    """A sender over plain contents."""
    made = Sender(
        database_url, configured, ClusterSettings(bootstrap_servers=bootstrap), PlainContents(), pages_url=PAGES
    )
    try:
        yield made
    finally:
        made.close()


def make_due(connection: psycopg.Connection[Any]) -> None:
    """Let the pauses of all sinks be over."""
    with connection.transaction():
        # Not earlier: a digest takes what had come in when it was due.
        connection.execute("UPDATE filter_sinks SET due_at = now()")


def states(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Messages of the outbox by state."""
    with connection.transaction():
        return dict(connection.execute("SELECT state, count(*)::int FROM deliveries GROUP BY state").fetchall())
