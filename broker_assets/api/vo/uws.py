"""Documents of asynchronous jobs (IVOA UWS 1.1)."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from broker_assets.filters.tap_jobs import Job
from broker_assets.instants import instant

_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'
_WITHOUT_VERSION: Final = (
    'xmlns:uws="http://www.ivoa.net/xml/UWS/v1.0" xmlns:xlink="http://www.w3.org/1999/xlink"'
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
)
_NAMESPACES: Final = f'{_WITHOUT_VERSION} version="1.1"'


def time(value: datetime.datetime) -> str:
    """A time as in DALI: ISO 8601, UTC, to the millisecond.

    Examples
    --------
    >>> time(datetime.datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=datetime.UTC))
    '2026-01-02T03:04:05.678Z'
    """
    return f"{value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def read_time(text: str) -> datetime.datetime:
    """Read a time as in DALI; without a time zone it is UTC.

    Raises
    ------
    ValueError
        If the text is not such a time.
    """
    return instant(text.strip())


def job(found: Job, address: str) -> str:
    """A job.

    Parameters
    ----------
    found : Job
        The job.
    address : str
        Address of the job.
    """
    parts = [
        f"<uws:jobId>{escape(found.jobid)}</uws:jobId>",
        f"<uws:runId>{_text(found.parameters['RUNID'])}</uws:runId>" if found.parameters.get("RUNID") else "",
        _optional("ownerId", found.username or None),
        f"<uws:phase>{found.phase}</uws:phase>",
        _optional("quote", None),
        f"<uws:creationTime>{time(found.asked_at)}</uws:creationTime>",
        _optional("startTime", None if found.begun_at is None else time(found.begun_at)),
        _optional("endTime", None if found.finished_at is None else time(found.finished_at)),
        f"<uws:executionDuration>{found.duration}</uws:executionDuration>",
        f"<uws:destruction>{time(found.destruction)}</uws:destruction>",
        _parameters(found),
        _results(found, address),
        _error(found),
    ]
    return f"{_HEAD}<uws:job {_NAMESPACES}>{''.join(parts)}</uws:job>\n"


def jobs(found: Iterable[Job], address: str) -> str:
    """A list of jobs; `address` is that of the list."""
    items = [
        f"<uws:jobref id={quoteattr(one.jobid)} xlink:href={quoteattr(f'{address}/{one.jobid}')}>"
        f"<uws:phase>{one.phase}</uws:phase>{_optional('runId', one.parameters.get('RUNID'))}"
        f"{_optional('ownerId', one.username or None)}<uws:creationTime>{time(one.asked_at)}</uws:creationTime>"
        "</uws:jobref>"
        for one in found
    ]
    return f"{_HEAD}<uws:jobs {_NAMESPACES}>{''.join(items)}</uws:jobs>\n"


def parameters(found: Job) -> str:
    """Parameters of a job."""
    return f"{_HEAD}{_parameters(found, _WITHOUT_VERSION)}\n"


def results(found: Job, address: str) -> str:
    """Results of a job."""
    return f"{_HEAD}{_results(found, address, _WITHOUT_VERSION)}\n"


def _parameters(found: Job, attributes: str = "") -> str:
    items = "".join(
        f"<uws:parameter id={quoteattr(name)}>{_text(value)}</uws:parameter>"
        for name, value in found.parameters.items()
    )
    return f"<uws:parameters{f' {attributes}' if attributes else ''}>{items}</uws:parameters>"


def _results(found: Job, address: str, attributes: str = "") -> str:
    item = ""
    if found.phase == "COMPLETED":
        item = (
            f'<uws:result id="result" xlink:href={quoteattr(f"{address}/results/result")}'
            f' mime-type={quoteattr(found.media_type)} size="{found.bytes}"/>'
        )
    return f"<uws:results{f' {attributes}' if attributes else ''}>{item}</uws:results>"


def _error(found: Job) -> str:
    if found.phase != "ERROR":
        return ""
    kind = "transient" if "its process ended" in found.said else "fatal"
    return (
        f'<uws:errorSummary type="{kind}" hasDetail="true"><uws:message>{_text(found.said)}</uws:message>'
        "</uws:errorSummary>"
    )


def _optional(name: str, value: str | None) -> str:
    return f'<uws:{name} xsi:nil="true"/>' if value is None else f"<uws:{name}>{_text(value)}</uws:{name}>"


def _text(value: str) -> str:
    return escape("".join(sign if sign >= " " or sign in "\t\n\r" else "\ufffd" for sign in value))
