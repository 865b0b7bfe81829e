"""Requests are made once, seen by those who see the target, and changed by those who may."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.access.sharing import share
from broker_assets.database import engine
from broker_assets.tom.observations.facility import BadRequest
from broker_assets.tom.observations.store import NotAllowed, UnknownObservation, ask, cancel, get, say, search
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import UnknownTarget

pytestmark = pytest.mark.database


def test_two_clicks_ask_once(bench: Any) -> None:
    def click(_: int) -> int:
        with engine.connect(bench.url, autocommit=True) as connection:
            return ask(connection, bench.users["ann"], bench.lco, bench.target, bench.given, "one key")

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(click, range(8)))) == 1
    for other in ({"exposure_time": "30"}, {}):
        with pytest.raises(BadRequest, match="key: it was used for another" if other else "key: give"):
            bench.ask("one key" if other else "", **other)


def test_who_may_ask_and_see(bench: Any) -> None:
    connection, users = bench.connection, bench.users
    with pytest.raises(NotAllowed, match="eve is in no group that may ask LCO"):
        ask(connection, users["eve"], bench.lco, bench.target, bench.given, "k")
    with pytest.raises(UnknownTarget):
        ask(connection, users["bob"], bench.lco, bench.target, bench.given, "k")
    number = bench.ask("k")
    assert search(connection, Reader.of(users["bob"]), targetid=bench.target) == []
    share(connection, users["ann"], "target", str(bench.target), ["AGN"])
    assert [one.observationid for one in search(connection, Reader.of(users["bob"]), only_open=True)] == [number]
    with pytest.raises(NotAllowed):
        cancel(connection, users["bob"], number)
    share(connection, users["ann"], "target", str(bench.target), [])
    with pytest.raises(UnknownObservation):
        cancel(connection, users["bob"], number)
    assert cancel(connection, users["ann"], number) == "cancelled"
    assert cancel(connection, users["ann"], number) == "cancelled"
    assert not get(connection, Reader.of(users["ann"]), number).is_open


def test_people_say_what_became_of_a_letter(bench: Any) -> None:
    connection, ann = bench.connection, bench.users["ann"]
    bench.given = {"exposure_time": "60", "exposure_count": "1"}
    number = bench.ask("by mail", bench.mail)
    with pytest.raises(BadRequest, match="is waiting"):
        say(connection, ann, bench.mail, number, "completed")
    bench.work()
    with pytest.raises(BadRequest, match="say completed or expired"):
        say(connection, ann, bench.mail, number, "placed")
    with pytest.raises(UnknownObservation):
        say(connection, bench.users["eve"], bench.mail, number, "completed")
    say(connection, ann, bench.mail, number, "completed", "two good spectra")
    assert (bench.state(number).state, bench.state(number).remote_state) == ("completed", "two good spectra")
