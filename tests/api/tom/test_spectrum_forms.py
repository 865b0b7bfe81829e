"""Forms of the board of spectra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from broker_assets.database import engine

pytestmark = pytest.mark.database


def test_plan_remove_and_report(own_site: str, database_url: str, log_in: Callable[[str, str], Any]) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (7, 10, -5, false)")
    clients = {name: log_in(own_site, name) for name in ("anna", "apibroker")}

    def send(what: str, name: str = "anna", **values: str) -> tuple[int, str]:
        client = clients[name]
        form = {"csrfmiddlewaretoken": client.session.headers["X-CSRFToken"], "objectid": "7", "facility": "Keck"}
        answer = client.post(f"spectra/{what}", data=form | values, allow_redirects=False)
        return answer.status_code, answer.text

    def stored(table: str) -> list[tuple[Any, ...]]:
        with engine.connect(database_url) as connection:
            return connection.execute(f"SELECT * FROM elasticc2_{table}").fetchall()  # type: ignore[arg-type]

    assert send("plan", plantime="2026-12-01 03:00", comment="clear")[0] == 303
    assert len(stored("plannedspectra")) == 1
    for what in ("plan", "remove"):
        status, text = send(what, "apibroker")
        assert status == 403
        assert "not a member of the facility" in text
    assert send("remove")[0] == 303
    assert stored("plannedspectra") == []
    assert send("report", mjd="60000.5", z="", classid="2222")[0] == 303
    assert [row[3:6] for row in stored("spectruminfo")] == [(60000.5, None, 2222)]
    for what, values, reason in (
        ("plan", {"objectid": "77"}, "Unknown objectid 77"),
        ("plan", {"objectid": "x"}, "not a whole number"),
        ("plan", {"facility": " "}, "write its name"),
        ("plan", {"plantime": "soon"}, "Failed to parse"),
        ("report", {"mjd": "now"}, "not a number"),
    ):
        status, text = send(what, **values)
        assert status == 422
        assert reason in text
    assert send("report", mjd="60000", csrfmiddlewaretoken="x")[0] == 403
    assert len(stored("spectruminfo")) == 1
