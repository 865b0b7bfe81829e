"""The table of science requests: why data were requested, and how their triggers were scaled."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

from broker_assets.telemetry.decoding.triggers import DEFAULT_FACTOR


class RequestError(ValueError):
    """A request is not in the table, or is there twice; the message names it."""


@dataclass(frozen=True)
class RequestTable:
    """Rows by request id."""

    rows: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    file: str = ""

    @classmethod
    def read(cls, path: Path) -> RequestTable:
        """Read the CSV file (columns unique_id, scaling_factor, subject, purpose, comment, …).

        Rows whose id is no number are left out.
        """
        found: dict[int, list[dict[str, str]]] = {}
        with path.open(encoding="utf-8-sig", newline="") as stream:
            for row in csv.DictReader(stream):
                identifier = (row.get("unique_id") or "").strip()
                if identifier.isdigit():
                    found.setdefault(int(identifier), []).append(row)
        return cls(found, path.name)

    def scaling_factor(self, request: int) -> int:
        """Divisor of the triggers of a request; 30 if the table leaves it open.

        Raises
        ------
        RequestError
            If the request is unknown, stands there with different factors, or its factor is no number.
        """
        rows = self.rows.get(request)
        if not rows:
            raise RequestError(f"request {request} is not in the table of requests {self.file}".rstrip())
        cells = {(row.get("scaling_factor") or "").strip() for row in rows}
        if len(cells) > 1:
            raise RequestError(f"request {request} has several scaling factors: {', '.join(sorted(cells))}")
        cell = cells.pop()
        if not cell:
            return DEFAULT_FACTOR
        try:
            return int(float(cell))
        except ValueError as error:
            raise RequestError(f"request {request} has the scaling factor {cell!r}") from error

    def reason(self, request: int) -> str:
        """Subject, purpose and comment."""
        texts = [
            ", ".join(part for name in ("subject", "purpose", "comment") if (part := (row.get(name) or "").strip()))
            for row in self.rows.get(request, ())
        ]
        return " ".join(text for text in texts if text)
