"""Failed checks, failed runs and late assets reach operators, once and without loss."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from dagster import (
    AssetCheckEvaluation,
    AssetCheckSeverity,
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    Definitions,
    SkipReason,
    asset,
    build_sensor_context,
    job,
    op,
)
from dagster_private import FreshnessState, FreshnessStateChange

from broker_assets.resources.database import Database
from broker_assets.resources.notifier import DeliveryError, Notifier
from broker_assets.sensors.alerting import (
    FIRST_LOOK_SECONDS,
    Findings,
    Position,
    build_alerting,
    read_checks,
    read_freshness,
    sweep,
)

pytestmark = pytest.mark.database


class Mailbox:
    """A destination that keeps what it is sent, or refuses."""

    name = "mailbox"

    def __init__(self) -> None:
        self.refuses = False
        self.messages: list[tuple[str, str]] = []

    def send(self, subject: str, body: str) -> None:
        if self.refuses:
            raise DeliveryError("mailbox is full")
        self.messages.append((subject, body))


class Watch:
    """The sensor with its cursor, over an instance in which tests let things happen."""

    def __init__(self, instance: DagsterInstance, database: Database) -> None:
        self.instance = instance
        self.mailbox = Mailbox()
        self.notifier = Notifier(database, [self.mailbox], web_address="http://host:3000")
        self.cursor: str | None = None
        self.sensor = build_alerting()

    def tick(self, notifier: Notifier | None = None) -> str:
        context = build_sensor_context(
            instance=self.instance,
            cursor=self.cursor,
            resources={"notifier": notifier or self.notifier},
            definitions=Definitions(),
        )
        result = self.sensor(context)
        assert isinstance(result, SkipReason)
        self.cursor = context.cursor
        return str(result.skip_message)

    def told(self) -> list[str]:
        """Subjects of the messages since the last call."""
        subjects = [subject.removeprefix("[broker-assets] ") for subject, _ in self.mailbox.messages]
        self.mailbox.messages.clear()
        return subjects

    def check(self, passed: bool, *, partition: str | None = None, **options: Any) -> None:
        self.instance.report_runless_asset_event(
            AssetCheckEvaluation(
                asset_key=AssetKey("sources"), check_name="balances", passed=passed, partition=partition, **options
            )
        )

    def fail_run(self, message: str, **tags: str) -> str:
        @op
        def breaks() -> None:
            raise ValueError(message)

        @job
        def breaking() -> None:
            breaks()

        return breaking.execute_in_process(instance=self.instance, raise_on_error=False, tags=tags).run_id


@pytest.fixture
def watch(database_url: str) -> Iterator[Watch]:
    with DagsterInstance.ephemeral() as instance:
        yield Watch(instance, Database(database_url))


def test_failed_check_is_told_once(watch: Watch) -> None:
    watch.check(False, severity=AssetCheckSeverity.ERROR, blocking=True, description="2 messages are missing")
    watch.tick()
    ((subject, body),) = watch.mailbox.messages
    assert subject == "[broker-assets] error: sources: balances"
    assert "2 messages are missing" in body
    assert "http://host:3000/runs/" in body
    assert "Nothing is built from it" in body
    watch.told()
    watch.check(False)
    watch.tick()
    watch.tick()
    assert watch.told() == []


def test_warning_is_told_as_such(watch: Watch) -> None:
    watch.check(False, severity=AssetCheckSeverity.WARN, partition="2024-05-01")
    watch.tick()
    assert watch.told() == ["warning: sources of 2024-05-01: balances"]


def test_check_that_passed_and_fails_again_is_news(watch: Watch) -> None:
    watch.check(False)
    watch.tick()
    watch.check(True)
    watch.tick()
    watch.check(False)
    watch.tick()
    assert len(watch.told()) == 2


def test_last_evaluation_of_a_tick_decides(watch: Watch) -> None:
    watch.check(False)
    watch.check(True)
    watch.tick()
    assert watch.told() == []


def test_nights_are_causes_of_their_own_in_one_message(watch: Watch) -> None:
    for night in ("2024-05-01", "2024-05-02", "2024-05-03"):
        watch.check(False, partition=night)
    watch.tick()
    assert watch.told() == ["3 alerts: error: sources of 2024-05-01: balances, …"]


def test_failed_run_is_told_with_its_link(watch: Watch) -> None:
    run_id = watch.fail_run("no space for 12 bytes")
    watch.tick()
    ((subject, body),) = watch.mailbox.messages
    assert subject == "[broker-assets] error: run of breaking failed"
    assert "no space for 12 bytes" in body
    assert f"http://host:3000/runs/{run_id}" in body


def test_same_failure_with_other_numbers_is_the_same_cause(watch: Watch) -> None:
    watch.fail_run("no space for 12 bytes")
    watch.tick()
    watch.fail_run("no space for 99 bytes")
    watch.tick()
    assert len(watch.told()) == 1
    watch.fail_run("another reason")
    watch.tick()
    assert len(watch.told()) == 1


def test_run_that_will_be_retried_is_no_alert(watch: Watch) -> None:
    watch.fail_run("crash", **{"dagster/will_retry": "true"})
    watch.tick()
    assert watch.told() == []


def test_run_that_failed_for_a_check_is_told_by_the_check(watch: Watch) -> None:
    @op(out={})
    def reports() -> Iterator[AssetCheckEvaluation]:
        yield AssetCheckEvaluation(asset_key=AssetKey("sources"), check_name="balances", passed=False, blocking=True)

    @job
    def reporting() -> None:
        reports()

    result = reporting.execute_in_process(instance=watch.instance, raise_on_error=False)
    assert not result.success
    watch.tick()
    assert watch.told() == ["error: sources: balances"]


def test_refused_message_is_sent_later(watch: Watch) -> None:
    watch.mailbox.refuses = True
    watch.check(False)
    assert "1 waiting (mailbox is full)" in watch.tick()
    watch.mailbox.refuses = False
    watch.tick()
    assert len(watch.told()) == 1


def test_nothing_is_lost_while_the_database_is_away(watch: Watch) -> None:
    watch.tick()
    before = watch.cursor
    watch.check(False)
    away = Notifier(Database("postgresql+psycopg://nobody@127.0.0.1:1/none"), [watch.mailbox])
    assert "read again later" in watch.tick(away)
    assert watch.cursor == before
    watch.tick()
    assert len(watch.told()) == 1


def test_old_events_are_not_told_to_a_new_sensor(watch: Watch) -> None:
    watch.check(False)
    now = 4e9
    assert read_checks(watch.instance, watch.notifier, None, now=now).alerts == []
    assert now > FIRST_LOOK_SECONDS


def test_many_events_are_read_in_ticks(watch: Watch) -> None:
    nights = [f"2024-05-0{number}" for number in range(1, 6)]
    for night in nights:
        watch.check(False, partition=night)
    position, found = Position(), []
    for _ in range(4):
        position, sentence = sweep(watch.instance, watch.notifier, position, [], now=time.time(), limit=2)
        texts = [subject + body for subject, body in watch.mailbox.messages]
        found.append((sentence.split(",")[0], [night for night in nights if any(night in text for text in texts)]))
        watch.mailbox.messages.clear()
    assert found == [
        ("2 alerts seen", nights[:2]),
        ("2 alerts seen", nights[2:4]),
        ("1 alerts seen", nights[4:]),
        ("0 alerts seen", []),
    ]


def test_late_asset(watch: Watch) -> None:
    key = AssetKey("sources")
    assert read_freshness(watch.instance, watch.notifier, [key]) == Findings()
    for state, subjects, ended in [
        (FreshnessState.FAIL, ["error: sources is overdue"], []),
        (FreshnessState.PASS, [], ["freshness of sources"]),
        (FreshnessState.WARN, [], []),
        (FreshnessState.UNKNOWN, [], []),
    ]:
        change = FreshnessStateChange(
            key=key, new_state=state, previous_state=state, state_change_timestamp=time.time()
        )
        watch.instance.report_runless_asset_event(change)
        findings = read_freshness(watch.instance, watch.notifier, [key])
        assert ([alert.subject for alert in findings.alerts], findings.ended) == (subjects, ended)


def test_materialisations_are_no_alerts(watch: Watch) -> None:
    watch.instance.report_runless_asset_event(AssetMaterialization("sources"))
    assert watch.tick() == "0 alerts seen, 0 sent, 0 waiting"


def test_asset_run_failure(watch: Watch) -> None:
    @asset
    def sources() -> None:
        raise OSError("disk is full")

    definitions = Definitions(assets=[sources])
    whole = definitions.resolve_implicit_global_asset_job_def()
    whole.execute_in_process(instance=watch.instance, raise_on_error=False)
    watch.tick()
    assert "disk is full" in watch.mailbox.messages[0][1]
