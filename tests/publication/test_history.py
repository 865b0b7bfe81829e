"""What was decided and delivered: each step a transaction, and what one step does to earlier entries."""

from __future__ import annotations

import datetime
import threading
import time
from typing import Any

import pytest

from broker_assets.database.engine import connect
from broker_assets.publication import history, questions
from broker_assets.publication.names import ProductName
from broker_assets.publication.targets import Arrived

pytestmark = pytest.mark.database

NAME = "solo_L1_stix-ql-lightcurve_20240503_V02.fits"


def decided(digest: str, status: str = "delivering", *, name: str = NAME, **more: Any) -> dict[str, Any]:
    """Columns of a decision on a content."""
    parsed = ProductName.parse(name)
    values: dict[str, Any] = {
        "target": "soar", "name": str(parsed.complete), "path": f"L1/{name}", "digest": digest,
        "archive_name": parsed.archive_name, "subject": parsed.subject, "version": parsed.version,
        "status": status, "settled": status not in ("delivering", "error"), "reason": "", "facts": {"rows": 10},
        "source_size": 1, "source_mtime": 2, "run_id": "r", "delivered_name": name,
    }  # fmt: skip
    return values | more


def deliver(connection: Any, digest: str, **more: Any) -> int:
    """Decide on a content and deliver it."""
    number = history.record(connection, decided(digest, **more))
    receipt = Arrived(name=NAME, url=f"file:///soar/{NAME}", size=10, sha256=digest * 32)
    history.arrived(connection, number, "published", receipt, "r")
    return number


def statuses(connection: Any) -> dict[str, str]:
    return {entry.digest: entry.status for entry in questions.entries(connection)}


def test_a_delivery_has_its_receipt(connection: Any) -> None:
    number = deliver(connection, "aa")
    (entry,) = questions.entries(connection)
    assert (entry.publicationid, entry.status, entry.settled) == (number, "published", True)
    (receipt,) = questions.receipts(connection, name=NAME)
    assert (receipt.publicationid, receipt.sha256, receipt.run_id) == (number, "aa" * 32, "r")


def test_another_content_replaces_the_one_at_the_target(connection: Any) -> None:
    deliver(connection, "aa")
    deliver(connection, "bb")
    assert statuses(connection) == {"aa": "replaced", "bb": "published"}
    assert len(questions.receipts(connection)) == 2, "receipts stay"


def test_a_content_that_was_never_delivered_is_forgotten_by_the_next(connection: Any) -> None:
    history.record(connection, decided("aa", "held", reason="fewer rows"))
    history.record(connection, decided("bb", "held"))
    assert statuses(connection) == {"aa": "replaced", "bb": "held"}
    assert [entry.digest for entry in questions.held(connection)] == ["bb"]


def test_the_same_content_again_is_one_entry(connection: Any) -> None:
    first = history.record(connection, decided("aa", "held"))
    questions.agree(connection, NAME, who="ann", why="checked")
    assert history.record(connection, decided("aa")) == first
    (entry,) = questions.entries(connection)
    assert entry.agreed, "a delivery that is under way keeps the answer it follows from"
    history.record(connection, decided("aa", "held"))
    (entry,) = questions.entries(connection)
    assert not entry.agreed, "an answer of the past was about the past"


def test_a_file_that_did_not_arrive_is_tried_again(connection: Any) -> None:
    number = history.record(connection, decided("aa"))
    history.failed(connection, number, "x" * 5000, "r2")
    (entry,) = questions.pending(connection)
    assert entry.status == "error"
    assert len(entry.reason) == history.REASON_LENGTH


def test_what_is_known_is_newest_first(connection: Any) -> None:
    deliver(connection, "aa")
    history.record(connection, decided("bb", "held", retry_after=datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)))
    found = history.known(connection, "soar", [NAME, "another.fits"])
    assert [item.digest for item in found[NAME]] == ["bb", "aa"]
    assert found[NAME][0].retry_after is not None
    assert history.known(connection, "elsewhere", [NAME]) == {}


def test_a_known_content_with_other_times_is_remembered(connection: Any) -> None:
    deliver(connection, "aa")
    history.record(connection, decided("bb", "held"))
    history.touch(connection, "soar", NAME, "aa", 100, 200)
    (item,) = [item for item in history.known(connection, "soar", [NAME])[NAME] if item.digest == "aa"]
    assert (item.source_size, item.source_mtime) == (100, 200)
    assert statuses(connection) == {"aa": "published", "bb": "replaced"}


def test_related_entries_share_archive_name_or_subject(connection: Any) -> None:
    request = "solo_L1_stix-sci-xray-cpd_20210116T120000-20210116T120100_V02_{:010d}-50001.fits"
    for number in (1, 2):
        history.record(connection, decided(f"a{number}", name=request.format(number)))
    history.record(connection, decided("cc"))
    found = history.related(connection, "soar", ProductName.parse(request.format(1)))
    assert [entry.digest for entry in found] == ["a1", "a2"]


def test_decisions_on_an_archive_name_follow_one_another(connection: Any, database_url: str) -> None:
    order: list[str] = []

    def other() -> None:
        with connect(database_url) as second, history.locked(second, "soar", "name"):
            order.append("other")

    with history.locked(connection, "soar", "name"):
        thread = threading.Thread(target=other)
        thread.start()
        with connect(database_url) as third, history.locked(third, "soar", "another name"):
            order.append("another name")
        time.sleep(0.2)
        order.append("first")
    thread.join(20)
    assert order == ["another name", "first", "other"]


def test_runs_begin_once_and_end(connection: Any) -> None:
    history.begin_run(connection, "r", "soar")
    history.begin_run(connection, "r", "soar")
    assert [(run.run_id, run.finished_at) for run in questions.runs(connection)] == [("r", None)]
    history.end_run(connection, "r", "soar", {"published": 2}, "the target went away")
    (run,) = questions.runs(connection, "soar")
    assert (run.counts, run.failure) == ({"published": 2}, "the target went away")
    assert run.finished_at is not None
