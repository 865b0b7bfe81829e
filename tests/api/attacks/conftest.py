"""A victim with private and public things, an attacker with an account, and the application between them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from attacked_things import OBJECT, SCRIPT, SECRET
from fastapi.testclient import TestClient
from mocpy import MOC
from sky_lists import cones
from visitors import Visitor, application, logged_in, make_accounts, visitor

from broker_assets.access import accounts, tokens
from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine
from broker_assets.filters.query import Form
from broker_assets.filters.store import create_filter
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.settings.access import AccessSettings
from broker_assets.sky.lists import create_area, create_watchlist

OBSERVING = {
    "targets": "owner", "target_lists": "owner", "target_comments": "author", "observations": "owner",
    "spectra": "owner", "calendar_events": "owner",
}  # fmt: skip
"""Tables of targets and what belongs to them, and their columns with the account."""


@dataclass(frozen=True)
class Ground:
    """The application with what is attacked."""

    app: Any
    url: str
    values: dict[str, Any]
    """What fills the parameters of paths: numbers of the victim's private things."""
    public: dict[str, Any]
    """The same of the public ones."""
    token: str
    """Of the attacker, who is a power user."""

    def anybody(self) -> Visitor:
        """Without an account."""
        return visitor(self.app)

    def user(self, name: str) -> Visitor:
        """With a session."""
        return logged_in(self.app, self.url, name)

    def program(self) -> TestClient:
        """A program with the attacker's token; errors of the server are answers, as they are in production."""
        client = TestClient(self.app, base_url="http://127.0.0.1", raise_server_exceptions=False)
        client.headers["Authorization"] = f"Token {self.token}"
        return client

    def state(self) -> str:
        """What would be different if something of the victim or an account were changed."""
        queries = (
            "SELECT * FROM filters ORDER BY 1", "SELECT * FROM watchlists ORDER BY 1",
            "SELECT * FROM watchlist_cones ORDER BY 1", "SELECT * FROM areas ORDER BY 1",
            "SELECT * FROM annotators ORDER BY 1", "SELECT * FROM annotations ORDER BY 1", "SELECT * FROM filter_sinks",
            "SELECT userid, username, email, password, roles, active FROM access.users ORDER BY 1",
            "SELECT tokenid, userid, name, sha256 FROM access.tokens ORDER BY 1",
            "SELECT * FROM access.shares ORDER BY 1", "SELECT * FROM access.groups ORDER BY 1",
            "SELECT sha256 FROM access.sessions WHERE userid = 1 ORDER BY 1",
            *(f"SELECT * FROM access.{table} WHERE {name} = 'victim' ORDER BY 1" for table, name in OBSERVING.items()),
            "SELECT * FROM access.target_members ORDER BY 1, 2", "SELECT * FROM access.spectrum_versions ORDER BY 1, 2",
        )  # fmt: skip
        with engine.connect(self.url, autocommit=True) as connection:
            rows = [connection.execute(query).fetchall() for query in queries]
        return hashlib.sha256(repr(rows).encode()).hexdigest()


def _own(connection: psycopg.Connection[Any], mark: str, topic: str, public: bool) -> dict[str, Any]:
    """One thing of each kind of the victim; their numbers are made the same."""
    form = Form("objects.diaObjectId", "objects", "objects.nDiaSources > 3")
    filterid = create_filter(connection, "victim", mark[:60], form, description=mark, public=public)
    watchlist = create_watchlist(connection, "victim", mark, cones(2, 1), radius=5.0, description=mark, public=public)
    area = create_area(connection, "victim", mark, MOC.from_str("3/7"), description=mark, public=public)
    assert filterid == watchlist == area
    add_annotator(connection, topic, "victim", description=mark, public=public, url="https://example.org/a")
    connection.execute(
        "INSERT INTO annotations (annotationid, diaobjectid, topic, version, classification, explanation, classdict,"
        " url, content, revision, ingestid) VALUES (%s, %s, %s, %s, %s, %s, jsonb_build_object(%s::text, %s::text), %s,"
        " 'x', 1, 1)",
        (filterid, OBJECT, topic, mark[:16], mark, mark, mark, mark, "javascript:alert(1)"),
    )
    connection.execute(
        "INSERT INTO filter_sinks (filterid, owner, name, kind, target) VALUES (%s, 'victim', %s, 'email', %s)",
        (filterid, mark, f"{mark}@example.org"),
    )
    _observing(connection, mark, filterid, public)
    return {"number": filterid, "topic": topic, "name": "victim", "diaobjectid": OBJECT, "groupid": 1}


