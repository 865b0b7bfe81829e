"""Documents of jobs."""

from __future__ import annotations

import datetime
from typing import Any
from xml.etree import ElementTree

import pytest

from broker_assets.api.vo import uws
from broker_assets.filters.tap_jobs import Job

NOW = datetime.datetime(2026, 1, 2, tzinfo=datetime.UTC)


def _job(**values: Any) -> Job:
    given: dict[str, Any] = {
        "jobid": "a1", "userid": 1, "username": "a&b", "phase": "PENDING", "parameters": {"QUERY": "a < b\x00"},
        "most_rows": 5, "duration": 9, "destruction": NOW, "server": "", "attempts": 0, "said": "", "media_type": "",
        "bytes": 0, "asked_at": NOW, "begun_at": None, "finished_at": None,
    }  # fmt: skip
    return Job(**given | values)


def test_documents_are_xml() -> None:
    one = _job(phase="COMPLETED", media_type="text/csv", bytes=7)
    for text in (
        uws.job(one, "http://b/?a&b"),
        uws.jobs([one, _job()], "http://b"),
        uws.parameters(one),
        uws.results(one, "http://b"),
        uws.job(_job(phase="ERROR", said="its process ended <now>"), "http://b"),
    ):
        ElementTree.fromstring(text)  # noqa: S314
    assert 'size="7"' in uws.job(one, "x")
    assert 'type="transient"' in uws.job(_job(phase="ERROR", said="its process ended"), "x")
    assert "result" not in uws.results(_job(), "x").replace("uws:results", "")


def test_times() -> None:
    assert uws.read_time("2026-01-02T00:00:00") == NOW == uws.read_time("2026-01-02T01:00:00+01:00")
    with pytest.raises(ValueError, match="soon"):
        uws.read_time("soon")
