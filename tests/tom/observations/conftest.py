"""Accounts with a target, a portal, and what works on requests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from lco_portal import TOKEN, Portal

from broker_assets.access import accounts
from broker_assets.access import groups as all_groups
from broker_assets.access.accounts import User
from broker_assets.database import engine
from broker_assets.settings.tom import FacilitySettings
from broker_assets.tom.observations.by_mail import ByMail
from broker_assets.tom.observations.facility import Facility, Letter
from broker_assets.tom.observations.lco import Lco
from broker_assets.tom.observations.store import Observation, ask, get
from broker_assets.tom.observations.working import Report, Work, work
from broker_assets.tom.targets.fields import checked
from broker_assets.tom.targets.readers import OPERATOR
from broker_assets.tom.targets.store import make

GIVEN = {
    "proposal": "LCO2026B-001", "observation_type": "NORMAL", "configuration_type": "SPECTRUM",
    "telescope_class": "2m0", "instrument_type": "2M0-FLOYDS-SCICAM", "optical_element": "slit=slit_1.6as",
    "exposure_time": "600", "exposure_count": "1", "start": "2026-12-01", "end": "2026-12-05", "max_airmass": "1.6",
    "min_lunar_distance": "30", "ipp_value": "1.05",
}  # fmt: skip
"""What is asked of LCO."""


@dataclass
class Bench:
    """ann and bob are in the group AGN, which may ask; eve may not; a target of ann."""

    url: str
    connection: psycopg.Connection[Any]
    users: dict[str, User]
    target: int
    portal: Portal
    folder: Path
    letters: list[tuple[str, Letter]] = field(default_factory=list)
    given: dict[str, Any] = field(default_factory=lambda: dict(GIVEN))

    @property
    def lco(self) -> Lco:
        return Lco(
            FacilitySettings(
                name="LCO",
                groups=["agn"],
                url=self.portal.url,
                archive_url=self.portal.url,
                token=TOKEN,  # type: ignore[arg-type]
            )
        )

    @property
    def mail(self) -> ByMail:
        return ByMail(FacilitySettings(name="Calar Alto", groups=["AGN"], address="observer@example.org"))

    def ask(self, key: str, facility: Facility | None = None, **change: Any) -> int:
        return ask(self.connection, self.users["ann"], facility or self.lco, self.target, self.given | change, key)

    def plan(self, **options: Any) -> Work:
        def post(_: Any, owner: str, letter: Letter, cause: str) -> None:
            self.letters.append((cause, letter))

        return Work({"LCO": self.lco, "Calar Alto": self.mail}, self.folder, post, "http://broker.example", **options)

    def work(self, **options: Any) -> Report:
        """Work on everything, as if it were due."""
        for table in ("observations", "observation_products"):
            self.connection.execute(f"UPDATE access.{table} SET due = now() WHERE due IS NOT NULL")  # type: ignore[call-overload]
        return work(self.connection, self.plan(**options))

    def state(self, number: int) -> Observation:
        return get(self.connection, OPERATOR, number)


@pytest.fixture(scope="module")
def _accounts(module_database_url: str) -> Iterator[tuple[str, Any, dict[str, User], int]]:
    with engine.connect(module_database_url, autocommit=True) as connection:
        users = {name: accounts.add(connection, name, None) for name in ("ann", "bob", "eve")}
        all_groups.add(connection, "AGN")
        for name in ("ann", "bob"):
            all_groups.set_groups(connection, name, ["AGN"])
        target = make(connection, "ann", checked({"name": "SN 2026x", "ra": 150.1, "dec": 2.2, "pm_ra": 1.5}))
        yield module_database_url, connection, users, target


@pytest.fixture
def bench(_accounts: Any, tmp_path: Path) -> Iterator[Bench]:
    """The bench without requests, and a new portal."""
    url, connection, users, target = _accounts
    connection.execute("TRUNCATE access.observations CASCADE")
    with Portal() as portal:
        yield Bench(url, connection, users, target, portal, tmp_path)
