"""The materialised views of the first campaign: classifications by class, time from the peak and probability.

All of them are computed from `elasticc_view_dedupedclassifications`, in the order of `VIEWS`; `refresh` recomputes them
from the tables. Readers see the old content of all views, or the new content of all.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import psycopg
from psycopg import sql

VIEWS_VERSION: Final = "1"
"""Version of the definitions of the views, which are in the migrations."""
VIEWS: Final = (
    "elasticc_view_dedupedclassifications",
    "elasticc_view_classifications_totprobpersource",
    "elasticc_view_classifications_probmetrics",
    "elasticc_view_class_max_right_in_bin",
    "elasticc_view_class_max_right_hist",
    "elasticc_view_maxprobdiff",
    "elasticc_view_maxprobdiff_hist",
    "elasticc_view_nobjclassified_in_timebin",
    "elasticc_view_prevsourcecounts",
)
"""In an order in which each is refreshed after those that it reads."""
_LOCK: Final = 0x766965777331


class Content(NamedTuple):
    """Content of a view."""

    rows: int
    checksum: int
    """Sum of the hashes of its rows."""


def refresh(connection: psycopg.Connection[Any]) -> dict[str, Content]:
    """Recompute the views.

    Parameters
    ----------
    connection : psycopg.Connection
        Of the owner of the views; a transaction is opened in it.

    Returns
    -------
    dict
        By name of the view.
    """
    found: dict[str, Content] = {}
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        for name in VIEWS:
            # Readers wait only for the moment in which the changed rows are inserted.
            connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW CONCURRENTLY {}").format(sql.Identifier(name)))
            row = connection.execute(
                sql.SQL("SELECT count(*), coalesce(sum(hashtextextended(item::text, 0)), 0) FROM {} AS item").format(
                    sql.Identifier(name)
                )
            ).fetchone()
            found[name] = Content(int(row[0]), int(row[1])) if row is not None else Content(0, 0)
    return found
