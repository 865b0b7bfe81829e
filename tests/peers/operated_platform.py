"""A whole platform as operators run it: daemon, code server, webserver, Kafka, and a webhook for the alerts."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from command_line import Done, invoke
from confluent_kafka import Producer
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter
from dagster_pages import DagsterPages
from telemetry_arrivals import make_site

from broker_assets.database import migrations
from broker_assets.database.engine import connect
from broker_assets.replay.producer import ensure_topic

AWAY = {
    "name": "survey-away",
    "topic": "alerts",
    "survey": "ztf",
    "framing": "container",
    "kafka": {"bootstrap_servers": "127.0.0.1:1"},
}
"""A stream whose cluster does not answer."""


class Webhook(BaseHTTPRequestHandler):
    """Takes JSON posts, answers with the server's `status`."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status: int = self.server.status  # type: ignore[attr-defined]
        if status == 200:
            self.server.received.append(json.loads(body))  # type: ignore[attr-defined]
        self.send_response(status)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


class OperatedPlatform:
    """What an operator sees and does."""

    def __init__(
        self, folder: Path, pages: DagsterPages, hook: HTTPServer, environment: dict[str, str], kafka: str, topic: str
    ) -> None:
        self.folder = folder
        self.pages = pages
        self.hook = hook
        self.environment = environment
        self.topic = topic
        self.incoming = folder / "arriving"
        self._producer = Producer({"bootstrap.servers": kafka})

    def produce(self, values: list[bytes]) -> None:
        """Let messages arrive."""
        for value in values:
            self._producer.produce(self.topic, value)
        assert self._producer.flush(30) == 0

    def query(self, statement: str) -> list[Any]:
        """Rows of the broker's database."""
        with connect(self.environment["BROKER_DATABASE__URL"], autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def command(self, *arguments: str) -> Done:
        """What `broker-assets` says."""
        return invoke(*arguments, folder=self.folder, columns=250, **self.environment)

    def messages(self) -> list[str]:
        """What operators were sent: one text for each cause, with its heading."""
        texts = []
        for message in list(self.hook.received):  # type: ignore[attr-defined]
            texts += message["message"].split("\n\n---\n\n")
        return texts

    def sent(self, start: str) -> list[str]:
        """The messages of this beginning that have arrived."""
        return [text for text in self.messages() if text.removeprefix("**").startswith(start)]

    def wait(self, condition: Callable[[], Any], what: str, seconds: float = 150.0) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                tails = {path.name: path.read_text()[-1500:] for path in self.folder.glob("*.log")}
                pytest.fail(f"{what} did not happen in {seconds:.0f} s; sent {self.messages()}; logs {tails}")
            time.sleep(0.5)

    def wait_for_messages(self, *starts: str, seconds: float = 150.0) -> None:
        """Wait until operators have been sent messages that begin so."""
        self.wait(lambda: all(map(self.sent, starts)), f"messages {starts}", seconds)

    def plain(self, text: str) -> str:
        """A text without what differs from run to run: addresses, paths, identifiers, times and counts of them."""
        text = text.replace(self.pages.address, "http://127.0.0.1:3000").replace(self.topic, "rubin-alerts")
        for pattern, shown in DIFFERS:
            text = re.sub(pattern, shown, text)
        return text


DIFFERS = (
    (r"file://\S*/(?=[^/\s]+\.avro)|/\S*/(?=[^/\s]+\.avro)", "…/"),
    (r"[^/\s']+(?=\.avro)|(?<=/)p\d-o[^/\s]*(?=…)", "…"),
    (r"byte \d+", "byte …"),
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "…"),
    (r"(?<=Run )[0-9a-f]{8}\b|(?<=Backfill )\w{8}\b|(?<=runs/b/)\w{8}\b|\b[0-9a-f]{16,}\b", "…"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)? UTC", "… UTC"),
    (r" \(seen \d+ times since … UTC\)", ""),
    (r"seen (once|\d+ times)", "seen …"),
    (r"for \d+ (seconds|minutes)", "for … minutes"),
    (r"\d+ of \d+ messages|\b\d+ messages", "… messages"),
    (r"after \d+ms", "after 0ms"),
    (r"(?<=JSON )[0-9a-f]{8}\b", "…"),
    (r"127\.0\.0\.1:(?!3000)\d+", "127.0.0.1:…"),
)
"""Patterns of what differs, and what the documents have in its place."""


@contextmanager
def operated_platform(
    folder: Path,
    packets: ModuleType,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    kafka: str,
    topic: str,
    **environment: str,
) -> Iterator[OperatedPlatform]:
    """A running platform with one stream, a folder of telemetry, and the given settings."""
    hook = HTTPServer(("127.0.0.1", 0), Webhook)
    hook.received, hook.status = [], 200  # type: ignore[attr-defined]
    thread = threading.Thread(target=hook.serve_forever)
    thread.start()
    with ExitStack() as stack:
        stack.callback(hook.server_close)
        stack.callback(thread.join)
        stack.callback(hook.shutdown)
        url = postgres.url(stack.enter_context(new_database()))
        dagster_url = postgres.dagster_url(stack.enter_context(new_database()))
        migrations.upgrade(url)
        ensure_topic(kafka, topic, partitions=1)
        telemetry = make_site(folder).settings.telemetry
        stream = {
            "topic": topic,
            "survey": "rubin",
            "framing": "confluent",
            "schemas": str(packets.write_schema_folder(folder / "schemas")),
        }
        given = {
            "BROKER_HOME": str(folder / "home"),
            "BROKER_DATABASE__URL": url,
            "BROKER_DATABASE__DAGSTER_URL": dagster_url,
            "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka,
            "BROKER_STREAMS": json.dumps([stream, AWAY]),
            "BROKER_DRAIN__IDLE_SECONDS": "1",
            "BROKER_DRAIN__BATCH_SECONDS": "0.5",
            "BROKER_TELEMETRY__INCOMING": json.dumps(telemetry.incoming),
            "BROKER_TELEMETRY__STABLE_SECONDS": "1",
            "BROKER_TELEMETRY__DATABASES": str(telemetry.databases),
            "BROKER_TELEMETRY__CONFIGURATION": str(telemetry.configuration),
            "BROKER_NOTIFIER__URLS": json.dumps([f"json://127.0.0.1:{hook.server_port}/hook"]),
            "BROKER_NOTIFIER__LOOK_SECONDS": "5",
        } | environment
        pages = DagsterPages(folder, dagster_url, "broker_assets.definitions", given)
        given["BROKER_SERVER__DAGSTER_URL"] = pages.address
        pages._environment |= given
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("DAGSTER_PG_URL", dagster_url)
        pages.code_server = pages._new_code_server({})
        with pages.running():
            platform = OperatedPlatform(folder, pages, hook, given, kafka, topic)
            yield platform
            with DagsterInstance.from_config(str(pages.home)) as instance:
                active = [DagsterRunStatus.STARTED, DagsterRunStatus.STARTING, DagsterRunStatus.QUEUED]
                for run in instance.get_runs(RunsFilter(statuses=active)):
                    instance.run_launcher.terminate(run.run_id)
