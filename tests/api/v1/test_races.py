"""Targets, lists, spectra, observations, calendars, annotations, written by two sessions and another user at once.

Every writing endpoint of the interface's part `targets` is here; a new one that is missing fails the test.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from interface_server import fill, serving

from broker_assets.access import accounts, tokens
from broker_assets.access import groups as all_groups
from broker_assets.access_settings import AccessSettings
from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.tom_settings import FacilitySettings, TomSettings

pytestmark = pytest.mark.database
GROUP = {"groups": ["AGN"]}
EVENT = {"name": "run", "begins": "2026-12-01T01:00:00Z", "ends": "2026-12-01T02:00:00Z", "facility": "AGN"}
FILE = b"4000 1\n4001 2\n"
Request = Callable[[httpx.Client], httpx.Response]


@dataclass
class Race:
    """A server, two sessions of ann and one of bob, who is in her group."""

    runners: list[httpx.Client]
    connection: psycopg.Connection[Any]
    pool: ThreadPoolExecutor
    tried: set[tuple[str, str]] = field(default_factory=set)

    def run(self, method: str, template: str, path: str, **options: Any) -> list[httpx.Response]:
        """The same request by all at once."""
        return self.at_once(method, template, *[lambda one: one.request(method, path, **options)] * 3)

    def at_once(self, method: str, template: str, *requests: Request) -> list[httpx.Response]:
        """Requests at once, the first two by ann; none may find the server in trouble."""
        self.tried.add((method.lower(), template))
        found = list(self.pool.map(lambda pair: pair[0](pair[1]), zip(requests, self.runners, strict=True)))
        assert all(one.status_code < 500 for one in found), [one.text for one in found]
        return found

    def against_removal(self, method: str, template: str, tail: str, **options: Any) -> None:
        """A request about a target by ann and bob while ann removes it, three times over."""
        for turn in range(3):
            victim = self.made("/targets", json={"name": f"victim {turn}", "ra": 1, "dec": 2})["targetid"]
            self.runners[0].put(f"/targets/{victim}/groups", json=GROUP)
            path = tail.format(victim)

            def ask(client: httpx.Client, path: str = path) -> httpx.Response:
                return client.request(method, path, **options)

            def remove(client: httpx.Client, path: str = f"/targets/{victim}") -> httpx.Response:
                return client.delete(path)

            found = self.at_once(method, template, ask, remove, ask)
            assert 204 in (found[0].status_code, found[1].status_code)

    def made(self, path: str, **options: Any) -> dict[str, Any]:
        answer = self.runners[0].post(path, **options)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def value(self, query: str) -> Any:
        row = self.connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@pytest.fixture
def race(database_url: str, tmp_path: Path) -> Iterator[Race]:
    token = fill(database_url)
    letters = FacilitySettings(
        name="Calar Alto", kind="broker_assets.tom.observations.by_mail:ByMail", groups=["AGN"], address="o@example.org"
    )
    settings = Settings(
        home=tmp_path, database=DatabaseSettings(url=database_url), streams=[], tom=TomSettings(facilities=[letters]),  # type: ignore[arg-type]
        access=AccessSettings(most_targets=1),
    )  # fmt: skip
    with engine.connect(database_url, autocommit=True) as connection:
        all_groups.add(connection, "AGN")
        bob = accounts.add(connection, "bob", None, roles=["power_user"])
        for user in (accounts.get(connection, "ann"), bob):
            accounts.join(connection, user.userid, ["AGN"])
        add_annotator(connection, "finder", "ann", public=True)
        names = (token, token, tokens.create(connection, bob, "test", "write"))
        with serving(settings) as url, ThreadPoolExecutor(3) as pool:
            runners = [
                httpx.Client(base_url=f"{url}/api/v1", headers={"Authorization": f"Token {name}"}, timeout=60)
                for name in names
            ]
            yield Race(runners, connection, pool)
            for one in runners:
                one.close()


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

    document = json.loads((Path(__file__).parents[3] / "docs" / "openapi-v1.json").read_text())
    writing = {
        (method, name)
        for name, methods in document["paths"].items()
        for method, one in methods.items()
        if method in ("post", "put", "patch", "delete") and "targets" in one["tags"]
    }
    assert writing - race.tried == set()
    assert len(writing) > 15
