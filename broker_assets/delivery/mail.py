"""E-mail: writing messages, and the mail server.

A message about matches has a text, an HTML table in which objects link to their pages, and the records as a JSON
attachment, unless that is too large.
"""

from __future__ import annotations

import html
import smtplib
import socket
import ssl
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from typing import Any, Final

from broker_assets.delivery.deadline import Deadline
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError, storable
from broker_assets.delivery.messages import as_json
from broker_assets.settings.delivery import MailSettings
from broker_assets.settings.stream import SecretFileError

TABLE_ROWS: Final = 500
"""Most matches in the text and table of one message; the attachment has all."""
CONVERSATION: Final = 4
"""A message may take this many times the limit of one answer, however long the server keeps talking."""
_TABLE: Final = 'border="1" cellspacing="0" cellpadding="4"'


def compose(
    records: Sequence[Mapping[str, Any]],
    *,
    sender: str,
    recipient: str,
    filter_name: str,
    message_id: str,
    objects_url: str,
    attachment_bytes: int,
    date: float,
    period: str | None = None,
) -> EmailMessage:
    """Write a message about matches.

    Parameters
    ----------
    records : sequence of mapping
        See `messages.record`.
    sender, recipient : str
        Addresses.
    filter_name : str
        Name of the filter, for the subject.
    message_id : str
        Message-ID, the same whenever the message is sent again, so that receivers recognise it.
    objects_url : str
        Address of the pages of objects, to which the identifier is added.
    attachment_bytes : int
        Attachments larger than this are left out.
    date : float
        Unix time of the newest match.
    period : str, optional
        For digests: `hour` or `day`.
    """
    rows = [{name: value for name, value in one.items() if name != "alert"} for one in records]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    shown = rows[:TABLE_ROWS]
    name = " ".join(filter_name.split())
    found = EmailMessage()
    found["From"], found["To"] = sender, recipient
    objects = [str(value) for row in rows for key, value in row.items() if key.lower() == "diaobjectid"]
    if period is None and len(rows) == 1:
        found["Subject"] = f"{name}: {f'object {objects[0]}' if objects else 'one match'}"
    else:
        count = f"{len(rows)} match{'' if len(rows) == 1 else 'es'}"
        found["Subject"] = f"{name}: {count}" + (f" of the {period}" if period else "")
    found["Message-ID"] = message_id
    found["Date"] = formatdate(date)
    found["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
    attachment = as_json(list(records))
    notes = []
    if len(rows) > TABLE_ROWS:
        notes.append(f"The first {TABLE_ROWS} of {len(rows)} matches are shown here.")
    if len(attachment) > attachment_bytes:
        notes.append(f"The JSON attachment is left out: it has {len(attachment):,} bytes.")
    text = [" | ".join(columns), *(" ".join(_cell(row.get(key)) for key in columns) for row in shown)]
    if objects:
        text += ["", *(f"{objects_url}{one}" for one in dict.fromkeys(objects[:TABLE_ROWS]))]
    found.set_content("\n".join([*text, "", *notes, ""]))
    found.add_alternative(_page(name, columns, shown, notes, objects_url), subtype="html")
    if len(attachment) <= attachment_bytes:
        found.add_attachment(attachment, maintype="application", subtype="json", filename="matches.json")
    return found


def notice(*, sender: str, recipient: str, subject: str, text: str, message_id: str, date: float) -> EmailMessage:
    """Write a message to an owner."""
    found = EmailMessage()
    found["From"], found["To"], found["Subject"] = sender, recipient, f"[broker-assets] {' '.join(subject.split())}"
    found["Message-ID"], found["Date"], found["Auto-Submitted"] = message_id, formatdate(date), "auto-generated"
    found.set_content(text)
    return found


class MailServer:
    """The mail server of the settings; a connection serves several messages.

    Parameters
    ----------
    settings : MailSettings
        Its address and our credentials.
    """

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._open: smtplib.SMTP | None = None

    def send(self, message: EmailMessage) -> str:
        """Send a message, and return the server's reply.

        Raises
        ------
        SinkUnavailableError
            If the server is unavailable, not configured, or asks to try again later (4xx).
        MessageRefusedError
            If it refuses the message or its recipient.
        """
        if self._settings.host is None:
            raise SinkUnavailableError("no mail server is configured: set BROKER_DELIVERY__MAIL__HOST")
        deadline = Deadline(CONVERSATION * self._settings.seconds)
        begun = False
        try:
            with deadline:
                server = self._connected(deadline)
                begun = True
                return self._sent(server, message)
        except smtplib.SMTPServerDisconnected as error:
            self.close()
            raise SinkUnavailableError(f"the mail server closed the connection: {error}") from None
        except smtplib.SMTPRecipientsRefused as error:
            self._reset()
            ((code, reply),) = error.recipients.values()
            raise _refused(code, reply) from None
        except smtplib.SMTPResponseException as error:
            if not begun or isinstance(error, smtplib.SMTPSenderRefused):
                self.close()
                what = "our address" if begun else "us"  # whatever the message
                raise SinkUnavailableError(
                    f"the mail server refuses {what}: {error.smtp_code} {_text(error.smtp_error)}"
                ) from None
            self._reset()
            raise _refused(error.smtp_code, error.smtp_error) from None
        except SecretFileError as error:
            raise SinkUnavailableError(f"the password of the mail server is missing: {error}") from None
        except (OSError, smtplib.SMTPException) as error:
            self.close()
            where = f"{self._settings.host}:{self._settings.port}"
            raise SinkUnavailableError(f"mail server {where}: {type(error).__name__}: {error}") from None

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._open is not None:
            try:
                self._open.quit()
            except (OSError, smtplib.SMTPException):
                self._open.close()
            self._open = None

    def _sent(self, server: smtplib.SMTP, message: EmailMessage) -> str:
        # `send_message` does not return the reply, which is the receipt.
        code, reply = server.mail(str(message["From"]))
        if code // 100 != 2:
            raise smtplib.SMTPSenderRefused(code, reply, str(message["From"]))
        code, reply = server.rcpt(str(message["To"]))
        if code // 100 != 2:
            raise smtplib.SMTPRecipientsRefused({str(message["To"]): (code, reply)})
        # Not every server takes 8 bits.
        code, reply = server.data(message.as_bytes(policy=SMTP.clone(cte_type="7bit")))
        if code != 250:
            raise smtplib.SMTPDataError(code, reply)
        return f"{code} {_text(reply)}"

    def _connected(self, deadline: Deadline) -> smtplib.SMTP:
        if self._open is not None:
            try:
                deadline.ends(_socket(self._open))
                if self._open.noop()[0] == 250:
                    return self._open
            except (OSError, smtplib.SMTPException):
                pass
            self.close()
        settings = self._settings
        host, port, seconds = settings.host or "", settings.port, settings.seconds
        # Without a context, the library accepts the certificate of anybody, who then gets the password.
        server = (
            smtplib.SMTP_SSL(host, port, timeout=seconds, context=ssl.create_default_context())
            if settings.tls
            else smtplib.SMTP(host, port, timeout=seconds)
        )
        try:
            deadline.ends(_socket(server))
            server.ehlo_or_helo_if_needed()
            if settings.starttls:
                server.starttls(context=ssl.create_default_context())
                deadline.ends(_socket(server))
                server.ehlo_or_helo_if_needed()  # what was said before does not count (RFC 3207, 4.2)
            if settings.username is not None:
                server.login(settings.username, settings.revealed_password())
        except BaseException:
            server.close()
            raise
        self._open = server
        return server

    def _reset(self) -> None:
        if self._open is not None:
            try:
                self._open.rset()
            except (OSError, smtplib.SMTPException):
                self.close()


def _refused(code: int, reply: bytes | str) -> MessageRefusedError | SinkUnavailableError:
    said = f"{code} {_text(reply)}"
    if code == 421 or code // 100 not in (4, 5):
        return SinkUnavailableError(f"the mail server answers {said}")
    # These concern our account, not the message.
    if code in (530, 534, 535, 538):
        return SinkUnavailableError(f"the mail server refuses our user: {said}")
    # And these the conversation (RFC 5321, 4.2.2).
    if code in (500, 502, 503, 504):
        return SinkUnavailableError(f"the mail server does not follow us: {said}")
    return MessageRefusedError(f"the mail server answers {said}", final=code // 100 == 5)


def _text(reply: bytes | str) -> str:
    said = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    return storable(said.replace("\n", " ")[:500])


def _socket(server: smtplib.SMTP) -> socket.socket:
    if server.sock is None:
        raise smtplib.SMTPServerDisconnected("not connected")
    return server.sock


def _cell(value: Any) -> str:
    if value is None:
        return ""
    # As in the attachment, not as Python writes it.
    return as_json(value).decode() if isinstance(value, bool | Mapping | list) else str(value)


def _page(
    name: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]], notes: Sequence[str], objects_url: str
) -> str:
    def cell(key: str, value: Any) -> str:
        text = html.escape(_cell(value))
        if key.lower() == "diaobjectid":
            text = f'<a href="{html.escape(objects_url, quote=True)}{text}">{text}</a>'
        return f"<td>{text}</td>"

    head = "".join(f"<th>{html.escape(key)}</th>" for key in columns)
    body = "\n".join(f"<tr>{''.join(cell(key, row.get(key)) for key in columns)}</tr>" for row in rows)
    below = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return (
        f"<html><body><h3>{html.escape(name)}</h3>\n<table {_TABLE}>\n<tr>{head}</tr>\n{body}\n</table>{below}"
        "</body></html>"
    )
