import io

import fastavro
import pytest

from broker_assets.packets.framing import Framer
from broker_assets.packets.limits import SCHEMAS_KEPT
from broker_assets.packets.registry import NoSchemas, RegistryUnavailable, SchemaNotFound

SCHEMA = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "long"}]}
DATUM = b"\x54"  # 42


class OneSchema:
    """Knows id 7 and one topic."""

    def __init__(self):
        self.asked = 0

    def by_id(self, schema_id):
        self.asked += 1
        if schema_id != 7:
            raise SchemaNotFound(f"no schema {schema_id}")
        return SCHEMA

    def for_topic(self, topic):
        if topic != "alerts":
            raise SchemaNotFound(f"no schema for {topic}")
        return SCHEMA


class Away:
    def by_id(self, schema_id):
        raise RegistryUnavailable("away")

    def for_topic(self, topic):
        raise RegistryUnavailable("away")


def container(*values, codec="null"):
    file = io.BytesIO()
    fastavro.writer(file, SCHEMA, [{"x": value} for value in values], codec=codec)
    return file.getvalue()


def datums(framed):
    return [
        framed.buffers[packet][framed.starts[packet] : framed.ends[packet]]
        for packet in range(len(framed.buffers))
        if framed.schema[packet] >= 0
    ]


def test_confluent():
    good = b"\x00\x00\x00\x00\x07" + DATUM
    framed = Framer("confluent", OneSchema()).split(
        [good, b"", b"\x00\x00", b"\x01" + good[1:], b"\x00\x00\x00\x00\x08" + DATUM, good]
    )
    assert framed.schema.tolist() == [0, -1, -1, -1, -1, 0]
    assert datums(framed) == [DATUM, DATUM]
    assert framed.schemas[0].schema_id == 7
    reasons = {failure.packet: failure.reason for failure in framed.failures}
    assert set(reasons) == {1, 2, 3, 4}
    assert "0x01" in reasons[3]
    assert "no schema 8" in reasons[4]


def test_a_schema_is_looked_up_once_a_stream():
    source = OneSchema()
    framer = Framer("confluent", source)
    for _ in range(3):
        framer.split([b"\x00\x00\x00\x00\x07" + DATUM] * 5)
    assert source.asked == 1


@pytest.mark.parametrize("framing", ["confluent", "bare"])
def test_a_registry_that_is_away_condemns_no_packet(framing):
    with pytest.raises(RegistryUnavailable):
        Framer(framing, Away(), topic="alerts").split([b"\x00\x00\x00\x00\x07" + DATUM])


def test_bare():
    framed = Framer("bare", OneSchema(), topic="alerts").split([DATUM, b""])
    assert framed.schema.tolist() == [0, 0]
    assert datums(framed) == [DATUM, b""]


def test_a_bare_stream_without_schema_is_an_error_of_its_settings():
    with pytest.raises(RegistryUnavailable, match="other"):
        Framer("bare", OneSchema(), topic="other").split([DATUM])


@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard", "snappy"])
def test_container(codec):
    framed = Framer("container", NoSchemas()).split([container(42, codec=codec), container(-1, codec=codec)])
    assert datums(framed) == [DATUM, b"\x01"]
    assert len(framed.schemas) == 1
    assert framed.schemas[0].name == "r"


def test_a_container_holds_one_alert():
    whole = container(42)
    framed = Framer("container", NoSchemas()).split(
        [container(), container(1, 2), whole[:-3], whole[:10], b"\x00\x00", whole]
    )
    reasons = {failure.packet: failure.reason for failure in framed.failures}
    assert set(reasons) == {0, 1, 2, 3, 4}
    assert "no record" in reasons[0]
    assert "2 records" in reasons[1]
    assert datums(framed) == [DATUM]


def test_unknown_framing():
    with pytest.raises(ValueError, match="morse"):
        Framer("morse", NoSchemas())


def test_empty_blocks_are_no_packets():
    """A writer that is flushed too often leaves them."""
    file = io.BytesIO()
    writer = fastavro.write.Writer(file, SCHEMA, codec="null", sync_marker=bytes(16))
    writer.flush()
    content = file.getvalue() + bytes([0, 0]) + bytes(16)
    writer.write({"x": 42})
    writer.flush()
    content += file.getvalue()[len(content) - 18 :] + bytes([0, 0]) + bytes(16)
    framed = Framer("container", NoSchemas()).split([content])
    assert datums(framed) == [DATUM]


def test_schemas_do_not_accumulate():
    framer = Framer("container", NoSchemas())
    for number in range(2 * SCHEMAS_KEPT):
        file = io.BytesIO()
        fastavro.writer(file, SCHEMA | {"name": f"r{number}"}, [{"x": number}])
        assert not framer.split([file.getvalue()]).failures
    assert len(framer._by_text) <= SCHEMAS_KEPT
