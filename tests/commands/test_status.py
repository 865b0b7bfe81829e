"""`broker-assets status`."""

from __future__ import annotations

import pytest


def test_status_table_fits_a_narrow_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from broker_assets.commands import status as command
    from broker_assets.monitoring.status import Partition, Service, Status, Stream

    monkeypatch.setenv("COLUMNS", "80")
    from datetime import UTC, datetime

    stream = Stream(
        topic="a-rather-long-topic-name-of-a-survey",
        survey="rubin",
        lag=10**9,
        partitions=[Partition(partition=17, position=10**10, end=10**10 + 10**9, lag=10**9)],
    )
    service = Service(name="code-server", state="running", address="http://127.0.0.1:4000/" + "x" * 90, pid=123456)
    command._show(Status(at=datetime.now(UTC), services=[service], streams=[stream]))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert any("10,000,000,000" in line for line in lines)
