"""What can go wrong for a client: the server refuses with a problem, or is not reached."""

from __future__ import annotations

from typing import Any


class BrokerUnreachable(ConnectionError):
    """The server does not answer, or what answers is not a broker."""


class BrokerProblem(Exception):
    """The server refused a request.

    Attributes
    ----------
    status : int
        HTTP status.
    kind : str
        Stable name, such as `not-found`.
    detail, advice : str
        What was wrong, and what to do.
    errors : list of dict
        Each parameter that was wrong.
    """

    def __init__(self, status: int, document: dict[str, Any]) -> None:
        self.status = status
        self.kind = str(document.get("type") or "").rpartition(":")[2]
        self.detail = str(document.get("detail") or f"status {status}")
        self.advice = str(document.get("advice") or "")
        errors = document.get("errors")
        self.errors: list[dict[str, Any]] = errors if isinstance(errors, list) else []
        super().__init__(f"{self.detail} ({self.advice})" if self.advice else self.detail)
