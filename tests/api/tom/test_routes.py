"""What of the interface is served, and by which methods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fastapi import FastAPI

from broker_assets.api import tom
from broker_assets.settings import Settings


@pytest.fixture(scope="module")
def methods() -> dict[str, set[str]]:
    app = FastAPI()
    tom.add_to(app, Settings())
    found: dict[str, set[str]] = {}
    for route in app.routes:
        path = getattr(route, "path", "")
        found.setdefault(path, set()).update(getattr(route, "methods", None) or ())
    return found


def test_every_address_has_both_forms(methods: dict[str, set[str]]) -> None:
    ours = {path: allowed for path, allowed in methods.items() if path.startswith("/elasticc2")}
    assert len(ours) >= 40
    for path, allowed in ours.items():
        other = path.rstrip("/") if path.endswith("/") else f"{path}/"
        assert ours[other] == allowed, path


def test_methods(methods: dict[str, set[str]]) -> None:
    assert methods["/elasticc2/ltcv"] >= {"GET", "POST"}
    assert "PUT" not in methods["/elasticc2/ltcv"]
    assert "PUT" in methods["/elasticc2/brokermessage/{what:path}/"]


def test_the_documentation_has_what_is_served(methods: dict[str, set[str]]) -> None:
    """Paths of the tables of `docs/tom.md` are served by the methods there, and none of ours is missing in the docs."""
    documents = Path(__file__).parents[3] / "docs"
    text = (documents / "tom.md").read_text().partition("## Endpoints")[2].partition("### Logging in")[0]
    second, _, first = text.partition("### The first campaign")
    named: set[str] = set()
    for campaign, table in (("/elasticc2/", second), ("/elasticc/", first)):
        rows = re.findall(r"^\| (`.*?`|``) \| ([A-Z, ]+) \|", table, re.MULTILINE)
        assert len(rows) >= 7
        for paths, allowed in rows:
            for path in re.findall(r"`([^`]*)`", paths):
                address = (campaign + path.partition("<")[0]).rstrip("/")
                served = [
                    found for known, found in methods.items() if known == address or known.startswith(f"{address}/")
                ]
                assert set(allowed.split(", ")) <= set().union(*served), path
                named.add(address)
    elsewhere = "".join((documents / name).read_text() for name in ("spectra.md", "sql.md", "comparing-brokers.md"))
    for path in methods:
        fixed = path.partition("{")[0].rstrip("/")
        if fixed.startswith(("/elasticc2", "/elasticc/")) and fixed not in named:
            assert fixed.rsplit("/", 1)[-1] in elsewhere, path
