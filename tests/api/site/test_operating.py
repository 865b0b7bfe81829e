"""Pages of operators: what waits in quarantine, its retry and dismissal, and logs by day; for nobody else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from page_browser import DESK, PHONE, PageBrowser
from queued_messages import add_sink, queue
from site_visitors import Visitor, signed_in, without_markup

from broker_assets.accounting import quarantine
from broker_assets.accounting.quarantine import QuarantinedMessage
from broker_assets.api.site import quarantine_retry
from broker_assets.database.engine import connect
from broker_assets.provenance import costs
from broker_assets.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.database
PATH = "/status/quarantine/"


@pytest.fixture(scope="module", autouse=True)
def fake_retry() -> Iterator[None]:
    """A retry that only prints its options."""
    command = [sys.executable, "-c", "import sys; print('read again', sys.argv[1:])"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quarantine_retry, "COMMAND", command)
        yield


@pytest.fixture(autouse=True)
def messages(people: Any) -> Iterator[None]:
    """Three messages that could not be read, for reasons of two kinds."""
    with people.connection.transaction():
        number = people.connection.execute(
            "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('alerts', 'stream', '1', now())"
            " RETURNING ingestid"
        ).fetchone()[0]
        quarantine.add(
            people.connection, number,
            [
                QuarantinedMessage(topic="alerts", partition=0, offset=offset, payload=b"\x00\x01<b>", reason=reason,
                                   traceback="Traceback <i>")
                for offset, reason in enumerate(("schema 17 is unknown", "schema 18 is unknown", "truncated <script>"))
            ],
        )  # fmt: skip
    yield
    people.connection.execute("DELETE FROM quarantine")
    people.connection.execute("DELETE FROM ingest_batch")


def test_operators_see_groups_with_examples(people: Any) -> None:
    text = people.root.text(PATH)
    assert "2 × schema … is unknown" in text
    assert "1 × truncated &lt;script&gt;" in text
    assert "00 01 3c 62 3e" in text
    assert "Traceback &lt;i&gt;" in text
    assert PATH in people.root.text("/status/")
    assert PATH not in people.ann.text("/status/")
    assert PATH not in people.guest.text("/fragment")


def test_nobody_else_sees_or_changes_anything(people: Any) -> None:
    for path in (PATH, "/status/logs/", "/status/costs/"):
        assert people.ann.get(path).status_code == 403
        assert people.guest.get(path).status_code == 302
    fields = {"topic": "alerts", "reason": "truncated <script>", "do": "dismiss"}
    assert people.ann.send(PATH, **fields).status_code == 403
    assert people.guest.send(PATH, **fields).status_code == 401
    assert people.root.send(PATH, forged=True, **fields).status_code == 403
    assert len(quarantine.matching(people.connection)) == 3


def test_dismissing_takes_the_whole_kind_and_nothing_else(people: Any) -> None:
    kind = "schema … is unknown"
    assert "said=dismissed" in people.root.done(PATH, topic="alerts", reason=kind, do="dismiss")
    assert [entry.reason for entry in quarantine.entries(people.connection)] == ["truncated <script>"]
    assert "said=gone" in people.root.done(PATH, topic="alerts", reason=kind, do="dismiss")
    noted = people.connection.execute(
        "SELECT action, subject, details FROM access.changes ORDER BY changeid DESC LIMIT 1"
    ).fetchone()
    assert noted == ("quarantine dismissed", "alerts", f"2 messages: {kind}")
    assert "said=gone" in people.root.done(PATH, topic="other", reason="truncated <script>", do="retry")


def test_a_retry_runs_and_its_end_is_shown(people: Any) -> None:
    assert "said=retrying" in people.root.done(PATH, topic="alerts", reason="truncated <script>", do="retry")
    words = ""
    for _ in range(300):
        words = without_markup(people.root.text(PATH))
        if "The last retry" in words:
            break
    assert "✓ done" in words
    assert "read again" in words
    assert "--topic=alerts" in words
    assert "by root" in words


def test_a_server_that_may_not_write_shows_the_commands(
    people: Any, module_database_url: str, tmp_path: Any, server_of: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    database = DatabaseSettings(url=module_database_url, reader_url=module_database_url, access_url=module_database_url)  # type: ignore[arg-type]
    people.connection.execute(
        "INSERT INTO telemetry_file (folder, url, name, version, size, state)"
        " VALUES ('f', 'f/TM9', 'TM9', 1, 9, 'failed')"
    )
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "daemon.log").write_text("2026-11-30 10:00:00 +0000 - ERROR - <b>broken\n")
    with server_of(Settings(home=tmp_path, database=database, streams=[])) as url:
        visitor = Visitor(url)
        visitor.client.cookies.update(people.root.client.cookies)
        visitor.csrf = people.root.csrf
        text = visitor.text(PATH)
        assert "broker-assets quarantine retry --topic alerts --reason &#39;schema … is unknown&#39;" in text
        assert 'name="do"' not in text
        answer = visitor.send(PATH, topic="alerts", reason="truncated <script>", do="dismiss")
        assert answer.status_code == 403
        logs = visitor.text("/status/logs/")
        assert "&lt;b&gt;broken" in logs
        assert "<option selected>2026-11-30</option>" in logs
        assert visitor.get("/status/logs/?service=../x").status_code == 404
        assert visitor.get("/status/logs/?day=x").status_code == 400
        assert "Nothing was written" in visitor.text("/status/logs/?service=daemon&day=2020-01-01")
        assert "Nothing of this kind" in visitor.text("/status/logs/?service=daemon&text=whole")
        assert "&lt;b&gt;broken" in visitor.text("/status/logs/?service=daemon&text=BROKEN")
        assert "No run has recorded" in visitor.text("/status/costs/?asset=nothing")
        with connect(module_database_url, autocommit=True) as connection:
            costs.record(connection, "r", [costs.Cost(asset="objects", processor_seconds=12.5, rows=1_000_000)])
        shown = visitor.text("/status/costs/")
        assert "12.5" in shown
        assert "1,000,000" in shown
        assert visitor.get("/status/costs/?days=0").status_code == 400
        assert "telemetry files retry" in visitor.text(PATH)
        assert 'type="checkbox"' not in visitor.text(PATH)
        assert visitor.send(f"{PATH}files/", do="retry", entry="1").status_code == 403
        visitor.close()
    people.connection.execute("DELETE FROM telemetry_file")
    assert "no log files" in people.root.text("/status/logs/")


def test_telemetry_files_and_dead_letters_are_settled_by_operators_alone(people: Any) -> None:
    connection = people.connection
    for number, state in ((1, "quarantined"), (2, "failed"), (3, "processed"), (4, "quarantined")):
        connection.execute(
            "INSERT INTO telemetry_file (telemetryfileid, folder, url, name, version, size, state, tries, reason)"
            " OVERRIDING SYSTEM VALUE VALUES (%s, 'f', 'f/' || %s, 'TM' || %s, 1, 9, %s, 3, 'no <b>packet')",
            (number, number, number, state),
        )
    sink = add_sink(connection, target="https://broker.example/hook")
    queue(connection, [11, 21])
    connection.execute("UPDATE deliveries SET state = 'dead', failure = 'refused'")
    text = people.root.text(PATH)
    assert [f"TM{number}" in text for number in range(1, 5)] == [True, True, False, True]
    assert "no &lt;b&gt;packet" in text
    assert "2 × webhook to https://broker.example/hook" in text
    files, letters = f"{PATH}files/", f"{PATH}dead-letters/"
    for path, fields in ((files, {"entry": "1"}), (letters, {"sink": str(sink)})):
        assert people.ann.send(path, do="retry", **fields).status_code == 403
        assert people.guest.send(path, do="retry", **fields).status_code == 401
        assert people.root.send(path, forged=True, do="retry", **fields).status_code == 403
        assert people.root.send(path, do="delete", **fields).status_code == 422
    assert "said=files-retry" in people.root.done(files, do="retry", entry=["1", "x", "3"])
    assert "said=files-dismiss" in people.root.done(files, do="dismiss", entry="2")
    assert "said=nothing" in people.root.done(files, do="dismiss")
    found = connection.execute("SELECT state FROM telemetry_file ORDER BY telemetryfileid").fetchall()
    assert [state for (state,) in found] == ["new", "dismissed", "processed", "quarantined"]
    assert "said=letters-retry" in people.root.done(letters, do="retry", sink=str(sink))
    assert connection.execute("SELECT DISTINCT state FROM deliveries").fetchall() == [("pending",)]
    connection.execute("UPDATE deliveries SET state = 'dead'")
    assert "said=letters-dismiss" in people.root.done(letters, do="dismiss", sink=str(sink))
    assert "said=nothing" in people.root.done(letters, do="retry", sink=str(sink))
    noted = connection.execute("SELECT action FROM access.changes ORDER BY changeid DESC LIMIT 4").fetchall()
    assert [action for (action,) in noted] == [
        "dead letters dismissed", "dead letters retried", "telemetry files dismissed", "telemetry files retried",
    ]  # fmt: skip
    connection.execute("DELETE FROM deliveries")
    connection.execute("DELETE FROM filter_sinks")
    connection.execute("DELETE FROM telemetry_file")


@pytest.mark.browser
def test_pages_hold_in_every_size(people: Any, page_browser: PageBrowser) -> None:
    signed_in(page_browser, people.url, people.root)
    for path in (PATH, "/status/logs/", "/status/"):
        for size, dark in ((DESK, False), (PHONE, True)):
            page_browser.go(f"{people.url}{path}", size, dark=dark)
            assert page_browser.sideways() <= 0
            assert page_browser.inaccessible() == []
    assert page_browser.troubles == []
