"""Runs of the publisher: what is delivered, what is not, and what operators can do about it."""

from __future__ import annotations

import datetime
import hashlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tenacity import wait_fixed

from broker_assets.publication.history import NothingToAgree
from broker_assets.publication.questions import (
    agree,
    counts,
    entries,
    held,
    pending,
    receipts,
    runs,
    supplement_report,
)
from broker_assets.publication.report import Report
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Candidate, Rules, files_below
from broker_assets.publication.targets import Target

pytestmark = pytest.mark.database

NOW = datetime.datetime(2021, 3, 1, tzinfo=datetime.UTC)
DAY = "solo_L1_stix-ql-lightcurve_20210116_V02.fits"
NEXT = "solo_L1_stix-ql-lightcurve_20210116_V03.fits"


@pytest.fixture
def far(tmp_path: Path) -> Path:
    folder = tmp_path / "far"
    folder.mkdir()
    return folder


@pytest.fixture
def run(connection: Any, archive: Path, far: Path) -> Callable[..., Report]:
    """Run the publisher over the archive of the test."""

    def go(rules: Rules | None = None, **options: Any) -> Report:
        options = {"now": lambda: NOW} | options
        target = options.pop("target", None) or Target("soar", str(far), wait=wait_fixed(0.01))
        return publish(connection, options.pop("files", files_below(archive)), target, rules or Rules(), **options)

    return go


def decided(report: Report) -> dict[str, str]:
    return {outcome.name: outcome.status for outcome in report.outcomes}


def delivered(far: Path) -> list[str]:
    return sorted(path.name for path in far.iterdir())


def test_a_file_is_delivered_once_with_a_receipt(
    run: Any, products: Any, archive: Path, far: Path, connection: Any
) -> None:
    path = products.put(archive / "L1", products.DAY)
    ours = path.read_bytes()
    report = run(run_id="first")
    assert decided(report) == {DAY: "published"}
    assert path.read_bytes() == ours
    copy = (far / DAY).read_bytes()
    (receipt,) = receipts(connection)
    assert receipt.sha256 == hashlib.sha256(copy).hexdigest() == report.outcomes[0].sha256
    assert (receipt.target, receipt.name, receipt.size, receipt.run_id) == ("soar", DAY, len(copy), "first")
    again = run()
    assert (again.outcomes, [outcome.status for outcome in again.unchanged]) == ([], ["published"])
    assert again.data_version == report.data_version
    # Written again with the same content, at another time.
    products.put(archive / "L1", products.DAY, made=products.MADE + datetime.timedelta(days=1))
    assert run().outcomes == []
    assert (far / DAY).read_bytes() == copy
    assert len(receipts(connection)) == 1
    assert [item.counts for item in runs(connection)] == [{}, {}, {"published": 1}]


def test_a_changed_file_is_held_until_an_operator_agrees(
    run: Any, products: Any, archive: Path, far: Path, connection: Any
) -> None:
    products.put(archive, products.DAY)
    run()
    first = (far / DAY).read_bytes()
    products.put(archive, products.DAY, rows=80)
    report = run()
    assert decided(report) == {DAY: "held"}
    assert "changed since the file was delivered" in report.outcomes[0].reason
    assert "looks worse" not in report.outcomes[0].reason
    assert (far / DAY).read_bytes() == first
    assert run().outcomes == []
    assert [entry.name for entry in held(connection)] == [DAY]
    agree(connection, products.DAY, who="Ada", why="late packets")
    assert held(connection) == []
    assert [entry.agreed_by for entry in pending(connection)] == ["Ada"]
    assert decided(run()) == {DAY: "published"}
    assert (far / DAY).read_bytes() != first
    assert [receipt.name for receipt in receipts(connection, name=DAY)] == [DAY, DAY]
    (last, _) = entries(connection, name=DAY)
    assert (last.agreed_by, last.agreed_why, last.facts.rows) == ("Ada", "late packets", 80)
    assert run().outcomes == []


