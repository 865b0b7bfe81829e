"""Decoded packets as JSON, in the order of their file."""

from __future__ import annotations

import json
from pathlib import Path

from broker_assets.telemetry import BadPacket, InstrumentDatabase, PacketBatch, RawPacket, decode
from broker_assets.telemetry.decoding.documents import of_batch, of_file
from broker_assets.telemetry.packets.encoding import encode, to_xml


def test_damaged_places_stand_between_their_neighbours(open_database: InstrumentDatabase) -> None:
    good = encode(open_database, (5, 1, 33), {"NIX00299": 33, "NIX00304": 4, "NIX00305": 2})
    batch = PacketBatch.of(
        [RawPacket(good, "f.xml", 0, 1), RawPacket(good[:-1], "f.xml", 20, 3), RawPacket(good, "f.xml", 30, 4)],
        [
            BadPacket("it is not a packet", b"?" * 100, "f.xml", 10, 2),
            BadPacket("the end is missing", b"!", "f.xml", 40, 5),
        ],
    )
    documents = list(of_batch(decode(batch, open_database)))
    assert [document["packet_number"] for document in documents] == [1, 2, 3, 4, 5]
    assert ["error" in document for document in documents] == [False, True, True, False, True]
    assert documents[1]["error"] == "it is not a packet"
    assert documents[1]["hex"] == (b"?" * 64).hex()
    assert documents[2]["parameters"] == {}
    assert documents[0]["parameters"]["NIX00304"]["raw"] == 4
    assert json.loads(json.dumps(documents)) == documents


def test_files_that_cannot_be_read_are_documents_too(open_database: InstrumentDatabase, tmp_path: Path) -> None:
    (missing,) = of_file(tmp_path / "missing.xml", open_database)
    assert missing["error"] == f"{tmp_path / 'missing.xml'} cannot be read: No such file or directory"
    other = tmp_path / "other.xml"
    other.write_bytes(b"<html></html>")
    assert all("error" in document for document in of_file(other, open_database))
    good = tmp_path / "TM.PktTmRaw.xml"
    good.write_bytes(b"".join(to_xml([encode(open_database, (17, 2, None), {})])))
    (document,) = of_file(good, open_database)
    assert (document["service"], document["file"]) == ([17, 2, None], str(good))
