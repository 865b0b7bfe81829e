"""Sends the messages to owners (`owners`) by e-mail."""

from __future__ import annotations

import json
import logging
from contextlib import closing
from typing import Any, Final

import psycopg

from broker_assets.backoff import SINK, pause_after
from broker_assets.database.turns import session_turn
from broker_assets.delivery import mail
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError, storable
from broker_assets.delivery.mail import MailServer
from broker_assets.settings.delivery import DeliverySettings

log = logging.getLogger(__name__)

_TURN: Final = "broker_assets letters"
_AT_A_TIME: Final = 100
_WITHOUT_ADDRESS: Final = "the owner has no address: `broker-assets delivery contacts set`"


def letters_due(connection: psycopg.Connection[Any]) -> bool:
    """Whether a message to an owner is due."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM owner_messages WHERE state = 'pending' AND due_at <= now())"
    ).fetchone()
    return bool(row and row[0])


def send_letters(connection: psycopg.Connection[Any], settings: DeliverySettings, authority: str) -> int:
    """Send the messages to owners that are due; return how many were delivered.

    Messages to owners without an address wait until there is one.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode.
    settings : DeliverySettings
        Settings with the mail server and limits.
    authority : str
        Host name in Message-IDs.
    """
    delivered = 0
    with session_turn(connection, _TURN) as free, closing(MailServer(settings.mail)) as server:
        if not free:
            return 0
        rows = connection.execute(
            "SELECT messageid, message.owner, subject, body, attempts, extract(epoch FROM created_at)::float8,"
            # Owners who want an address other than that of the account, or no messages, have a row.
            " CASE WHEN message.address IS NOT NULL THEN message.address"
            " WHEN contact.owner IS NULL THEN nullif(account.email, '') ELSE contact.email END"
            " FROM owner_messages AS message LEFT JOIN owner_contacts AS contact ON contact.owner = message.owner"
            " LEFT JOIN access.users AS account ON account.username = message.owner AND account.active"
            " WHERE state = 'pending' AND due_at <= now() ORDER BY messageid LIMIT %s",
            (_AT_A_TIME,),
        ).fetchall()
        for messageid, owner, subject, body, attempts, created, email in rows:
            if email is None:
                _wait(connection, messageid, _WITHOUT_ADDRESS, 86_400.0, attempts)
                continue
            try:
                letter = mail.notice(
                    sender=settings.mail.sender,
                    recipient=email,
                    subject=subject,
                    text=body,
                    message_id=f"<owner-{messageid}-{created:.0f}@{authority}>",
                    date=created,
                )
                reply = server.send(letter)
            except SinkUnavailableError as error:
                _wait(connection, messageid, str(error), pause_after(attempts + 1, SINK), attempts + 1)
                break
            except MessageRefusedError as error:
                if error.final or attempts + 1 >= settings.attempts:
                    connection.execute(
                        "UPDATE owner_messages SET state = 'dead', finished_at = now(), failure = %s,"
                        " attempts = attempts + 1 WHERE messageid = %s",
                        (str(error), messageid),
                    )
                else:
                    _wait(connection, messageid, str(error), pause_after(attempts + 1, SINK), attempts + 1)
            except Exception as error:
                # A defect triggered by one message must not affect those behind it.
                log.exception("message %s to %s", messageid, owner)
                reason = storable(f"a defect of the platform: {type(error).__name__}: {error}")
                _wait(connection, messageid, reason, pause_after(attempts + 1, SINK), attempts + 1)
            else:
                delivered += 1
                connection.execute(
                    "UPDATE owner_messages SET state = 'delivered', finished_at = now(), failure = NULL,"
                    " attempts = attempts + 1, receipt = %s::jsonb WHERE messageid = %s",
                    (json.dumps({"smtp": reply, "to": email}), messageid),
                )
    return delivered


def _wait(connection: psycopg.Connection[Any], messageid: int, reason: str, seconds: float, attempts: int) -> None:
    connection.execute(
        "UPDATE owner_messages SET failure = %s, due_at = now() + make_interval(secs => %s), attempts = %s"
        " WHERE messageid = %s",
        (reason[:2000], seconds, attempts, messageid),
    )
