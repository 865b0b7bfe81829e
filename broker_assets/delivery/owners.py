"""Owners of filters, lists and annotators: their addresses, and messages to them.

A message is queued in the caller's transaction and sent by e-mail with other due messages (`sender`). Messages about
matches do not belong here: those are deliveries to the sinks of a filter.
"""

from __future__ import annotations

import re
from typing import Any, Final

import psycopg

Connection = psycopg.Connection[Any]

_ADDRESS: Final = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")
"""An address that browsers accept (HTML standard, `input type=email`): no quotes, comments or line ends."""


class BadAddressError(ValueError):
    """Not an e-mail address."""


def checked_address(address: str) -> str:
    """Check an e-mail address, and return it without surrounding blanks.

    Raises
    ------
    BadAddressError
        If it is not one, or longer than 254 characters (RFC 5321).
    """
    address = address.strip()
    if len(address) > 254 or not _ADDRESS.fullmatch(address):
        raise BadAddressError(f"not an e-mail address: {address[:300]!r}; expected something like name@example.org")
    return address


def notify(
    connection: Connection, owner: str, subject: str, text: str, *, cause: str | None = None, address: str | None = None
) -> int | None:
    """Queue a message to an owner, in the caller's transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        The transaction.
    owner, subject, text : str
        Recipient, subject (one line) and text.
    cause : str, optional
        Reason, such as `filter 3 paused at 17`: the owner is notified once for each cause.
    address : str, optional
        Address to use instead of the owner's, for example that of a facility to which the message is sent on their
        behalf.

    Returns
    -------
    int or None
        Number of the message; None if the owner has already been notified for this cause.
    """
    row = connection.execute(
        "INSERT INTO owner_messages (owner, subject, body, cause, address) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (owner, cause) WHERE cause IS NOT NULL DO NOTHING RETURNING messageid",
        (owner, " ".join(subject.split()), text, cause, None if address is None else checked_address(address)),
    ).fetchone()
    return None if row is None else int(row[0])


def set_contact(connection: Connection, owner: str, email: str | None) -> None:
    """Set the address of an owner, or remove it; messages that waited for an address become due at once.

    Raises
    ------
    BadAddressError
        If it is not an address.
    """
    address = None if email is None else checked_address(email)
    with connection.transaction():
        connection.execute(
            "INSERT INTO owner_contacts (owner, email) VALUES (%s, %s)"
            " ON CONFLICT (owner) DO UPDATE SET email = excluded.email, changed_at = now()",
            (owner, address),
        )
        connection.execute("UPDATE owner_messages SET due_at = now() WHERE owner = %s AND state = 'pending'", (owner,))


def contact(connection: Connection, owner: str) -> str | None:
    """Address of an owner, if there is one."""
    row = connection.execute("SELECT email FROM owner_contacts WHERE owner = %s", (owner,)).fetchone()
    return None if row is None else row[0]


def contacts(connection: Connection) -> list[tuple[str, str | None]]:
    """Owners with their addresses, by name."""
    return connection.execute("SELECT owner, email FROM owner_contacts ORDER BY owner").fetchall()
