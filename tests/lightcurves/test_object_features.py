"""The enrichment by itself; with database and stream it is tested in `stream/test_features.py`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.accounting.facts import AlertBatch
from broker_assets.database.tables import FEATURE_COLUMNS, object_features, objects
from broker_assets.lightcurves.features import FEATURES_VERSION, SCHEMA
from broker_assets.lightcurves.object_features import ASSET, DUST_MAP, ObjectFeatures
from broker_assets.packets.light_curves import LIGHT_CURVE

NOTHING: Any = None
"""A connection that is not used."""


def _batch(**of_object: list[float | None]) -> AlertBatch:
    """Two alerts, and light curves of these and of a packet without an object."""
    alerts = pa.table(
        {
            "packet": pa.array([2, 5], pa.int64()), "diaobjectid": [7, 8], "diasourceid": [70, 80],
            "midpointmjdtai": [61000.0, 61000.0], "night": pa.array([20000, 20000], pa.date32()),
            "ra": [10.0, None], "decl": [-20.0, None], "lastdiasourcemjdtai": [61000.0, 61000.0],
        }
    )  # fmt: skip
    points = [(2, False, 61000.0, 1, 5.0, 0.5), (9, False, 61000.0, 1, 5.0, 0.5), (2, True, 60990.0, 2, 1.0, np.nan)]
    columns = list(zip(*points, strict=True))
    curve = pa.Table.from_arrays(
        [pa.array(values, item.type) for values, item in zip(columns, LIGHT_CURVE, strict=True)], schema=LIGHT_CURVE
    )
    packets = pa.table({"packet": pa.array([2, 9], pa.int32()), **{k: pa.array(v) for k, v in of_object.items()}})
    return AlertBatch(alerts, {"light_curve": curve, "object": packets}, NOTHING)


def test_features_belong_to_their_alerts_and_have_the_types_of_the_database() -> None:
    features = ObjectFeatures()
    computed = features.compute(_batch(), {})
    rows = computed.tables[ASSET].to_pylist()
    assert [(row["diaobjectid"], row["diasourceid"], row["ngsources"]) for row in rows] == [(7, 70, 1), (8, 80, None)]
    assert rows[0]["ebv"] == pytest.approx(features.dust.ebv([10.0], [-20.0])[0], rel=1e-6)
    assert rows[1]["ebv"] is None
    assert computed.inputs == features.inputs() == {DUST_MAP: features.dust.version}
    assert computed.state is not None
    assert set(computed.state.column_names) == {"packet", *FEATURE_COLUMNS} - {"lastdiasourcemjdtai"}
    assert computed.tables[ASSET].schema.field("jump1").type == pa.float32()


def test_what_a_packet_says_of_its_object_comes_first() -> None:
    computed = ObjectFeatures().compute(_batch(ebv=[0.25, 0.5], firstdiasourcemjdtai=[50000.0, None]), {})
    row = computed.tables[ASSET].to_pylist()[0]
    assert (row["ebv"], row["firstdiasourcemjdtai"]) == (0.25, 50000.0)


def test_an_empty_batch_has_no_features() -> None:
    empty = _batch()
    none = AlertBatch(
        empty.alerts.slice(0, 0), {name: part.slice(0, 0) for name, part in empty.tables.items()}, NOTHING
    )
    assert ObjectFeatures().compute(none, {}).tables[ASSET].num_rows == 0
    only_others = AlertBatch(empty.alerts.slice(0, 0), empty.tables, NOTHING)
    assert ObjectFeatures().compute(only_others, {}).tables[ASSET].num_rows == 0


def test_the_table_has_the_columns_of_the_features() -> None:
    assert set(FEATURE_COLUMNS) == set(SCHEMA.names)
    for name in FEATURE_COLUMNS:
        assert object_features.c[name].comment == objects.c[name].comment
    assert ObjectFeatures().version == f"{FEATURES_VERSION}, unclassified 100 d"


def test_the_specification_names_the_dust_map() -> None:
    [table] = ObjectFeatures(dust_scale=2.0).facts
    [dust] = table.inputs
    assert dust.asset == DUST_MAP
    assert dust.version() != ObjectFeatures().dust.version
    described = dust.describe()
    assert described["pixel (arcmin)"] == 55.0
    assert described["plot"].startswith(b"\x89PNG")
