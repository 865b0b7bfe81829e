"""Destination of alerts in tests: a mailbox, and the sensor with its cursor on an instance in which things happen."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetKey,
    AssetMaterialization,
    DagsterInstance,
    job,
    op,
)

from broker_assets.database.engine import connect
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import DeliveryError, Importance, Notifier
from broker_assets.sensors.alerting import Position, Watch, Watched
from broker_assets.sensors.watch.findings import Links

SUBJECT = "[broker-assets] "


class Mailbox:
    """A destination that keeps what it is sent, or refuses."""

    def __init__(self, name: str = "mailbox") -> None:
        self.name = name
        self.refuses = False
        self.messages: list[tuple[str, str]] = []
        self.importance: list[str] = []

    def send(self, subject: str, body: str, importance: Importance) -> None:
        if self.refuses:
            raise DeliveryError(f"{self.name} is full")
        self.messages.append((subject.removeprefix(SUBJECT), body))
        self.importance.append(importance)

    def told(self) -> list[str]:
        """Subjects of the messages since the last call."""
        subjects = [subject for subject, _ in self.messages]
        self.messages.clear()
        return subjects


class Operator:
    """An operator with a mailbox, and what the platform lets happen."""

    def __init__(self, instance: DagsterInstance, database_url: str, **options: Any) -> None:
        self.instance = instance
        self.database = Database(database_url)
        self.mailbox = Mailbox()
        self.notifier = Notifier(self.database, [self.mailbox])
        self.position = Position()
        self.watched = Watched()
        self._options = options

    def look(self, *, now: float | None = None, **options: Any) -> str:
        """Let the sensor look; gives its summary."""
        watch = Watch(self.instance, self.notifier, Links("http://host:3000"), self.database, **self._options)
        now = time.time() if now is None else now
        self.position, sentence = watch.sweep(self.position, self.watched, now=now, **options)
        return sentence

    def told(self, **options: Any) -> list[str]:
        """Let the sensor look; gives the subjects of its messages."""
        self.look(**options)
        return self.mailbox.told()

    def lasting(self) -> list[str]:
        """Causes that have not ended."""
        return [str(alert.cause) for alert in self.notifier.lasting()]

    def check(self, passed: bool, *, partition: str | None = None, asset: str = "sources", **options: Any) -> None:
        """Let a check be evaluated, by a run: Dagster takes one evaluation of a partition per run."""

        @op(out={})
        def evaluates() -> Iterator[AssetCheckEvaluation]:
            yield AssetCheckEvaluation(
                asset_key=AssetKey.from_user_string(asset),
                check_name="balances",
                passed=passed,
                partition=partition,
                **options,
            )

        @job
        def checks() -> None:
            evaluates()

        checks.execute_in_process(instance=self.instance, raise_on_error=False)

    def made(self, asset: str, partition: str | None = None, **tags: str) -> None:
        """Let an asset be materialised."""
        self.instance.report_runless_asset_event(AssetMaterialization(asset, partition=partition, tags=tags))

    def run(self, name: str, error: str | None = None, **tags: str) -> str:
        """Run a job that makes no assets, and fails if there is an error; gives its run."""

        @op
        def works() -> None:
            if error is not None:
                raise ValueError(error)

        @job(name=name)
        def made() -> None:
            works()

        return made.execute_in_process(instance=self.instance, raise_on_error=False, tags=tags).run_id

    def query(self, statement: str) -> list[Any]:
        """Rows of the broker's database."""
        with connect(self.database.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 90.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:.0f} s"
        time.sleep(0.25)
