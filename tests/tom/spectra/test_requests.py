"""Spectra are asked for, also by two users at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.tom.spectra.known_objects import UnknownObjectError
from broker_assets.tom.spectra.requests import request_spectra

pytestmark = pytest.mark.database

STORED = "SELECT wantspec_id, requester, priority, diaobject_id FROM elasticc2_wantedspectra ORDER BY 1"


def test_a_request_is_stored_and_replaced(desk: Any) -> None:
    odd = 'a\tb\n\\c"'
    assert request_spectra(desk.connection, 7, odd, [2, 1], [9, -3]) == 2
    assert desk.rows(STORED) == [(f"1 ; {odd}", odd, 1, 1), (f"2 ; {odd}", odd, 5, 2)]
    before = desk.rows("SELECT max(wanttime) FROM elasticc2_wantedspectra")
    assert request_spectra(desk.connection, 8, odd, [1], [4]) == 1
    assert desk.rows("SELECT priority, user_id FROM elasticc2_wantedspectra WHERE diaobject_id = 1") == [(4, 8)]
    assert desk.rows("SELECT max(wanttime) FROM elasticc2_wantedspectra") > before


def test_nothing_is_stored_of_a_bad_request(desk: Any) -> None:
    with pytest.raises(UnknownObjectError):
        request_spectra(desk.connection, 7, "x", [1, 77], [1, 1])
    with pytest.raises(ValueError, match="object 1 is given twice"):
        request_spectra(desk.connection, 7, "x", [1, 1], [1, 1])
    with pytest.raises(ValueError, match="2 objects and 1 priorities"):
        request_spectra(desk.connection, 7, "x", [1, 2], [1])
    assert desk.rows(STORED) == []


def test_two_users_at_once_ask_for_the_same_objects(desk: Any) -> None:
    def ask(userid: int) -> int:
        objects = [1, 2, 3, 4, 5] if userid % 2 else [5, 4, 3, 2, 1]
        with engine.connect(desk.url, autocommit=True) as connection:
            return sum(request_spectra(connection, userid, "both", objects, [3] * 5) for _ in range(20))

    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(ask, (1, 2))) == [100, 100]
    assert len(desk.rows(STORED)) == 5
    assert len(desk.rows("SELECT DISTINCT user_id FROM elasticc2_wantedspectra")) == 1
