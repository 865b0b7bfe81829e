import errno
import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import fastavro
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.packets import archive
from broker_assets.packets.archive import ArchiveError
from broker_assets.packets.container import write_header
from broker_assets.packets.framing import Framer

SCHEMA = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "bytes"}], "doc": "of packets"}
NIGHT = np.datetime64("2025-10-12")


class Message(NamedTuple):
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes


class OneSchema:
    def by_id(self, schema_id):
        return SCHEMA

    def for_topic(self, topic):
        return SCHEMA


def datum(content):
    file = io.BytesIO()
    fastavro.schemaless_writer(file, SCHEMA, {"x": content})
    return file.getvalue()


def framed_as(framing, content):
    if framing == "container":
        file = io.BytesIO()
        fastavro.writer(file, SCHEMA, [{"x": content}], codec="deflate")
        return file.getvalue()
    return (b"\x00\x00\x00\x03\x84" if framing == "confluent" else b"") + datum(content)


def messages_of(contents, framing="confluent"):
    return [
        Message(number % 3, 100 + number, 1_700_000_000_000 + number, key, framed_as(framing, content))
        for number, (key, content) in enumerate(contents)
    ]


def write(folder, messages, framing="confluent", nights=None):
    framed = Framer(framing, OneSchema()).split([message.value for message in messages])
    packets = np.arange(len(messages))
    nights = np.full(len(messages), NIGHT) if nights is None else np.array(nights, "datetime64[D]")
    return [
        archive.write(str(folder), "alerts", part, messages, framed, framing=framing)
        for part in archive.parts(framed, packets, nights, messages)
    ]


some = st.lists(st.tuples(st.none() | st.binary(max_size=30), st.binary(max_size=3000)), min_size=1, max_size=12)


@settings(max_examples=40)
@given(contents=some, framing=st.sampled_from(["confluent", "container", "bare"]))
def test_messages_survive_the_way_there_and_back(tmp_path_factory, contents, framing):
    messages = messages_of(contents, framing)
    # Files of the archive never change under their name: a folder for each example.
    (file,) = write(tmp_path_factory.mktemp("archive"), messages, framing)
    read = list(archive.read_file(file.url))
    assert [(item.partition, item.offset, item.timestamp_ms, item.key) for item in read] == [
        message[:4] for message in messages
    ]
    for item, message, (_, content) in zip(read, messages, contents, strict=True):
        assert item.datum == datum(content)
        if framing == "container":
            assert list(fastavro.reader(io.BytesIO(item.value))) == [{"x": content}]
        else:
            assert item.value == message.value
    for number, (position, length) in enumerate(zip(file.positions.tolist(), file.lengths.tolist(), strict=True)):
        assert archive.read_packet(file.url, position, length) == read[number]
        assert archive.read_datum(file.url, position, length) == read[number].datum
    found = archive.verify(file.url, sha256=file.sha256, packets=len(messages))
    assert (found.packets, found.bytes, found.checked) == (len(messages), file.bytes, len(messages))


def test_anyone_can_read_the_files(tmp_path):
    messages = messages_of([(None, b"one"), (b"k", b"two" * 1000)])
    (file,) = write(tmp_path, messages)
    with Path(file.url).open("rb") as stream:
        reader: Any = fastavro.reader(stream)
        assert [record["x"] for record in reader] == [b"one", b"two" * 1000]
        assert reader.codec == "zstandard"
        assert reader.writer_schema["doc"] == "of packets"
        assert reader.metadata["broker.topic"] == "alerts"
    with Path(file.url).open("rb") as stream:
        assert [block.num_records for block in fastavro.block_reader(stream)] == [1, 1]


def test_a_file_for_each_night_and_schema(tmp_path):
    messages = messages_of([(None, bytes([number])) for number in range(4)])
    files = write(tmp_path, messages, nights=["2025-10-12", "2025-10-13", "2025-10-12", "2025-10-13"])
    assert [(file.night, file.packets.tolist()) for file in files] == [("2025-10-12", [0, 2]), ("2025-10-13", [1, 3])]
    assert [Path(file.url).relative_to(tmp_path).parts[:2] for file in files] == [
        ("alerts", "2025-10-12"),
        ("alerts", "2025-10-13"),
    ]
    assert Path(files[1].url).name.startswith("p1-o101-")


