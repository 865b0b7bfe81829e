"""The table of science requests: why data were requested, and how their triggers were scaled."""

from __future__ import annotations

import csv
import io
import logging
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from broker_assets.telemetry.decoding.triggers import DEFAULT_FACTOR
from broker_assets.telemetry.inputs.documents import bounded_text

logger = logging.getLogger(__name__)

MOST_LINES = 20
"""Lines of a row, at most; a comment may have a few."""
IDENTIFIER = "unique_id"
"""Column of request ids; a file without it is not a table of requests."""


SURPLUS = "\0fields"
"""Key of a row with more or fewer fields than columns, whose fields are not all what their columns say: its place."""


class RequestError(ValueError):
    """A request is not in the table, or is in it twice; the message names it."""


@dataclass(frozen=True)
class RequestTable:
    """Rows by request id."""

    rows: dict[int, list[dict[str, str]]] = field(default_factory=dict)
    file: str = ""

    @classmethod
    def read(cls, path: Path) -> RequestTable:
        """Read the CSV file (columns unique_id, scaling_factor, subject, purpose, comment, …).

        Rows whose id is not a number are left out; how many is logged.

        Raises
        ------
        RequestError
            If it has other columns or is not a CSV file; the message says which it has. Case and spaces of their names
            do not matter.
        OSError
            If it cannot be read.
        """
        found: dict[int, list[dict[str, str]]] = {}
        left_out: list[int] = []
        try:
            reader = csv.DictReader(io.StringIO(bounded_text(path), newline=""), restkey=SURPLUS, restval=None)
            if reader.fieldnames is not None:
                reader.fieldnames = [name.strip().lower() for name in reader.fieldnames]
            if reader.fieldnames is not None and IDENTIFIER not in reader.fieldnames:
                columns = ", ".join(str(name)[:40] for name in reader.fieldnames[:20])
                raise RequestError(f"{path} is not a table of requests: it has no column {IDENTIFIER}, but {columns}")
            twice = next((name for name, times in Counter(reader.fieldnames or ()).items() if name and times > 1), None)
            if twice is not None:
                raise RequestError(f"{path} has two columns {twice[:40]}; it is not known which is meant")
            begin = reader.line_num
            for row in reader:
                first, begin = begin + 1, reader.line_num
                identifier = (row.get(IDENTIFIER) or "").strip()
                # Spreadsheets and pandas write whole numbers as 7.0 where a column has an empty cell.
                if re.fullmatch(r"[0-9]{1,10}(\.0{0,6})?", identifier):
                    if SURPLUS in row or None in row.values():
                        row = {name: cell or "" for name, cell in row.items() if name != SURPLUS}
                        row[SURPLUS] = f"line {first}"
                    found.setdefault(int(identifier.partition(".")[0]), []).append(row)
                elif any(row.values()):
                    left_out.append(first)
                if begin - first > MOST_LINES:
                    logger.warning(
                        "%s: lines %d to %d are one row, as an open quote makes them; their requests are not found",
                        path, first, begin,
                    )  # fmt: skip
        except csv.Error as error:
            raise RequestError(f"{path} is not a table of requests: {error}") from error
        if left_out:
            logger.warning(
                "%s: %d rows have no number as request id and are left out; the first is line %d",
                path, len(left_out), left_out[0],
            )  # fmt: skip
        return cls(found, path.name)

    def scaling_factor(self, request: int) -> int:
        """Divisor of the triggers of a request; 30 if the table leaves it open.

        Raises
        ------
        RequestError
            If the request is unknown or has several factors, its factor is not a number of at least 1, or its row has
            more or fewer fields than there are columns, so that another field may be in the place of the factor.
        """
        rows = self.rows.get(request)
        if not rows:
            raise RequestError(f"request {request} is not in the table of requests {self.file}".rstrip())
        odd = next((row[SURPLUS] for row in rows if SURPLUS in row), None)
        if odd is not None:
            raise RequestError(
                f"{odd} of {self.file or 'the table'}, request {request}, does not have one field for each column:"
                " its scaling factor is not known"
            )
        cells = {(row.get("scaling_factor") or "").strip() for row in rows}
        factors = {_factor(request, cell) for cell in cells}
        if len(factors) > 1:
            raise RequestError(f"request {request} has several scaling factors: {', '.join(sorted(cells))}")
        return factors.pop()

    def reason(self, request: int) -> str:
        """Subject, purpose and comment."""
        texts = [
            ", ".join(part for name in ("subject", "purpose", "comment") if (part := (row.get(name) or "").strip()))
            for row in self.rows.get(request, ())
        ]
        return " ".join(text for text in texts if text)


def _factor(request: int, cell: str) -> int:
    """Integer part of the number in a cell; that of an empty one is the default."""
    if not cell:
        return DEFAULT_FACTOR
    try:
        factor = int(float(cell))
    except (ValueError, OverflowError) as error:
        raise RequestError(f"request {request} has the scaling factor {cell!r}") from error
    if factor < 1:
        raise RequestError(f"request {request} has the scaling factor {cell!r}")
    return factor
