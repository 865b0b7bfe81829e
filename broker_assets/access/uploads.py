"""List files that accounts uploaded: what was accepted, and which lines were not, with the reason."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import psycopg

from broker_assets.access.accounts import User

Connection = psycopg.Connection[Any]
Kind = Literal["watchlist", "area"]

KEPT: Final = 30
"""Number of uploads of an account that are kept."""
MOST_REJECTS: Final = 5000
"""Number of rejected lines of an upload that are kept; the others are only counted."""


class Rejected(Protocol):
    """A line that was not accepted."""

    @property
    def line(self) -> int:
        """Number of the line, from 1; 0: the whole file."""
        ...

    @property
    def text(self) -> str:
        """The line as it was written."""
        ...

    @property
    def reason(self) -> str:
        """What is wrong."""
        ...


class UnknownUpload(LookupError):
    """There is no upload with this number, or it belongs to another account."""


@dataclass(frozen=True)
class Upload:
    """An upload."""

    uploadid: int
    kind: Kind
    item: int | None
    """The list; None if the file was refused."""
    name: str
    at: datetime.datetime
    accepted: int
    rejected: list[dict[str, Any]]
    """`line`, `text` and `reason` of each line that is kept."""
    rejects: int
    """Number of lines that were not accepted."""

    def as_csv(self) -> str:
        """Return the lines that were not accepted as a file: each after a comment that says what is wrong with it."""
        lines = io.StringIO()
        for one in self.rejected:
            lines.write(f"# line {one['line']}: {' '.join(str(one['reason']).split())}\n{one['text']}\n")
        return lines.getvalue()


def remember(
    connection: Connection,
    user: User,
    kind: Kind,
    item: int | None,
    name: str,
    accepted: int,
    rejected: Sequence[Rejected],
) -> int:
    """Keep the outcome of an upload; the account's oldest ones are forgotten.

    Returns
    -------
    int
        `uploadid`.
    """
    kept = [{"line": one.line, "text": one.text, "reason": one.reason} for one in rejected[:MOST_REJECTS]]
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO access.uploads (userid, kind, item, name, accepted, rejected, rejects)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s) RETURNING uploadid",
            (user.userid, kind, item, name[:200], accepted, json.dumps(kept), len(rejected)),
        ).fetchone()
        connection.execute(
            "DELETE FROM access.uploads WHERE userid = %s AND uploadid NOT IN"
            " (SELECT uploadid FROM access.uploads WHERE userid = %s ORDER BY uploadid DESC LIMIT %s)",
            (user.userid, user.userid, KEPT),
        )
    if row is None:
        raise LookupError("INSERT … RETURNING gave no row")
    return int(row[0])


def get(connection: Connection, user: User, uploadid: int) -> Upload:
    """An upload of an account.

    Raises
    ------
    UnknownUpload
        If the account has none of this number.
    """
    row = connection.execute(f"{_SELECT} AND uploadid = %s", (user.userid, uploadid)).fetchone()
    if row is None:
        raise UnknownUpload(f"there is no upload {uploadid}")
    return Upload(*row)


def of_list(connection: Connection, user: User, kind: Kind, item: int) -> list[Upload]:
    """Uploads of an account to a list, the newest first."""
    rows = connection.execute(
        f"{_SELECT} AND kind = %s AND item = %s ORDER BY uploadid DESC LIMIT 10", (user.userid, kind, item)
    )
    return [Upload(*row) for row in rows]


_SELECT: Final = (
    "SELECT uploadid, kind, item, name, at, accepted, rejected, rejects FROM access.uploads WHERE userid = %s"
)
