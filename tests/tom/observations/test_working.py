"""Requests are placed once, whatever fails; followed; cancelled; and their files stored."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.tom.observations.lco import Lco
from broker_assets.tom.observations.store import cancel, products
from broker_assets.tom.observations.working import is_due, work

pytestmark = pytest.mark.database


def test_from_asking_to_stored_files(bench: Any) -> None:
    number = bench.ask("k")
    assert is_due(bench.connection)
    assert bench.work().placed == 1
    placed = bench.state(number)
    assert (placed.state, placed.remote, placed.failure) == ("placed", "1000", "")
    assert bench.work().looked == 1
    bench.portal.finish(1000)
    report = bench.work()
    assert (report.finished, report.stored) == (1, 2)
    done = bench.state(number)
    assert (done.state, done.remote_state, str(done.begins)[:16]) == ("completed", "COMPLETED", "2026-12-02 03:00")
    first, second = products(bench.connection, [number])
    content = (bench.folder / first.path).read_bytes()
    assert content == f"frame {first.name}".encode()
    assert (first.sha256, first.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    # A frame that comes later is stored too, and nothing is stored again.
    bench.portal.files["/store/late.fits"] = b"late"
    bench.portal.frames.append({"id": 900, "filename": "late.fits", "request_id": 10000})
    assert bench.work().stored == 1
    assert [one.state for one in products(bench.connection, [number])] == ["stored"] * 3
    assert bench.work(days=0.0).stored == 0  # the days in which files are looked for are over
    assert not is_due(bench.connection)
    assert second.name.endswith("-1.fits.fz")


def test_a_lost_answer_is_no_second_submission(bench: Any) -> None:
    number = bench.ask("k")
    bench.portal.lose = 1
    assert bench.work().failures == 1
    asking = bench.state(number)
    assert (asking.state, asking.attempts) == ("asking", 1)
    assert "Connection" in asking.failure
    bench.portal.fail = 2
    assert bench.work().failures == 1
    assert "HTTP 502" in bench.state(number).failure
    assert bench.work().placed == 1
    assert (bench.state(number).state, bench.state(number).failure) == ("placed", "")
    assert bench.portal.posts == len(bench.portal.groups) == 1


def test_workers_at_once_place_a_request_once(bench: Any) -> None:
    numbers = [bench.ask(f"k{place}") for place in range(3)]

    def run(_: int) -> int:
        with engine.connect(bench.url, autocommit=True) as connection:
            return work(connection, bench.plan()).placed

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(run, range(8))) == 3
    assert len(bench.portal.groups) == bench.portal.posts == 3
    assert {bench.state(number).state for number in numbers} == {"placed"}


def test_refusals_and_missing_facilities_are_said(bench: Any) -> None:
    number = bench.ask("k", proposal="LCO-X")
    assert bench.work().refused == 1
    assert 'Invalid proposal "LCO-X"' in bench.state(number).failure
    assert bench.state(number).state == "refused"
    other = bench.ask("k2")
    bench.connection.execute("UPDATE access.observations SET facility = 'gone' WHERE observationid = %s", (other,))
    assert bench.work().failures == 1
    assert bench.state(other).failure == "the settings name no facility 'gone'"


def test_cancelling(bench: Any) -> None:
    ann = bench.users["ann"]
    placed, lost, observed = (bench.ask(key) for key in ("placed", "lost", "observed"))
    bench.connection.execute("UPDATE access.observations SET due = NULL WHERE observationid = %s", (lost,))
    bench.work()
    bench.connection.execute("UPDATE access.observations SET due = now() WHERE observationid = %s", (lost,))
    bench.portal.lose = 1
    bench.work()
    bench.portal.finish(int(bench.state(observed).remote), frames=0)
    assert {cancel(bench.connection, ann, number) for number in (placed, lost, observed)} == {"cancelling"}
    bench.work()
    states = [bench.state(number).state for number in (placed, lost, observed)]
    assert states == ["cancelled", "cancelled", "completed"]
    assert sorted(one["state"] for one in bench.portal.groups.values()) == ["CANCELED", "CANCELED", "COMPLETED"]


@pytest.mark.parametrize(("state", "ours"), [("WINDOW_EXPIRED", "expired"), ("CANCELED", "cancelled")])
def test_what_ended_early_has_files_too(bench: Any, state: str, ours: str) -> None:
    number = bench.ask("k")
    bench.work()
    bench.portal.finish(1000, state, frames=1)
    assert bench.work().stored == 1
    bench.portal.files["/store/late.fits"] = b"late"
    bench.portal.frames.append({"id": 900, "filename": "late.fits", "request_id": 10000})
    assert bench.work().stored == 1
    assert bench.state(number).state == ours


def test_files_of_what_was_cancelled(bench: Any) -> None:
    number = bench.ask("k")
    bench.work()
    assert cancel(bench.connection, bench.users["ann"], number) == "cancelling"
    bench.work()
    bench.portal.finish(1000, "CANCELED", frames=1)
    assert bench.work().stored == 1
    assert bench.state(number).state == "cancelled"


def test_a_mistake_in_one_class_keeps_no_other_waiting(bench: Any, caplog: Any) -> None:
    class Wrong(Lco):
        def find(self, order: Any) -> str | None:
            raise KeyError("secret")

        place = look = find  # type: ignore[assignment]

    wrong, right = bench.ask("wrong"), bench.ask("right")
    bench.connection.execute("UPDATE access.observations SET facility = 'Own' WHERE observationid = %s", (wrong,))
    plan = bench.plan()
    report = work(bench.connection, replace(plan, facilities={**plan.facilities, "Own": Wrong(bench.lco.settings)}))
    assert (report.placed, report.failures) == (1, 1)
    assert bench.state(right).state == "placed"
    assert bench.state(wrong).failure.startswith("the class of this facility has a mistake (KeyError)")
    assert "secret" in caplog.text


def test_letters_are_posted_once(bench: Any) -> None:
    bench.given = {"exposure_time": "60", "exposure_count": "1"}
    number = bench.ask("by mail", bench.mail)
    assert bench.work().placed == 1
    assert bench.work().placed == 0
    assert cancel(bench.connection, bench.users["ann"], number) == "cancelling"
    bench.work()
    assert [cause for cause, _ in bench.letters] == [f"observation {number}", f"observation {number} cancelled"]
    assert bench.letters[1][1].subject.startswith("Cancelled: Observation of SN 2026x")
    assert f"http://broker.example/targets/observations/{number}/" in bench.letters[0][1].text


def test_files_that_cannot_be_fetched_are_tried_and_named(bench: Any) -> None:
    number = bench.ask("k")
    bench.work()
    bench.portal.finish(1000, frames=1)
    bench.portal.files.clear()
    assert bench.work().failures == 1
    [file] = products(bench.connection, [number])
    assert (file.state, file.failure) == ("waiting", f"{file.name}: HTTP 401")
    bench.connection.execute("UPDATE access.observation_products SET attempts = 19")
    bench.work()
    assert products(bench.connection, [number])[0].state == "lost"
