"""Pages of requests: asked for on the page of a target, followed, cancelled, answered, with their files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from lco_portal import TOKEN, Portal
from site_visitors import Visitor, number_in, signed_in, without_markup

from broker_assets.access import tokens
from broker_assets.database import engine
from broker_assets.jobs.observations import plan_of
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.settings.tom import FacilitySettings, TomSettings
from broker_assets.tom.observations.working import work

pytestmark = pytest.mark.database
ASKED: dict[str, Any] = {
    "f-proposal": "LCO2026B-001", "f-observation_type": "NORMAL", "f-configuration_type": "EXPOSE",
    "f-telescope_class": "1m0", "f-instrument_type": "1M0-SCICAM-SINISTRO", "f-optical_element": "filter=rp",
    "f-exposure_time": "60", "f-exposure_count": "1", "f-start": "2026-12-01", "f-end": "2026-12-05",
    "f-max_airmass": "1.6", "f-min_lunar_distance": "30", "f-ipp_value": "1.05",
}  # fmt: skip


@dataclass
class Observers:
    """A server with two facilities, visitors, and a target of ann that bob may see."""

    url: str
    connection: psycopg.Connection[Any]
    settings: Settings
    portal: Portal
    ann: Visitor
    bob: Visitor
    eve: Visitor
    target: int

    def work(self) -> None:
        for table in ("observations", "observation_products"):
            self.connection.execute(f"UPDATE access.{table} SET due = now() WHERE due IS NOT NULL")  # type: ignore[call-overload]
        work(self.connection, plan_of(self.settings))


@pytest.fixture(scope="module")
def observers(
    module_database_url: str, server_of: Callable[[Settings], AbstractContextManager[str]], tmp_path_factory: Any
) -> Iterator[Observers]:
    with Portal() as portal:
        mail = "broker_assets.tom.observations.by_mail:ByMail"
        lco = FacilitySettings(
            name="LCO",
            groups=["AGN"],
            url=portal.url,
            archive_url=portal.url,
            token=TOKEN,  # type: ignore[arg-type]
        )
        letters = FacilitySettings(name="Calar Alto", kind=mail, groups=["AGN"], address="observer@example.org")
        settings = Settings(
            home=Path(tmp_path_factory.mktemp("home")),
            database=DatabaseSettings(url=module_database_url),  # type: ignore[arg-type]
            streams=[],
            tom=TomSettings(facilities=[lco, letters]),
        )
        with server_of(settings) as url, engine.connect(module_database_url, autocommit=True) as connection:
            ann, bob = (Visitor(url, connection, name, groups=["AGN"]) for name in ("ann", "bob"))
            eve = Visitor(url, connection, "eve")
            target = number_in(ann.done("/targets/create/", name="M 1", ra="83.6", dec="22"))
            ann.done(f"/targets/{target}/share/", audience="group", group="AGN")
            yield Observers(url, connection, settings, portal, ann, bob, eve, target)
            for visitor in (ann, bob, eve):
                visitor.close()


def test_two_clicks_and_a_stored_file(observers: Observers) -> None:
    ann, page = observers.ann, f"/targets/{observers.target}/"
    key = re.findall(r'name="facility" value="LCO"><input type="hidden" name="key" value="(\w+)"', ann.text(page))[0]
    path = f"{page}observations/"
    first = ann.done(path, facility="LCO", key=key, **ASKED)
    assert ann.done(path, facility="LCO", key=key, **ASKED) == first
    assert ann.send(path, facility="LCO", key=key, **ASKED | {"f-exposure_time": "61"}).status_code == 422
    assert ann.send(path, facility="LCO", key="k2", **ASKED | {"f-exposure_time": "x"}).status_code == 422
    assert ann.send(path, facility="VLT", key="k2", **ASKED).status_code == 422
    observers.work()
    number = number_in(first)
    request = f"/targets/observations/{number}/"
    assert "▶ placed" in ann.text(request)
    observers.portal.finish(1000, frames=1)
    observers.work()
    shown = ann.text(request)
    assert "✓ completed" in shown
    assert "2026-12-02 03:00:00" in shown
    file = re.findall(rf'href="({request}files/\d+/)"', shown)[0]
    answer = observers.bob.get(file)
    assert (answer.content, answer.headers["x-content-type-options"]) == (b"frame coj-10000-0.fits.fz", "nosniff")
    for path in (request, file):
        assert observers.eve.get(path).status_code == 404
    assert observers.eve.send(f"{page}observations/", facility="LCO", key="x", **ASKED).status_code == 403
    assert observers.portal.posts == 1
    assert str(number) in observers.bob.text("/targets/observations/?state=all")
    assert "No request is open" in observers.bob.text("/targets/observations/")
    assert "None of your groups may use a facility" in observers.eve.text(
        f"/targets/{number_in(observers.eve.done('/targets/create/', name='x', ra='1', dec='2'))}/"
    )


def test_by_letter_with_an_answer_of_people(observers: Observers) -> None:
    ann, bob, path = observers.ann, observers.bob, f"/targets/{observers.target}/observations/"
    asked = {"f-exposure_time": "60", "f-exposure_count": "1", "f-note": "<b>rising"}
    request = ann.done(path, facility="Calar Alto", key="letter", **asked).partition("?")[0]
    observers.work()
    rows = observers.connection.execute("SELECT owner, address, cause, body FROM owner_messages").fetchall()
    assert [row[:3] for row in rows] == [("ann", "observer@example.org", f"observation {number_in(request)}")]
    assert "&lt;b&gt;rising" in bob.text(request)
    assert bob.send(f"{request}say/", state="completed").status_code == 403
    assert bob.send(f"{request}cancel/").status_code == 403
    ann.done(f"{request}say/", state="completed", text="two spectra")
    assert "two spectra" in ann.text(request)
    assert ann.send(f"{request}say/", state="expired").status_code == 422
    other = ann.done(path, facility="LCO", key="other", **ASKED).partition("?")[0]
    ann.done(f"{other}cancel/")
    assert "cancelled" in without_markup(ann.text(other))


def test_by_programs(observers: Observers) -> None:
    token = tokens.create(observers.connection, observers.ann.user, "t", "write")  # type: ignore[arg-type]
    headers = {"Authorization": f"Token {token}"}
    with httpx.Client(base_url=f"{observers.url}/api/v1", headers=headers, timeout=30) as client:
        lco, letters = client.get("/facilities").json()["facilities"]
        assert (lco["may_ask"], lco["by_letter"], letters["by_letter"]) == (True, False, True)
        assert {"f-" + one["name"] for one in lco["fields"]} == set(ASKED)
        given = {"facility": "LCO", "key": "by program", "parameters": {k[2:]: v for k, v in ASKED.items()}}
        path = f"/targets/{observers.target}/observations"
        made = [client.post(path, json=given) for _ in range(2)]
        assert [one.status_code for one in made] == [201, 201]
        number = made[0].json()["observationid"]
        assert made[1].json()["observationid"] == number
        assert client.post(path, json=given | {"facility": "VLT"}).status_code == 404
        assert client.post(path, json=given | {"key": "k", "parameters": {}}).status_code == 400
        assert client.delete(f"/observations/{number}").json() == {"state": "cancelled"}
        every = client.get("/observations", params={"target": observers.target}).json()["observations"]
        done = next(one for one in every if one["state"] == "completed" and one["facility"] == "LCO")
        detail = client.get(f"/observations/{done['observationid']}").json()
        [file] = detail["files"]
        assert "path" not in file
        content = client.get(f"/observations/{done['observationid']}/files/{file['productid']}")
        assert content.content.startswith(b"frame ")
        assert client.get(f"/observations/{done['observationid']}/files/999").status_code == 404
        assert client.get("/observations", params={"open": True}).json() == {"observations": []}


@pytest.mark.browser
def test_pages_can_be_read_in_a_browser(observers: Observers, page_browser: Any) -> None:
    signed_in(page_browser, observers.url, observers.ann)
    for path in ("/targets/observations/?state=all", "/targets/observations/1/", f"/targets/{observers.target}/"):
        for dark, size in ((False, (1280, 800)), (True, (360, 740))):
            page_browser.go(observers.url + path, size, dark=dark)
            assert page_browser.sideways() <= 0, path
            assert page_browser.inaccessible() == [], path
    assert page_browser.troubles == []
