"""Every case of docs/when-something-is-wrong.md, provoked on a running platform: messages are as the page shows.

To update the page after an intended change, set ``BROKER_SHOW_MESSAGES`` to a file, which then gets all messages.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from operated_platform import OperatedPlatform, operated_platform

from broker_assets.jobs.check_nights import check_config

pytestmark = [
    pytest.mark.platform,
    pytest.mark.slow,
    pytest.mark.kafka,
    pytest.mark.database,
    pytest.mark.timeout(1200),
]

FIRST, SECOND = "2025-11-20", "2025-11-21"
NIGHTS = [FIRST, SECOND]
TOPIC = "alerts-of-operators"
STREAM = f"alert_stream/{TOPIC}"
PAGE = Path(__file__).parents[1] / "docs" / "when-something-is-wrong.md"
TELEMETRY = "TM_BatchRequest.PktTmRaw.SOL.0.2023.305.xml"


@pytest.fixture(scope="module")
def platform(
    packets: ModuleType,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    kafka: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[OperatedPlatform]:
    folder = tmp_path_factory.mktemp("operated")
    with operated_platform(
        folder,
        packets,
        postgres,
        new_database,
        kafka,
        TOPIC,
        BROKER_CANARY__TOPIC="canary-of-operators",
        BROKER_CANARY__MINUTES="0.5",
        BROKER_CANARY__ABSENT_MINUTES="2",
        BROKER_CANARY__LATENCY_SECONDS="600",
        BROKER_NOTIFIER__STALLED_MINUTES="1.5",
        BROKER_NOTIFIER__UNREACHABLE_MINUTES="0.5",
    ) as running:
        running.produce(list(packets.Survey(objects=100, visits=4).packets()))
        running.wait(lambda: running.query("SELECT count(*) FROM diasources") == [(400,)], "storing 400 sources", 400)
        running.wait(lambda: running.query("SELECT count(*) FROM heartbeat") == [(2,)], "a look and a canary")
        # Everything materialised after a backfill began counts as made since.
        reported = "SELECT count(*) FROM artefact WHERE asset = 'objects'"
        running.wait(lambda: running.query(reported) == [(2,)], "the report of the run")
        yield running


def blocks() -> list[str]:
    """Code blocks of the page."""
    return re.findall(r"^```text\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def assert_shown(platform: OperatedPlatform, *starts: str) -> None:
    """Assert that the messages with these beginnings, and the lines of `status`, are on the page."""
    shown = "".join(blocks())
    for start in starts:
        plain = platform.plain(platform.sent(start)[-1])
        assert plain in shown, f"not on the page:\n{plain}"


def status(platform: OperatedPlatform) -> tuple[int, str]:
    """Exit code and first lines of `broker-assets status`."""
    done = platform.command("status")
    lines = [line for line in done.stdout.splitlines() if line[:1] in ("✗", "!", "A", "S")]
    return done.returncode, "\n".join(lines[: lines.index("Services")] if "Services" in lines else lines)


def open_assets(platform: OperatedPlatform) -> set[str]:
    """Assets of the open alerts."""
    listed = platform.command("alerts", "list", "--json").stdout.splitlines()
    return {json.loads(line)["asset"] for line in listed}


def archive_files(platform: OperatedPlatform) -> dict[str, Path]:
    """The file of each night."""
    rows = platform.query("SELECT night::text, url FROM archive_file ORDER BY night")
    return {night: Path(url.removeprefix("file://")) for night, url in rows}


def test_damage_and_what_cannot_be_read(platform: OperatedPlatform) -> None:
    files = archive_files(platform)
    kept = {night: path.read_bytes() for night, path in files.items()}
    files[FIRST].write_bytes(kept[FIRST][:-100] + bytes(100))
    files[SECOND].unlink()
    platform.query(f"DELETE FROM diasources WHERE diaobjectid = 1 AND night = '{FIRST}'")
    platform.pages.backfill(["packet_archive"], NIGHTS)
    platform.pages.launch("check_nights", check_config(NIGHTS))
    platform.produce([b"poison"] * 30)
    (platform.incoming / TELEMETRY).write_text("nothing of ours")
    damage = (
        f"error: packet_archive of {FIRST}: run failed",
        f"error: packet_archive of {SECOND}: run failed",
        f"error: packet_archive of {FIRST}: archive_is_complete",
        f"error: packet_archive of {SECOND}: archive_is_complete",
        f"error: sources of {FIRST}: ledger_balances",
        "error: packet_archive: backfill failed",
        f"error: {STREAM}: quarantine_share",
        "error: telemetry_register: failing_files",
        "error: alert_stream/survey-away: the Kafka cluster has not answered",
    )
    platform.wait_for_messages(*damage, seconds=300)
    code, said = status(platform)
    assert code == 1
    for start in damage[:-1]:
        assert start.removeprefix("error: ") in said, said
    assert "Kafka of survey-away" in said
    assert_shown(platform, *damage)

    for night, path in files.items():
        path.write_bytes(kept[night])
    again = platform.pages.backfill(["packet_archive", "sources", "forced_sources", "objects"], NIGHTS)
    assert platform.command("quarantine", "dismiss", "--topic", TOPIC, "--yes").returncode == 0
    (file,) = platform.command("telemetry", "files", "list", "--json").stdout.splitlines()
    number = str(json.loads(file)["telemetryfileid"])
    assert platform.command("telemetry", "files", "dismiss", number).returncode == 0
    platform.wait(lambda: platform.pages.backfill_status(again) == "COMPLETED_SUCCESS", "the backfill", 300)
    platform.pages.launch("check_nights", check_config(NIGHTS))
    resolved = [start.replace("error", "resolved") for start in damage[:-1]]
    platform.wait_for_messages(*resolved, seconds=300)
    assert_shown(platform, f"resolved: packet_archive of {FIRST}: run failed")
    assert open_assets(platform) == {"alert_stream/survey-away"}


def test_stream_that_stands_still(platform: OperatedPlatform) -> None:
    platform.pages.stop_sensor("kafka_lag")
    platform.produce([b"poison"] * 3)
    still = (
        "warning: kafka_lag: the sensor is stopped",
        f"error: {STREAM} of 0: 3 messages wait",
        "error: alert_stream/canary: no canary has come",
    )
    platform.wait_for_messages(*still, seconds=300)
    code, said = status(platform)
    assert code == 1
    assert f"{TOPIC} has stalled" in said
    assert_shown(platform, *still)
    platform.pages.start_sensor("kafka_lag")
    platform.wait_for_messages(*(re.sub("error|warning", "resolved", start) for start in still), seconds=300)


def test_alerts_do_not_arrive_and_nobody_looks(platform: OperatedPlatform) -> None:
    stopped = "warning: kafka_lag: the sensor is stopped"
    sent_before = len(platform.sent(stopped))

    def line(start: str) -> str:
        """The line of `status` with this beginning, as on the page."""
        lines = [line for line in status(platform)[1].splitlines() if line.startswith(start)]
        return platform.plain(lines[0]) if lines else ""

    platform.hook.status = 503  # type: ignore[attr-defined]
    platform.pages.stop_sensor("kafka_lag")
    refused = "✗ alerts cannot be sent"
    platform.wait(lambda: line(refused), "an alert that cannot be sent", 120)
    assert f"{line(refused)}\n" in blocks()
    assert status(platform)[0] == 1
    platform.hook.status = 200  # type: ignore[attr-defined]
    platform.wait(lambda: len(platform.sent(stopped)) > sent_before, "the alert that was kept", 300)
    platform.wait(lambda: not line(refused), "alerts that are sent again", 120)
    platform.pages.start_sensor("kafka_lag")

    platform.pages.stop_sensor("alerting")
    platform.query("UPDATE heartbeat SET at = at - interval '4 minutes' WHERE name = 'alerting'")
    silent = "✗ nobody has looked"
    assert f"{line(silent)}\n" in blocks()
    assert status(platform)[0] == 1
    platform.pages.start_sensor("alerting")
    platform.wait(lambda: not line(silent), "a look", 120)


@pytest.fixture(scope="module", autouse=True)
def messages(platform: OperatedPlatform) -> Iterator[None]:
    yield
    if path := os.environ.get("BROKER_SHOW_MESSAGES"):
        Path(path).write_text("\n=====\n".join(map(platform.plain, platform.messages())) + "\n" + status(platform)[1])
