"""A Google Pub/Sub on loopback: subscriptions over the REST interface v1, and the endpoint that gives out tokens.

It leases messages like the real service: those that are not acknowledged are sent again, with another acknowledgement
identifier and the same message identifier. Over TLS it requires a token, which it issues for an assertion signed by the
service account (RFC 7523).
"""

from __future__ import annotations

import base64
import json
import re
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from joserfc import jwt
from joserfc.jwk import RSAKey
from loopback import LoopbackServer, QuietHandler

PROJECT = "broker-of-tests"
ACCOUNT = f"reader@{PROJECT}.iam.gserviceaccount.com"
TOKEN = "ya29.of-tests"
AUDIENCE = "https://oauth2.googleapis.com/token"
"""Audience of the assertions of Google's library, wherever tokens are issued."""


@dataclass
class PubSubService:
    """The service: its messages, and how it misbehaves."""

    certificate: Path | None = None
    """Private key and certificate (PEM); none: without TLS and tokens, as the emulator."""
    lease_seconds: float = 10.0
    wait_seconds: float = 0.2
    """How long a request for messages stays open."""
    lose: int = 0
    """Acknowledgements that do not arrive."""
    fail: int = 0
    """Requests that are answered with 503."""
    acknowledged: list[str] = field(default_factory=list)
    """Identifiers of messages."""
    sent: list[str] = field(default_factory=list)
    """Identifiers of messages, once for each delivery."""
    tokens: int = 0
    """Tokens given out."""

    def __enter__(self) -> PubSubService:
        service = self
        self._queues: dict[str, dict[str, dict[str, Any]]] = {}
        self._leases: dict[str, tuple[str, str, float]] = {}
        self._lock = threading.Lock()
        self._numbers = iter(range(7_000_000_000_000_000, 2**62))
        if self.certificate is not None:
            self._key = rsa.generate_private_key(65537, 2048)

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers.get("content-length", 0)))
                service._answer(self, content)

        context = None
        if self.certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(self.certificate)
        self._server = LoopbackServer(Handler, context=context)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()

    @property
    def host(self) -> str:
        return self._server.host

    @property
    def url(self) -> str:
        return self._server.url

    def publish(self, subscription: str, *values: bytes, **attributes: str) -> list[str]:
        """Publish messages to the topic of a subscription; gives their identifiers."""
        with self._lock:
            queue = self._queues.setdefault(subscription, {})
            made = []
            for value in values:
                number = str(next(self._numbers))
                message = {"messageId": number, "publishTime": "2023-11-05T12:00:00.123Z"}
                if value:
                    message["data"] = base64.b64encode(value).decode()
                queue[number] = message | ({"attributes": attributes} if attributes else {})  # type: ignore[dict-item]
                made.append(number)
        return made

    def expire(self) -> None:
        """Let all leases run out."""
        with self._lock:
            self._leases = {name: (*lease[:2], 0.0) for name, lease in self._leases.items()}

    def write_key(self, path: Path, *, right: bool = True) -> Path:
        """Write the key of the service account, as the console of the service lets one download it."""
        key = self._key if right else rsa.generate_private_key(65537, 2048)
        text = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()
        path.write_text(
            json.dumps(
                {
                    "type": "service_account", "project_id": PROJECT, "private_key_id": "1", "private_key": text,
                    "client_email": ACCOUNT, "client_id": "1", "token_uri": f"{self.url}/token",
                }
            )
        )  # fmt: skip
        return path

    def _answer(self, handler: BaseHTTPRequestHandler, content: bytes) -> None:
        path = urlsplit(handler.path).path
        if path == "/token":
            return _send(handler, *self._token(content))
        if self.certificate is not None and handler.headers.get("authorization") != f"Bearer {TOKEN}":
            return _refuse(handler, 401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
        if self.fail > 0:
            self.fail -= 1
            return _refuse(handler, 503, "UNAVAILABLE", "The service was unable to fulfill your request.")
        found = re.fullmatch(f"/v1/projects/{PROJECT}/subscriptions/([^/:]+):(\\w+)", path)
        if found is None:
            return _refuse(handler, 403, "PERMISSION_DENIED", "User not authorized to perform this action.")
        name, method = found.groups()
        if name not in self._queues:
            return _refuse(handler, 404, "NOT_FOUND", f"Resource not found (resource={name}).")
        document = json.loads(content)
        if method == "pull":
            return _send(handler, 200, self._pull(name, int(document["maxMessages"])))
        if method == "acknowledge" and self.lose > 0:
            self.lose -= 1
            handler.close_connection = True
            handler.connection.close()
            return None
        if method == "acknowledge":
            self._acknowledge(document["ackIds"])
        else:
            self._lease(document["ackIds"], float(document["ackDeadlineSeconds"]))
        return _send(handler, 200, {})

    def _pull(self, name: str, most: int) -> dict[str, Any]:
        deadline = time.monotonic() + self.wait_seconds
        while True:
            with self._lock:
                now = time.monotonic()
                leased = {number for of, number, until in self._leases.values() if of == name and until > now}
                free = [message for number, message in self._queues[name].items() if number not in leased][:most]
                received = []
                for message in free:
                    lease = f"lease-{len(self._leases)}-{message['messageId']}"
                    self._leases[lease] = (name, message["messageId"], now + self.lease_seconds)
                    self.sent.append(message["messageId"])
                    received.append({"ackId": lease, "message": message})
            if received:
                return {"receivedMessages": received}
            if time.monotonic() > deadline:
                return {}
            time.sleep(0.01)

    def _acknowledge(self, leases: list[str]) -> None:
        with self._lock:
            for lease in leases:
                name, number, until = self._leases[lease]
                if until > time.monotonic() and self._queues[name].pop(number, None) is not None:
                    self.acknowledged.append(number)

    def _lease(self, leases: list[str], seconds: float) -> None:
        with self._lock:
            for lease in leases:
                self._leases[lease] = (*self._leases[lease][:2], time.monotonic() + seconds)

    def _token(self, content: bytes) -> tuple[int, dict[str, Any]]:
        form = {name: values[0] for name, values in parse_qs(content.decode()).items()}
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        try:
            claims = jwt.decode(form["assertion"], RSAKey.import_key(public), algorithms=["RS256"]).claims
        except Exception:  # noqa: BLE001 - whatever the statement is, it is not one of the account
            return 400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."}
        assert form["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
        assert (claims["iss"], claims["aud"]) == (ACCOUNT, AUDIENCE)
        assert "https://www.googleapis.com/auth/pubsub" in claims["scope"]
        self.tokens += 1
        return 200, {"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"}


def _refuse(handler: BaseHTTPRequestHandler, status: int, name: str, text: str) -> None:
    _send(handler, status, {"error": {"code": status, "message": text, "status": name}})


def _send(handler: BaseHTTPRequestHandler, status: int, document: Any) -> None:
    content = json.dumps(document).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json; charset=UTF-8")
    handler.send_header("content-length", str(len(content)))
    handler.end_headers()
    handler.wfile.write(content)
