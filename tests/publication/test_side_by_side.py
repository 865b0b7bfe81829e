"""A held file next to the delivered one."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.publication.content import Facts
from broker_assets.publication.questions import receipts
from broker_assets.publication.side_by_side import compared_with, fact_rows, of_name


@pytest.mark.database
def test_the_delivered_file_is_found(module_database_url: str, tmp_path: Path) -> None:
    records = Records(module_database_url, tmp_path, datetime.datetime.now(datetime.UTC))
    for name, status in (("a_V01.fits", "published"), ("a_V02.fits", "held"), ("b.fits", "held")):
        records.decision(name, status)
    version = "substring(name FROM 5 FOR 1)::int"
    records.execute(f"UPDATE publication SET subject = 'a', version = {version} WHERE name ~ '^a'")
    with connect(module_database_url) as connection:
        (held,) = of_name(connection, "a_V02.fits")
        delivered = compared_with(connection, held)
        assert delivered is not None
        assert (delivered.name, delivered.version) == ("a_V01.fits", 1)
        assert compared_with(connection, delivered) is None
        assert compared_with(connection, *of_name(connection, "b.fits")) is None
        assert of_name(connection, "none") == []
        assert receipts(connection, newest=5) == []


def test_facts_are_compared_one_by_one() -> None:
    ours = Facts(rows=90, nan={"a": 0.5}, covered=[(0.0, 10.0)], data_digest="x" * 64)
    rows = fact_rows(ours, Facts(rows=100, nan={"a": 0.5, "b": 0.0}, covered=[(0.0, 20.0)], data_digest="y" * 64))
    assert [(row.fact, row.ours, row.delivered) for row in rows if row.differs][:3] == [
        ("rows", "90", "100"), ("time covered", "10.0 s", "20.0 s"), ("NaN in b", "no such column", "0.0%"),
    ]  # fmt: skip
    assert not any(row.differs for row in fact_rows(ours, ours))
