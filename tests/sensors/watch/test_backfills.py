"""A failed backfill lasts until what it lacks has been made: real daemon, launched as an operator clicks it."""

from __future__ import annotations

import pytest
from faulty_platform import Running
from operator_mailbox import Operator, wait_for

from broker_assets.assets.reporter import ADDS_TAG

pytestmark = [pytest.mark.platform, pytest.mark.database, pytest.mark.slow]

NIGHTS = ["2024-05-01", "2024-05-02", "2024-05-03"]


def ended(running: Running, backfill: str) -> str:
    wait_for(lambda: running.pages.backfill_status(backfill) not in ("REQUESTED", "CANCELING"), "the backfill")
    return running.pages.backfill_status(backfill)


def test_failed_backfill_and_its_failed_night(running: Running, on_duty: Operator) -> None:
    fault = running.faults / NIGHTS[1]
    fault.touch()
    backfill = running.pages.backfill(["rows"], NIGHTS)
    assert ended(running, backfill) == "COMPLETED_FAILED"
    on_duty.look()
    ((_, body),) = on_duty.mailbox.messages
    on_duty.mailbox.told()
    assert f"error: rows of {NIGHTS[1]}: run failed: OSError: the file of {NIGHTS[1]} is damaged" in body
    assert f"error: rows: backfill failed: {NIGHTS[1]} not made" in body
    assert f"http://host:3000/runs/b/{backfill}" in body
    assert NIGHTS[0] not in body
    assert on_duty.told() == [], "each is told once"
    fault.unlink()
    on_duty.made("rows", NIGHTS[1], **{ADDS_TAG: "true"})
    assert on_duty.told() == [], "what was only added to is not made"
    on_duty.made("rows", NIGHTS[1])
    on_duty.look()
    ((subject, body),) = on_duty.mailbox.messages
    assert subject.startswith("2 resolved: ")
    assert "all of its partitions have been materialised since" in body
    assert "a later materialisation succeeded" in body
    assert on_duty.lasting() == []
    on_duty.mailbox.told()
    assert on_duty.told() == []
