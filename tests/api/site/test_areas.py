"""Areas: files, regions, circles and polygons, hits, sharing, removal; each for those who may."""

from __future__ import annotations

import io
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from mocpy import MOC
from site_visitors import number_in

from broker_assets.sky.areas import moc_bytes

pytestmark = pytest.mark.database
PAGES = ("", "file/", "hits.csv", "picture.png", "delete/")
ACTIONS = ("update/", "share/", "replace/", "copy/", "delete/")


@pytest.fixture(scope="module")
def number(people: Any) -> int:
    """A private area of ann, a circle, with an object inside."""
    address = people.ann.done("/watchmaps/create/", name="Field", ra="10", dec="-5", size="1", order="9")
    found = number_in(address)
    people.connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (7, 1, 10, -5)")
    people.connection.execute("INSERT INTO area_hits (diaobjectid, ar_id) VALUES (7, %s)", (found,))
    return found


def test_an_area_is_a_circle_a_polygon_a_region_or_a_file(people: Any, number: int) -> None:
    deep = MOC.from_str("16/77-80")
    for name, fields in (
        ("polygon", {"corners": "10 -5\n12, -5\n12 -3", "order": "8"}),
        ("region", {"region": "CIRCLE ICRS 10 20 1", "order": "8"}),
        ("file", {"file": ("m.fits", moc_bytes(MOC.from_str("3/1-4")))}),
        ("degraded", {"file": ("m.fits", moc_bytes(deep)), "degrade": "on"}),
    ):
        path = people.ann.done("/watchmaps/create/", name=name, **fields).partition("?")[0]
        made = MOC.from_fits(io.BytesIO(people.ann.get(f"{path}file/").content))
        assert not made.empty()
        assert made.max_order <= 14
    assert "deg²" in people.ann.text("/watchmaps/")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "give exactly one of these: a file"),
        ({"ra": "1", "dec": "2", "size": "1", "corners": "1 2"}, "give exactly one of these: a file"),
        ({"ra": "1", "dec": "200", "size": "1"}, "not from -90 to 90"),
        ({"ra": "x", "dec": "2", "size": "1"}, "not a number"),
        ({"corners": "1 2\n3 4"}, "three corners"),
        ({"corners": "1 2\n3 4\nfive 6"}, "corner 3"),
        ({"region": "nothing of the kind"}, "✗"),
        ({"ra": "1", "dec": "2", "size": "1", "order": "20"}, "Order"),
        ({"file": ("m.fits", moc_bytes(MOC.from_str("16/77-80")))}, "order 16"),
        ({"ra": "1", "dec": "2", "size": "1", "order": "4", "name": "FIELD"}, "already has an area"),
    ],
)
def test_what_cannot_be_an_area_is_said_and_nothing_is_lost(
    people: Any, number: int, fields: dict[str, Any], said: str
) -> None:
    answer = people.ann.send("/watchmaps/create/", **{"name": "<new>", **fields})
    assert answer.status_code == 422
    assert said in answer.text
    if "name" not in fields:
        assert 'value="&lt;new&gt;"' in answer.text


def test_the_page_and_its_downloads(people: Any, number: int) -> None:
    page = people.ann.text(f"/watchmaps/{number}/")
    assert "order 9" in page
    assert 'href="/objects/7/"' in page
    assert people.ann.text(f"/watchmaps/{number}/hits.csv").splitlines()[1].startswith("7,10.0,-5.0")
    assert people.ann.get(f"/watchmaps/{number}/picture.png").content.startswith(b"\x89PNG")
    part = people.ann.get(f"/watchmaps/{number}/", headers={"HX-Request": "true"}).text
    assert f'hx-get="/watchmaps/{number}/"' in part
    assert "You have no area yet" in people.eve.text("/watchmaps/")
    assert people.guest.get("/watchmaps/create/").status_code == 302


def test_a_polygon_is_drawn_without_scripts(people: Any) -> None:
    page = people.ann.text("/watchmaps/draw/")
    assert "0 corners" in page
    assert "disabled" in page
    where = {"ra": "10", "dec": "-5", "field": "20"}
    corners = ""
    for x, y in ((180, 90), (540, 90), (360, 300)):
        asked = urlencode({**where, "corners": corners, "point.x": x, "point.y": y})
        page = people.ann.text(f"/watchmaps/draw/?{asked}")
        found = re.search(r'name="corners" value="([^"]*)"', page)
        assert found is not None
        corners = found[1]
    assert [line.split()[1] for line in corners.splitlines()] == ["-2.5", "-2.5", "-8.333"]
    shown = people.ann.text(f"/watchmaps/draw/?{urlencode({**where, 'corners': corners, 'do': 'undo'})}")
    assert "2 corners" in shown
    picture = people.ann.get(f"/watchmaps/draw/map.svg?{urlencode({**where, 'corners': corners})}")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "<polygon" in picture.text
    assert corners in people.ann.text(f"/watchmaps/create/?{urlencode({'corners': corners})}")
    for wrong in ("corners=a+b", "ra=x", "field=0", "dec=nan", "point.x=9999&point.y=1"):
        assert people.ann.get(f"/watchmaps/draw/?{wrong}").status_code == 422
    assert people.guest.get("/watchmaps/draw/").status_code == 302


def test_another_users_private_area_does_not_exist(people: Any, number: int) -> None:
    for path in PAGES:
        assert people.bob.get(f"/watchmaps/{number}/{path}").status_code == 404
        assert people.guest.get(f"/watchmaps/{number}/{path}").status_code in (302, 404)
    for path in (*(f"{number}/{action}" for action in ACTIONS), "create/"):
        if path != "create/":
            answer = people.bob.send(f"/watchmaps/{path}", name="x", ra="1", dec="2", size="1")
            assert answer.status_code == 404
        assert people.guest.send(f"/watchmaps/{path}").status_code == 401
        assert people.ann.send(f"/watchmaps/{path}", forged=True).status_code == 403


def test_an_area_is_shared_copied_changed_and_removed(people: Any, number: int) -> None:
    path = f"/watchmaps/{number}/"
    people.ann.done(f"{path}share/", audience="group", group="AGN")
    assert people.bob.get(path).status_code == 200
    assert people.eve.get(path).status_code == 404
    assert people.bob.send(f"{path}delete/").status_code == 403
    people.ann.done(f"{path}share/", audience="public")
    copied = people.eve.done(f"{path}copy/")
    assert "Field" in people.guest.text("/watchmaps/")
    people.ann.done(f"{path}share/", audience="owner")
    people.eve.done(f"{number_in(copied)}".join(("/watchmaps/", "/update/")), name="Mine", description="d")
    mine = f"/watchmaps/{number_in(copied)}/"
    assert "‖ inactive" in people.eve.text(mine)
    people.eve.done(f"{mine}replace/", region="CIRCLE ICRS 50 20 1", order="7")
    assert "order 7" in people.eve.text(mine)
    assert people.eve.send(f"{mine}replace/", region="none").status_code == 422
    assert people.eve.send(f"{mine}update/", name="").status_code == 422
    assert "Remove area Mine" in people.eve.text(f"{mine}delete/")
    people.eve.done(f"{mine}delete/")
    assert people.eve.get(mine).status_code == 404
