"""Killed runs, and runs at the same time: everything is delivered once, and nothing is seen half."""

from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_fixed

from broker_assets.database.engine import connect
from broker_assets.publication.content import hdus
from broker_assets.publication.questions import entries, pending, receipts
from broker_assets.publication.report import Report
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.targets import Arrived, Target

pytestmark = pytest.mark.database


class Killed(BaseException):
    """Stands for the end of a process."""


class KilledAfterDelivery(Target):
    """The run ends when the file is at the target and before the history knows."""

    def deliver(self, name: str, source: Path, sha256: str) -> Arrived:
        super().deliver(name, source, sha256)
        raise Killed


def fill(archive: Path, products: Any) -> int:
    """An archive with answers for the same data, one asked for again, and daily files."""
    for number, value in ((1, 1), (2, 2), (3, 3), (4, 1)):
        products.put(archive / "SCI", products.request(number), value=value, rows=400)
    for day in (10, 11, 12, 13):
        products.put(archive / "QL", f"solo_L1_stix-ql-lightcurve_202101{day}_V02U.fits", rows=400)
    return 8


def check_complete(connection: Any, folder: Path) -> None:
    """All is delivered, once, and the archive holds what the receipts say."""
    found = {entry.name: entry for entry in entries(connection)}
    assert len(found) == 8
    statuses = sorted(entry.status for entry in found.values())
    assert statuses == ["ignored", *["published"] * 5, "supplement", "supplement"]
    proofs = receipts(connection)
    assert len({receipt.name for receipt in proofs}) == len(proofs) == 7
    there = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    assert there == {receipt.name: receipt.sha256 for receipt in proofs}


def test_a_delivery_that_was_not_recorded_is_not_repeated(
    connection: Any, archive: Path, products: Any, sftp_server: Any
) -> None:
    products.put(archive, products.request(1))
    products.put(archive, products.request(2), value=2)
    url, options = sftp_server.url("archive"), sftp_server.options
    with pytest.raises(Killed):
        publish(connection, files_below(archive), KilledAfterDelivery("soar", url, options), Rules())
    assert receipts(connection) == []
    folder = sftp_server.folder / "archive"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert list(before) == [products.request(1)]
    writes = sftp_server.writes
    target = Target("soar", url, options)
    report = publish(connection, files_below(archive)[:1], target, Rules())
    assert report.counts == {"published": 1}
    assert sftp_server.writes == writes
    assert [receipt.sha256 for receipt in receipts(connection)] == [
        hashlib.sha256(data).hexdigest() for data in before.values()
    ]
    # The name was taken all the time.
    assert publish(connection, files_below(archive), target, Rules()).counts == {"supplement": 1}


def test_a_delivery_that_was_not_recorded_and_then_replaced(
    connection: Any, archive: Path, products: Any, tmp_path: Path
) -> None:
    far = tmp_path / "far"
    far.mkdir()
    products.put(archive, products.DAY)
    with pytest.raises(Killed):
        publish(connection, files_below(archive), KilledAfterDelivery("soar", str(far)), Rules())
    products.put(archive, products.DAY, rows=80)
    report = publish(connection, files_below(archive), Target("soar", str(far)), Rules())
    # What was delivered is known after all, so the new content is a change.
    assert report.counts == {"held": 1}
    assert [entry.status for entry in entries(connection)] == ["held", "published"]
    assert len(receipts(connection)) == 1


@pytest.mark.faults
def test_killed_at_random_moments(
    database_url: str, connection: Any, archive: Path, products: Any, sftp_server: Any
) -> None:
    fill(archive, products)
    sftp_server.seconds_per_write = 0.1
    folder = sftp_server.folder / "archive"
    command = [
        sys.executable,
        str(Path(__file__).parent / "publish_process.py"),
        database_url,
        str(archive),
        sftp_server.url("archive"),
        json.dumps(sftp_server.options),
    ]
    kills = 0
    for _ in range(int(os.environ.get("BROKER_FAULT_ROUNDS", "4"))):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            time.sleep(random.uniform(0.0, 1.0))
            kills += process.poll() is None
            process.kill()
        known = {entry.delivered_name: entry.sha256 for entry in entries(connection)}
        for path in folder.iterdir():
            if not path.name.startswith("."):
                data = path.read_bytes()
                assert sum(1 for _ in hdus(data)) == 2
                assert known[path.name] == hashlib.sha256(data).hexdigest()
    assert kills
    sftp_server.seconds_per_write = 0.0
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    report = Report.model_validate_json(done.stdout.splitlines()[1])
    assert report.failure is None
    check_complete(connection, folder)
    assert publish(connection, files_below(archive), Target("soar", str(folder)), Rules()).outcomes == []


