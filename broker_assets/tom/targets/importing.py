"""Imports the targets of a file into an account, row by row; a row that is not valid is refused with the reason."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import Any

import psycopg

from broker_assets.access import sharing
from broker_assets.access.accounts import User
from broker_assets.access.refusals import NameTaken
from broker_assets.access.sharing import CannotShare
from broker_assets.tom.targets.csv_files import Refused, Row, read_targets
from broker_assets.tom.targets.lists import add
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import make

Connection = psycopg.Connection[Any]


@dataclass
class Imported:
    """Result of an import."""

    made: list[int] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    """Refused rows, by line."""
    header: str = ""

    @property
    def rest(self) -> str:
        """The refused rows as a file, to be corrected and imported."""
        return "".join(f"{line}\n" for line in (self.header, *(one.text for one in self.refused)))


def import_targets(
    connection: Connection,
    user: User,
    content: bytes | str,
    *,
    most: int | None = None,
    listid: int | None = None,
) -> Imported:
    """Create the targets in a file.

    A target is shared with the groups in its row, of which the account must be a member.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it for the file, and a savepoint for each row.
    user : User
        The new owner.
    content : bytes or str
        See `csv_files.read_targets`.
    most : int, optional
        Most targets to create; further rows are refused.
    listid : int, optional
        List of the account to which they are added.

    Returns
    -------
    Imported

    Raises
    ------
    BadFile
        If the file cannot be read; nothing is created then.
    UnknownList, NotTheOwner
        If the list does not belong to the account; nothing is created then.
    """
    reading = read_targets(content)
    found = Imported(refused=list(reading.refused), header=reading.header)
    reader = Reader.of(user)
    with connection.transaction():
        for row in reading.rows:
            try:
                if most is not None and len(found.made) >= most:
                    raise NameTaken(f"you may have {most:,} more targets, and this would be one too many")
                found.made.append(_made(connection, user, row))
            except (NameTaken, CannotShare) as error:
                found.refused.append(Refused(row.line, _text(content, row.line), str(error)))
        if listid is not None:
            add(connection, reader, listid, found.made)
    found.refused.sort(key=lambda one: one.line)
    return found


def _made(connection: Connection, user: User, row: Row) -> int:
    with connection.transaction():
        number = make(connection, user.username, row.draft)
        if row.groups:
            sharing.share(connection, user, "target", str(number), row.groups)
    return number


def _text(content: bytes | str, line: int) -> str:
    """The row that begins at a line, as it is in the file."""
    text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    # Lines as the reader of CSV counts them: other separators, such as U+2028, are characters of a cell.
    lines = [one.rstrip("\r\n") for one in io.StringIO(text, newline="")]
    found = lines[line - 1] if line <= len(lines) else ""
    following = line
    while found.count('"') % 2 and following < len(lines):
        found += "\n" + lines[following]
        following += 1
    return found
