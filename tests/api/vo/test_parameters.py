"""Parameters as DALI has them."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.api.vo.parameters import VoError, answer, form_of, number_of, rows_of


def test_read() -> None:
    assert form_of({}) == "votable"
    assert form_of({"FORMAT": "text/csv; header=present"}) == "csv"
    assert rows_of({"MAXREC": "7"}, 5) == 5
    assert rows_of({}, 5) == 5
    assert number_of({"RA": " 10.5 "}, "RA", 0, 360) == 10.5


@pytest.mark.parametrize("given", [{"RA": "nan"}, {"RA": "inf"}, {"RA": "400"}, {}, {"RA": "10:00:00"}])
def test_a_number_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(VoError, match="RA"):
        number_of(given, "RA", 0, 360)


def test_an_error_is_a_votable() -> None:
    found = answer(VoError("no <such> thing", 404))
    assert (found.status_code, b"&lt;such&gt;" in bytes(found.body)) == (404, True)