def test_a_run_killed_while_it_writes_leaves_nothing_under_the_name(
    database_url: str, connection: Any, archive: Path, products: Any, sftp_server: Any
) -> None:
    products.put(archive, products.DAY, rows=20_000)
    sftp_server.seconds_per_write = 0.5
    command = [
        sys.executable,
        str(Path(__file__).parent / "publish_process.py"),
        database_url,
        str(archive),
        sftp_server.url("archive"),
        json.dumps(sftp_server.options),
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while sftp_server.writes < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
    assert sftp_server.writes >= 3
    names = [path.name for path in (sftp_server.folder / "archive").iterdir()]
    assert names == [".solo_L1_stix-ql-lightcurve_20210116_V02.fits.part"]
    (begun,) = entries(connection)
    assert (begun.status, begun.settled) == ("delivering", False)
    sftp_server.seconds_per_write = 0.0
    target = Target("soar", sftp_server.url("archive"), sftp_server.options)
    report = publish(connection, files_below(archive), target, Rules())
    assert report.counts == {"published": 1}
    names = [path.name for path in (sftp_server.folder / "archive").iterdir()]
    assert names == ["solo_L1_stix-ql-lightcurve_20210116_V02.fits"]
    # The copy has the time of the run that began.
    assert report.outcomes[0].sha256 == begun.sha256


def test_runs_at_the_same_time_deliver_each_file_once(
    database_url: str, connection: Any, archive: Path, products: Any, sftp_server: Any
) -> None:
    total = fill(archive, products)
    sftp_server.seconds_per_write = 0.01

    def run(number: int) -> Report:
        files = files_below(archive)
        target = Target("soar", sftp_server.url("archive"), sftp_server.options)
        with connect(database_url) as own, target:
            # Some see only a part, as runs for single days do.
            return publish(own, files[number:] + files[:number] if number % 2 else files, target, Rules())

    with ThreadPoolExecutor(4) as threads:
        reports = list(threads.map(run, range(4)))
    assert [report.failure for report in reports] == [None] * 4
    assert sum(len(report.outcomes) for report in reports) == total
    assert sum(len(report.unchanged) for report in reports) == 3 * total
    check_complete(connection, sftp_server.folder / "archive")


def test_a_full_target_takes_what_fits_and_the_rest_later(
    connection: Any, archive: Path, products: Any, sftp_server: Any
) -> None:
    products.put(archive, "solo_L1_stix-ql-lightcurve_20210110_V02U.fits", rows=20_000)
    products.put(archive, "solo_L1_stix-ql-lightcurve_20210111_V02U.fits", rows=10)
    sftp_server.quota = 100_000
    target = Target("soar", sftp_server.url("archive"), sftp_server.options, wait=wait_fixed(0.01))
    report = publish(connection, files_below(archive), target, Rules())
    assert [outcome.status for outcome in report.outcomes] == ["error", "published"]
    assert "could not be delivered" in report.outcomes[0].reason
    sftp_server.quota = None
    assert publish(connection, files_below(archive), target, Rules()).counts == {"published": 1}
    assert len(list((sftp_server.folder / "archive").iterdir())) == 2


def test_no_room_for_the_copy_on_our_side(connection: Any, archive: Path, products: Any, tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    products.put(archive, "solo_L1_stix-ql-lightcurve_20210110_V02U.fits", rows=20_000)
    products.put(archive, "solo_L1_stix-ql-lightcurve_20210111_V02U.fits", rows=10)
    target = Target("soar", str(far), wait=wait_fixed(0.01))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        report = publish(connection, files_below(archive), target, Rules())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [outcome.status for outcome in report.outcomes] == ["error", "published"]
    assert "File too large" in report.outcomes[0].reason
    assert [entry.reason for entry in pending(connection)] == [report.outcomes[0].reason]
    assert publish(connection, files_below(archive), target, Rules()).counts == {"published": 1}
    assert len(list(far.iterdir())) == 2


def test_a_supplement_that_was_cut_off_and_changed_keeps_its_number(
    connection: Any, archive: Path, products: Any, sftp_server: Any
) -> None:
    url, options = sftp_server.url("archive"), sftp_server.options
    target = Target("soar", url, options, wait=wait_fixed(0.01))
    products.put(archive, products.request(1))
    publish(connection, files_below(archive), target, Rules())
    products.put(archive, products.request(2), value=2)
    sftp_server.quota = 0
    assert publish(connection, files_below(archive), target, Rules()).counts == {"error": 1}
    sftp_server.quota = None
    # Another takes the next number meanwhile.
    third = products.put(archive / "later", products.request(3), value=3)
    assert publish(connection, files_below(third.parent), target, Rules()).counts == {"supplement": 1}
    products.put(archive, products.request(2), value=4)
    assert publish(connection, files_below(archive), target, Rules()).counts == {"supplement": 1}
    found = {entry.name: entry.supplement for entry in entries(connection, statuses=("published", "supplement"))}
    assert found == {products.request(1): 0, products.request(2): 1, products.request(3): 2}