def test_a_file_that_changes_while_it_waits_for_an_answer(
    run: Any, products: Any, archive: Path, far: Path, connection: Any
) -> None:
    products.put(archive, products.DAY)
    run()
    products.put(archive, products.DAY, rows=70)
    run()
    products.put(archive, products.DAY, rows=80)
    assert decided(run()) == {DAY: "held"}
    # An answer is about what is there now.
    (waiting,) = held(connection)
    assert waiting.facts.rows == 80
    products.put(archive, products.DAY)
    # It is as it was delivered: nothing waits any more.
    assert run().outcomes == []
    assert held(connection) == pending(connection) == []
    products.put(archive, products.DAY, rows=70)
    assert decided(run()) == {DAY: "held"}


def test_a_content_that_comes_back_after_it_was_replaced_is_a_change(
    run: Any, products: Any, archive: Path, far: Path, connection: Any
) -> None:
    products.put(archive, products.DAY)
    run()
    products.put(archive, products.DAY, rows=80)
    run()
    agree(connection, DAY, who="Ada", why="late packets")
    run()
    assert counts(connection) == {"soar": {"published": 1, "replaced": 1}}
    products.put(archive, products.DAY)
    assert decided(run()) == {DAY: "held"}
    agree(connection, DAY, who="Ada", why="back again")
    assert decided(run()) == {DAY: "published"}
    assert counts(connection) == {"soar": {"published": 1, "replaced": 1}}
    # An answer counts once.
    products.put(archive, products.DAY, rows=80)
    assert decided(run()) == {DAY: "held"}
    assert len(receipts(connection, name=DAY)) == 3


def test_a_version_that_looks_worse_is_held(run: Any, products: Any, archive: Path, far: Path, connection: Any) -> None:
    products.put(archive, products.DAY)
    run()
    products.put(archive, NEXT, rows=40, nan=10)
    report = run()
    assert decided(report) == {NEXT: "held"}
    reason = report.outcomes[0].reason
    for part in ("worse than version 02", "40 rows, the delivered file has 60", "25.0% NaN", "not covered"):
        assert part in reason
    assert delivered(far) == [DAY]
    assert run().held == run().unchanged[-1:]
    agree(connection, NEXT, who="Ada", why="as on board")
    assert decided(run()) == {NEXT: "published"}
    assert delivered(far) == [DAY, NEXT]


def test_a_better_version_is_delivered_and_tolerances_are_kept(
    run: Any, products: Any, archive: Path, far: Path
) -> None:
    products.put(archive, products.DAY, rows=100)
    run()
    products.put(archive, NEXT, rows=95)
    tolerant = Rules(tolerated_row_loss=0.05, tolerated_coverage_loss=0.05)
    assert decided(run(tolerant)) == {NEXT: "published"}
    products.put(archive, "solo_L1_stix-ql-lightcurve_20210116_V04.fits", rows=94)
    # Compared with the newest that was delivered.
    assert decided(run()) == {"solo_L1_stix-ql-lightcurve_20210116_V04.fits": "held"}


def test_an_operator_can_refuse(run: Any, products: Any, archive: Path, far: Path, connection: Any) -> None:
    products.put(archive, products.DAY)
    run()
    products.put(archive, NEXT, rows=1)
    run()
    agree(connection, NEXT, who="Ada", why="no", answer="refuse")
    assert held(connection) == pending(connection) == []
    assert run().outcomes == []
    with pytest.raises(NothingToAgree, match="refused by an operator"):
        agree(connection, NEXT, who="Ada", why="after all")
    with pytest.raises(NothingToAgree, match="the history does not have it"):
        agree(connection, "unknown", who="Ada", why="why")
    with pytest.raises(ValueError, match="a name and a reason"):
        agree(connection, NEXT, who="Ada", why=" ")


