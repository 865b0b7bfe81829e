"""Each way in which the ledger can be wrong is found, and named with its night."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckSeverity
from drained_platform import drained

from broker_assets.checks.alerts import ledger
from broker_assets.checks.definition import Verdict, evidence, judge_nights
from broker_assets.monitoring.alerts import Alert, Cause
from broker_assets.resources.notifier import Notifier
from broker_assets.resources.object_store import ObjectStore
from broker_assets.stream.data_versions import ARCHIVE_ASSET

__all__ = ["drained"]

pytestmark = pytest.mark.database

FIRST, SECOND = "2025-11-20", "2025-11-21"
TOPIC = "rubin-alerts"


def judge(platform: Any, name: str, *nights: str) -> dict[str, Verdict]:
    (check,) = [check for check in ledger.NIGHT_CHECKS if check.name == name]
    with evidence(platform.database, ObjectStore("memory://")) as found:
        return judge_nights(check, found, nights or (FIRST, SECOND))


def judge_stream(platform: Any, name: str) -> Verdict:
    (check,) = [check for check in ledger.STREAM_CHECKS if check.name == name]
    with evidence(platform.database, ObjectStore("memory://")) as found:
        return check.judge(found, TOPIC)


def test_all_is_well(drained: Any) -> None:
    for name in ("ledger_balances", "archive_is_complete"):
        assert all(verdict.passed for verdict in judge(drained, name).values())
    for name in ("batches_balance", "offsets_are_contiguous", "quarantine_share"):
        assert judge_stream(drained, name).passed


def test_empty_database_passes(platform: Any) -> None:
    assert all(verdict.passed for verdict in judge(platform, "ledger_balances").values())
    assert judge_stream(platform, "offsets_are_contiguous").passed
    assert judge_stream(platform, "batches_balance").passed
    assert judge_stream(platform, "quarantine_share").passed


def test_lost_row_fails_its_night_only(drained: Any) -> None:
    drained.execute("DELETE FROM diasources WHERE diaobjectid = 1 AND midpointmjdtai > 61001")
    verdicts = judge(drained, "ledger_balances")
    assert verdicts[FIRST].passed
    assert not verdicts[SECOND].passed
    assert "18 instead of 20" in verdicts[SECOND].description
    assert verdicts[SECOND].severity == AssetCheckSeverity.ERROR


def test_two_rows_at_one_archive_position(drained: Any) -> None:
    drained.execute(
        "UPDATE diasources SET archiveposition = (SELECT min(archiveposition) FROM diasources)"
        " WHERE diaobjectid IN (2, 3) AND midpointmjdtai < 61000.205"
    )
    verdict = judge(drained, "ledger_balances")[FIRST]
    assert not verdict.passed
    assert "archive position of another" in verdict.description


def test_file_that_is_not_in_the_ledger(drained: Any) -> None:
    drained.execute(f"UPDATE archive_file SET packets = packets - 1 WHERE night = '{SECOND}'")
    verdicts = judge(drained, "archive_is_complete")
    assert verdicts[FIRST].passed
    assert not verdicts[SECOND].passed


def test_damaged_file(drained: Any) -> None:
    ((url,),) = drained.query(f"SELECT url FROM archive_file WHERE night = '{FIRST}' LIMIT 1")
    path = Path(url.removeprefix("file://"))
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    verdict = judge(drained, "archive_is_complete")[FIRST]
    assert not verdict.passed
    assert path.name in verdict.description


def test_missing_file(drained: Any) -> None:
    for (url,) in drained.query("SELECT url FROM archive_file"):
        Path(url.removeprefix("file://")).unlink()
    assert not any(verdict.passed for verdict in judge(drained, "archive_is_complete").values())


def test_each_missing_file_is_found_and_reported_damage_is_read_again(
    platform: Any, survey: Callable[..., Any]
) -> None:
    """Of many files only a sample is read, which is another one when the night has more of them."""
    platform.settings.drain.batch_max = 1
    packets = list(survey(objects=12, visits=1).packets())
    platform.append(packets)
    platform.drain()
    paths = [
        Path(url.removeprefix("file://"))
        for (url,) in platform.query("SELECT url FROM archive_file ORDER BY archivefileid")
    ]
    assert len(paths) == len(packets)
    for number in range(0, len(paths), 5):
        kept = paths[number].read_bytes()
        paths[number].unlink()
        assert (
            "1 of 12 files are damaged or missing" in judge(platform, "archive_is_complete", FIRST)[FIRST].description
        )
        paths[number].write_bytes(kept[:-1])
        verdict = judge(platform, "archive_is_complete", FIRST)[FIRST]
        assert f"{paths[number].name}: {len(kept) - 1} bytes, not {len(kept)}" in verdict.description
        paths[number].write_bytes(kept)
    assert judge(platform, "archive_is_complete", FIRST)[FIRST].passed

    unread = paths[3]
    unread.write_bytes(unread.read_bytes()[:-1] + b"x")
    sampled = judge(platform, "archive_is_complete", FIRST)[FIRST]
    assert sampled.description == "12 packets in 12 files, 3 of them read", "not one of the sample"
    found = Alert(Cause("run", ARCHIVE_ASSET, FIRST), "damaged", body=f"damaged: file://{unread}: another checksum")
    notifier = Notifier(platform.database)
    notifier.record([found])
    verdict = judge(platform, "archive_is_complete", FIRST)[FIRST]
    assert not verdict.passed
    assert unread.name in verdict.description


def test_batch_that_does_not_balance(drained: Any) -> None:
    drained.execute("DELETE FROM ingest_batch_night WHERE ingestid = 1")
    verdict = judge_stream(drained, "batches_balance")
    assert not verdict.passed
    assert "batch 1" in verdict.description


def test_hole_in_the_offsets(drained: Any) -> None:
    drained.execute("UPDATE ingest_batch_range SET next_offset = next_offset - 3")
    verdict = judge_stream(drained, "offsets_are_contiguous")
    assert not verdict.passed
    assert verdict.severity == AssetCheckSeverity.ERROR


def test_retention_is_a_warning_until_acknowledged(platform: Any, survey: Callable[..., Any]) -> None:
    packets = list(survey(objects=10, visits=2).packets())
    platform.append(packets[:5])
    platform.drain()
    platform.append(packets[5:])
    platform.kafka.content.begins[0] = 9
    platform.drain()
    verdict = judge_stream(platform, "offsets_are_contiguous")
    assert not verdict.passed
    assert verdict.severity == AssetCheckSeverity.WARN
    assert "4 offsets were deleted" in verdict.description
    assert "5 to 8" in verdict.description
    config = {"ops": {"mark_gaps": {"config": {"topic": TOPIC, "note": "replayed from the survey's archive"}}}}
    assert platform.run("acknowledge_gaps", run_config=config).success
    assert judge_stream(platform, "offsets_are_contiguous").passed
    ((reason,),) = platform.query("SELECT reason FROM stream_gap")
    assert reason.endswith("replayed from the survey's archive")


@pytest.mark.parametrize(
    ("bad", "passed", "severity"),
    [(0, True, AssetCheckSeverity.WARN), (1, False, AssetCheckSeverity.WARN), (20, False, AssetCheckSeverity.ERROR)],
)
def test_quarantine_share(
    platform: Any, survey: Callable[..., Any], bad: int, passed: bool, severity: AssetCheckSeverity
) -> None:
    platform.append([*survey(objects=25, visits=2).packets(), *[b"poison"] * bad])
    platform.drain()
    verdict = judge_stream(platform, "quarantine_share")
    assert (verdict.passed, verdict.severity) == (passed, severity)
    platform.execute("UPDATE quarantine SET state = 'dismissed'")
    assert judge_stream(platform, "quarantine_share").passed, "nothing is waiting any longer"


def test_check_runs_with_its_asset(drained: Any) -> None:
    checks = drained.checks(drained.make("packet_archive", night=FIRST))
    assert checks["packet_archive", "archive_is_complete", FIRST]
