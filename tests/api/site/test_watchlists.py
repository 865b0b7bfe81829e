"""Watchlists: upload, what was wrong, hits, sharing, copies, removal; each for those who may."""

from __future__ import annotations

import io
from typing import Any

import pytest
from mocpy import MOC
from site_visitors import number_in, without_markup

pytestmark = pytest.mark.database
LINES = "10, -5, first, 30\noh, no\n11, -5, <b>second</b>\n"


@pytest.fixture(scope="module")
def number(people: Any) -> int:
    """A private list of ann with two cones, a hit, and a line that was rejected."""
    address = people.ann.done("/watchlists/create/", name="Quasars", description="<i>mine</i>", radius="5", lines=LINES)
    found = number_in(address)
    connection = people.connection
    connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources) VALUES (7, 1, 10, -5, 3)")
    connection.execute(
        "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, name)"
        " SELECT 7, cone_id, wl_id, 0.25, name FROM watchlist_cones WHERE wl_id = %s AND name = 'first'",
        (found,),
    )
    return found


def test_an_empty_page_says_what_to_do(people: Any, number: int) -> None:
    assert "You have no watchlist yet" in people.eve.text("/watchlists/")
    guest = people.guest.text("/watchlists/")
    assert "Log in" in guest
    assert "No watchlist is public yet" in guest
    assert (
        people.guest.get("/watchlists/create/").headers["location"] == "/accounts/login/?next=%2Fwatchlists%2Fcreate%2F"
    )


def days_left(people: Any, number: int) -> float:
    """Until the list expires."""
    query = "SELECT extract(epoch FROM date_expire - now()) / 86400 FROM watchlists WHERE wl_id = %s"
    return float(people.connection.execute(query, (number,)).fetchone()[0])


def test_whatever_is_saved_expires_half_a_year_later(people: Any) -> None:
    ann, soon = people.ann, "UPDATE watchlists SET date_expire = now() + interval '1 day' WHERE wl_id = %s"
    number = number_in(ann.done("/watchlists/create/", name="renewed", radius="5", lines=LINES))
    saved = {
        "made": lambda: number,
        "changed": lambda: ann.done(f"/watchlists/{number}/update/", name="renewed", radius="6"),
        "added": lambda: ann.done(f"/watchlists/{number}/cones/", lines="20, 20", how="add"),
        "copied": lambda: ann.done(f"/watchlists/{number}/copy/"),
    }
    for how, save in saved.items():
        if how != "made":
            people.connection.execute(soon, (number,))
        address = save()
        kept = number_in(address) if how == "copied" else number
        assert days_left(people, kept) == pytest.approx(180.0, abs=0.1), how


def test_what_was_wrong_is_shown_with_its_line_and_given_as_a_file(people: Any, number: int) -> None:
    address = people.ann.done("/watchlists/create/", name="with errors", radius="5", lines=LINES)
    page = people.ann.text(address)
    assert "1 line was not accepted" in without_markup(page)
    assert "oh, no" in page
    assert "neither decimal degrees nor sexagesimal" in page
    assert "Created." in page
    upload = int(address.rpartition("=")[2])
    file = people.ann.get(f"/watchlists/rejects/{upload}/")
    assert file.headers["content-disposition"].startswith("attachment")
    assert file.text.splitlines()[1] == "oh, no"
    assert people.bob.get(f"/watchlists/rejects/{upload}/").status_code == 404


def test_a_file_without_a_good_line_keeps_what_was_typed(people: Any) -> None:
    answer = people.ann.send("/watchlists/create/", name="none", radius="5", file=("bad.csv", b"1, x\n2, y\n"))
    assert answer.status_code == 422
    assert 'value="none"' in answer.text
    assert "2 lines were not accepted" in without_markup(answer.text)
    for fields, said in (
        ({"name": "x", "radius": "5"}, "choose a file"),
        ({"name": "x", "radius": "500", "lines": "1, 2"}, "not from 0.01 to 360"),
        ({"name": " ", "radius": "5", "lines": "1, 2"}, "needs a name"),
        ({"name": "QUASARS", "radius": "5", "lines": "1, 2"}, "already has a watchlist"),
    ):
        answer = people.ann.send("/watchlists/create/", **fields)
        assert answer.status_code == 422
        assert said in answer.text


def test_the_page_shows_cones_hits_and_state_with_what_users_wrote_escaped(people: Any, number: int) -> None:
    page = people.ann.text(f"/watchlists/{number}/")
    assert "&lt;b&gt;second&lt;/b&gt;" in page
    assert "<i>mine" not in page
    assert '<a class="mono" href="/objects/7/">7</a>' in page
    assert "○ waiting" in page
    part = people.ann.get(f"/watchlists/{number}/", headers={"HX-Request": "true"}).text
    assert part.lstrip().startswith('<p id="state" hx-get=')
    assert "Quasars" in people.ann.text("/watchlists/")


