"""Places for statements."""

from __future__ import annotations

import threading

import pytest

from broker_assets.tom.queries.turns import NoTurnError, Turns


def test_an_account_has_a_quarter_of_the_places() -> None:
    turns = Turns(8, patience=0.01)
    with turns.turn(1), turns.turn(1), turns.turn(2):
        with pytest.raises(NoTurnError, match="you have 2 queries that run, and the server 3"), turns.turn(1):
            pass
        with turns.turn(2), turns.turn(3):
            pass
    with turns.turn(1):
        pass


def test_all_places_are_taken_and_one_becomes_free() -> None:
    turns = Turns(2, patience=30)
    free, ran = threading.Event(), []

    def take(userid: int) -> None:
        with turns.turn(userid):
            ran.append(userid)
            free.wait(30)

    threads = [threading.Thread(target=take, args=(userid,)) for userid in (1, 2, 3)]
    for thread in threads:
        thread.start()
    free.set()
    for thread in threads:
        thread.join(30)
    assert sorted(ran) == [1, 2, 3]