def test_the_same_messages_make_the_same_file(tmp_path):
    messages = messages_of([(b"k", b"abc" * 100)] * 5)
    (one,), (two,) = write(tmp_path / "a", messages), write(tmp_path / "b", messages)
    assert one.sha256 == two.sha256
    assert Path(one.url).read_bytes() == Path(two.url).read_bytes()


def test_the_schema_of_a_container_is_kept_byte_for_byte(tmp_path):
    text = json.dumps(SCHEMA, indent=3).encode()
    message = write_header({"avro.codec": b"null", "avro.schema": text}, b"s" * 16)
    body = datum(b"abc")
    message += b"\x02" + bytes([2 * len(body)]) + body + b"s" * 16
    (file,) = write(tmp_path, [Message(0, 0, 0, None, message)], "container")
    (packet,) = archive.read_file(file.url)
    assert packet.schema.text == text
    assert text in packet.value


def test_an_object_store(tmp_path):
    url = f"memory://{tmp_path.name}"
    (file,) = write(url, messages_of([(None, b"one"), (b"k", b"two")]))
    assert [item.datum for item in archive.read_file(file.url)] == [datum(b"one"), datum(b"two")]
    assert archive.verify(file.url, sha256=file.sha256, sample=1).checked == 1


@pytest.mark.parametrize("step", ["writelines", "fsync", "replace"])
def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch, step):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    if step == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif step == "replace":
        monkeypatch.setattr(os, "replace", full)
    else:
        # A real one: no file may grow beyond 100 bytes.
        import resource
        import signal

        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.raises(OSError, match=r"space|large"):
            write(tmp_path, messages_of([(None, b"x" * 1000)]))
    finally:
        if step == "writelines":
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, old)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def written(tmp_path):
    rng = np.random.default_rng(1)
    (file,) = write(tmp_path, messages_of([(None, rng.bytes(500)) for _ in range(5)]))
    return file


def test_a_missing_file(tmp_path):
    with pytest.raises(ArchiveError, match="no such file"):
        list(archive.read_file(str(tmp_path / "nothing.avro")))
    with pytest.raises(ArchiveError, match="no such file"):
        archive.read_datum(str(tmp_path / "nothing.avro"), 0, 10)


def test_a_file_that_is_cut_off_names_itself_and_the_byte(written):
    path = Path(written.url)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(ArchiveError, match=f"{path.name}.*byte {written.positions[-1]}"):
        list(archive.read_file(written.url))
    with pytest.raises(ArchiveError, match=path.name):
        archive.verify(written.url, sample=1)


def test_a_changed_byte_is_found(written):
    path = Path(written.url)
    content = bytearray(path.read_bytes())
    content[int(written.positions[2]) + 100] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=path.name):
        archive.verify(written.url, sha256=written.sha256)
    other = np.delete(np.arange(5), 2).tolist()
    for row in other:
        archive.read_packet(written.url, int(written.positions[row]), int(written.lengths[row]))


def test_some_packets_of_a_file(written):
    every = list(archive.read_file(written.url))
    assert list(archive.read_packets(written.url, written.positions[[1, 3]])) == [every[1], every[3]]


def test_a_wrong_place_or_number(written):
    with pytest.raises(ArchiveError, match="no packet"):
        archive.read_packet(written.url, int(written.positions[1]) + 1, int(written.lengths[1]))
    with pytest.raises(ArchiveError, match=f"{Path(written.url).name}.*sync marker"):
        archive.read_datum(written.url, int(written.positions[1]) + 1, int(written.lengths[1]))
    with pytest.raises(ArchiveError, match="no packet"):
        list(archive.read_packets(written.url, written.positions[[0]] + 1))
    with pytest.raises(ArchiveError, match="5 packets, not 6"):
        archive.verify(written.url, packets=6)


def test_a_container_of_somebody_else(tmp_path):
    path = tmp_path / "other.avro"
    with path.open("wb") as file:
        fastavro.writer(file, SCHEMA, [{"x": b"1"}])
    with pytest.raises(ArchiveError, match="not a file of the packet archive"):
        list(archive.read_file(str(path)))
