"""The calendar of nights, and the page of one."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from site_visitors import number_in, without_markup
from stored_filters import add_batch, add_run

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def pages(people: Any) -> Any:
    """Alerts of three nights, none of a fourth; filters that all, a group and their owner see."""
    assert "No night yet" in people.guest.text("/nights/")
    numbers = [
        number_in(people.ann.done("/filters/create/", name=name, text="SELECT diaObjectId FROM objects"))
        for name in ("everybody's", "the group's", "my own")
    ]
    group = people.connection.execute("SELECT groupid FROM access.groups WHERE name = 'AGN'").fetchone()[0]
    people.ann.done(f"/filters/{numbers[0]}/share/", audience="public")
    people.connection.execute(
        "INSERT INTO access.shares (kind, identifier, groupid) VALUES ('filter', %s, %s)", (str(numbers[1]), group)
    )
    for day, matches in ((3, 4), (4, 6), (6, 50)):
        night = datetime.date(2025, 11, day)
        batch = add_batch(people.connection, night=night)
        people.connection.execute(
            "UPDATE ingest_batch_night SET stored = 1234, sources = 2000 WHERE ingestid = %s", (batch,)
        )
        for number in numbers:
            add_run(people.connection, batch, number, matches + number, night=night)
    people.connection.execute(
        "INSERT INTO artefact (asset, partition, data_version, code_version) VALUES ('sources', '2025-11-06', 'a', '7')"
    )
    return people


def test_the_calendar_has_every_night_with_its_state(pages: Any) -> None:
    text = pages.guest.text("/nights/")
    assert "Nights of November 2025" in text
    assert 'aria-label="2025-11-06: complete, 1,234 alerts"' in text
    assert 'aria-label="2025-11-05: not observed, 0 alerts"' in text
    assert 'aria-label="2025-11-07: not received, 0 alerts"' in text
    assert "2025-11-02:" not in text  # before the first
    assert 'href="/nights/?month=2025-12"' in text
    assert 'href="/nights/?month=2025-10"' not in text
    assert "2,000" in without_markup(text)
    assert "No night of this month" in pages.guest.text("/nights/?month=2025-10")
    assert pages.guest.get("/nights/?month=oh").status_code == 404


def test_a_night_has_the_filters_that_one_may_see(pages: Any) -> None:
    path = "/nights/2025-11-06/"
    seen = {
        name: [title for title in ("everybody&#39;s", "the group&#39;s", "my own") if title in visitor.text(path)]
        for name, visitor in (("guest", pages.guest), ("eve", pages.eve), ("bob", pages.bob), ("ann", pages.ann))
    }
    assert {name: len(titles) for name, titles in seen.items()} == {"guest": 1, "eve": 1, "bob": 2, "ann": 3}
    words = without_markup(pages.ann.text(path))
    assert "1,234 alerts stored" in words
    assert "ann 51 6 –" in words  # matches of the first filter, and the median of the nights before


def test_a_night_leads_to_its_partition(pages: Any) -> None:
    link = "/assets/sources?view=partitions&amp;partition=2025-11-06"
    assert link in pages.eve.text("/nights/2025-11-06/")
    assert link not in pages.guest.text("/nights/2025-11-06/")
    assert "read past this night" in pages.guest.text("/nights/2025-11-05/")
    for path in ("2025-11-02", "2999-01-01", "20251106", "yesterday"):
        assert pages.guest.get(f"/nights/{path}/").status_code == 404
