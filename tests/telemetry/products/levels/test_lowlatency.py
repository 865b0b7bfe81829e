"""Level LL01: which requests are worked on, and what their products are."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from lowlatency_packets import flags

from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.packets.encoding import PacketHeader, encode, to_xml
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.levels.lowlatency import Arrivals, answer, answer_all, only_one, waiting

START = 664156800
NOW = np.datetime64("2021-01-17T03:04:05.678901")
NAME = "request_20210117_000000"


@pytest.fixture
def inputs(tmp_path: Path, open_database: InstrumentDatabase) -> Inputs:
    folder = tmp_path / "conf/detector"
    folder.mkdir(parents=True)
    (tmp_path / "conf/VERSION.TXT").write_text("v0.0.1\n")
    (folder / "science_echan_index.csv").write_text(
        "index, start_date, end_date, sci_chan_file\n0, 2000-01-01T00:00:00, none, channels.csv\n"
    )
    rows = [f"{i},{i},{4 * i},{4 * i},{4 * i + 4 if i < 31 else 'maxADC'},4,1,0" for i in range(32)]
    (folder / "channels.csv").write_text("\n" * 21 + "Channel Number,,,Elower,Eupper\n\n\n" + "\n".join(rows) + "\n")
    return Inputs(open_database, InstrumentConfiguration(tmp_path / "conf"))


def request(folder: Path, name: str, packets: list[bytes], file: str = "one.PktTmRaw.xml") -> Path:
    """A request with a telemetry file."""
    telemetry = folder / name / "telemetry"
    telemetry.mkdir(parents=True, exist_ok=True)
    (telemetry / file).write_bytes(b"".join(to_xml(packets)))
    return folder / name


def test_requests_wait_until_something_came_of_them(tmp_path: Path) -> None:
    requests, output = tmp_path / "requests", tmp_path / "output"
    names = [f"request_20210117_00000{number}" for number in range(4)]
    for name in [*names, "request_2021", "other", "request_20210117_000009_more"]:
        (requests / name).mkdir(parents=True)
    (requests / "request_20210117_000007").write_text("a file")
    (output / "products" / names[1]).mkdir(parents=True)
    (output / "failed" / names[2]).mkdir(parents=True)
    (output / "temporary" / names[3]).mkdir(parents=True)  # left by a killed process
    found = [path.name for path in waiting(requests, output)]
    assert found == [names[0], names[3], "request_20210117_000009_more"]
    assert waiting(tmp_path / "nowhere", output) == []


def test_requests_that_are_being_copied_are_not_complete(
    tmp_path: Path, inputs: Inputs, open_database: InstrumentDatabase
) -> None:
    """Neither a folder without its file yet, nor a file that grows: each would give a result that is final."""
    requests, output, arrivals = tmp_path / "requests", tmp_path / "output", Arrivals()
    (requests / NAME).mkdir(parents=True)
    assert arrivals.complete(requests, output) == []
    whole = b"".join(to_xml([flags(open_database, START), flags(open_database, START + 100)]))
    (requests / NAME / "telemetry").mkdir()
    file = requests / NAME / "telemetry/a.PktTmRaw.xml"
    for part in (b"", whole[:-400], whole):
        file.write_bytes(part)
        assert arrivals.complete(requests, output) == []
    assert arrivals.complete(requests, output) == [requests / NAME]
    (found,) = answer_all(requests, output, inputs, NOW, chosen=[requests / NAME])
    assert (found.problems, found.reason) == ((), None)
    assert arrivals.complete(requests, output) == []


def hold(output: Path, ready: multiprocessing.synchronize.Event, end: multiprocessing.synchronize.Event) -> None:
    """Work on an output folder until the end."""
    with only_one(output):
        ready.set()
        end.wait(60)


def test_another_process_is_refused_until_the_first_one_ends(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, end = context.Event(), context.Event()
    process = context.Process(target=hold, args=(tmp_path / "output", ready, end))
    process.start()
    try:
        assert ready.wait(60)
        with pytest.raises(BlockingIOError), only_one(tmp_path / "output"):
            pass
    finally:
        end.set()
        process.join(60)
    with only_one(tmp_path / "output"):
        pass


def test_a_product_is_what_the_low_latency_archive_expects(
    tmp_path: Path, inputs: Inputs, open_database: InstrumentDatabase
) -> None:
    found = answer(request(tmp_path, NAME, [flags(open_database, START + 100, 5)]), tmp_path / "output", inputs, NOW)
    assert found.reason is None
    assert found.problems == ()
    (name,) = found.files
    assert name == f"solo_LL01_stix-ql-flareflag_0{START + 100}-0{START + 120}_V202101170304.fits"
    with fits.open(tmp_path / "output/products" / NAME / name, checksum=True) as product:
        product.verify("exception")
        header, control = product[0].header, product["CONTROL"].data
        assert product[0].data.tolist() == np.zeros((3, 3)).tolist()
        data = product["DATA"].data
        assert len(data) == 5
        assert set(control["parent"]) == {""}
    assert (header["LEVEL"], header["FILENAME"], header["VERSION"]) == ("LL01", name, "202101170304")
    assert (header["OBT_BEG"], header["TIMESYS"]) == (f"0{START + 100}:00000", "OBT")
    assert "DATASUM" in header


def test_packets_that_come_twice_are_in_the_product_once(
    tmp_path: Path, inputs: Inputs, open_database: InstrumentDatabase
) -> None:
    packet = flags(open_database, START)
    found = answer(request(tmp_path, NAME, [packet, packet]), tmp_path / "output", inputs, NOW)
    (name,) = found.files
    with fits.open(tmp_path / "output/products" / NAME / name) as product:
        assert len(product["DATA"].data) == 3


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (0, "has 0 XML files"),
        (2, "has 2 XML files"),
        (1, "gives no light curve and no flare flag; it has none"),
    ],
)
def test_a_request_fails_with_its_reason(
    tmp_path: Path, inputs: Inputs, open_database: InstrumentDatabase, files: int, reason: str
) -> None:
    folder = tmp_path / NAME
    (folder / "telemetry").mkdir(parents=True)
    for number in range(files):
        request(tmp_path, NAME, [encode(open_database, (17, 2, None), {}, PacketHeader(START))], f"{number}.xml")
    found = answer(folder, tmp_path / "output", inputs, NOW)
    assert found.reason is not None
    assert reason in found.reason
    assert found.files == ()
    assert (tmp_path / "output/failed" / NAME / "reason.txt").read_text() == found.reason + "\n"
    assert not list((tmp_path / "output/temporary").iterdir())


def test_one_bad_request_does_not_stop_the_next(
    tmp_path: Path, inputs: Inputs, open_database: InstrumentDatabase
) -> None:
    requests, output = tmp_path / "requests", tmp_path / "output"
    request(requests, "request_20210117_000001", [encode(open_database, (17, 2, None), {}, PacketHeader(START))])
    request(requests, "request_20210117_000002", [flags(open_database, START)])
    left = output / "temporary/request_20210117_000002"
    left.mkdir(parents=True)
    (left / "half.fits").write_text("half")
    found = answer_all(requests, output, inputs, NOW)
    assert [item.name[-1] for item in found] == ["1", "2"]
    assert [item.reason is None for item in found] == [False, True]
    assert {path.name for path in (output / "products/request_20210117_000002").iterdir()} == set(found[1].files)
    assert answer_all(requests, output, inputs, NOW) == []
