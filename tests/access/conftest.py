"""A connection to the accounts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine


@pytest.fixture
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url, autocommit=True) as opened:
        for table in (
            "users",
            "groups",
            "memberships",
            "tokens",
            "sessions",
            "failed_guesses",
            "requests",
            "changes",
            "shares",
            "mailed_links",
            "identities",
            "key_pairs",
            "login_challenges",
        ):
            opened.execute(f"TRUNCATE access.{table}")
        yield opened
