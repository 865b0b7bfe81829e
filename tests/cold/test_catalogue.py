"""The tables of the cold store and their catalogue."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyiceberg.exceptions import UnauthorizedError, ValidationError
from rest_catalogue import TOKEN, rest_catalogue

from broker_assets.cold.catalogue import SCHEMA, ColdStore, snapshot
from broker_assets.database.engine import connect

pytestmark = pytest.mark.database

COLUMNS = pa.schema([("diaobjectid", pa.int64()), ("night", pa.date32()), ("kind", pa.int16())])


def test_a_table_is_made_and_gets_new_columns(store: ColdStore) -> None:
    assert store.table("things") is None
    made = store.prepared("things", COLUMNS)
    assert snapshot(made).identifier == 0
    assert [field.name for field in made.spec().fields] == ["night"]
    more = store.prepared("things", COLUMNS.append(pa.field("flux", pa.float32())))
    assert more.schema().column_names == [*COLUMNS.names, "flux"]
    assert store.prepared("things", COLUMNS).schema().column_names == [*COLUMNS.names, "flux"]
    # The catalogue is in our database, out of sight of its other tables.
    with connect(store.database_url) as connection:
        assert connection.execute(f"SELECT table_name FROM {SCHEMA}.iceberg_tables").fetchall() == [("things",)]
        assert connection.execute("SELECT to_regclass('public.iceberg_tables')").fetchone() == (None,)


def test_types_of_columns_are_widened(store: ColdStore) -> None:
    """Nights written before and afterwards are read together; a release with narrower types still writes."""
    narrow = pa.schema([("night", pa.date32()), ("number", pa.int32()), ("flux", pa.float32())])
    wide = pa.schema([("flux", pa.float64()), ("number", pa.int64()), ("night", pa.date32())])

    def write(schema: pa.Schema, day: str, number: int, flux: float) -> None:
        row = {"night": datetime.date.fromisoformat(day), "number": number, "flux": flux}
        store.overwrite_night("things", day, schema, lambda: [pa.Table.from_pylist([row], schema)])

    write(narrow, "2026-01-20", 1, 0.1)
    write(wide, "2026-01-21", 2**40, 1e300)
    write(narrow, "2026-01-22", 3, 0.5)
    found = store.prepared("things", narrow)
    assert found.scan().to_arrow().sort_by("night").select(["number", "flux"]).to_pylist() == [
        {"number": 1, "flux": float(np.float32(0.1))}, {"number": 2**40, "flux": 1e300}, {"number": 3, "flux": 0.5},
    ]  # fmt: skip
    with pytest.raises(ValidationError, match="flux: double -> string"):
        store.prepared("things", pa.schema([("night", pa.date32()), ("flux", pa.string())]))


def test_options_of_a_catalogue_are_not_shown() -> None:
    store = ColdStore("postgresql+psycopg://x@y/z", "s3://bucket", "https://catalogue.example", {"token": "hidden"})
    assert "hidden" not in repr(store)


def test_a_rest_catalogue_serves_as_well(tmp_path: Path) -> None:
    """Tables are made, changed and overwritten through it; who was overtaken begins again; a token is needed."""
    with rest_catalogue(tmp_path) as (address, asked):
        options = {"token": TOKEN}
        ours, theirs = (
            ColdStore("postgresql+psycopg://nowhere/broker", (tmp_path / "cold").as_uri(), address, options)
            for _ in range(2)
        )
        night = pa.array([datetime.date(2026, 1, 20)], pa.date32())

        def part(number: int) -> pa.Table:
            return pa.table([pa.array([number]), night, pa.array([1], pa.int16())], schema=COLUMNS)

        first = ours.overwrite_night("things", "2026-01-20", COLUMNS, lambda: [part(1)], lambda: "v1")
        interrupted = [True]

        def overtaken() -> list[pa.Table]:
            if interrupted.pop() if interrupted else False:
                theirs.overwrite_night("things", "2026-01-20", COLUMNS, lambda: [part(2)], lambda: "v2")
            return [part(3)]

        second = ours.overwrite_night("things", "2026-01-20", COLUMNS, overtaken, lambda: "v3")
        table = theirs.table("things")
        assert table is not None
        assert table.scan().to_arrow()["diaobjectid"].to_pylist() == [3]
        assert table.scan(snapshot_id=first.identifier).to_arrow()["diaobjectid"].to_pylist() == [1]
        assert snapshot(table) == second
        more = ours.prepared("things", COLUMNS.append(pa.field("flux", pa.float32())))
        assert more.schema().column_names == [*COLUMNS.names, "flux"]
        assert "GET /v1/config" in " ".join(asked)
        stranger = ColdStore("postgresql+psycopg://nowhere/broker", (tmp_path / "cold").as_uri(), address)
        with pytest.raises(UnauthorizedError):
            stranger.table("things")
