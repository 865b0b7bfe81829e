"""The only class that the tests import."""

from __future__ import annotations

from tom_rows import Model


class QueryQueue(Model, table="db_queryqueue", key="queryid"):
    """Queued SQL."""
