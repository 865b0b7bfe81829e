"""Facts: versions that add up whatever the batches, and the account of nights that were rebuilt."""

from __future__ import annotations

import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.accounting import facts
from broker_assets.database import engine

rows = st.lists(
    st.fixed_dictionaries(
        {
            "diaobjectid": st.integers(1, 5),
            "diasourceid": st.integers(-(2**63), 2**63 - 1),
            "night": st.sampled_from([datetime.date(2025, 11, 20), datetime.date(2025, 11, 21)]),
            "arcsec": st.none() | st.floats(allow_nan=False),
            "name": st.none() | st.text(max_size=3),
            "ar_ids": st.lists(st.integers(-3, 3), max_size=4),
        }
    ),
    max_size=12,
)
SCHEMA = pa.schema(
    [
        ("diaobjectid", pa.int64()),
        ("diasourceid", pa.int64()),
        ("night", pa.date32()),
        ("arcsec", pa.float64()),
        ("name", pa.string()),
        ("ar_ids", pa.list_(pa.int64())),
    ]
)


def table(values: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(values, schema=SCHEMA)


@given(values=rows, cut=st.integers(0, 12), seed=st.integers(0, 99))
def test_checksums_add_up_in_any_order_and_split(values: list[dict[str, object]], cut: int, seed: int) -> None:
    nights = ["2025-11-20", "2025-11-21"]
    whole = facts.count("a", table(values), nights)
    shuffled = [values[place] for place in np.random.default_rng(seed).permutation(len(values))]
    parts = [facts.count("a", table(part), nights) for part in (shuffled[:cut], shuffled[cut:])]
    assert [item.night for item in whole] == nights
    for item, one, other in zip(whole, *parts, strict=True):
        assert item.rows == one.rows + other.rows
        assert item.checksum == (one.checksum + other.checksum) % 2**64


@given(values=rows.filter(bool), change=st.integers(1, 9))
def test_another_value_is_another_hash(values: list[dict[str, object]], change: int) -> None:
    before = facts.row_hashes(table(values))
    for name, other in (
        ("diaobjectid", change + 5),
        ("arcsec", change + 0.25),
        ("name", "other"),
        ("ar_ids", [9, change]),
    ):
        changed = [values[0] | {name: other}, *values[1:]]
        after = facts.row_hashes(table(changed))
        assert bool(after[0] == before[0]) == (values[0][name] == other)
        assert (after[1:] == before[1:]).all()


def test_who_wrote_a_row_does_not_count() -> None:
    one = table([{"diaobjectid": 1, "diasourceid": 2, "ar_ids": [1, 2]}])
    written = one.append_column("ingestid", pa.array([7]))
    assert (facts.row_hashes(one) == facts.row_hashes(written)).all()
    # the places of a list count, and so does null against zero
    assert facts.row_hashes(one) != facts.row_hashes(table([{"diaobjectid": 1, "diasourceid": 2, "ar_ids": [2, 1]}]))
    assert facts.row_hashes(table([{"arcsec": None}])) != facts.row_hashes(table([{"arcsec": 0.0}]))
    assert facts.row_hashes(table([{"arcsec": -0.0}])) == facts.row_hashes(table([{"arcsec": 0.0}]))


def test_elements_of_lists_count_exactly() -> None:
    values = [[0.25, 0.5], [0.75, 0.5], [None, 0.5], [0.0, 0.5], [0.25], [], None, [0.5, 0.25]]
    assert len(set(facts.row_hashes(pa.table({"flux": pa.array(values, pa.list_(pa.float32()))})).tolist())) == 8
    whole = [[1, 2], [None, 2], [0, 2], [2**62 + 1, 2], [2**62, 2]]
    assert len(set(facts.row_hashes(pa.table({"items": pa.array(whole, pa.list_(pa.int64()))})).tolist())) == 5


@pytest.mark.database
def test_the_account_of_a_night(database_url: str) -> None:
    night = "2025-11-20"
    with engine.connect(database_url) as connection:

        def book(ingestid: int, number: int, checksum: int, version: str = "1") -> None:
            counts = [facts.FactCount(night, "watchlist_facts", number, checksum)]
            facts.book(connection, ingestid, counts, "sky", version)

        assert facts.nights(connection, [night]) == {}
        book(1, 2, 2**64 - 1)
        book(2, 1, 3)
        book(2, 1, 1)  # a batch may write in parts
        key = ("watchlist_facts", night)
        assert facts.nights(connection, [night])[key] == facts.NightFacts(4, "4-0000000000000003", "1")
        book(3, 1, 5, "2")
        assert facts.nights(connection, [night])[key].code_version == "1, 2"
        facts.replace(connection, night, ["watchlist_facts"], [3])
        assert facts.nights(connection, [night])[key] == facts.NightFacts(1, "1-0000000000000005", "2")
        replaced = connection.execute("SELECT count(*) FROM ingest_batch_facts WHERE replaced_by = 3").fetchone()
        assert replaced == (2,)
