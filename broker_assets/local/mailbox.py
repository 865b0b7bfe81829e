"""The mailbox of the demonstration: a mail server on loopback that writes every message to a folder.

It accepts what the platform sends, so that e-mail of filters can be seen on a machine without a mail server. It
implements the part of SMTP (RFC 5321) that is needed for that, requires no user, and forwards nothing.
"""

from __future__ import annotations

import datetime
import email
import email.policy
import itertools
import json
import os
import secrets
import socketserver
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker_assets.local.processes import LocalPlatformError, free_ports, port_is_free
from broker_assets.settings import Settings
from broker_assets.settings.delivery import DeliverySettings
from broker_assets.storage.atomic import replace_atomically

FOLDER: Final = "mailbox"
LARGEST: Final = 32 * 1024**2
"""Largest message, bytes."""
_LONGEST_LINE: Final = 64 * 1024


@dataclass(frozen=True)
class Letter:
    """A message in the mailbox."""

    file: Path
    at: datetime.datetime
    """When it arrived."""
    recipient: str
    subject: str


def folder_of(settings: Settings) -> Path:
    """The folder of the messages."""
    return settings.home.resolve() / FOLDER


def prepare(settings: Settings) -> int:
    """Choose and return the port of the mailbox, preferably the previous one, and create a secret for webhooks."""
    folder = folder_of(settings)
    folder.mkdir(parents=True, exist_ok=True)
    port = _port(settings)
    if port is None or not port_is_free("127.0.0.1", port):
        (port,) = free_ports(1)
    replace_atomically(folder / "port.json", json.dumps({"port": port}))
    key = folder / "webhook.key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(secrets.token_urlsafe(32))
    return port


def environment(settings: Settings) -> dict[str, str]:
    """Environment variables that direct e-mail to the mailbox and sign webhooks, where the user has set nothing."""
    port, delivery = _port(settings), settings.delivery
    if port is None:
        return {}
    found: dict[str, str] = {}
    if delivery.mail.host is None:
        found |= {"BROKER_DELIVERY__MAIL__HOST": "127.0.0.1", "BROKER_DELIVERY__MAIL__PORT": str(port)}
    if delivery.webhook_key is None and delivery.webhook_key_file is None:
        found["BROKER_DELIVERY__WEBHOOK_KEY_FILE"] = str(folder_of(settings) / "webhook.key")
    return found


def forget(settings: Settings) -> None:
    """Undo what `environment` has set in this process: the port may change."""
    if is_used(settings):
        for name in environment(settings.model_copy(update={"delivery": DeliverySettings()})):
            os.environ.pop(name, None)


def is_used(settings: Settings) -> bool:
    """Whether e-mail is sent to the mailbox of this folder."""
    mail = settings.delivery.mail
    return mail.host == "127.0.0.1" and mail.port == _port(settings)


def letters(folder: Path) -> list[Letter]:
    """Messages of a folder, the newest last."""
    found = []
    for file in sorted(folder.glob("*.eml")):
        message = email.message_from_bytes(file.read_bytes(), policy=email.policy.default)
        at = datetime.datetime.fromtimestamp(file.stat().st_mtime, datetime.UTC)
        found.append(Letter(file, at, str(message["To"] or ""), str(message["Subject"] or "")))
    return found


class Mailbox:
    """The mail server, in threads of this process; a context manager.

    Parameters
    ----------
    folder : Path
        Where messages are written, as `.eml`.
    port : int
        Port on loopback.

    Raises
    ------
    LocalPlatformError
        If the port is taken.
    """

    def __init__(self, folder: Path, port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        numbers = itertools.count(1)

        class Handler(_Conversation):
            def keep(self, content: bytes) -> None:
                now = datetime.datetime.now(datetime.UTC)
                replace_atomically(folder / f"{now:%Y%m%dT%H%M%S.%f}-{next(numbers):06d}.eml", content)

        try:
            self._server = _Server(("127.0.0.1", port), Handler)
        except OSError as error:
            raise LocalPlatformError(f"the mailbox cannot listen on port {port}: {error}") from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="mailbox", daemon=True)

    def __enter__(self) -> Mailbox:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


class _Conversation(socketserver.StreamRequestHandler):
    timeout = 300.0

    def keep(self, content: bytes) -> None:
        """Write a message."""
        raise NotImplementedError

    def handle(self) -> None:
        """Receive messages until the client has none."""
        self._say("220 mailbox of broker-assets")
        while line := self.rfile.readline(_LONGEST_LINE):
            verb = line.decode("ascii", "replace").strip().partition(" ")[0].upper()
            if verb == "QUIT":
                self._say("221 bye")
                return
            if verb == "DATA":
                self._say("354 end with a dot")
                self._take()
            elif verb in ("EHLO", "HELO", "MAIL", "RCPT", "RSET", "NOOP"):
                self._say("250 OK")
            else:
                self._say("502 not known")

    def _take(self) -> None:
        lines: list[bytes] = []
        size = 0
        while (line := self.rfile.readline(_LONGEST_LINE)) not in (b"", b".\r\n", b".\n"):
            size += len(line)
            if size <= LARGEST:
                lines.append(line[1:] if line.startswith(b"..") else line)
        if not line:
            return  # the connection broke: nothing was received
        if size > LARGEST:
            self._say("552 too large")
            return
        self.keep(b"".join(lines))
        self._say("250 OK: written")

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def _port(settings: Settings) -> int | None:
    try:
        return int(json.loads((folder_of(settings) / "port.json").read_text())["port"])
    except (OSError, ValueError, KeyError):
        return None
