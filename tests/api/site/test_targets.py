"""Pages of targets: found, made by hand, of objects and from files; lists of them."""

from __future__ import annotations

from typing import Any

import pytest
from site_visitors import number_in, without_markup

pytestmark = pytest.mark.database


@pytest.fixture(scope="module", autouse=True)
def _objects(people: Any) -> None:
    people.connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources) VALUES (7, 1, 10, -5, 3)"
    )


def test_an_empty_page_says_what_to_do(people: Any) -> None:
    assert "You have no target yet" in people.eve.text("/targets/")
    guest = people.guest.text("/targets/")
    assert "No target is public." in guest
    assert people.guest.get("/targets/create/").status_code == people.guest.get("/targets/import/").status_code == 302


def test_targets_are_made_by_hand_and_found(people: Any) -> None:
    ann = people.ann
    ann.text("/targets/create/?moving=1")
    fields = {"name": "<b>M 1", "type": "SIDEREAL", "ra": "05:34:31.94", "dec": "22:00:52.2", "tags": "SNR, nebula"}
    fields |= {"aliases": "NGC 1952\r\nTaurus A", "extras": "z: 0\r\nnote: a: b"}
    number = number_in(ann.done("/targets/create/", **fields))
    again = ann.send("/targets/create/", **fields)
    assert again.status_code == 422
    assert "has a target named" in again.text
    assert "Taurus A" in again.text  # what was written is kept
    wrong = ann.send("/targets/create/", name="x", ra="north", dec="0")
    assert (wrong.status_code, "Right ascension: " in wrong.text) == (422, True)
    assert "as name: value" in ann.send("/targets/create/", name="x", ra="1", dec="0", extras="word").text
    for query in ("text=taurus", "tag=nebula", "near=83.633+22.014+5'", "whose=mine&type=SIDEREAL", ""):
        assert f"/targets/{number}/" in ann.text(f"/targets/?{query}"), query
    for query in ("text=venus", "tag=x", "near=84+22+5'", "type=NON_SIDEREAL", "list=99"):
        assert f"/targets/{number}/" not in ann.text(f"/targets/?{query}"), query
    assert "is not a position" in ann.get("/targets/?near=nowhere").text
    assert ann.get("/targets/?near=nowhere").status_code == ann.get("/targets/targets.csv?near=x").status_code == 422
    assert "<b>M 1" not in ann.text("/targets/")
    assert f"/targets/{number}/" not in people.bob.text("/targets/")
    file = ann.get("/targets/targets.csv?tag=snr")
    assert file.text.splitlines()[1].startswith("<b>M 1,SIDEREAL,")
    assert file.headers["content-disposition"] == 'attachment; filename="targets.csv"'
    assert people.guest.get("/targets/targets.csv").text.count("\n") == 1


def test_an_object_becomes_a_target_once(people: Any) -> None:
    ann = people.ann
    page = ann.text("/objects/7/")
    assert 'action="/targets/of-object/"' in page
    assert ann.done("/targets/of-object/", diaobjectid="7") == ann.done("/targets/of-object/", diaobjectid="7")
    assert ann.send("/targets/of-object/", diaobjectid="8").status_code == 404
    assert people.guest.send("/targets/of-object/", diaobjectid="7").status_code == 401


def test_a_file_is_imported_into_a_list(people: Any) -> None:
    ann, bob = people.ann, people.bob
    number = number_in(ann.done("/targets/lists/", name="tonight", description="bright ones"))
    content = b"name,ra,dec,name2\nfirst,1,2,other\nfar,400,2,\nsecond,3,4,\n"
    shown = ann.send("/targets/import/", file=("t.csv", content), list=str(number))
    words = without_markup(shown.text)
    assert "2 targets are made" in words
    assert "1 row was refused" in words
    assert "ra: 400 is not from 0 to 360" in words
    assert "far,400,2,\n</textarea>" in shown.text  # to be corrected and sent again
    assert "No column is called" in ann.send("/targets/import/", lines="a,b\n1,2").text
    assert ann.send("/targets/import/", lines="name,ra,dec\nn,1,2", list="99").status_code == 422
    path = f"/targets/lists/{number}/"
    assert bob.get(path).status_code == 404
    assert ann.done(f"{path}share/", audience="group", group="AGN") == f"{path}?said=saved"
    assert "first" in bob.text(path)
    assert bob.send(f"{path}update/", name="mine").status_code == 403
    ann.done(f"{path}update/", name="later", description="")
    targets = [one[0] for one in people.connection.execute("SELECT targetid FROM access.target_members ORDER BY 1")]
    ann.done(f"{path}drop/", target=str(targets[0]))
    assert "first" not in ann.text(path)
    assert ann.done(f"{path}add/", target=str(targets[0]), back="/targets/5/") == "/targets/5/?said=saved"
    assert ann.done(f"{path}add/", target=str(targets[0]), back="//evil.example") == f"{path}?said=saved"
    assert ann.send(f"{path}nonsense/").status_code == 404
    assert ann.done(f"{path}delete/") == "/targets/?said=removed"
    assert ann.get(path).status_code == 404