def test_requests_for_the_same_data(run: Any, products: Any, archive: Path, far: Path, connection: Any) -> None:
    for number, value in ((1, 1), (2, 1), (3, 3), (4, 4), (5, 5)):
        products.put(archive, products.request(number), value=value)
    conflicts = far.parent / "conflicts"
    report = run(conflicts=Target("conflicts", str(conflicts), create=True), reason=lambda number: f"reason {number}")
    names = [products.request(number) for number in range(1, 6)]
    expected = ["published", "ignored", "supplement", "supplement", "error"]
    assert decided(report) == dict(zip(names, expected, strict=True))
    assert delivered(far) == sorted(
        [names[0], names[2].replace("cpd", "cpd-sup1"), names[3].replace("cpd", "cpd-sup2")]
    )
    assert delivered(conflicts) == [names[4]]
    assert f"same data as {names[0]}" in report.outcomes[1].reason
    lines = supplement_report(connection, "soar").splitlines()
    assert lines[1].split("\t") == [
        names[2].replace("cpd", "cpd-sup1"),
        names[0],
        "BSD request id: '3' reason: 'reason 3'",
    ]
    assert len(lines) == 3
    assert run().outcomes == []
    # The archive agreed to take another.
    agree(connection, names[4], who="Ada", why="SOAR takes three")
    assert decided(run()) == {names[4]: "supplement"}
    assert names[4].replace("cpd", "cpd-sup3") in delivered(far)


def test_a_supplement_that_changes_keeps_its_number(
    run: Any, products: Any, archive: Path, far: Path, connection: Any
) -> None:
    products.put(archive, products.request(1))
    products.put(archive, products.request(2), value=2)
    run()
    before = delivered(far)
    products.put(archive, products.request(2), value=3)
    assert decided(run()) == {products.request(2): "held"}
    agree(connection, products.request(2), who="Ada", why="new calibration")
    assert decided(run()) == {products.request(2): "supplement"}
    assert delivered(far) == before


def test_the_blacklist(run: Any, products: Any, archive: Path, far: Path, connection: Any) -> None:
    products.put(archive, products.request(1))
    products.put(archive, products.request(2), value=2)
    black = Rules(blacklist=frozenset({products.request(1)}))
    report = run(black)
    # The row of the file itself, and the other is the first of its name in the archive.
    assert decided(report) == {products.request(1): "blacklisted", products.request(2): "published"}
    assert run(black).outcomes == []
    assert decided(run()) == {products.request(1): "supplement"}


def test_data_of_the_future_wait_for_their_time(run: Any, products: Any, archive: Path, far: Path) -> None:
    products.put(archive, products.DAY, begin="2021-03-09T00:00:00.000")
    report = run()
    assert decided(report) == {DAY: "ignored"}
    assert "in the future" in report.outcomes[0].reason
    # It takes no place in later batches.
    other = products.put(archive, "solo_L1_stix-ql-variance_20210116_V02U.fits")
    assert decided(run(Rules(batch_size=1))) == {other.name.replace("U", ""): "published"}
    assert run().outcomes == []
    assert decided(run(now=lambda: NOW + datetime.timedelta(days=2))) == {DAY: "published"}


def test_young_files_wait_and_batches_go_on(run: Any, products: Any, archive: Path, far: Path) -> None:
    for day in range(10, 15):
        products.put(archive, f"solo_L1_stix-ql-lightcurve_202101{day}_V02U.fits")
    young = products.put(archive, products.DAY, made=NOW - datetime.timedelta(days=13))
    first = run(Rules(batch_size=3))
    assert first.waiting == [young.name]
    assert len(first.left) == 2
    assert delivered(far) == [f"solo_L1_stix-ql-lightcurve_202101{day}_V02.fits" for day in (10, 11, 12)]
    assert len(run(Rules(batch_size=3)).outcomes) == 2
    assert len(delivered(far)) == 5
    # The time that the caller recorded counts, not that of the file.
    known = [Candidate(young, made_at=NOW - datetime.timedelta(days=15))]
    assert decided(run(files=known)) == {DAY: "published"}


