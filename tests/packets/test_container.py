import gzip
import io
import zlib

import fastavro
import pyarrow as pa
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.packets.container import (
    ContainerError,
    decompress,
    gunzip,
    read_blocks,
    read_header,
    read_long,
    write_header,
    write_long,
)

SCHEMA = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "bytes"}]}


def container(records, codec="null"):
    file = io.BytesIO()
    fastavro.writer(file, SCHEMA, records, codec=codec)
    return file.getvalue()


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers(value):
    assert read_long(write_long(value), 0) == (value, len(write_long(value)))


@given(st.binary(max_size=2000), st.sampled_from(["null", "deflate", "zstandard", "snappy"]))
def test_every_codec_of_fastavro_is_read(content, codec):
    written = container([{"x": content}], codec)
    header = read_header(written)
    (block,) = read_blocks(written, header)
    buffer, start, end = block.datums(written, header)
    assert fastavro.schemaless_reader(io.BytesIO(buffer[start:end]), SCHEMA, None) == {"x": content}
    assert block.end == len(written)


@given(st.dictionaries(st.text(max_size=20), st.binary(max_size=200)), st.binary(min_size=16, max_size=16))
def test_headers_survive_the_way_there_and_back(metadata, sync):
    metadata = metadata | {"avro.schema": b"{}", "avro.codec": b"null"}
    written = write_header(metadata, sync)
    header = read_header(written + b"more")
    assert (header.metadata, header.sync, header.size) == (metadata, sync, len(written))


@settings(max_examples=200)
@given(st.data())
def test_damage_is_told_and_never_anything_else(data):
    whole = container([{"x": b"abc" * 50}], data.draw(st.sampled_from(["null", "deflate", "snappy"])))
    size = read_header(whole).size
    written = bytearray(whole)
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        written = written[:place]
        # A container of a header alone is whole, and has no blocks.
        must_fail = place != size
    else:
        written[place] ^= data.draw(st.integers(1, 255))
        # The magic bytes, and the sync marker in header and block, which must agree.
        must_fail = place < 4 or size - 16 <= place < size or place >= len(whole) - 16
    blocks, reason = 0, ""
    try:
        header = read_header(bytes(written))
        for block in read_blocks(bytes(written), header):
            block.datums(bytes(written), header)
            blocks += 1
    except ContainerError as error:
        reason = str(error) or "no reason"
    assert reason != "no reason"
    assert reason or not must_fail
    assert blocks == (0 if reason else int(len(written) > size))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not an Avro container"),
        (b"PK\x03\x04", "not an Avro container"),
        (b"Obj\x01\x00" + bytes(16), "no schema"),
        (b"Obj\x01\x02\x02", "truncated"),
    ],
)
def test_what_is_no_container(content, reason):
    with pytest.raises(ContainerError, match=reason):
        read_header(content)


def test_unknown_codec():
    with pytest.raises(ContainerError, match="bzip2"):
        read_header(write_header({"avro.schema": b"{}", "avro.codec": b"bzip2"}, bytes(16)))


def test_a_block_that_is_cut_off_names_its_byte():
    written = container([{"x": b"abc"}])
    size = read_header(written).size
    with pytest.raises(ContainerError, match=f"byte {size} is truncated"):
        list(read_blocks(written[:-1], read_header(written)))


def test_a_frame_that_does_not_tell_its_size_is_read():
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    data = compressor.compress(b"x" * 1000) + compressor.flush()
    assert decompress(data, "zstandard") == b"x" * 1000


def test_a_small_block_that_claims_to_be_huge_is_refused():
    with pytest.raises(ContainerError, match="more than"):
        decompress(b"\xff\xff\xff\xff\x0f" + bytes(10), "snappy")


def deflated(content):
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(content) + compressor.flush()


@pytest.mark.parametrize("codec", ["deflate", "zstandard", "zstandard without size", "snappy"])
def test_a_bomb_is_refused_and_what_fits_is_read(codec):
    content = bytes(1 << 20)
    if codec == "deflate":
        data = deflated(content)
    elif codec == "snappy":
        data = pa.compress(content, codec="snappy", asbytes=True) + zlib.crc32(content).to_bytes(4, "big")
    else:
        compressor = zstandard.ZstdCompressor(write_content_size=codec == "zstandard").compressobj()
        data = compressor.compress(content) + compressor.flush()
    name = codec.split()[0]
    assert decompress(data, name, maximum=1 << 20) == content
    with pytest.raises(ContainerError, match="more than 1048575 bytes when decompressed"):
        decompress(data, name, maximum=(1 << 20) - 1)


def test_gzip():
    content = b"Obj" * 1000
    packed = gzip.compress(content[:1500]) + gzip.compress(content[1500:]) + bytes(100)
    assert gunzip(packed, 3000) == content
    for wrong, reason in ((packed[:30], "truncated"), (b"\x1f\x8b" + bytes(50), "damaged")):
        with pytest.raises(ContainerError, match=reason):
            gunzip(wrong, 3000)
    with pytest.raises(ContainerError, match="longer than 2999 bytes"):
        gunzip(packed, 2999)
    with pytest.raises(ContainerError, match="compressed with gzip"):
        read_header(packed)
