"""Packets out of files, folders and archives."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import fastavro
import pytest
from packet_containers import container

from broker_assets.packets.container import read_header
from broker_assets.replay.packet_files import PacketFileError, count_files, read_packets

SCHEMA = {"type": "record", "name": "r", "fields": [{"name": "a", "type": "long"}, {"name": "b", "type": "string"}]}
RECORDS = [{"a": number, "b": "x" * number} for number in range(7)]


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_container_of_many_becomes_containers_of_one(tmp_path: Path, codec: str) -> None:
    path = tmp_path / "many.avro"
    path.write_bytes(container(RECORDS, codec))
    packets = list(read_packets([path]))
    assert [next(iter(fastavro.reader(io.BytesIO(packet.value)))) for packet in packets] == RECORDS
    assert all(json.loads(read_header(packet.value).schema_text)["name"] == "r" for packet in packets)
    assert packets[0].origin.startswith(f"{path}, byte ")


def test_a_container_of_one_is_sent_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "one.avro"
    path.write_bytes(container(RECORDS[:1]))
    assert [packet.value for packet in read_packets([path])] == [path.read_bytes()]


def test_framings_can_be_changed(tmp_path: Path) -> None:
    path = tmp_path / "one.avro"
    path.write_bytes(container(RECORDS[3:4]))
    (bare,) = read_packets([path], framing="bare")
    assert bare.value == b"\x06\x06xxx"
    (framed,) = read_packets([path], framing="confluent", schema_id=900)
    assert framed.value == b"\x00\x00\x00\x03\x84" + bare.value
    path.write_bytes(framed.value)
    assert next(iter(read_packets([path], framing="bare"))).value == bare.value
    assert next(iter(read_packets([path], framing="confluent"))).value == framed.value
    path.write_bytes(bare.value)
    assert next(iter(read_packets([path]))).value == bare.value
    with pytest.raises(PacketFileError, match="schema id"):
        list(read_packets([path], framing="confluent"))
    with pytest.raises(PacketFileError, match="cannot be put into a container"):
        list(read_packets([path], framing="container"))


def test_folders_and_archives_are_walked_in_order_of_name(tmp_path: Path) -> None:
    folder = tmp_path / "night"
    (folder / "b").mkdir(parents=True)
    (folder / "c.avro").write_bytes(container(RECORDS[2:3]))
    (folder / "b" / "a.avro").write_bytes(container(RECORDS[1:2]))
    (folder / "readme.txt").write_text("not a packet")
    values = [packet.value for packet in read_packets([folder])]
    assert values == [container_file.read_bytes() for container_file in (folder / "b" / "a.avro", folder / "c.avro")]
    with tarfile.open(tmp_path / "night.tar.gz", "w:gz") as tar:
        tar.add(folder / "b" / "a.avro", "a.avro")
        tar.add(folder / "c.avro", "c.avro")
        tar.add(folder / "readme.txt", "readme.txt")
    with zipfile.ZipFile(tmp_path / "night.zip", "w") as archive:
        archive.write(folder / "b" / "a.avro", "a.avro")
        archive.write(folder / "c.avro", "c.avro")
    for name in ("night.tar.gz", "night.zip"):
        packets = list(read_packets([tmp_path / name]))
        assert [packet.value for packet in packets] == values
        assert packets[0].origin.startswith(f"{tmp_path / name}:a.avro")
    assert count_files([folder]) == 2
    assert count_files([folder, tmp_path / "night.zip"]) is None


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty"),
        (container(RECORDS)[:-5], "truncated"),
        (container(RECORDS)[:30], "truncated"),
        (container(RECORDS)[:-1] + b"?", "sync marker"),
    ],
)
def test_damage_is_reported_with_file_and_byte(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "damaged.avro"
    path.write_bytes(content)
    with pytest.raises(PacketFileError, match=complaint) as caught:
        list(read_packets([path]))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("damage", ["cut", "junk"])
def test_packets_before_the_damage_are_read(tmp_path: Path, damage: str, zipped: bool) -> None:
    whole = container(RECORDS) + container(RECORDS)[-200:]
    content = gzip.compress(container(RECORDS)) + b"junk" if zipped else whole
    if damage == "cut":
        content = gzip.compress(whole)[:-12] if zipped else whole[:-5]
    path = tmp_path / ("a.avro.gz" if zipped else "a.avro")
    path.write_bytes(content)
    errors: list[PacketFileError] = []
    assert len(list(read_packets([path], on_error=errors.append))) >= len(RECORDS)
    assert [str(path) in str(error) for error in errors] == [True]


def test_a_damaged_member_costs_no_other(tmp_path: Path) -> None:
    """Nor does a file that cannot be read, wherever it is."""
    one = container(RECORDS)
    with zipfile.ZipFile(tmp_path / "night.zip", "w") as archive:
        for name in ("a.avro", "b.avro", "c.avro"):
            archive.writestr(name, one)
    content = (tmp_path / "night.zip").read_bytes()
    at = content.index(b"b.avro") + 60
    (tmp_path / "night.zip").write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    errors: list[PacketFileError] = []
    found = list(read_packets([tmp_path / "night.zip"], on_error=errors.append))
    assert len(found) == 2 * len(RECORDS)
    assert "night.zip:b.avro" in str(errors[0])


def test_damaged_archives_are_reported(tmp_path: Path) -> None:
    for name in ("a.tar.gz", "a.zip"):
        (tmp_path / name).write_bytes(b"no archive at all")
        with pytest.raises(PacketFileError, match=name):
            list(read_packets([tmp_path / name]))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.avro"):
        list(read_packets([tmp_path / "nowhere.avro"]))
