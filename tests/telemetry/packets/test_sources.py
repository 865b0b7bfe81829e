"""Compressed files and other encodings are opened as what they hold; what is too large or is not read says why."""

from __future__ import annotations

import bz2
import contextlib
import gzip
import io
import lzma
import os
import re
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hostile_input import memory_below
from hypothesis import given
from hypothesis import strategies as st
from packet_specimens import PACKETS, delivered, xml

from broker_assets.telemetry.packets.files import FileLimits, FileTooLarge, UnknownFile, kind_of, read
from broker_assets.telemetry.packets.sources import SMALL_BYTES

TEXTS = {"xml": xml(), "hex": "\n".join(packet.hex() for packet in PACKETS).encode()}


MARKED = ("utf-8-sig", "utf-16", "utf-32")
UNMARKED = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
"""Without a mark, text differs from binary packets only where it begins with `<`."""


@pytest.mark.parametrize(
    ("text", "encoding"), [*(("hex", name) for name in MARKED), *(("xml", name) for name in (*MARKED, *UNMARKED))]
)
@pytest.mark.parametrize("zipped", [False, True])
def test_encodings_and_gzip(text: str, encoding: str, zipped: bool) -> None:
    content = TEXTS[text].decode().encode(encoding)
    content = gzip.compress(content) if zipped else content
    assert delivered(read(io.BytesIO(content))) == (PACKETS, [])
    assert kind_of(io.BytesIO(content)) == ("telemetry" if text == "xml" else "hex")


@pytest.mark.parametrize("prefix", ["0x", "0X", ""])
@pytest.mark.parametrize("by_byte", ["", ", ", ":", " "])
def test_hexadecimal_prefixes(prefix: str, by_byte: str) -> None:
    lines = [
        by_byte.join(prefix + packet[i : i + 1].hex() for i in range(len(packet))) if by_byte else prefix + packet.hex()
        for packet in PACKETS
    ]
    assert delivered(read(io.BytesIO("\n".join(lines).encode()))) == (PACKETS, [])


@given(st.integers(20, len(gzip.compress(xml(), mtime=0)) - 1))
def test_a_compressed_file_that_is_cut_gives_what_is_there(length: int) -> None:
    content = gzip.compress(xml(), mtime=0)[:length]
    with contextlib.suppress(UnknownFile):  # cut before it says what it is
        kind_of(io.BytesIO(content))
        packets, bad = delivered(read(io.BytesIO(content)))
        there = zlib.decompressobj(wbits=31).decompress(content)
        assert packets == PACKETS[: len(re.findall(rb"<Packet>[0-9A-Fa-f]+</", there))]
        assert "the compressed file is damaged" in bad[-1].reason


@pytest.mark.parametrize(("text", "rest"), [("xml", b"junk"), ("hex", b"\x1f\x8b\x08"), ("xml", b"\x1f\x8bx")])
def test_what_follows_a_compressed_file_costs_none_of_it(text: str, rest: bytes) -> None:
    packets, bad = delivered(read(io.BytesIO(gzip.compress(TEXTS[text]) + rest)))
    assert packets == PACKETS
    assert ["the compressed file is damaged" in one.reason for one in bad] == [True]


def test_a_pipe_a_folder_and_a_device_are_no_files(tmp_path: Path) -> None:
    """Opening a pipe would wait for ever."""
    os.mkfifo(tmp_path / "pipe.xml")
    for path, message in (
        (tmp_path / "pipe.xml", "is a pipe, socket or device"),
        (tmp_path, "is a folder, not a file"),
        (Path("/dev/zero"), "is a pipe, socket or device"),
        (Path("a\0b.xml"), "is not the name of a file"),
    ):
        with pytest.raises(UnknownFile, match=message):
            list(read(path))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (bz2.compress(xml()), "compressed with bzip2; expand it first, with bunzip2"),
        (lzma.compress(xml()), "compressed with xz"),
        (gzip.compress(gzip.compress(xml(), mtime=0), mtime=0), "compressed with gzip twice"),
        (xml().decode().encode("cp037"), "is XML in EBCDIC"),
    ],
)
def test_what_is_not_read_says_what_to_do(content: bytes, message: str) -> None:
    with pytest.raises(UnknownFile, match=message):
        list(read(io.BytesIO(content)))


def bomb(size: int) -> bytes:
    """Zeros, compressed, without having them in memory."""
    packer = zlib.compressobj(9, wbits=31)
    block = bytes(1 << 20)
    return b"".join([*(packer.compress(block) for _ in range(size >> 20)), packer.flush()])


def test_bombs_are_refused_before_anything_is_read() -> None:
    content = bomb(4 * SMALL_BYTES)
    assert len(content) < 300_000
    with memory_below(8 << 20), pytest.raises(FileTooLarge, match=r"telemetry\.input_limits\.expansion"):
        next(read(io.BytesIO(content)))
    with pytest.raises(FileTooLarge, match=r"telemetry\.input_limits\.file_bytes"):
        next(read(io.BytesIO(content), limits=FileLimits(file_bytes=1 << 20)))


@pytest.mark.parametrize(
    ("limit", "content"),
    [
        ("file_bytes", xml()),
        ("packets", xml()),
        ("packets", b"".join(PACKETS)),
        ("bad_pieces", xml().replace(b"<Packet>", b"<Packet>z")),
        ("bad_bytes", xml().replace(b"<Packet>", b"<Packet>z")),
    ],
)
def test_limits(limit: str, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.PktTmRaw.xml"
    path.write_bytes(content)
    with pytest.raises(FileTooLarge, match=rf"a\.PktTmRaw\.xml .*input_limits\.{limit}\)"):
        list(read(path, limits=replace(FileLimits(), **{limit: 5})))