def test_one_bad_file_does_not_stop_the_others(
    run: Any, products: Any, archive: Path, far: Path, connection: Any
) -> None:
    names = [f"solo_L1_stix-ql-lightcurve_202101{day}_V02U.fits" for day in (10, 11, 12, 13)]
    for name in names:
        products.put(archive, name)
    data = bytearray((archive / names[0]).read_bytes())
    data[-2880] ^= 1
    (archive / names[0]).write_bytes(data)
    (archive / names[1]).write_bytes(b"not FITS")
    os.utime(archive / names[1], (products.MADE.timestamp(),) * 2)

    def refresh(header: Any) -> Any:
        if header["FILENAME"] == names[2].replace("U", ""):
            raise ValueError("no kernel")
        return []

    report = run(refresh=refresh)
    assert list(decided(report).values()) == ["error", "error", "error", "published"]
    reasons = [outcome.reason for outcome in report.outcomes]
    assert "does not match its checksum" in reasons[0]
    assert reasons[1] == "our file is damaged: the file ends within a header"
    assert "no kernel" in reasons[2]
    assert {entry.name for entry in pending(connection)} == {name.replace("U", "") for name in names[:3]}
    (archive / names[1]).write_bytes(b"")
    os.utime(archive / names[1], (products.MADE.timestamp(),) * 2)
    assert "our file is damaged: the file is empty" in [outcome.reason for outcome in run(refresh=refresh).outcomes]
    # What is mended is delivered.
    products.put(archive, names[0])
    products.put(archive, names[1])
    assert list(decided(run()).values()) == ["published"] * 3
    assert pending(connection) == held(connection) == []


def test_pictures(run: Any, products: Any, archive: Path, far: Path) -> None:
    name = "solo_LL03_stix-ql-lightcurve_20210116T000000-20210116T235959_V02C.svg"
    products.put(archive, name, b"<svg>1</svg>")
    later = {"now": lambda: datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)}
    assert decided(run(**later)) == {name: "published"}
    assert (far / name).read_bytes() == b"<svg>1</svg>"
    products.put(archive, name, b"<svg>2</svg>")
    assert decided(run(**later)) == {name: "held"}


def test_a_dry_run_tells_and_changes_nothing(
    run: Any, products: Any, archive: Path, far: Path, connection: Any
) -> None:
    for number in (1, 2, 3, 4):
        products.put(archive, products.request(number), value=number)
    report = run(dry_run=True)
    assert list(decided(report).values()) == ["published", "supplement", "supplement", "error"]
    assert delivered(far) == []
    assert counts(connection) == {}
    assert runs(connection) == []
    assert decided(run()) == decided(report)


def test_targets_have_histories_of_their_own(
    run: Any, products: Any, archive: Path, far: Path, connection: Any, tmp_path: Path
) -> None:
    products.put(archive, products.DAY)
    run()
    other = tmp_path / "other"
    other.mkdir()
    assert decided(run(target=Target("other", str(other)))) == {DAY: "published"}
    assert delivered(other) == delivered(far) == [DAY]
    assert counts(connection) == {"other": {"published": 1}, "soar": {"published": 1}}


def test_a_target_that_is_away_ends_the_run(run: Any, products: Any, archive: Path, far: Path, connection: Any) -> None:
    names = [f"solo_L1_stix-ql-lightcurve_202101{day}_V02U.fits" for day in (10, 11, 12)]
    for name in names:
        products.put(archive, name)
    target = Target("soar", str(far), wait=wait_fixed(0.01))

    def unmount(outcome: Any) -> None:
        if far.is_dir():
            far.rename(far.with_name("unmounted"))

    report = run(target=target, notify=unmount)
    assert list(decided(report).values()) == ["published"]
    assert report.failure is not None
    assert "soar" in report.failure
    assert "is unavailable" in report.failure
    assert report.left == names[1:]
    assert runs(connection)[0].failure == report.failure
    assert run().failure is not None
    far.with_name("unmounted").rename(far)
    assert list(decided(run()).values()) == ["published", "published"]
    assert len(receipts(connection)) == 3


def test_a_connection_within_a_transaction_is_refused(run: Any, connection: Any) -> None:
    connection.execute("SELECT 1")
    with pytest.raises(ValueError, match="within a transaction"):
        run()
    connection.rollback()


def test_every_kind_of_target(connection: Any, archive: Path, products: Any, remote: Any) -> None:
    products.put(archive, products.DAY)
    products.put(archive, products.request(1))
    report = publish(connection, files_below(archive), remote.target, replace(Rules(), waiting=datetime.timedelta(0)))
    assert set(decided(report).values()) == {"published"}
    found = remote.files()
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == {
        outcome.delivered_name: outcome.sha256 for outcome in report.outcomes
    }
    assert publish(connection, files_below(archive), remote.target, Rules()).outcomes == []
