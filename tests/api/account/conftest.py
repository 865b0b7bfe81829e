"""The application with four accounts and a mail server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from delivery_peers import Mailbox, mail_server
from visitors import Visitor, application, logged_in, make_accounts, visitor

from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.settings.access import AccessSettings
from broker_assets.settings.delivery import DeliverySettings, MailSettings


@dataclass(frozen=True)
class Pages:
    """The application and what it uses."""

    app: Any
    url: str
    mailbox: Mailbox

    def anybody(self) -> Visitor:
        """A visitor who is not logged in."""
        return visitor(self.app)

    def user(self, name: str) -> Visitor:
        """A visitor who is."""
        return logged_in(self.app, self.url, name)


@pytest.fixture(scope="session")
def account_database_url(
    postgres: Any, new_database: Callable[..., AbstractContextManager[str]], migrated_template: str
) -> Iterator[str]:
    """The database of `pages`."""
    with new_database(migrated_template) as name:
        yield postgres.url(name)


@pytest.fixture(scope="session")
def pages(account_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pages]:
    """The pages, for all tests: those that change an account for good make one of their own."""
    home: Path = tmp_path_factory.mktemp("home")
    with engine.connect(account_database_url, autocommit=True) as connection:
        make_accounts(connection, "admin", "operator", "ann", "bob", "guest")
    with mail_server() as mailbox:
        settings = Settings(
            home=home,
            database=DatabaseSettings(url=account_database_url),  # type: ignore[arg-type]
            streams=[],
            access=AccessSettings(registration=True, signing_key="s" * 40),  # type: ignore[arg-type]
            delivery=DeliverySettings(
                mail=MailSettings(host="127.0.0.1", port=mailbox.port), pages_url="https://broker.example.org"
            ),
        )
        with application(settings) as app:
            yield Pages(app, account_database_url, mailbox)


@pytest.fixture
def connection(pages: Pages) -> Iterator[Any]:
    """A connection to the accounts, without guesses and links of earlier tests."""
    with engine.connect(pages.url, autocommit=True) as opened:
        opened.execute("TRUNCATE access.failed_guesses, access.mailed_links")
        pages.mailbox.messages.clear()
        yield opened
