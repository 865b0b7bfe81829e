"""The enrichment by itself; with database and stream it is tested in `stream/test_context.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from broker_assets.accounting.facts import AlertBatch
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.object_context import ASSET, CONTEXT_VERSION, ObjectContext
from broker_assets.context.store import CatalogueStore
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.tables import associations
from broker_assets.settings import ContextSettings

NOTHING: Any = None
"""A connection that is not used."""


@pytest.fixture
def context(tmp_path: Path) -> ObjectContext:
    path = tmp_path / "vsx.csv"
    path.write_text("identifier,ra,dec,magnitude,band\nV1,10.0,20.0,15.25,V\n")
    CatalogueStore(tmp_path / "catalogues").add("vsx", path)
    return ObjectContext.of(ContextSettings(), tmp_path / "catalogues")


def batch(*places: tuple[float | None, float | None]) -> AlertBatch:
    count = len(places)
    alerts = pa.table(
        {
            "packet": pa.array([3 * number for number in range(count)], pa.int64()),
            "diaobjectid": list(range(count)), "diasourceid": [10 * number for number in range(count)],
            "midpointmjdtai": [61000.0] * count, "night": pa.array([20000] * count, pa.date32()),
            "ra": pa.array([ra for ra, _ in places], pa.float64()),
            "decl": pa.array([dec for _, dec in places], pa.float64()),
            "lastdiasourcemjdtai": [61000.0] * count,
        }
    )  # fmt: skip
    return AlertBatch(alerts, {}, NOTHING)


def test_matches_have_the_types_of_the_database(context: ObjectContext) -> None:
    computed = context.compute(batch((10.0, 20.0), (None, None), (50.0, 0.0), (369.9999, 20.0), (10.0, 91.0)), {})
    rows = computed.tables[ASSET]
    assert rows["packet"].to_pylist() == [0, 6, 9]
    assert rows["classification"].to_pylist() == ["VS", "ORPHAN", "VS"]
    for item in arrow_schema(associations):
        assert rows.schema.field(item.name).type == item.type
    assert rows["ra"].to_pylist()[2] == pytest.approx(9.9999)
    assert computed.inputs == context.inputs()
    assert set(computed.inputs) == {"catalogues:vsx", "context_rules"}
    assert computed.state is not None
    state = computed.state.to_pylist()
    assert [row["associationid"] is None for row in state] == [False, True, False, False, True]


def test_the_identifier_is_that_of_the_content(context: ObjectContext) -> None:
    where = [(10.0, 20.0), (10.0, 20.0), (10.0, 20.00001), (50.0, 0.0)]
    one = context.compute(batch(*where), {}).tables[ASSET]["associationid"].to_pylist()
    assert one[0] == one[1]
    assert len(set(one)) == 3
    again = context.compute(batch(*reversed(where)), {}).tables[ASSET]["associationid"].to_pylist()
    assert again == one[::-1]


def test_without_catalogues_nothing_is_said(tmp_path: Path) -> None:
    context = ObjectContext(CataloguesInForce(tmp_path / "none"))
    computed = context.compute(batch((10.0, 20.0)), {})
    assert computed.tables[ASSET].num_rows == 0
    assert computed.inputs == context.inputs() == {}
    assert computed.state is not None
    assert computed.state.to_pylist() == [{"packet": 0, "associationid": None}]


def test_the_specification_names_the_rules(context: ObjectContext) -> None:
    (table,) = context.facts
    (rules,) = table.inputs
    assert (table.asset, table.parents, context.version) == ("context_matches", ("catalogues",), CONTEXT_VERSION)
    assert rules.partial
    assert rules.version() == context.inputs()["context_rules"]
    described = rules.describe()
    assert described["catalogues searched"] == "vsx"
    assert "gaia" in described["catalogues not loaded"]
