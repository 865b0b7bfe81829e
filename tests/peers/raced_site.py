"""A server on which two sessions of ann and one of bob, who is in her group, act at the same time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psycopg
from interface_server import fill, serving

from broker_assets.access import accounts, sessions, tokens
from broker_assets.access import groups as all_groups
from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.settings.access import AccessSettings
from broker_assets.settings.tom import FacilitySettings, TomSettings

GROUP = {"groups": ["AGN"]}
Request = Callable[[httpx.Client], httpx.Response]


@dataclass
class Race:
    """A server, two sessions of ann and one of bob, who is in her group."""

    runners: list[httpx.Client]
    connection: psycopg.Connection[Any]
    pool: ThreadPoolExecutor
    settings: Settings
    browsers: list[tuple[httpx.Client, str]]
    """The same three at the pages, with the value that a form repeats."""
    tried: set[tuple[str, str]] = field(default_factory=set)
    others: list[tuple[httpx.Client, str]] = field(default_factory=list)
    """What `log_in` gave."""

    def run(self, method: str, template: str, path: str, **options: Any) -> list[httpx.Response]:
        """The same request by all at once."""
        return self.at_once(method, template, *[lambda one: one.request(method, path, **options)] * 3)

    def at_once(self, method: str, template: str, *requests: Request) -> list[httpx.Response]:
        """Requests at once, the first two by ann; none may find the server in trouble."""
        self.tried.add((method.lower(), template))
        found = list(self.pool.map(lambda pair: pair[0](pair[1]), zip(requests, self.runners, strict=True)))
        assert all(one.status_code < 500 for one in found), [one.text for one in found]
        return found

    def send(
        self, template: str, tail: str, *forms: dict[str, Any], by: list[tuple[httpx.Client, str]] | None = None
    ) -> list[int]:
        """A form at once by all three, or one of each; the codes. Others than the three are given by `by`."""
        path = template.split("{", 1)[0] + tail if tail else template
        self.tried.add(("post", template))

        def one(pair: tuple[tuple[httpx.Client, str], dict[str, Any]]) -> httpx.Response:
            (browser, token), form = pair
            own = dict(form)
            return browser.post(own.pop("to", path), data=own | {"csrfmiddlewaretoken": token})

        found = list(self.pool.map(one, zip(by or self.browsers, forms * 3 if len(forms) == 1 else forms, strict=True)))
        assert all(one.status_code < 500 for one in found), [(one.url.path, one.text[:2000]) for one in found]
        return [one.status_code for one in found]

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

    def log_in(self, *names: str) -> list[tuple[httpx.Client, str]]:
        """Sessions of accounts, with the value that a form repeats; they are closed with the others."""
        found = []
        for name in names:
            cookie, token = sessions.begin(self.connection, accounts.get(self.connection, name))
            url = self.browsers[0][0].base_url
            found.append((httpx.Client(base_url=url, cookies={"sessionid": cookie}, timeout=60), token))
        self.others += found
        return found

    def strangers(self) -> list[tuple[httpx.Client, str]]:
        """Three browsers in which nobody is logged in."""
        found = [
            (httpx.Client(base_url=self.browsers[0][0].base_url, cookies={"csrftoken": "x" * 32}, timeout=60), "x" * 32)
            for _ in range(3)
        ]
        self.others += found
        return found

    def made(self, path: str, **options: Any) -> dict[str, Any]:
        answer = self.runners[0].post(path, **options)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    def value(self, query: str) -> Any:
        row = self.connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


@contextmanager
def raced_site(database_url: str, home: Path, *, registration: bool = False, **more: Any) -> Iterator[Race]:
    """Fill a database, serve it, and log in; the rest are settings."""
    token = fill(database_url)
    letters = FacilitySettings(
        name="Calar Alto", kind="broker_assets.tom.observations.by_mail:ByMail", groups=["AGN"], address="o@example.org"
    )
    settings = Settings(
        home=home, database=DatabaseSettings(url=database_url), streams=[], tom=TomSettings(facilities=[letters]),  # type: ignore[arg-type]
        access=AccessSettings(most_targets=1, registration=registration), **more,
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
            browsers = []
            for user in (accounts.get(connection, "ann"), accounts.get(connection, "ann"), bob):
                cookie, token_of_forms = sessions.begin(connection, user)
                browsers.append((httpx.Client(base_url=url, cookies={"sessionid": cookie}, timeout=60), token_of_forms))
            race = Race(runners, connection, pool, settings, browsers)
            yield race
            for one in (*runners, *(browser for browser, _ in (*browsers, *race.others))):
                one.close()
