"""`connection.cursor()`, in which statements of the tests run, each as a transaction."""

from __future__ import annotations

from typing import Any

import psycopg
import tom_connection


class _Connection:
    """The connection of this process."""

    def cursor(self) -> psycopg.Cursor[Any]:
        """A cursor, also for `with`."""
        return tom_connection.connection().cursor()

    def close(self) -> None:
        """Close it; the next cursor opens another."""
        tom_connection.disconnect()


connection = _Connection()
