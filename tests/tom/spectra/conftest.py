"""Accounts and objects that spectra are asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.access import groups as all_groups
from broker_assets.access.accounts import User
from broker_assets.database import engine


@dataclass(frozen=True)
class Desk:
    """A database with objects 1 to 5, and accounts."""

    url: str
    connection: psycopg.Connection[Any]
    users: dict[str, User]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        return self.connection.execute(query).fetchall()  # type: ignore[arg-type]

    def measure(self, number: int, mjd: float, flux: float, band: str = "r") -> None:
        """Add a forced measurement with an uncertainty of 100 nJy, and a detection."""
        place = number * 1000 + int(self.rows("SELECT count(*) FROM elasticc2_diaforcedsource")[0][0])
        self.connection.execute(
            "INSERT INTO elasticc2_diaforcedsource VALUES (%s, %s, %s, %s, 100, %s)", (place, mjd, band, flux, number)
        )
        self.connection.execute(
            "INSERT INTO elasticc2_diasource VALUES (%s, %s, %s, 10, -5, %s, 100, 10, %s)",
            (place, mjd, band, flux, number),
        )


@pytest.fixture
def desk(database_url: str) -> Iterator[Desk]:
    """Objects 1 to 5 without measurements; root administers, mia and max are in the group `Gemini`, otto is alone."""
    with engine.connect(database_url, autocommit=True) as connection:
        users = {"root": accounts.add(connection, "root", None, roles=["administrator"])}
        for name in ("mia", "max", "otto"):
            users[name] = accounts.add(connection, name, None)
        all_groups.add(connection, "Gemini")
        for name in ("mia", "max"):
            all_groups.set_groups(connection, name, ["Gemini"])
        for number in range(1, 6):
            connection.execute(
                "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 10, -5, false)", (number,)
            )
        yield Desk(database_url, connection, users)
