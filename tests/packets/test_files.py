import gzip
import io
import json

import fastavro
import pytest

from broker_assets.packets.files import Schemas, find_files, read_packets, version_in
from broker_assets.packets.registry import SchemaNotFound

PLAIN = {"type": "record", "name": "v1_0", "fields": [{"name": "x", "type": "long"}]}


@pytest.fixture
def schemas(tmp_path):
    folder = tmp_path / "schemas"
    folder.mkdir()
    for version in ("1_0", "2_0"):
        (folder / f"v{version}.avsc").write_text(json.dumps(PLAIN | {"name": f"v{version}"}))
    (folder / "v3_0.avsc").write_text(json.dumps(PLAIN | {"name": "v3_0", "fields": [{"name": "x", "type": "string"}]}))
    return Schemas(folder)


def test_folders_are_searched_and_names_kept(tmp_path):
    (tmp_path / "b").mkdir()
    for name in ("b/2.avro", "a.avro", "b/readme.txt"):
        (tmp_path / name).write_bytes(b"")
    assert list(find_files([str(tmp_path), "-", "nowhere"])) == [
        str(tmp_path / "a.avro"),
        str(tmp_path / "b" / "2.avro"),
        "-",
        "nowhere",
    ]


@pytest.mark.parametrize("rest", [b"junk", b"\x1f\x8b\x08"])
def test_packets_before_the_damage_of_a_compressed_file_are_read(schemas, tmp_path, rest):
    whole = io.BytesIO()
    fastavro.writer(whole, PLAIN, [{"x": 1}, {"x": 2}])
    (tmp_path / "a.avro.gz").write_bytes(gzip.compress(whole.getvalue()) + rest)
    *packets, last = read_packets(str(tmp_path / "a.avro.gz"), schemas)
    assert [packet.datum for packet in packets] == [b"\x02", b"\x04"]
    assert "the gzip data are" in str(last.error)


def test_of_the_schemas_that_fit_the_named_one_else_the_newest(schemas):
    assert schemas.of_bare(b"\x54").name == "v2_0"
    assert schemas.of_bare(b"\x54", "/data/v1_0_alert.avro").name == "v1_0"
    assert schemas.of_bare(b"\x04ab", "v1_0.avro").name == "v3_0"
    with pytest.raises(SchemaNotFound, match=r"v2_0.*v1_0"):
        schemas.of_bare(b"\x54\x54\x54")


def test_one_schema_is_meant_whatever_the_id(schemas, tmp_path):
    only = Schemas(tmp_path / "schemas" / "v1_0.avsc")
    assert only.of_confluent(31337).name == "v1_0"
    with pytest.raises(SchemaNotFound, match="31337"):
        schemas.of_confluent(31337)


def test_a_bare_datum_may_begin_with_a_zero(schemas, tmp_path):
    (tmp_path / "zero.avro").write_bytes(b"\x00")
    (packet,) = read_packets(str(tmp_path / "zero.avro"), schemas)
    assert (packet.framing, packet.datum) == ("bare", b"\x00")


def test_versions():
    assert version_in("v9_0_history_10_30.schemaless.avro") == "9.0"
    assert version_in("lsst.v11_1.diaSource") == "11.1"
    assert version_in("topLevelRecord") is None
