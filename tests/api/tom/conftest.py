"""A server over the snapshot of DESC's TOM, and clients that log in as its clients do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
import requests

from broker_assets.access import accounts
from broker_assets.access import groups as all_groups
from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings

PASSWORD = "testing it"


class Client:
    """The dialogue of `tom_client.py`, request by request, in our own words."""

    def __init__(self, url: str, name: str) -> None:
        self.url = url
        self.session = requests.Session()
        assert self.session.get(f"{url}/accounts/login/").status_code == 200
        form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": str(self.session.cookies["csrftoken"])}
        answer = self.session.post(f"{url}/accounts/login/", data=form)
        assert "Please enter a correct" not in answer.text
        self.session.headers.update({"X-CSRFToken": str(self.session.cookies["csrftoken"])})

    def request(self, method: str, page: str, **options: Any) -> requests.Response:
        """A request."""
        return self.session.request(method, f"{self.url}/{page}", **options)

    def get(self, page: str, **options: Any) -> requests.Response:
        """A GET."""
        return self.request("GET", page, **options)

    def post(self, page: str, **options: Any) -> requests.Response:
        """A POST."""
        return self.request("POST", page, **options)

    def put(self, page: str, **options: Any) -> requests.Response:
        """A PUT."""
        return self.request("PUT", page, **options)


def add_accounts(url: str) -> None:
    """An administrator, an account of a broker, and one that may nothing else."""
    with engine.connect(url, autocommit=True) as connection:
        accounts.add(connection, "root", PASSWORD, roles=["administrator"])
        for name in ("apibroker", "anna", "truth"):
            accounts.add(connection, name, PASSWORD)
        for group, member in (("Broker", "apibroker"), ("elasticc_admin", "truth")):
            all_groups.add(connection, group)
            connection.execute(
                "INSERT INTO access.memberships (userid, groupid) SELECT userid, groupid FROM access.users,"
                " access.groups WHERE username = %s AND name = %s",
                (member, group),
            )


@pytest.fixture(scope="session")
def snapshot_database(
    postgres: Any, new_database: Callable[..., AbstractContextManager[str]], tom_snapshot_template: str
) -> Iterator[str]:
    """URL of a copy of the snapshot with accounts, which tests only read."""
    with new_database(tom_snapshot_template) as name:
        add_accounts(postgres.url(name))
        yield postgres.url(name)


@pytest.fixture(scope="session")
def snapshot_site(
    snapshot_database: str,
    server_of: Callable[[Settings], AbstractContextManager[str]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Address of a server over the snapshot, which tests only read."""
    database = DatabaseSettings(url=snapshot_database)  # type: ignore[arg-type]
    with server_of(Settings(home=tmp_path_factory.mktemp("tom"), database=database, streams=[])) as url:
        yield url


@pytest.fixture(scope="session")
def root(snapshot_site: str) -> Client:
    """An administrator at the snapshot."""
    return Client(snapshot_site, "root")


@pytest.fixture(scope="session")
def anna(snapshot_site: str) -> Client:
    """An account without further rights at the snapshot."""
    return Client(snapshot_site, "anna")


@pytest.fixture
def own_site(
    database_url: str, server_of: Callable[[Settings], AbstractContextManager[str]], tmp_path: Any
) -> Iterator[str]:
    """Address of a server over a database of the test alone, without rows; see `own_url`."""
    add_accounts(database_url)
    settings = Settings(home=tmp_path, database=DatabaseSettings(url=database_url), streams=[])  # type: ignore[arg-type]
    with server_of(settings) as url:
        yield url


@pytest.fixture
def own_snapshot_site(
    tom_snapshot_url: str, server_of: Callable[[Settings], AbstractContextManager[str]], tmp_path: Any
) -> Iterator[str]:
    """Address of a server over a copy of the snapshot of the test alone."""
    add_accounts(tom_snapshot_url)
    settings = Settings(home=tmp_path, database=DatabaseSettings(url=tom_snapshot_url), streams=[])  # type: ignore[arg-type]
    with server_of(settings) as url:
        yield url


@pytest.fixture
def log_in() -> Callable[[str, str], Client]:
    """A function that logs in at a server."""
    return Client
