"""Brings the table of requests up to date from a web service, month by month."""

from __future__ import annotations

import csv
import io
import logging
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from broker_assets.http import HttpClient, HttpError
from broker_assets.storage.atomic import replace_atomically
from broker_assets.telemetry.inputs.requests import IDENTIFIER

logger = logging.getLogger(__name__)

FIRST_DAY = date(2019, 1, 1)
STEP = timedelta(days=30)
OVERLAP = timedelta(days=60)
"""Requests are fetched again for this long, in case they are edited later."""
TIMEOUT = 30.0
"""Seconds to wait for an answer."""


def update(
    path: Path, url: str, *, today: date | None = None, seconds: float | None = None, strict: bool = False
) -> int:
    """Add requests since the newest one of the table; newer rows replace those with the same `_id`.

    Rows of the table that do not have one field for each column stay as they are, behind the others, until the service
    has the same request.

    Parameters
    ----------
    path : Path
        CSV file; made if it does not exist, replaced atomically if anything is new.
    url : str
        Answers `<url><yyyymmdd>/<yyyymmdd>` with CSV rows.
    today : date, optional
    seconds : float, optional
        Time limit; months that are not requested in time follow the next time.
    strict : bool
        Whether a failure is raised, after the months before it have been written.

    Returns
    -------
    int
        Rows of the table. A failure ends the update with a warning and keeps what there is.

    Raises
    ------
    OSError, UnicodeDecodeError
        The failure, if `strict`.
    ValueError
        If `url` is not a web address.
    """
    failure: OSError | UnicodeDecodeError | None = None
    if not url.startswith(("http://", "https://", "file://")):
        raise ValueError(f"{url} is not a web address")
    rows: dict[str, dict[str, str]] = {}
    odd: list[tuple[str, list[str]]] = []
    fields: list[str] = []
    before: bytes | None = None
    if path.is_file():
        before = path.read_bytes()
        fields = _merge(before.decode("utf-8-sig"), rows, fields, odd)
    columns = len(fields)
    kept: list[list[str]] = []
    end = today or datetime.now(UTC).date()
    day = max(_newest(rows, end) - OVERLAP, FIRST_DAY)
    deadline = None if seconds is None else time.monotonic() + seconds
    while day <= end:
        left = TIMEOUT if deadline is None else min(TIMEOUT, deadline - time.monotonic())
        if left <= 0:
            logger.warning("requests from %s onwards were not fetched: the time limit was reached", day)
            break
        until = day + STEP
        address = f"{url}{day:%Y%m%d}/{until:%Y%m%d}"
        try:
            text = _content(address, left).decode("utf-8")
            fields = _merge(text, rows, fields)
        except (OSError, UnicodeDecodeError) as error:
            logger.warning("requests from %s cannot be fetched: %s", address, error)
            failure = error
            break
        day = until
    if fields:
        stream = io.StringIO(newline="")
        writer = csv.DictWriter(stream, fields, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
        kept = [values for key, values in odd if key not in rows]
        for values in kept:
            # With new columns, a row with too many fields must not become one whose fields seem to be in place.
            surplus = len(fields) + 1 - len(values) if len(values) > columns else 0
            csv.writer(stream, lineterminator="\n").writerow([*values, *[""] * max(surplus, 0)])
        content = stream.getvalue().encode("utf-8")
        # Watchers of the file must not see a change if there is none.
        if content != before:
            replace_atomically(path, content)
    if strict and failure is not None:
        raise failure
    return len(rows) + len(kept)


def _content(address: str, seconds: float) -> bytes:
    """Content of a file or of an answer of a web service; raises OSError, of which `HttpError` is a subclass."""
    parts = urlsplit(address)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path)).read_bytes()
    # No key is sent, so the service may redirect to any other host.
    with HttpClient(timeout=seconds, other_hosts=True) as client:
        answer = client.get(address)
    if not answer.ok:
        raise HttpError(f"HTTP {answer.status}")
    return answer.content


def _newest(rows: dict[str, dict[str, str]], today: date) -> date:
    """Day of the newest request; a date that is damaged, or far in the future, would end all updates if it counted."""
    found = [FIRST_DAY]
    for row in rows.values():
        try:
            found.append(date.fromisoformat((row.get("start_utc") or "").strip()[:10]))
        except ValueError:
            continue
    return max(day for day in found if day <= today + OVERLAP or day == FIRST_DAY)


def _merge(
    text: str, rows: dict[str, dict[str, str]], fields: list[str], odd: list[tuple[str, list[str]]] | None = None
) -> list[str]:
    """Add the rows of a text; return the columns of all texts, since later ones may have more.

    Rows without one field for each column are added to `odd`, or left out if there is none.

    Raises
    ------
    OSError
        If the text is not empty and has no requests, as the page of a proxy; nothing of it is added.
    """
    try:
        reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff")))
        named = [name.strip().lower() for name in reader.fieldnames or ()]
        if text.strip() and IDENTIFIER not in named:
            raise OSError(f"not a table of requests: no column {IDENTIFIER}, but {', '.join(named)[:80]!r}")
        reader.fieldnames = named
        added = {}
        for row in reader:
            key = (row.get("_id") or "") + "\0" + (row.get(IDENTIFIER) or "")
            if None in row or None in row.values():  # written again, its fields would look as if they were in place
                logger.warning("request %s is %s: line %d does not have one field for each column",
                               (row.get(IDENTIFIER) or "")[:40], "left out" if odd is None else "left as it is",
                               reader.line_num)  # fmt: skip
                if odd is not None:
                    surplus: Any = row.pop(None, [])  # type: ignore[call-overload]
                    odd.append((key, [*(row[name] for name in named if row[name] is not None), *surplus]))
            else:
                added[key] = row
    except csv.Error as error:
        raise OSError(f"not a table of requests: {error}") from error
    rows.update(added)
    return [*fields, *(name for name in named if name not in fields)]
