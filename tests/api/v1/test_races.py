"""Targets, lists, spectra, observations, calendars, annotations, written by two sessions and another user at once.

Every writing endpoint of the interface's part `targets` is here, and every form of the pages of the same things; a new
one that is missing fails the test.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from every_route import every_route
from raced_site import GROUP, Race, raced_site

from broker_assets.api import create_app

pytestmark = pytest.mark.database
EVENT = {"name": "run", "begins": "2026-12-01T01:00:00Z", "ends": "2026-12-01T02:00:00Z", "facility": "AGN"}
FILE = b"4000 1\n4001 2\n"


@pytest.fixture
def race(database_url: str, tmp_path: Path) -> Iterator[Race]:
    with raced_site(database_url, tmp_path) as race:
        yield race


def codes(found: list[httpx.Response]) -> list[int]:
    return sorted(one.status_code for one in found)


def test_users_at_once_on_every_writing_endpoint(race: Race) -> None:
    # Targets: the one of an object is made once for each account, and a name is given once.
    of_object = race.run("POST", "/targets", "/targets", json={"diaobjectid": "1"})
    assert codes(of_object) == [201, 201, 201]
    assert race.value("SELECT count(*) FROM access.targets WHERE diaobjectid = 1") == 2
    assert codes(race.run("POST", "/targets", "/targets", json={"name": "M 1", "ra": 83.6, "dec": 22})) == [
        201, 201, 409,
    ]  # fmt: skip
    target = race.value("SELECT targetid FROM access.targets WHERE owner = 'ann' AND name = 'M 1'")
    path = f"/targets/{target}"
    assert codes(race.run("PUT", "/targets/{id}/groups", f"{path}/groups", json=GROUP)) == [200, 200, 403]
    assert race.value("SELECT count(*) FROM access.shares") == 1
    race.at_once(
        "PATCH", "/targets/{id}", lambda one: one.patch(path, json={"tags": ["a"]}),
        lambda one: one.patch(path, json={"extras": {"b": "c"}}), lambda one: one.patch(path, json={"ra": 1}),
    )  # fmt: skip
    changed = race.runners[0].get(path).json()
    assert (changed["tags"], changed["extras"], changed["ra"]) == (["a"], {"b": "c"}, 83.6)
    said = race.run("POST", "/targets/{id}/comments", f"{path}/comments", json={"body": "rising"})
    assert codes(said) == [201, 201, 201]
    gone = race.run(
        "DELETE", "/targets/{id}/comments/{comment}", f"{path}/comments/{said[0].json()['commentid']}"
    )  # fmt: skip
    assert all(one.status_code in (204, 403) for one in gone)
    assert race.value("SELECT count(*) FROM access.target_comments") == 2

    # Lists
    names = race.run("POST", "/target-lists", "/target-lists", json={"name": "tonight"})
    assert codes(names) == [201, 201, 409]
    number = race.value("SELECT listid FROM access.target_lists WHERE owner = 'ann'")
    inside = f"/target-lists/{number}/targets/{target}"
    added = race.run("PUT", "/target-lists/{id}/targets/{target}", inside)
    assert sum(one.json().get("added", 0) for one in added) == 1
    dropped = race.run("DELETE", "/target-lists/{id}/targets/{target}", inside)
    assert sum(one.json().get("removed", 0) for one in dropped) == 1
    race.run("PUT", "/target-lists/{id}/groups", f"/target-lists/{number}/groups", json=GROUP)
    race.run("PATCH", "/target-lists/{id}", f"/target-lists/{number}", json={"name": "later"})
    race.against_removal("PUT", "/target-lists/{id}/targets/{target}", f"/target-lists/{number}/targets/{{}}")
    emptied = race.at_once(
        "DELETE", "/target-lists/{id}", lambda one: one.delete(f"/target-lists/{number}"), lambda one: one.put(inside),
        lambda one: one.delete(f"/target-lists/{number}"),
    )  # fmt: skip
    assert emptied[0].status_code == 204
    assert race.value("SELECT count(*) FROM access.shares WHERE kind = 'target_list'") == 0

    # What is said of a target while it is removed
    race.against_removal("POST", "/targets/{id}/comments", "/targets/{}/comments", json={"body": "x"})
    race.against_removal("PUT", "/targets/{id}/groups", "/targets/{}/groups", json=GROUP)
    assert race.value("SELECT count(*) FROM access.shares") == 1
    order = {"facility": "Calar Alto", "key": "one", "parameters": {"exposure_time": "60", "exposure_count": "1"}}
    race.against_removal("POST", "/targets/{id}/observations", "/targets/{}/observations", json=order | {"key": "x"})
    race.against_removal("POST", "/spectra", "/spectra?target={}", content=FILE)
    race.against_removal("DELETE", "/targets/{id}", "/targets/{}")

    # A request with the same key is the same one; it is cancelled once, by who asked.
    asked = race.run("POST", "/targets/{id}/observations", f"{path}/observations", json=order)
    assert Counter(one.json()["observationid"] for one in asked).most_common(1)[0][1] == 2
    observation = asked[0].json()["observationid"]
    ended = race.run("DELETE", "/observations/{id}", f"/observations/{observation}")
    assert [one.status_code for one in ended] == [200, 200, 403]

    # Spectra: of the same file at once there is one version, other files are numbered without a gap.
    spectrum = race.made("/spectra", params={"target": target, "name": "a.txt"}, content=FILE)["spectrumid"]
    of_spectrum = f"/spectra/{spectrum}"
    same = race.run("PUT", "/spectra/{id}", of_spectrum, content=FILE + b"4002 3\n")
    assert [one.json().get("version") for one in same] == [2, 2, None]
    race.at_once(
        "PUT", "/spectra/{id}", lambda one: one.put(of_spectrum, content=FILE + b"4003 1\n"),
        lambda one: one.put(of_spectrum, content=FILE + b"4004 1\n"), lambda one: one.get(of_spectrum),
    )  # fmt: skip
    versions = f"SELECT array_agg(version ORDER BY version) FROM access.spectrum_versions WHERE spectrumid = {spectrum}"
    assert race.value(versions) == [1, 2, 3, 4]
    removed = race.at_once(
        "DELETE", "/spectra/{id}", lambda one: one.delete(of_spectrum),
        lambda one: one.put(of_spectrum, content=FILE + b"4005 1\n"), lambda one: one.delete(of_spectrum),
    )  # fmt: skip
    assert removed[0].status_code == 204
    assert race.value(versions) is None

    # Calendar
    event = race.made("/calendar/events", json=EVENT)["number"]
    assert codes(race.run("POST", "/calendar/events", "/calendar/events", json=EVENT)) == [201, 201, 201]
    of_event = f"/calendar/events/{event}"
    assert codes(race.run("PUT", "/calendar/events/{id}", of_event, json=EVENT | {"name": "n"})) == [200, 200, 404]
    assert codes(race.run("DELETE", "/calendar/events/{id}", of_event)) == [204, 404, 404]

    # An annotator has one annotation of an object, whoever sends it how often.
    said_of_it = {"objectId": "1", "topic": "finder", "classification": "SN", "version": "1", "explanation": "",
                  "classdict": json.dumps({"p": 1}), "url": ""}  # fmt: skip
    race.run("POST", "/api/annotate/", str(race.runners[0].base_url.copy_with(path="/api/annotate/")), data=said_of_it)
    assert race.value("SELECT count(*) FROM annotations WHERE topic = 'finder'") == 1

    # Ann may have ten targets, however they are made: names of files at once, and one by one.
    rows = "name,ra,dec\n" + "".join(f"file {number},1,2\n" for number in range(4))
    race.run("POST", "/targets/import", "/targets/import", content=rows)
    assert race.value("SELECT count(*) FROM access.targets WHERE owner = 'ann' AND name LIKE 'file %'") == 4
    for turn in range(4):
        race.at_once(
            "POST", "/targets", *[
                lambda one, name=f"{turn} {place}": one.post("/targets", json={"name": name, "ra": 1, "dec": 2})
                for place in range(3)
            ],
        )  # fmt: skip
    assert race.value("SELECT count(*) FROM access.targets WHERE owner = 'ann'") == 10

    _forms_at_once(race)

    document = json.loads((Path(__file__).parents[3] / "docs" / "openapi-v1.json").read_text())
    writing = {
        (method, name)
        for name, methods in document["paths"].items()
        for method, one in methods.items()
        if method in ("post", "put", "patch", "delete") and "targets" in one["tags"]
    }
    assert writing - race.tried == set()
    assert len(writing) > 15


def _forms_at_once(race: Race) -> None:
    """The same by the forms of the pages: nobody meets an error of the server, and what is stored is whole."""
    race.connection.execute("DELETE FROM access.targets")
    sky = {"type": "SIDEREAL", "ra": "83.6", "dec": "22"}
    assert sorted(race.send("/targets/create/", "", {"name": "M 1"} | sky)) == [303, 303, 422]
    assert race.send("/targets/of-object/", "", {"diaobjectid": "2"}) == [303, 303, 303]
    assert race.value("SELECT count(*) FROM access.targets WHERE diaobjectid = 2") == 2
    race.send("/targets/import/", "", {"lines": "name,ra,dec\nf,1,2\n"})
    assert race.value("SELECT count(*) FROM access.targets WHERE name = 'f' AND owner = 'ann'") == 1
    target = race.value("SELECT targetid FROM access.targets WHERE owner = 'ann' AND name = 'M 1'")
    share = {"audience": "group", "group": "AGN"}
    assert race.send("/targets/{number}/share/", f"{target}/share/", share)[:2] == [303, 303]
    assert race.value(f"SELECT count(*) FROM access.shares WHERE kind = 'target' AND identifier = '{target}'") == 1
    assert race.send("/targets/{number}/comments/", f"{target}/comments/", {"body": "rising"}) == [303, 303, 303]
    comment = race.value("SELECT min(commentid) FROM access.target_comments WHERE author = 'ann'")
    race.send("/targets/{number}/comments/", f"{target}/comments/", {"remove": str(comment)})
    assert race.value(f"SELECT count(*) FROM access.target_comments WHERE targetid = {target}") == 2
    edited = race.send(
        "/targets/{number}/edit/", f"{target}/edit/", *({"name": f"M {place}"} | sky for place in range(3))
    )
    assert edited[:2] == [303, 303]
    assert edited[2] in (403, 404)

    assert sorted(race.send("/targets/lists/", "", {"name": "now"})) == [303, 303, 422]
    number = race.value("SELECT listid FROM access.target_lists WHERE owner = 'ann' AND name = 'now'")
    template, inside = "/targets/lists/{number}/{what}/", {"target": str(target)}
    for what, form in (("share", share), ("update", {"name": "later"}), ("add", inside), ("drop", inside)):
        assert race.send(template, f"{number}/{what}/", form)[:2] == [303, 303], what
    whole = f"/targets/lists/{number}"
    gone = race.send(
        template, "", {"to": f"{whole}/delete/"}, {"to": f"{whole}/add/"} | inside, {"to": f"{whole}/share/"} | share
    )
    assert gone[0] == 303
    assert gone[1] in (303, 404)

    asked = {"facility": "Calar Alto", "key": "form", "f-exposure_time": "60", "f-exposure_count": "1"}
    assert race.send("/targets/{number}/observations/", f"{target}/observations/", asked) == [303, 303, 303]
    of_ann = "SELECT {} FROM access.observations WHERE owner = 'ann' AND key = 'form'"
    assert race.value(of_ann.format("count(*)")) == 1
    observation = race.value(of_ann.format("observationid"))
    told = {"state": "completed", "text": "clear"}
    race.send("/targets/observations/{number}/say/", f"{observation}/say/", told)
    race.send("/targets/observations/{number}/cancel/", f"{observation}/cancel/", {})

    stored = race.send("/spectra/files/", "", {"target": str(target), "lines": FILE.decode(), "title": "s"})
    assert stored == [303, 303, 303]
    spectrum = race.value("SELECT min(spectrumid) FROM access.spectra WHERE owner = 'ann' AND title = 's'")
    race.send("/spectra/files/{number}/versions/", f"{spectrum}/versions/", {"remark": "no file"})
    path = f"/spectra/files/{spectrum}"
    removed = race.send(
        "/spectra/files/{number}/delete/",
        "",
        {"to": f"{path}/delete/"},
        {"to": f"{path}/delete/"},
        {"to": f"{path}/versions/"},
    )
    assert sorted(removed[:2]) in ([303, 303], [303, 404])
    claim = {"objectid": "1", "facility": "AGN", "plantime": "2026-12-01 03:00:00"}
    race.send("/spectra/plan", "", claim)
    race.send("/spectra/remove", "", claim)
    race.send("/spectra/report", "", claim | {"mjd": "61000"})

    event = {"name": "run", "begins": "2026-12-01T01:00", "ends": "2026-12-01T02:00", "facility": "AGN"}
    assert race.send("/calendar/events/", "", event) == [303, 303, 303]
    race.send("/calendar/address/", "", {"do": "renew"})
    assert race.value("SELECT count(*) FROM access.calendar_feeds") == 2

    for template in ("edit", "share", "comments", "observations"):
        victim = race.made("/targets", json={"name": f"gone {template}", "ra": 1, "dec": 2})["targetid"]
        race.runners[0].put(f"/targets/{victim}/groups", json=GROUP)
        forms: dict[str, dict[str, Any]] = {
            "edit": {"name": "x"} | sky, "share": share, "comments": {"body": "x"},
            "observations": asked | {"key": "y"},
        }  # fmt: skip
        of_victim = {"to": f"/targets/{victim}/{template}/"} | forms[template]
        codes_found = race.send(
            "/targets/{number}/delete/", "", {"to": f"/targets/{victim}/delete/"}, of_victim, of_victim
        )
        assert codes_found[0] == 303

    # A list of the sky is shared in the order of locks in which it is removed, too.
    for turn in range(2):
        race.send("/watchlists/create/", "", {"name": f"w {turn}", "radius": "5", "lines": "10.0, 20.0, one"})
        watchlist = race.value(f"SELECT wl_id FROM watchlists WHERE owner = 'ann' AND name = 'w {turn}'")
        of_it = f"/watchlists/{watchlist}"
        both = {"to": f"{of_it}/share/"} | share
        assert race.send("/watchlists/{number}/delete/", "", {"to": f"{of_it}/delete/"}, both, both)[0] == 303

    forms_there = {
        path
        for method, path in every_route(create_app(race.settings))
        if method == "POST" and path.startswith(("/targets/", "/spectra/", "/calendar/"))
    }
    assert {("post", path) for path in forms_there} - race.tried == set()
