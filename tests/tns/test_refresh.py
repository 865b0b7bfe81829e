"""Applying bulk files to a real PostgreSQL."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.sky.cells import cells_at
from broker_assets.sky.indices import refresh_cone_index
from broker_assets.sky.rematch import lists_to_rematch, rematch
from broker_assets.sky.store import read_cone_index
from broker_assets.tns.bulk import parse_bulk_csv, unpack
from broker_assets.tns.refresh import Kind, Refresh, SuspiciousBulkFile, apply_bulk_file, stored_checksum, tns_watchlist

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]
Apply = Callable[..., Refresh]
MIDNIGHT = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)


@pytest.fixture
def connection(database_url: str) -> Any:
    with engine.connect(database_url) as connection:
        yield connection


@pytest.fixture
def apply(connection: Connection, tns: ModuleType) -> Apply:
    def apply(rows: list[dict[str, Any]], kind: Kind = "day", name: str | None = None, **options: Any) -> Refresh:
        file = parse_bulk_csv(tns.bulk_csv(rows))
        options.setdefault("covers_until", MIDNIGHT)
        refresh = apply_bulk_file(connection, file, name=name or f"{kind}.csv.zip", kind=kind, **options)
        cones = connection.execute("SELECT name, ra, decl FROM watchlist_cones ORDER BY name").fetchall()
        assert cones == connection.execute("SELECT tns_name, ra, decl FROM crossmatch_tns ORDER BY tns_name").fetchall()
        assert (refresh.rows, refresh.version) == stored_checksum(connection)
        fields = "id, objid, ra, decl, tns_name, tns_prefix, type, z, disc_int_name, lasairmodified_date, tns_file"
        now, held = (
            connection.execute(f"SELECT {fields} FROM {rows} ORDER BY id").fetchall()
            for rows in ("crossmatch_tns", "crossmatch_tns_history WHERE revision_to IS NULL")
        )
        assert held == now
        connection.commit()
        return refresh

    return apply


def stored(connection: Connection) -> dict[str, tuple[Any, ...]]:
    rows = connection.execute(
        "SELECT tns_name, tns_prefix, ra, decl, z, type, disc_int_name, objid FROM crossmatch_tns"
    )
    return {row[0]: row[1:] for row in rows}


def test_new_changed_renamed_moved_and_deleted(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    rows = [tns.tns_row(n, f"2026{n}", 10.0 * n, 1.0) for n in range(1, 9)]
    first = apply(rows, "full")
    assert (first.new, first.changed, first.rows, first.cones_changed) == (8, 0, 8, 8)
    cone_of = dict(connection.execute("SELECT name, cone_id FROM watchlist_cones").fetchall())
    rows[0] |= {"redshift": "0.5", "type": "SN II"}
    rows[1] |= {"name_prefix": "SN"}
    rows[2] |= {"name": "2026new"}
    rows[3] |= {"ra": 40.001}
    rows[4] |= {"internal_names": "another"}
    del rows[7]
    second = apply(rows, "full")
    assert (second.new, second.changed, second.renamed, second.moved, second.deleted) == (0, 5, 1, 1, 1)
    found = stored(connection)
    assert found["20261"][3:5] == (0.5, "SN II")
    assert found["20262"][0] == "SN"
    assert found["2026new"][6] == 3
    assert found["20264"][1] == 40.001
    assert found["20265"][5] == "another"
    assert "20268" not in found
    assert "20263" not in found
    cones = dict(connection.execute("SELECT name, cone_id FROM watchlist_cones").fetchall())
    assert {name for name, cone in cones.items() if cone_of.get(name) == cone} == {"20261", "20262", "20265", "20266",
                                                                                    "20267"}  # fmt: skip
    assert second.cones_changed == 5
    assert second.version != first.version


def test_swapped_names(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    apply([tns.tns_row(1, "2026a", 10, 1), tns.tns_row(2, "2026b", 20, 1)], "full")
    refresh = apply([tns.tns_row(1, "2026b", 10, 1), tns.tns_row(2, "2026a", 20, 1)])
    assert (refresh.renamed, refresh.new, refresh.deleted) == (2, 0, 0)
    assert {name: row[6] for name, row in stored(connection).items()} == {"2026b": 1, "2026a": 2}


def test_a_name_that_passes_to_another_object(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    apply([tns.tns_row(1, "2026a", 10, 1)], "full")
    refresh = apply([tns.tns_row(2, "2026a", 20, 1)])
    assert (refresh.new, refresh.deleted) == (1, 1)
    assert stored(connection)["2026a"][6] == 2
    chain = apply([tns.tns_row(2, "2026b", 20, 1), tns.tns_row(3, "2026a", 30, 1)])
    assert (chain.new, chain.renamed) == (1, 1)


def test_an_object_gets_its_number(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    apply([tns.tns_row("", "2026a", 10, 1)], "full")
    assert apply([tns.tns_row(5, "2026a", 10, 1)]).changed == 1
    assert stored(connection)["2026a"][6] == 5


@pytest.mark.shared
def test_a_file_without_numbers_takes_none_away(
    apply: Apply, connection: Connection, tns: ModuleType, shared_folder: Path
) -> None:
    names = [f"2026{letter}" for letter in "bcdefghi"]
    apply([tns.tns_row(n, name, 10.0 * n, 1.0) for n, name in enumerate(names, start=1)], "full")
    file = parse_bulk_csv(unpack((shared_folder / "data/sky/field/tns/no_objid_column.zip").read_bytes()))
    apply_bulk_file(connection, file, name="day.zip", kind="day", covers_until=MIDNIGHT)
    assert [stored(connection)[name][6] for name in names] == list(range(1, 9))
    # a later renaming is still recognised
    renamed = apply([tns.tns_row(1, "2026new", 10.0, 1.0)], "hour")
    assert (renamed.renamed, renamed.new, "2026b" in stored(connection)) == (1, 0, False)


def test_a_row_without_a_date_is_older_than_one_with(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    apply([tns.tns_row(1, "2026a", 10, 1, redshift="0.1")], "full")
    assert not apply([tns.tns_row(1, "2026a", 10, 1, redshift="0.2", lastmodified="")], "day").any


def test_an_unchanged_file_writes_nothing(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    rows = [tns.tns_row(n, f"2026{n}", n, 1.0) for n in range(1, 50)]
    first = apply(rows, "full")
    state = "SELECT id, lasairmodified_date, xmin::text FROM crossmatch_tns ORDER BY id"
    lists = "SELECT revision, xmin::text FROM watchlists"
    before, lists_before = connection.execute(state).fetchall(), connection.execute(lists).fetchall()
    again = apply(rows, "full")
    assert not again.any
    assert again.version == first.version
    # also where the file is another one that says the same
    assert not apply(rows[:30], "day").any
    assert not apply(rows, "full").any
    assert connection.execute(state).fetchall() == before
    assert connection.execute(lists).fetchall() == lists_before


def test_older_files_do_not_take_back(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    apply([tns.tns_row(1, "2026a", 10, 1, redshift="0.1", lastmodified="2026-11-20 03:00:00")], "hour")
    assert not apply([tns.tns_row(1, "2026a", 10, 1, redshift="0.2")], "day").any
    full = apply([tns.tns_row(2, "2026b", 20, 1)], "full")
    assert (full.new, full.deleted) == (1, 0)
    assert stored(connection)["2026a"][3] == 0.1
    later = apply([tns.tns_row(2, "2026b", 20, 1)], "full", covers_until=MIDNIGHT + datetime.timedelta(days=1),
                  largest_loss=0.6)  # fmt: skip
    assert later.deleted == 1


def test_a_suspicious_loss_is_refused(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    rows = [tns.tns_row(n, f"2026{n}", n, 1.0) for n in range(1, 11)]
    apply(rows, "full")
    for fewer in (rows[:7], []):
        with pytest.raises(SuspiciousBulkFile, match="of 10 objects"):
            apply(fewer, "full", "other.csv.zip")
        connection.rollback()
    assert len(stored(connection)) == 10
    assert apply(rows[:7], "full", "other.csv.zip", largest_loss=0.5).deleted == 3


def test_bad_lines_go_to_quarantine(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    refresh = apply([tns.tns_row(1, "2026a", 10, 1), tns.tns_row(2, "2026b", "?", 1)], "day", "a.csv.zip")
    assert (refresh.new, refresh.quarantined) == (1, 1)
    [row] = connection.execute("SELECT source, line, content, reason FROM quarantined_line").fetchall()
    assert row[:2] == ("tns/a.csv.zip", 4)
    assert "2026b" in row[2]
    assert "not a number" in row[3]
    apply([tns.tns_row(1, "2026a", 10, 1), tns.tns_row(2, "2026b", 20, 1)], "day", "a.csv.zip")
    assert connection.execute("SELECT count(*) FROM quarantined_line").fetchone() == (0,)


def test_a_full_file_keeps_the_objects_of_its_bad_lines(apply: Apply, connection: Connection, tns: ModuleType) -> None:
    rows = [tns.tns_row(n, f"2026{letter}", 10.0 * n, 1.0) for n, letter in enumerate("abcdefgh", 1)]
    apply(rows, "full")
    rows[1]["redshift"] = "high"
    rows[2]["ra"] = ""
    rows[3]["lastmodified"] = "9999-12-31 00:00:00"
    del rows[0]
    lines = tns.bulk_csv(rows).splitlines()
    lines[-2:] = [lines[-2].replace(b'"2026g"', b'"2026g'), lines[-1]]  # an open quote takes in the next line
    file = parse_bulk_csv(b"\n".join(lines))
    assert len(file.bad) == 4
    refresh = apply_bulk_file(connection, file, name="full.csv.zip", kind="full", covers_until=MIDNIGHT)
    assert refresh.deleted == 1
    assert set(stored(connection)) == {f"2026{letter}" for letter in "bcdefgh"}


def test_readers_never_see_an_empty_table(
    apply: Apply, connection: Connection, tns: ModuleType, database_url: str
) -> None:
    rows = [tns.tns_row(n, f"2026{n}", n / 10, 1.0) for n in range(1, 2001)]
    apply(rows, "full")
    seen: set[tuple[int, int]] = set()
    done = threading.Event()

    def read() -> None:
        with engine.connect(database_url, autocommit=True) as reader:
            while not done.is_set():
                row = reader.execute(
                    "SELECT (SELECT count(*) FROM crossmatch_tns), (SELECT count(*) FROM watchlist_cones)"
                ).fetchone()
                assert row is not None
                seen.add(row)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for number in range(3):
            moved = [row | {"ra": row["ra"] + 1e-3 * (number + 1)} for row in rows[: 1990 - number]]
            apply(moved, "full")
    finally:
        done.set()
        thread.join()
    assert seen <= {(2000, 2000), (1990, 1990), (1989, 1989), (1988, 1988)}


def test_the_index_the_hits_and_the_names_follow(
    apply: Apply, connection: Connection, tns: ModuleType, tmp_path: Path
) -> None:
    def follow() -> None:
        refresh_cone_index(connection, tmp_path)
        for kind, identifier, _ in lists_to_rematch(connection):
            rematch(connection, kind, identifier)
        connection.commit()

    def names() -> list[Any]:
        return [row[0] for row in connection.execute("SELECT tns_name FROM objects ORDER BY diaobjectid")]

    for number, ra in enumerate((10.0, 20.0, 30.0), start=1):
        connection.execute(
            "INSERT INTO objects (diaobjectid, survey, ra, decl, healpix) VALUES (%s, 1, %s, 1.0, %s)",
            (number, ra, int(cells_at(np.array([ra]), np.array([1.0]))[0])),
        )
    rows = [tns.tns_row(1, "2026a", 10.0, 1.0), tns.tns_row(2, "2026b", 20.0, 1.0002), tns.tns_row(3, "2026c", 31, 1)]
    apply(rows, "full")
    follow()
    assert names() == ["2026a", "2026b", None]
    # b moves away from the object, c moves to one, a is renamed
    rows = [tns.tns_row(1, "2026A", 10.0, 1.0), tns.tns_row(2, "2026b", 20.0, 1.1), tns.tns_row(3, "2026c", 30.0, 1.0)]
    apply(rows, "full")
    assert names() == [None, None, None]
    follow()
    assert names() == ["2026A", None, "2026c"]
    assert sorted(read_cone_index(tmp_path).name.to_pylist()) == ["2026A", "2026b", "2026c"]
    hits = connection.execute("SELECT diaobjectid, name FROM watchlist_hits ORDER BY 1").fetchall()
    assert hits == [(1, "2026A"), (3, "2026c")]
    assert lists_to_rematch(connection) == []


def test_the_watchlist_is_made_once(connection: Connection) -> None:
    assert tns_watchlist(connection) == tns_watchlist(connection)
