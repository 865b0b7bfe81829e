"""Failed checks become alerts of their asset and partition, and end when the check passes."""

from __future__ import annotations

import time

import pytest
from dagster import AssetCheckSeverity
from operator_mailbox import Operator

from broker_assets.sensors.alerting import FIRST_LOOK_SECONDS, Watched
from broker_assets.sensors.watch.checks import BLOCKED, read_checks
from broker_assets.sensors.watch.findings import Links

pytestmark = pytest.mark.database


def test_message_names_asset_partition_what_is_wrong_next_step_and_the_check(operator: Operator) -> None:
    step = "run reprocess"
    operator.check(
        False,
        partition="2024-05-01",
        severity=AssetCheckSeverity.ERROR,
        blocking=True,
        description=f"2 messages are missing; {step}",
        metadata={"next step": step},
    )
    operator.look()
    ((subject, body),) = operator.mailbox.messages
    assert subject == "error: sources of 2024-05-01: balances: 2 messages are missing"
    assert body.split("\n\n") == [
        f"**{subject}**",
        "2 messages are missing",
        BLOCKED,
        f"Next step: {step}",
        "[Check balances of sources](http://host:3000/assets/sources"
        "?view=checks&checkDetail=balances&partition=2024-05-01)",
    ]
    assert operator.mailbox.importance == ["error"]


def test_end_is_told_once(operator: Operator) -> None:
    operator.check(False, partition="2024-05-01")
    operator.look()
    operator.check(True, partition="2024-05-02")
    assert len(operator.told()) == 1, "another partition ends nothing"
    operator.check(True, partition="2024-05-01")
    operator.look()
    ((subject, body),) = operator.mailbox.messages
    assert subject == "resolved: sources of 2024-05-01: balances: it did not pass"
    assert "the check passed" in body
    assert "http://host:3000/assets/sources?view=checks" in body
    assert operator.mailbox.importance[-1] == "resolved"
    operator.mailbox.told()
    assert operator.told() == []


def test_warning_is_told_as_such_and_again_when_it_becomes_an_error(operator: Operator) -> None:
    operator.check(False, severity=AssetCheckSeverity.WARN)
    assert operator.told() == ["warning: sources: balances: it did not pass"]
    operator.check(False, severity=AssetCheckSeverity.WARN)
    assert operator.told() == []
    operator.check(False, severity=AssetCheckSeverity.ERROR)
    assert operator.told() == ["error: sources: balances: it did not pass"]
    assert operator.mailbox.importance == ["warning", "error"]


def test_check_that_passed_and_fails_again_is_news(operator: Operator) -> None:
    told = []
    for passed in (False, True, False):
        operator.check(passed)
        told += operator.told()
    assert [subject.partition(":")[0] for subject in told] == ["error", "resolved", "error"]


def test_last_evaluation_of_a_look_decides(operator: Operator) -> None:
    operator.check(False)
    operator.check(True)
    assert operator.told() == []


def test_partitions_are_causes_of_their_own_in_one_message(operator: Operator) -> None:
    for night in ("2024-05-01", "2024-05-02", "2024-05-03"):
        operator.check(False, partition=night)
    operator.look()
    ((subject, body),) = operator.mailbox.messages
    assert subject == "3 alerts: error: sources of 2024-05-01: balances: it did not pass, …"
    assert all(f"error: sources of 2024-05-0{day}: balances" in body for day in (1, 2, 3))


def test_evaluation_inside_a_drain_run_of_a_check_that_blocks_says_so(operator: Operator) -> None:
    """There the evaluation does not block, since it must not stop the stream; the definition does."""
    operator.watched = Watched(checks={("sources", "balances"): True})
    operator.check(False)
    operator.look()
    assert BLOCKED in operator.mailbox.messages[0][1]


def test_check_that_is_no_longer_defined_ends(operator: Operator) -> None:
    operator.check(False)
    operator.watched = Watched(checks={("sources", "balances"): False})
    assert len(operator.told()) == 1
    operator.watched = Watched(checks={("sources", "another"): False})
    assert operator.told() == ["resolved: sources: balances: it did not pass"]


def test_old_evaluations_are_not_told_to_a_new_sensor(operator: Operator) -> None:
    operator.check(False)
    since = time.time() + FIRST_LOOK_SECONDS
    found, position = read_checks(operator.instance, Links(""), None, since=since, limit=10)
    assert (found.alerts, position) == ([], None)


def test_many_events_are_read_in_several_looks(operator: Operator) -> None:
    nights = [f"2024-05-0{number}" for number in range(1, 6)]
    for night in nights:
        operator.check(False, partition=night)
    found = []
    for _ in range(4):
        operator.look(limit=2)
        text = "".join(subject + body for subject, body in operator.mailbox.messages)
        found.append([night for night in nights if night in text])
        operator.mailbox.told()
    assert found == [nights[:2], nights[2:4], nights[4:], []]
