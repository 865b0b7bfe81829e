"""Sinks that accept one message after the other: e-mail, webhooks, and chat through apprise.

Each function sends one request for one or several matches and returns its receipt and size, or raises how it failed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import psycopg

from broker_assets.chat import BadChatAddressError, ChatFailedError, ChatService, plain
from broker_assets.delivery import mail, webhooks
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.mail import MailServer
from broker_assets.delivery.messages import JsonObject, Message
from broker_assets.delivery.sinks import Sink
from broker_assets.delivery.writing import Writer, envelope
from broker_assets.settings.delivery import DeliverySettings
from broker_assets.settings.stream import SecretFileError

Written = JsonObject | bytes | MessageRefusedError
"""A message in the format of its sink, or why it cannot be written."""
Receipt = tuple[dict[str, Any], int]
"""Receipt, and size of what was sent in bytes."""
CHAT_ROWS: Final = 20
"""Most matches in one chat message; the rest are counted."""


def message_id(messages: Sequence[Message], authority: str) -> str:
    """Message-ID of an e-mail, the same whenever these messages are sent again.

    Examples
    --------
    >>> message_id([], "broker.example")
    '<d41d8cd98f00b204e9800998ecf8427e@broker.example>'
    """
    return f"<{request_id(messages)}@{authority}>"


def request_id(messages: Sequence[Message]) -> str:
    """Identifier of a request: the identity of a single message, or a hash of those of several."""
    if len(messages) == 1:
        return messages[0].identity
    return hashlib.md5("".join(one.identity for one in messages).encode(), usedforsecurity=False).hexdigest()


class Services:
    """Sends to sinks other than topics; not thread-safe.

    Parameters
    ----------
    settings : DeliverySettings
        Settings of sinks.
    writer : Writer
        Writes the messages.
    """

    def __init__(self, settings: DeliverySettings, writer: Writer) -> None:
        self._settings = settings
        self._writer = writer
        self.mail = MailServer(settings.mail)

    def written(
        self, connection: psycopg.Connection[Any], sink: Sink, messages: Sequence[Message]
    ) -> Mapping[int, Written]:
        """Each message in the format of the sink, by its number.

        Raises
        ------
        OSError
            If the packet archive is unavailable.
        """
        if sink.format in ("gcn", "voevent"):
            return self._writer.values(connection, {sink.sinkid: sink}, messages)
        return self._writer.records(connection, {sink.sinkid: sink}, messages)

    def send(self, sink: Sink, messages: Sequence[Message], written: Mapping[int, Written]) -> Receipt:
        """Send messages in one request.

        Parameters
        ----------
        sink, messages : Sink, sequence of Message
            The sink, and the messages.
        written : mapping
            Result of `written` for all of them.

        Raises
        ------
        SinkUnavailableError, MessageRefusedError
            If the sink did not accept it.
        """
        values = [written[message.deliveryid] for message in messages]
        records: list[JsonObject] = []
        for value in values:
            if isinstance(value, bytes):
                # One document in the format of another network, which has no lists.
                (_,) = messages
                return self._post(
                    sink, messages, value, "application/json" if sink.format == "gcn" else "application/xml"
                )
            if isinstance(value, MessageRefusedError):
                raise value
            records.append(value)
        if sink.kind == "email":
            return self._mail(sink, messages, records)
        if sink.kind == "apprise":
            return self._chat(sink, messages, records)
        return self._post(sink, messages, envelope(sink, messages, records), "application/json")

    def close(self) -> None:
        """Disconnect."""
        self.mail.close()

    def _mail(self, sink: Sink, messages: Sequence[Message], records: Sequence[JsonObject]) -> Receipt:
        settings = self._settings.mail
        composed = mail.compose(
            records,
            sender=settings.sender,
            recipient=sink.target,
            filter_name=sink.name,
            message_id=message_id(messages, self._writer.authority),
            objects_url=self._writer.objects_url,
            attachment_bytes=settings.attachment_bytes,
            date=max(message.created_at for message in messages).timestamp(),
            period=None if sink.schedule == "now" else sink.schedule,
        )
        reply = self.mail.send(composed)
        return {"smtp": reply, "message_id": str(composed["Message-ID"]), "to": sink.target}, len(composed.as_bytes())

    def _post(self, sink: Sink, messages: Sequence[Message], body: bytes, content_type: str) -> Receipt:
        try:
            secret = self._settings.revealed_webhook_key()
        except SecretFileError as error:
            raise SinkUnavailableError(str(error)) from None
        if secret is None:
            raise SinkUnavailableError("webhooks cannot be signed: set BROKER_DELIVERY__WEBHOOK_KEY_FILE")
        receipt = webhooks.post(
            sink.target,
            body,
            key=webhooks.key_of(secret, f"sink/{sink.sinkid}"),
            identity=request_id(messages),
            content_type=content_type,
            seconds=self._settings.webhook_seconds,
            private_addresses=self._settings.private_addresses,
        )
        return {**receipt, "webhook_id": request_id(messages)}, len(body)

    def _chat(self, sink: Sink, messages: Sequence[Message], records: Sequence[JsonObject]) -> Receipt:
        destination = self._settings.destinations.get(sink.target)
        if destination is None:
            raise SinkUnavailableError(f"the settings no longer have a destination {sink.target!r}")
        try:
            service = ChatService(destination.url.get_secret_value())
        except BadChatAddressError:
            raise SinkUnavailableError(
                f"the address of destination {sink.target!r} is not one that apprise knows"
            ) from None
        lines = []
        for message, one in list(zip(messages, records, strict=True))[:CHAT_ROWS]:
            # Column names and values may be somebody else's words, such as those of an annotator.
            columns = ", ".join(
                plain(f"{name} {value}"[:1000]) for name, value in one.items() if name.lower() != "diaobjectid"
            )
            lines.append(f"- [{message.diaobjectid}]({self._writer.objects_url}{message.diaobjectid}) {columns[:1000]}")
        if len(messages) > CHAT_ROWS:
            lines.append(f"\nAnd {len(messages) - CHAT_ROWS} more.")
        count = f"{len(messages)} match{'' if len(messages) == 1 else 'es'}"
        body = "\n".join(lines)
        try:
            service.send(f"{plain(sink.name)}: {count}", body)
        except ChatFailedError as error:
            said = f"the service behind {sink.target!r}: {error}"
            if not error.reached or error.status in webhooks.BUSY:
                raise SinkUnavailableError(said) from None
            raise MessageRefusedError(said, final=error.status in webhooks.FINAL) from None
        return {"accepted": True, "destination": sink.target}, len(body.encode())
