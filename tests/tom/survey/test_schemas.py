import json

import fastavro
import pytest

from broker_assets.tom.survey.schemas import (
    UnknownSchema,
    alert_schema,
    classification_schema,
    schema_version,
    write_schemas,
)

FOLDERS = {"0.9": "tom_desc_v0_9", "0.9.1": "tests_schema"}


def shape(schema, known=None):
    """Names of fields and types, in order, without what does not change the bytes."""
    known = {} if known is None else known
    if isinstance(schema, list):
        return [shape(one, known) for one in schema]
    if isinstance(schema, str):
        return known.get(schema.split(".")[-1], schema)
    if schema["type"] == "array":
        return ["array", shape(schema["items"], known)]
    if schema["type"] != "record":
        return schema["type"]
    made = ["record", [[field["name"], shape(field["type"], known)] for field in schema["fields"]]]
    known[schema["name"].split(".")[-1]] = made
    return made


@pytest.mark.shared
@pytest.mark.parametrize("version", ["0.9", "0.9.1"])
def test_schemas_are_those_of_the_campaigns(shared_folder, version):
    folder = shared_folder / "data" / "desc_tom" / "avro" / FOLDERS[version]
    space = f"elasticc.v{version.replace('.', '_')}"
    known: dict[str, object] = {}
    for name in ("diaNondetectionLimit", "diaSource", "diaForcedSource", "diaObject"):
        shape(json.loads((folder / f"{space}.{name}.avsc").read_text()), known)
    theirs = shape(json.loads((folder / f"{space}.alert.avsc").read_text()), known)
    assert shape(alert_schema(version)) == theirs
    theirs = json.loads((folder / f"{space}.brokerClassification.avsc").read_text())
    assert shape(classification_schema(version)) == shape(theirs)
    assert classification_schema(version)["name"] == theirs["name"]


def test_a_schema_is_named_by_its_version_or_its_file():
    assert schema_version("v0_9_1") == schema_version("/x/elasticc.v0_9_1.alert.avsc") == "0.9.1"
    with pytest.raises(
        UnknownSchema, match=r"elasticc\.v0_10\.alert\.avsc is not a schema of alerts: versions are 0.9"
    ):
        schema_version("elasticc.v0_10.alert.avsc")


def test_files_of_schemas_can_be_read_alone(tmp_path):
    alert, classification = write_schemas(tmp_path)
    assert alert.name == "elasticc.v0_9_1.alert.avsc"
    for path in (alert, classification):
        fastavro.parse_schema(json.loads(path.read_text()))


def test_times_without_their_logical_type_are_numbers():
    fields = {field["name"]: field["type"] for field in classification_schema(times=False)["fields"]}
    assert fields["elasticcPublishTimestamp"] == "long"
