"""Every field of every schema version is kept or dropped by declaration, and what is declared exists."""

import copy
from typing import Any

import fastavro
import pytest

from broker_assets.packets.registry import SchemaFolder
from broker_assets.packets.surveys import ADAPTERS, adapter_of
from broker_assets.packets.surveys.adapter import Destination
from broker_assets.packets.tables import SCHEMAS

RUBIN_IDS = (700, 701, 702, 703, 704, 800, 900, 1000, 1100, 1101)


@pytest.mark.parametrize("schema_id", RUBIN_IDS)
def test_rubin(rubin_schemas, schema_id):
    schema = rubin_schemas.by_id(schema_id)
    assert adapter_of(schema).survey == "rubin"
    assert ADAPTERS["rubin"].unknown_fields(schema) == []


@pytest.mark.shared
@pytest.mark.parametrize("folder", ["tom_desc_v0_9", "tom_desc_v0_9_1", "elasticc_alert_schema", "tests_schema"])
def test_elasticc(shared_folder, folder):
    schema = SchemaFolder(shared_folder / "data" / "desc_tom" / "avro" / folder).for_topic(None)
    assert adapter_of(schema).survey == "elasticc"
    assert ADAPTERS["elasticc"].unknown_fields(schema) == []


@pytest.mark.shared
@pytest.mark.parametrize("survey", ["ztf", "elasticc"])
def test_schemas_in_real_packets(alerts, survey):
    schemas: dict[str, Any] = {}
    for path in sorted((alerts / survey).glob("*.avro")):
        with path.open("rb") as file:
            schema = fastavro.reader(file).writer_schema
        schemas.setdefault(str(schema), schema)
    assert schemas
    for schema in schemas.values():
        assert adapter_of(schema).survey == survey
        assert ADAPTERS[survey].unknown_fields(schema) == []


@pytest.mark.parametrize("survey", sorted(ADAPTERS))
def test_declared_columns_exist(survey):
    adapter = ADAPTERS[survey]
    for field, found in adapter.FIELDS.items():
        for target in (found,) if isinstance(found, Destination) else found:
            assert target.column in SCHEMAS[target.table].names, field
    assert not set(adapter.FIELDS) & set(adapter.DROPPED)
    assert all(adapter.DROPPED.values())


def test_a_field_that_nobody_knows_is_told(rubin_schemas):
    schema = copy.deepcopy(rubin_schemas.by_id(1101))
    schema["fields"].append({"name": "novelty", "type": "double"})
    assert ADAPTERS["rubin"].unknown_fields(schema) == ["novelty"]


def test_packets_of_nobody():
    with pytest.raises(ValueError, match="weather"):
        adapter_of({"type": "record", "name": "weather", "fields": [{"name": "wind", "type": "float"}]})
