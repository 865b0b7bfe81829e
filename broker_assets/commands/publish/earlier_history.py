"""Reads the history database of the original publisher, so that files delivered by it are not delivered again."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Final

from broker_assets.telemetry.products.product import complete

DELIVERED: Final = (10, 11, 12)
"""Results of files that the archive has: published, identical to another one, supplement."""


class NoHistory(ValueError):
    """A file is not a history of the original publisher; the message names it."""


def delivered_names(path: Path) -> frozenset[str]:
    """Complete names of the files that a history lists as delivered; empty if the history does not exist yet.

    Raises
    ------
    NoHistory
        If the file is not such a history.
    """
    if not path.exists():
        return frozenset()
    marks = ", ".join("?" * len(DELIVERED))
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(f"SELECT name FROM published WHERE result IN ({marks})", DELIVERED).fetchall()  # noqa: S608
    except sqlite3.Error as error:
        raise NoHistory(f"{path} is not a history of the original publisher: {error}") from error
    return frozenset(complete(str(name)) for (name,) in rows)
