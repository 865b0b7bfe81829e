"""Damaged and hostile telemetry: readers raise their own errors or none, stay within memory, and take linear time.

The number of examples is that of the profile of `hypothesis` (`BROKER_TEST_FULL=1`: ten times as many).
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hostile_input import damaged, memory_below, odd_document, refused_with_reason
from hypothesis import given, settings
from hypothesis import strategies as st
from packet_specimens import PACKETS, xml
from single_packets import START, lightcurve_values, pixel_values, spectrogram_values, visibility_values

from broker_assets.telemetry import BadPacket, InstrumentDatabase, RawPacket, decode
from broker_assets.telemetry.inputs.kernels import KernelError, Kernels
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.packets.encoding import PacketHeader, encode, to_xml
from broker_assets.telemetry.packets.files import FileLimits, UnknownFile, read, reports
from broker_assets.telemetry.packets.packet_tables import read_tables
from broker_assets.telemetry.products.files.fits import file_bytes
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.products.levels.level0 import Inputs, level0_of_request, whole
from broker_assets.telemetry.products.levels.levelb import levelb_file
from broker_assets.telemetry.reception.packet_store import PacketStore, StoredPacket
from broker_assets.telemetry.reception.storing import receive_found

TELECOMMANDS = b"""<ns:ResponsePart xmlns:ns="x"><PktTcReportResponse><PktTcReportList><PktTcReportListElement>
<CommandName>ZIX0602A</CommandName><ExecutionTime>2020-05-18T08:11:57.355586Z</ExecutionTime>
<CustomField><FieldName>a</FieldName><Value>b</Value></CustomField></PktTcReportListElement></PktTcReportList>
</PktTcReportResponse></ns:ResponsePart>"""
NORMAL = FileLimits()
FILES = [
    xml(),
    b"".join(PACKETS),
    "\n".join(packet.hex() for packet in PACKETS).encode(),
    gzip.compress(xml(), mtime=0),
    xml().decode().encode("utf-16"),
    TELECOMMANDS,
]
FILE_BYTES = max(map(len, FILES))
VALUES = {
    (21, 6, 21): pixel_values(),
    (21, 6, 23): visibility_values(),
    (21, 6, 24): spectrogram_values([[0, 10, 30], [40, 50]], [10, 25]),
    (21, 6, 30): lightcurve_values(START, [2, 4, 8]),
}
FEWER = settings(max_examples=settings().max_examples // 3)


@given(damaged(FILES))
def test_files(content: bytes) -> None:
    """Whatever a file holds: packets, bad pieces, or a refusal."""
    for reader in (read, reports):
        with memory_below(64 << 20), refused_with_reason(UnknownFile):
            for item in reader(io.BytesIO(content), limits=NORMAL):
                if isinstance(item, BadPacket):
                    assert item.reason.strip()


@pytest.fixture(scope="module")
def level_b(open_inputs: Inputs) -> bytes:
    """A file of level LB."""
    packets = [
        StoredPacket(RawPacket(packet, "a.xml", number, number), bytes([number]), number, number, None, None)
        for number, packet in enumerate(PACKETS)
    ]
    return file_bytes(*levelb_file(kind_of((21, 6, 30)), "LB.fits", packets, "1"))


@given(st.data())
def test_fits_files_of_level_b(level_b: bytes, data: st.DataObject) -> None:
    content = data.draw(damaged([level_b]))
    with memory_below(128 << 20), refused_with_reason(UnknownFile):
        list(read(io.BytesIO(content)))


@given(st.sampled_from(sorted(VALUES)), st.data())
def test_packets(
    open_database: InstrumentDatabase, open_inputs: Inputs, key: tuple[int, int, int], data: st.DataObject
) -> None:
    """Packets whose bytes are changed: decoded or failed, made or a problem; FITS, stays within its types."""
    packet = encode(open_database, key, {"NIX00120": key[2], **VALUES[key]}, PacketHeader(START, 0, 1, 3))
    changed = bytearray(packet)
    for _ in range(data.draw(st.integers(1, 6))):
        changed[data.draw(st.integers(16, len(changed) - 1))] = data.draw(st.integers(0, 255))
    with memory_below(256 << 20):
        decoded = decode([bytes(changed)], open_database)
        assert len(decoded.failures) + sum(len(structure) for structure in decoded.structures) == 1
        stored = StoredPacket(RawPacket(bytes(changed), "a.xml", 0, 1), b"1", START << 16, 1, (50001, 1234567), None)
        problems: list[object] = []
        if not decoded.failures and kind_of(key).by_request:
            found = level0_of_request(kind_of(key), [stored], open_inputs, problems)  # type: ignore[arg-type]
            assert found or problems
        elif not decoded.failures:
            found = whole(kind_of(key), [stored], open_inputs, problems)  # type: ignore[arg-type]
        else:
            found = []
        for product in found:
            assert product.energies is not None
            counts = product.data.get("counts") or product.data["flux"]
            axis = 1 if "flux" in product.data else -1
            assert counts.values.shape[axis] == len(product.energies["e_low"].values)


@FEWER
@given(st.lists(damaged([*PACKETS]), min_size=1, max_size=6))
def test_reception(
    open_database: InstrumentDatabase, tmp_path_factory: pytest.TempPathFactory, packets: list[bytes]
) -> None:
    """Everything that is read is stored, or in quarantine with its bytes."""
    content = b"".join(to_xml(packets))
    found = list(read(io.BytesIO(content), name="a.xml"))
    with PacketStore(tmp_path_factory.mktemp("store")) as store:
        received = receive_found(found, "a.xml", store, open_database)
        assert received.packets + sum(isinstance(item, BadPacket) for item in found) == len(found)
        quarantined = {row[0] for row in store.index.rows("SELECT data FROM quarantine")}
        kept = {row[0] for row in store.index.rows("SELECT digest FROM packet")}
        for item in found:
            assert item.data in quarantined or hashlib.sha256(item.data).digest() in kept or not item.data


PLAN = {
    "info": {"name": "P", "internalVersion": 1},
    "observations": [
        {"startDate": "2021-01-01T00:00:00Z", "endDate": "2021-01-02T00:00:00Z", "socIds": ["a"], "name": "STIX_BASIC",
         "compositeId": {"obsType": "A1"}}
    ],
}  # fmt: skip
CAMPAIGNS = {
    "soops": [{"encodedSoopType": "L", "soopType": "S", "startDate": "2021-01-01T00:00:00", "endDate": "2021-01-02"}]
}


@FEWER
@given(st.one_of(odd_document(PLAN), damaged([json.dumps(PLAN).encode()])), odd_document(CAMPAIGNS))
def test_planning_files(tmp_path_factory: pytest.TempPathFactory, plan: bytes, campaigns: bytes) -> None:
    folder = tmp_path_factory.mktemp("plan")
    (folder / "SSTX_observation_timeline_export_M01_V01.json").write_bytes(plan)
    (folder / "P.1.all.json").write_bytes(campaigns)
    with memory_below(16 << 20), refused_with_reason(ValueError):
        Planning.of_folder(folder)


@FEWER
@given(damaged([b'_id,unique_id,scaling_factor,subject\n1,77,25,x\n2,78,,y\n3,79,inf,"z\n']))
def test_tables_of_requests(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("table") / "rid.csv"
    path.write_bytes(content)
    with refused_with_reason(ValueError):
        table = RequestTable.read(path)
        for request in table.rows:
            table.reason(request)
            with refused_with_reason(ValueError):
                assert table.scaling_factor(request) >= 1


def test_deep_documents_are_refused(tmp_path: Path) -> None:
    (tmp_path / "SSTX_observation_timeline_export_M01_V01.json").write_text("[" * 10**6)
    with pytest.raises(ValueError, match="is not a JSON document"):
        Planning.of_folder(tmp_path)


HEAD = b'<ResponsePart><Response><PktRawResponse><PktRawResponseElement packetID="1">'
TC_HEAD = b"<ResponsePart><PktTcReportResponse><PktTcReportListElement>"
HOSTILE: dict[str, Callable[[int], bytes]] = {
    "comments that do not end": lambda n: HEAD + b"<!--" * (n // 4) + b"</PktRawResponseElement>",
    "sections that do not end": lambda n: HEAD + b"<![CDATA[" * (n // 9) + b"</PktRawResponseElement>",
    "comments": lambda n: HEAD + b"<!---->" * (n // 7) + b"</PktRawResponseElement>",
    "tags that do not end": lambda n: HEAD + b"<a " * (n // 3) + b"</PktRawResponseElement>",
    "long name": lambda n: HEAD + b"<" + b"a" * n + b"</PktRawResponseElement>",
    "long attribute": lambda n: HEAD[:-14] + b"packetID" + b" " * n + b"></PktRawResponseElement>",
    "many attributes": lambda n: HEAD[:-14] + b"packetID" * (n // 8) + b"></PktRawResponseElement>",
    "blanks in the text": lambda n: HEAD + b"<P>0d" + b" " * n + b"zz</P></PktRawResponseElement>",
    "elements that do not end": lambda n: HEAD + b"<PktRawResponseElement>" * (n // 23),
    "names without tags": lambda n: HEAD + b"PktRawResponseElement" * (n // 21),
    "openings of tags": lambda n: HEAD + b"<PktRawResponseElement " * (n // 23),
    "brackets": lambda n: HEAD + b"<" * n,
    "closings": lambda n: HEAD + b"</PktRawResponseElement>" * (n // 24),
    "depth": lambda n: TC_HEAD + b"<a>" * (n // 7) + b"</a>" * (n // 7) + b"</PktTcReportListElement>",
    "prefixes": lambda n: TC_HEAD + b"<a:" * (n // 3) + b"</PktTcReportListElement>",
    "idle packets": lambda n: bytes.fromhex("07ffc000000055") * (n // 7),
    "headers": lambda n: bytes.fromhex("0da1c000000d1001") * (n // 8),
    "packets without header": lambda n: bytes.fromhex("05bcc000000055") * (n // 7),
    "zeros": lambda n: b"\xff" + bytes(n),
    "long line": lambda n: b"0d" * (n // 2),
    "short lines": lambda n: b"0d\n" * (n // 3),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_time_grows_with_the_size_only(name: str) -> None:
    """Four times as many bytes take about four times as long; the square would be sixteen times."""

    def seconds(size: int) -> float:
        content = HOSTILE[name](size)
        reader = reports if content.startswith(TC_HEAD) else read
        began = time.process_time()
        with refused_with_reason(UnknownFile):
            for _ in reader(io.BytesIO(content)):
                pass
        return time.process_time() - began

    small, large = 200_000, 800_000
    took = min(seconds(large) for _ in range(2))
    assert took < max(8 * min(seconds(small) for _ in range(2)), 1.0)


@pytest.mark.parametrize("name", HOSTILE)
def test_memory_does_not_grow_with_hostile_files(name: str) -> None:
    content = HOSTILE[name](1 << 19)
    reader = reports if content.startswith(TC_HEAD) else read
    with memory_below(48 << 20), refused_with_reason(UnknownFile):
        for _ in reader(io.BytesIO(content)):
            pass


META: dict[str, Callable[[int], str]] = {
    "a long word": lambda n: "a" * n,
    "words": lambda n: "a " * (n // 2),
    "quotes": lambda n: "A = (" + "'" * (n | 1),
    "texts without names": lambda n: "'a' " * (n // 4),
    "blanks": lambda n: "A = (" + " " * n,
    "beginnings": lambda n: "\\begindata " * (n // 11),
}


@pytest.mark.parametrize("name", META)
def test_meta_kernels_take_linear_time(name: str, tmp_path: Path) -> None:
    (tmp_path / "mk").mkdir()
    meta = tmp_path / "mk/solo_ANC_soc-flown-mk_V105_20210301_001.tm"

    def seconds(size: int) -> float:
        meta.write_text("\\begindata\n" + META[name](size))
        began = time.process_time()
        with pytest.raises(KernelError):
            Kernels.of_folder(tmp_path)
        return time.process_time() - began

    took = min(seconds(800_000) for _ in range(2))
    assert took < max(8 * min(seconds(200_000) for _ in range(2)), 1.0)


@given(
    damaged(
        [b"\\begindata\nPATH_VALUES = ( '..' )\nPATH_SYMBOLS = ( 'K' )\nKERNELS_TO_LOAD = ( '$K/a.tls', '$K/b+', 'c' )"]
    )
)
def test_meta_kernels(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("kernels")
    (folder / "mk").mkdir()
    (folder / "mk/solo_ANC_soc-flown-mk_V105_20210301_001.tm").write_bytes(content)
    with refused_with_reason(KernelError):
        Kernels.of_folder(folder)


def test_compressed_images_and_columns_of_any_length_are_not_expanded() -> None:
    """A FITS file that says it is level LB, with a column of descriptors that all point to one long text."""
    from astropy.io import fits
    from astropy.table import Table

    rows = 2000
    texts = [b"00" * 50_000] * 2
    data = fits.BinTableHDU.from_columns(
        [fits.Column("control_index", "J", array=range(2)), fits.Column("data", "PA()", array=texts)], name="DATA"
    )
    control = fits.table_to_hdu(Table({"index": range(rows)}))
    control.name = "CONTROL"
    stream = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), control, data]).writeto(stream)
    stream.seek(0)
    with pytest.raises(ValueError, match="column data has the format PA"):
        list(read_tables(stream, "a.fits"))
