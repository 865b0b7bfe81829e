"""Telecommand reports."""

from __future__ import annotations

import io
import time
from datetime import UTC, datetime

import pytest

from broker_assets.telemetry import BadPacket
from broker_assets.telemetry.packets.files import reports
from broker_assets.telemetry.packets.telecommands import TelecommandReport

REPORT = b"""<PktTcReportListElement><CommandName>ZIX%04dA</CommandName><Description>Load</Description>
<ExecutionTime>2020-05-18T08:11:57.355586Z</ExecutionTime><UplinkTime>1970-01-01T00:00:00.000000Z</UplinkTime>
<CustomField><FieldName>uniqueID</FieldName><FieldType>int</FieldType><Value>7</Value></CustomField>
<PktTcReportParameterList><PktTcReportParameterListElement><ParameterName>PIX1</ParameterName><ParamValue>3</ParamValue>
</PktTcReportParameterListElement></PktTcReportParameterList></PktTcReportListElement>"""


def document(*elements: bytes) -> io.BytesIO:
    """A report file."""
    head, tail = (
        b"<Response><PktTcReportResponse><PktTcReportList>",
        b"</PktTcReportList></PktTcReportResponse></Response>",
    )
    return io.BytesIO(head + b"".join(elements) + tail)


def test_every_report_is_read() -> None:
    found = list(reports(document(REPORT % 1, REPORT % 2), name="r.xml"))
    assert [report.name for report in found if isinstance(report, TelecommandReport)] == ["ZIX0001A", "ZIX0002A"]
    first = found[0]
    assert isinstance(first, TelecommandReport)
    assert first.execution_time == datetime(2020, 5, 18, 8, 11, 57, 355586, tzinfo=UTC)
    assert first.uplink_time is None
    assert first.custom == {"uniqueID": "7"}
    assert first.parameters == ({"ParameterName": "PIX1", "ParamValue": "3"},)


def test_a_time_without_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the zone of this machine is."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        [found] = reports(document((REPORT % 1).replace(b"57.355586Z", b"57.355586")))
    finally:
        monkeypatch.undo()
        time.tzset()
    assert isinstance(found, TelecommandReport)
    assert found.execution_time == datetime(2020, 5, 18, 8, 11, 57, 355586, tzinfo=UTC)


@pytest.mark.parametrize(
    "broken",
    [
        (REPORT % 2)[:120],
        (REPORT % 2).replace(b"<ExecutionTime>", b""),
        (REPORT % 2).replace(b"2020-05", b"20x0-05"),
        b"<PktTcReportListElement></PktTcReportListElement>",
    ],
)
def test_a_damaged_report_costs_no_other(broken: bytes) -> None:
    found = list(reports(document(REPORT % 1, broken, REPORT % 3)))
    assert [report.name for report in found if isinstance(report, TelecommandReport)] == ["ZIX0001A", "ZIX0003A"]
    (bad,) = [report for report in found if isinstance(report, BadPacket)]
    assert "cannot be read" in bad.reason
