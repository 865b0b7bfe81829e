"""The page of a target: seen by those who may, changed by its owner, read by browsers of all sizes."""

from __future__ import annotations

from typing import Any

import pytest
from site_visitors import number_in, signed_in

from broker_assets.tom.targets.fields import SCHEMES

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def number(people: Any) -> int:
    people.connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources) VALUES (7, 1, 83.6, 22, 3)"
    )
    fields = {"name": "M 1", "ra": "83.633", "dec": "22.0145", "tags": "SNR", "extras": "z: 0", "pm_ra": "1.5"}
    return number_in(people.ann.done("/targets/create/", **fields))


def test_what_is_shown(people: Any, number: int) -> None:
    ann, path = people.ann, f"/targets/{number}/"
    page = ann.text(path + "?night=2026-12-10")
    assert "83.633000 +22.014500" in page
    assert "05:34:31.92" in page
    assert page.count("2026-12-1") > 10  # dark from and to at the observatories
    assert 'class="finder"' in page
    assert "proper motion in right ascension" in page
    assert ann.get(path + "?night=soon").status_code == 422
    of_object = number_in(ann.done("/targets/of-object/", diaobjectid="7"))
    assert "No point of" in ann.text(f"/targets/{of_object}/")
    insert = (
        "INSERT INTO diasources (diasourceid, diaobjectid, survey, midpointmjdtai, band, psfflux, psffluxerr, night)"
    )
    people.connection.execute(f"{insert} VALUES (70, 7, 1, 61000.1, 'g', 2000, 50, '2025-11-20')")
    assert 'class="curve"' in ann.text(f"/targets/{of_object}/")
    moving = dict.fromkeys(SCHEMES["MPC_COMET"], "0.5") | {"name": "1P", "type": "NON_SIDEREAL", "scheme": "MPC_COMET"}
    comet = f"/targets/{number_in(ann.done('/targets/create/', **moving))}/"
    assert "By its orbital elements it is at " in ann.text(f"{comet}?night=2026-12-10")
    assert 'value="MPC_COMET" selected' in ann.text(f"{comet}edit/")


def test_the_owner_changes_and_shares_it_and_others_comment(people: Any, number: int) -> None:
    ann, bob, path = people.ann, people.bob, f"/targets/{number}/"
    assert bob.get(path).status_code == people.guest.get(path).status_code == 404
    ann.done(f"{path}share/", audience="group", group="AGN")
    assert "Edit" not in bob.text(path)
    assert bob.get(f"{path}edit/").status_code == bob.send(f"{path}delete/").status_code == 403
    assert people.eve.send(f"{path}comments/", body="x").status_code == 404
    bob.done(f"{path}comments/", body="<script>bright")
    assert "&lt;script&gt;bright" in ann.text(path)
    which = str(people.connection.execute("SELECT commentid FROM access.target_comments").fetchone()[0])
    assert 'value="83.633"' in ann.text(f"{path}edit/")
    kept = {"name": "M 1", "type": "SIDEREAL", "ra": "83.633", "dec": "22.0145", "tags": "SNR", "extras": "z: 0"}
    assert ann.done(f"{path}edit/", **kept) == f"{path}?said=saved"
    assert "proper motion" not in ann.text(path)
    assert ann.send(f"{path}edit/", **kept | {"dec": "100"}).status_code == 422
    ann.done(f"{path}comments/", remove=which)
    assert ann.send(f"{path}comments/", body=" ").status_code == 422
    assert "None yet." in bob.text(path)
    ann.done(f"{path}share/", audience="public")
    assert people.guest.get(path).status_code == 200


@pytest.mark.browser
def test_pages_can_be_read_in_a_browser(people: Any, number: int, page_browser: Any) -> None:
    signed_in(page_browser, people.url, people.ann)
    for path in ("/targets/", f"/targets/{number}/", "/targets/import/", f"/targets/{number}/edit/"):
        for dark, size in ((False, (1280, 800)), (True, (360, 740))):
            page_browser.go(people.url + path, size, dark=dark)
            assert page_browser.sideways() <= 0, path
            assert page_browser.inaccessible() == [], path
    assert page_browser.troubles == []


def test_it_is_removed(people: Any, number: int) -> None:
    path = f"/targets/{number}/"
    assert "with 0 comments" in people.ann.text(f"{path}delete/")
    assert people.ann.done(f"{path}delete/") == "/targets/?said=removed"
    assert people.ann.get(path).status_code == 404
