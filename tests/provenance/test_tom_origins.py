"""Every table of the target and observation manager has a route, or a reason why it has none."""

from __future__ import annotations

from broker_assets.database.tables.tom import tom_metadata
from broker_assets.provenance.tom_origins import TOM_BOOKKEEPING, TOM_ROUTES


def test_every_table_is_there_once() -> None:
    assert set(TOM_ROUTES) | set(TOM_BOOKKEEPING) == set(tom_metadata.tables)
    assert set(TOM_ROUTES).isdisjoint(TOM_BOOKKEEPING)


def test_what_brokers_say_has_a_batch() -> None:
    for table in ("elasticc2_brokermessage", "elasticc2_diaobjectinfo", "elasticc2_diaobjectclassification"):
        assert [part.name for part in TOM_ROUTES[table] if part.required] == ["batch"]