def test_downloads(people: Any, number: int) -> None:
    assert people.ann.text(f"/watchlists/{number}/cat/").splitlines()[1] == "10.0,-5.0,first,30.0"
    assert people.ann.text(f"/watchlists/{number}/hits.csv").splitlines()[1].startswith("7,10.0,-5.0,3,")
    assert 'circle(10.0,-5.0,30") # text={first}' in people.ann.text(f"/watchlists/{number}/region/")
    moc = MOC.from_fits(io.BytesIO(people.ann.get(f"/watchlists/{number}/moc/").content))
    assert not moc.empty()
    assert people.ann.get(f"/watchlists/{number}/picture.png").content.startswith(b"\x89PNG")


PAGES = ("", "cat/", "moc/", "region/", "hits.csv", "picture.png", "delete/")
ACTIONS = ("update/", "share/", "cones/", "copy/", "delete/")


def test_another_users_private_list_does_not_exist(people: Any, number: int) -> None:
    for visitor in (people.bob, people.eve):
        for path in PAGES:
            assert visitor.get(f"/watchlists/{number}/{path}").status_code == 404
        for path in ACTIONS:
            answer = visitor.send(f"/watchlists/{number}/{path}", name="mine", radius="5", lines="1, 2", active="on")
            assert answer.status_code == 404
        assert "Quasars" not in visitor.text("/watchlists/")
    for path in PAGES:
        assert people.guest.get(f"/watchlists/{number}/{path}").status_code in (302, 404)
    assert people.root.get(f"/watchlists/{number}/").status_code == 200
    assert people.root.send(f"/watchlists/{number}/delete/").status_code == 403
    assert people.ann.get("/watchlists/999999/").status_code == 404
    assert people.ann.get(f"/watchlists/{2**63}/").status_code == 400


def test_forms_need_an_account_and_the_value_of_its_session(people: Any, number: int) -> None:
    for path in (*(f"{number}/{action}" for action in ACTIONS), "create/"):
        assert people.guest.send(f"/watchlists/{path}").status_code == 401
        assert people.ann.send(f"/watchlists/{path}", forged=True).status_code == 403
        assert people.ann.send(f"/watchlists/{path}", forged=True, csrfmiddlewaretoken="0" * 32).status_code == 403


def test_a_list_is_shared_with_a_group_then_with_all(people: Any, number: int) -> None:
    path = f"/watchlists/{number}/"
    people.ann.done(f"{path}share/", audience="group", group="AGN")
    assert people.bob.get(path).status_code == 200
    assert "Shared with you" in people.bob.text("/watchlists/")
    assert people.eve.get(path).status_code == 404
    assert people.bob.send(f"{path}update/", name="stolen", radius="5").status_code == 403
    assert people.ann.send(f"{path}share/", audience="group", group="TDE").status_code == 422
    people.ann.done(f"{path}share/", audience="public")
    assert "Quasars" in people.guest.text("/watchlists/")
    assert "Remove watchlist" not in people.guest.text(path)
    copied = people.eve.done(f"{path}copy/")
    assert "Quasars" in people.eve.text(copied)
    assert "Quasars 2" in people.eve.text(people.eve.done(f"{path}copy/"))
    people.ann.done(f"{path}share/", audience="owner")
    assert people.bob.get(path).status_code == 404
    assert people.eve.get(copied).status_code == 200


def test_settings_and_cones_change(people: Any) -> None:
    address = people.ann.done("/watchlists/create/", name="changing", radius="5", lines="1, 2, a\n3, 4, b")
    path = f"/watchlists/{number_in(address)}/"
    people.ann.done(f"{path}update/", name="changed", description="d", radius="7", active="")
    page = people.ann.text(path)
    assert "‖ inactive" in page
    assert "radius 7″" in page
    people.ann.done(f"{path}cones/", lines="5, 6, c", how="add")
    people.ann.done(f"{path}cones/", file=("new.csv", b"3, 4, b\n7, 8, d\nx, y"), how="replace")
    assert people.ann.text(f"{path}cat/").split()[1:] == ["3.0,4.0,b,", "7.0,8.0,d,"]
    assert "1 rejected" in without_markup(people.ann.text(path))
    assert "upload=" in people.ann.done(f"{path}cones/", lines="x, y", how="add")
    assert people.ann.send(f"{path}update/", name="Quasars", radius="7").status_code == 422
    asked = people.ann.text(f"{path}delete/")
    assert "Remove watchlist changed" in asked
    assert "with 2 cones" in asked
    people.ann.done(f"{path}delete/")
    assert people.ann.get(path).status_code == 404


def test_too_large_uploads_are_refused(people: Any) -> None:
    answer = people.ann.send("/watchlists/create/", name="x", radius="5", file=("x", b"1" * (34 * 1024**2)))
    assert answer.status_code == 413
    answer = people.ann.send("/watchlists/create/", name="x", radius="5", file=("x", b"1,2\n" * 100_001))
    assert "more than 100,000 lines" in answer.text
