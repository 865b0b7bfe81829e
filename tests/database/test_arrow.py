"""One declaration of a column serves tables and batches."""

from __future__ import annotations

import pyarrow as pa
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.arrow import arrow_schema, arrow_type
from broker_assets.database.tables import diaforcedsources, diasources, objects


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (sa.SmallInteger(), pa.int16()),
        (sa.Integer(), pa.int32()),
        (sa.BigInteger(), pa.int64()),
        (sa.REAL(), pa.float32()),
        (sa.DOUBLE_PRECISION(), pa.float64()),
        (sa.Boolean(), pa.bool_()),
        (sa.Text(), pa.string()),
        (sa.LargeBinary(), pa.binary()),
        (sa.Date(), pa.date32()),
        (sa.DateTime(timezone=True), pa.timestamp("us", tz="UTC")),
        (sa.ARRAY(sa.BigInteger()), pa.list_(pa.int64())),
        (sa.Numeric(20, 0), pa.decimal128(20, 0)),
    ],
    ids=str,
)
def test_every_value_of_a_type_fits(kind: sa.types.TypeEngine[object], expected: pa.DataType) -> None:
    assert arrow_type(kind) == expected


@pytest.mark.parametrize("kind", [postgresql.JSONB(), sa.Numeric(), sa.ARRAY(sa.Text()), sa.Interval()], ids=str)
def test_a_type_without_a_counterpart_is_refused(kind: sa.types.TypeEngine[object]) -> None:
    with pytest.raises(TypeError, match="no Arrow type"):
        arrow_type(kind)


@pytest.mark.parametrize("table", [diasources, diaforcedsources, objects], ids=lambda table: table.name)
def test_a_schema_has_the_columns_of_the_table_in_order(table: sa.Table) -> None:
    schema = arrow_schema(table)
    assert schema.names == list(table.columns.keys())
    assert [field.nullable for field in schema] == [bool(column.nullable) for column in table.columns]
    without = arrow_schema(table, without={"night", "ingestid"})
    assert without.names == [name for name in schema.names if name not in ("night", "ingestid")]