def _observing(connection: psycopg.Connection[Any], mark: str, number: int, public: bool) -> None:
    """A target of this number, and one of each thing that belongs to it."""
    values = {"number": number, "mark": mark, "public": public, "at": "2026-12-01T00:00Z"}
    for query in (
        "access.targets (targetid, owner, name, type, ra, dec, public, tags, aliases, extras) VALUES (%(number)s,"
        " 'victim', %(mark)s, 'SIDEREAL', 10, 20, %(public)s, ARRAY[%(mark)s], ARRAY[%(mark)s || 'x'],"
        " jsonb_build_object(%(mark)s::text, %(mark)s::text))",
        "access.target_lists (listid, owner, name, description, public) VALUES (%(number)s, 'victim', %(mark)s,"
        " %(mark)s, %(public)s)",
        "access.target_members (listid, targetid) VALUES (%(number)s, %(number)s)",
        "access.target_comments (commentid, targetid, author, body) VALUES"
        " (%(number)s, %(number)s, 'victim', %(mark)s)",
        "access.observations (observationid, owner, key, targetid, facility, target, parameters, failure, remote,"
        " begins, ends, due) VALUES (%(number)s, 'victim', %(mark)s, %(number)s, %(mark)s, jsonb_build_object('name',"
        " %(mark)s::text), jsonb_build_object(%(mark)s::text, %(mark)s::text), %(mark)s, %(mark)s, %(at)s::timestamptz,"
        " %(at)s::timestamptz + interval '1 hour', NULL)",
        "access.observation_products (productid, observationid, remote, name, failure, due) VALUES (%(number)s,"
        " %(number)s, %(mark)s, %(mark)s, %(mark)s, NULL)",
        "access.spectra (spectrumid, owner, targetid, title, public, facility) VALUES (%(number)s, 'victim',"
        " %(number)s, %(mark)s, %(public)s, %(mark)s)",
        "access.spectrum_versions (spectrumid, version, file_name, content, sha256, format, wavelength, flux,"
        " flux_unit, author, remark) VALUES (%(number)s, 1, %(mark)s, %(mark)s::text::bytea, 'x', 'text',"
        " '{4000, 4001}', '{1, 2}', %(mark)s, 'victim', %(mark)s)",
        "access.calendar_events (eventid, owner, name, description, begins, ends) VALUES (%(number)s, 'victim',"
        " %(mark)s, %(mark)s, %(at)s::timestamptz, %(at)s::timestamptz + interval '1 hour')",
    ):
        connection.execute(f"INSERT INTO {query}", values)  # type: ignore[call-overload]
    for table, key in (
        ("targets", "targetid"), ("target_lists", "listid"), ("target_comments", "commentid"),
        ("observations", "observationid"), ("spectra", "spectrumid"), ("calendar_events", "eventid"),
    ):  # fmt: skip
        connection.execute("SELECT setval(pg_get_serial_sequence(%s, %s), 1000)", (f"access.{table}", key))


@pytest.fixture(scope="session")
def attacked_database_url(
    postgres: Any, new_database: Callable[..., AbstractContextManager[str]], migrated_template: str
) -> Iterator[str]:
    """The database of `ground`."""
    with new_database(migrated_template) as name:
        yield postgres.url(name)


@pytest.fixture(scope="session")
def ground(attacked_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """One for all tests: none of them should be able to change it."""
    home: Path = tmp_path_factory.mktemp("home")
    with engine.connect(attacked_database_url, autocommit=True) as connection:
        make_accounts(connection, "victim", "mallory", "guest", "admin")
        connection.execute(
            "INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources, lastdiasourcemjdtai,"
            " firstdiasourcemjdtai, night) VALUES (%s, 1, 10, 20, 5, 61000, 60990, '2025-11-20')",
            (OBJECT,),
        )
        private = _own(connection, SECRET, f"of_{SECRET}", False)
        public = _own(connection, SCRIPT, "public_topic", True)
        victim = accounts.get(connection, "victim")
        tokens.create(connection, victim, f"token {SECRET}")
        accounts.update(connection, "mallory", roles=["power_user"])
        token = tokens.create(connection, accounts.get(connection, "mallory"), "fuzz", "write")
    settings = Settings(
        home=home,
        streams=[],
        database=DatabaseSettings(url=attacked_database_url),  # type: ignore[arg-type]
        access=AccessSettings(requests_power=1_000_000),
    )
    with application(settings) as app:
        yield Ground(app, attacked_database_url, private, public, token)
