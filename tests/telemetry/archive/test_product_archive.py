"""Products do not depend on how their packets came; damage and full disks cost nothing but themselves."""

from __future__ import annotations

import contextlib
import datetime
import errno
import itertools
import os
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from broker_assets.telemetry import InstrumentDatabase, RawPacket
from broker_assets.telemetry.archive.product_archive import Archive, Outcome
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.packets.batches import BadPacket
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive_again, receive_found

VARIABLE = ("DATE", "CHECKSUM", "DATASUM", "RAW_FILE", "PARENT")


def process(folder: Path, deliveries: Sequence[Sequence[RawPacket | BadPacket]], inputs: Inputs) -> list[Outcome]:
    """Deliveries one after another, the archive brought up to date after each."""
    outcomes = []
    with PacketStore(folder / "store") as store:
        archive = Archive(folder / "archive", store, inputs)
        for number, delivery in enumerate(deliveries):
            received = receive_found(delivery, f"{number}", store, inputs.databases)
            outcomes.append(archive.rebuild(received.touched))
    return outcomes


def content(folder: Path) -> dict[str, Any]:
    """Every card and value but those that tell of the time of writing and of the file of origin."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "archive").rglob("*.fits")):
        with fits.open(path) as hdus:
            for hdu in hdus:
                cards = [(card.keyword, card.value) for card in hdu.header.cards if card.keyword not in VARIABLE]
                found[f"{path.name} {hdu.name} cards"] = [card for card in cards if not str(card[0]).startswith("T")]
                if hdu.data is not None:
                    for column in hdu.columns.names:
                        if column not in ("raw_file", "packet"):
                            found[f"{path.name} {hdu.name} {column}"] = np.asarray(hdu.data[column]).tobytes()
    return found


def differing(ours: dict[str, Any], others: dict[str, Any]) -> list[str]:
    """What is not the same in both (short, unlike the assertion of the whole)."""
    return sorted(key for key in ours.keys() | others.keys() if ours.get(key) != others.get(key))


@pytest.fixture(scope="module")
def at_once(packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path_factory: Any) -> dict[str, Any]:
    """All packets in one delivery, in order."""
    folder = tmp_path_factory.mktemp("at_once")
    (outcome,) = process(folder, [packet_pool], open_inputs)
    assert not outcome.problems
    return content(folder)


def test_all_kinds_are_made(at_once: dict[str, Any]) -> None:
    """Levels LB, L0 and L1 of light curve, spectra, housekeeping, event, test and request."""
    names = {key.split()[0] for key in at_once}
    for kind in ("ql-lightcurve", "ql-spectra", "hk-mini", "events-1-33", "conn-test-2", "sci-xray-cpd"):
        assert {name.split("_")[1] for name in names if kind in name} == {"L0", "L1"}, kind
    assert len([name for name in names if "ql-lightcurve" in name]) == 4  # two days on board, two of UTC


@pytest.mark.slow
@settings(
    max_examples=20 if os.environ.get("BROKER_TEST_FULL") else 4,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_order_and_split_do_not_matter(
    data: st.DataObject, packet_pool: list[RawPacket], open_inputs: Inputs, at_once: dict[str, Any], tmp_path: Path
) -> None:
    """Any permutation, any split over deliveries, any repetition gives the same files."""
    order = data.draw(st.permutations(range(len(packet_pool))))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(order)), max_size=3)))
    again = data.draw(st.lists(st.sampled_from(range(len(order))), max_size=4))
    limits = [0, *cuts, len(order)]
    deliveries = [[packet_pool[i] for i in order[a:b]] for a, b in itertools.pairwise(limits)]
    deliveries.append([packet_pool[i] for i in again])
    folder = tmp_path / "run"
    shutil.rmtree(folder, ignore_errors=True)
    process(folder, deliveries, open_inputs)
    assert differing(content(folder), at_once) == []


def test_same_packets_again_write_nothing(packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path) -> None:
    """A second run over everything finds all files as they should be."""
    process(tmp_path, [packet_pool], open_inputs)
    with PacketStore(tmp_path / "store") as store:
        received = receive_found(packet_pool, "again", store, open_inputs.databases)
        assert received.new == 0
        outcome = Archive(tmp_path / "archive", store, open_inputs).rebuild(Touched.everything(store))
    assert outcome.written == []
    assert outcome.unchanged


def test_incomplete_request_waits(packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path) -> None:
    """A request without its middle packet is no product yet; the missing packet makes it one."""
    *_, first, middle, last = packet_pool
    before, after = process(tmp_path, [[first, last], [middle]], open_inputs)
    assert [problem.reason for problem in before.problems] == ["sequence is incomplete: 1 of 3 packets are missing"]
    assert {path.name.split("_")[1] for path in before.written} == {"LB"}
    assert {path.name.split("_")[1] for path in after.written} == {"LB", "L0", "L1"}
    assert not after.problems


def test_damaged_packets_cost_nothing_else(
    packet_pool: list[RawPacket], open_inputs: Inputs, at_once: dict[str, Any], tmp_path: Path
) -> None:
    """Cut packets, foreign bytes and what the reader refuses are in quarantine with their reason."""
    curve = packet_pool[0].data
    wrong = bytearray(curve)
    wrong[37] = 200  # the number of energies, which now says more than there is
    damaged: list[RawPacket | BadPacket] = [
        RawPacket(curve[:40], "bad.xml", 0, 1),
        RawPacket(b"\x00" * 30, "bad.xml", 1, 2),
        RawPacket(bytes(wrong), "bad.xml", 2, 3),
        BadPacket("it is not a packet", b"?", "bad.xml", 3, 4),
    ]
    (outcome,) = process(tmp_path, [[*damaged, *packet_pool]], open_inputs)
    ours = content(tmp_path)
    assert [key for key in differing(ours, at_once) if "_LB_" not in key] == []
    assert not outcome.problems
    with PacketStore(tmp_path / "store") as store:
        assert {row[2] for row in store.quarantined()} == {1, 2, 3, 4}
        assert all(row[3] for row in store.quarantined())


def test_packets_with_another_number_of_energies_are_files_of_their_own(
    packet_pool: list[RawPacket], odd_lightcurve: Callable[..., RawPacket], open_inputs: Inputs, tmp_path: Path
) -> None:
    """They do not cost the day, no row is lost, and files that are no longer made are removed, also of those."""

    def files(level: str) -> dict[str, int]:
        found = sorted((tmp_path / "archive").rglob(f"solo_{level}_stix-ql-lightcurve_*.fits"))
        return {path.name.split("_")[3]: len(fits.getdata(path, "DATA")) for path in found}

    first = process(tmp_path, [packet_pool], open_inputs)
    days0, days1 = files("L0"), files("L1")
    assert not first[0].problems
    (outcome,) = process(tmp_path, [[odd_lightcurve()]], open_inputs)
    assert [problem.reason for problem in outcome.problems] == [
        "2 rows of the day with other columns are not in what is made from it"
    ], "the plot has those of the file of the day"
    assert files("L0") == days0 | {"0664157200-0664157208": 2}
    assert files("L1") == days1 | {"20210117T000635-20210117T000643": 2}
    (outcome,) = process(tmp_path, [[odd_lightcurve(1000)]], open_inputs)
    assert [path.name.split("_")[3] for path in outcome.removed] == [
        "0664157200-0664157208",
        "20210117T000635-20210117T000643",
    ]
    assert files("L0") == days0 | {"0664157200-0664157808": 4}
    # Now most rows of the day have one energy: the file of the day is theirs.
    (outcome,) = process(tmp_path, [[odd_lightcurve(2000, 2000)]], open_inputs)
    (other,) = files("L0").keys() - days0.keys()
    assert files("L0") == days0 | {"0664156800": 2004, other: days0["0664156800"]}
    assert sum(files("L1").values()) == sum(days1.values()) + 2004
    name = next(path.name for path in outcome.written if other in path.name)
    with PacketStore(tmp_path / "store") as store:
        units = Touched.everything(store).only([name])
    assert {(unit.key, unit.day) for unit in units.level0} == {((21, 6, 30), 664156800)}


def test_full_disk_leaves_no_partial_file(
    packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is raised, old files stay as they were, nothing half written remains; later all is made."""
    process(tmp_path, [packet_pool[:2]], open_inputs)
    before = {path: path.read_bytes() for path in (tmp_path / "archive").rglob("*.fits")}
    real = os.fsync
    calls = iter(range(1000))

    def full(descriptor: int) -> None:
        if next(calls) >= 3:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        process(tmp_path, [packet_pool], open_inputs)
    monkeypatch.undo()
    assert not list(tmp_path.rglob("*.part"))
    for path in (tmp_path / "archive").rglob("*.fits"):
        with fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
    assert all(path.is_file() for path in before)
    with PacketStore(tmp_path / "store") as store:
        receive_found(packet_pool, "again", store, open_inputs.databases)
        outcome = Archive(tmp_path / "archive", store, open_inputs).rebuild(Touched.everything(store))
    assert outcome.written
    assert not outcome.problems


def test_levels_without_kernels(packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path) -> None:
    """Without kernels LB and L0 are made, and every L1 says what it needs."""
    inputs = Inputs(open_inputs.databases, open_inputs.configuration)
    (outcome,) = process(tmp_path, [packet_pool], inputs)
    assert {path.name.split("_")[1] for path in outcome.written} == {"LB", "L0"}
    assert {problem.reason for problem in outcome.problems} == {"level L1 needs SPICE kernels"}


def test_replaced_request_removes_the_old_name(
    packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path
) -> None:
    """A file of the same request under another time range does not stay."""
    process(tmp_path, [packet_pool], open_inputs)
    (path,) = (tmp_path / "archive").rglob("solo_L0_stix-sci-xray-cpd_*.fits")
    stale = path.with_name(path.name.replace("cpd_0664156800-", "cpd_0664156801-"))
    shutil.copy(path, stale)
    with PacketStore(tmp_path / "store") as store:
        outcome = Archive(tmp_path / "archive", store, open_inputs).rebuild(Touched.everything(store))
    assert outcome.removed == [stale]
    assert path.is_file()
    assert not stale.exists()


def test_request_that_a_better_clock_moves_to_another_day(
    packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path
) -> None:
    """At level L1 the old file lies in the folder of another day; files of other versions stay wherever they are."""
    process(tmp_path, [packet_pool], open_inputs)
    (path,) = (tmp_path / "archive").rglob("solo_L1_stix-sci-xray-cpd_*.fits")
    assert path.parts[-3:-1] == ("16", "SCI")  # it begins in the last moments of the day
    stale = tmp_path / "archive/L1/2021/01/17/SCI" / path.name.replace("cpd_20210116T235955", "cpd_20210117T000000")
    older = stale.with_name(stale.name.replace("_V02", "_V01"))
    assert stale.name != path.name
    stale.parent.mkdir(parents=True)
    shutil.copy(path, stale)
    shutil.copy(path, older)
    with PacketStore(tmp_path / "store") as store:
        outcome = Archive(tmp_path / "archive", store, open_inputs).rebuild(Touched.everything(store))
    assert outcome.removed == [stale]
    assert older.is_file()
    assert path.is_file()


def test_version_of_one_level_of_a_request(packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path) -> None:
    """Level L1 keeps its own version and names the new file of level L0 as parent."""
    process(tmp_path, [packet_pool], replace(open_inputs, versions={"L0/sci-xray-cpd": 7}))
    (level0,) = (tmp_path / "archive").rglob("solo_L0_stix-sci-xray-cpd_*.fits")
    (level1,) = (tmp_path / "archive").rglob("solo_L1_stix-sci-xray-cpd_*.fits")
    assert ("_V07_" in level0.name, "_V02_" in level1.name) == (True, True)
    assert fits.getheader(level1)["PARENT"] == level0.name


def test_broken_configuration_costs_no_good_file(
    packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path
) -> None:
    """What cannot be made for want of energy channels stays as it is; one problem per day says why."""
    process(tmp_path, [packet_pool], open_inputs)
    before = {path: path.read_bytes() for path in (tmp_path / "archive").rglob("solo_*")}
    shutil.copytree(open_inputs.configuration.folder, tmp_path / "broken")
    (tmp_path / "broken/detector/channels.csv").unlink()
    inputs = replace(open_inputs, configuration=InstrumentConfiguration(tmp_path / "broken"))
    with PacketStore(tmp_path / "store") as store:
        archive = Archive(tmp_path / "archive", store, inputs)
        outcome = archive.rebuild(Touched.everything(store))
        by_day = archive.build_day("L1", "quicklook", datetime.date(2021, 1, 17))
    assert outcome.removed == by_day.removed == []
    energies = [problem for problem in outcome.problems if problem.lacking]
    kinds = sorted(problem.what.split("_")[2].removeprefix("stix-") for problem in energies)
    assert kinds == ["21-6-21", "21-6-30", "21-6-30", "21-6-32", "21-6-32"]
    after = {path: path.read_bytes() for path in (tmp_path / "archive").rglob("solo_*")}
    assert after.keys() == before.keys()
    kept = {path for path in before if "-ql-" in path.name or "-sci-" in path.name}
    assert {path for path in kept if after[path] != before[path]} == set()


def test_day_without_data_loses_what_was_made_beyond_it(
    packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path
) -> None:
    """A picture of a day whose rows belong to another day now; a picture of another version stays."""
    process(tmp_path, [packet_pool], open_inputs)
    name = "solo_LL03_stix-ql-lightcurve_20210120T000000-20210120T235959_V02C.svg"
    stale = tmp_path / "archive/LL03/2021/01/20/QL" / name
    other = stale.with_name(name.replace("V02", "V01"))
    stale.parent.mkdir(parents=True)
    for path in (stale, other):
        path.write_text("<svg/>")
    with PacketStore(tmp_path / "store") as store:
        outcome = Archive(tmp_path / "archive", store, open_inputs).build_day(
            "L2", "quicklook", datetime.date(2021, 1, 20)
        )
    assert (outcome.removed, outcome.files, outcome.problems) == ([stale], [], [])
    assert other.is_file()


def test_database_that_comes_after_its_packets(
    packet_pool: list[RawPacket], open_inputs: Inputs, at_once: dict[str, Any], tmp_path: Path
) -> None:
    """Packets of unknown kinds wait in the store; with a database that knows them all is as if it had been there."""
    assert isinstance(open_inputs.databases, InstrumentDatabase)
    older = tmp_path / "older.sqlite"
    shutil.copy(open_inputs.databases.path, older)
    with contextlib.closing(sqlite3.connect(older)) as connection, connection:
        # Light curves, and requests for pixel data, which are no requests then.
        connection.execute("DELETE FROM PID WHERE PID_TYPE = 21 AND PID_STYPE = 6 AND PID_PI1_VAL IN (30, 21)")
    before = replace(open_inputs, databases=InstrumentDatabase.open(older))
    process(tmp_path, [packet_pool], before)
    assert not list((tmp_path / "archive").rglob("solo_L*_stix-*lightcurve*"))
    with PacketStore(tmp_path / "store") as store:
        assert len(store.undecoded()) == len(store.quarantined()) == 8
        assert receive_again(store, before.databases).touched == Touched()
        received = receive_again(store, open_inputs.databases)
        assert (received.new, received.bad) == (8, [])
        archive = Archive(tmp_path / "archive", store, open_inputs)
        outcome = archive.rebuild(received.touched | Touched.everything(store))
        assert (store.undecoded(), store.quarantined()) == ([], [])
    assert not outcome.problems
    assert differing(content(tmp_path), at_once) == []


def test_requested_packet_that_cannot_be_decoded(
    packet_pool: list[RawPacket], open_inputs: Inputs, tmp_path: Path
) -> None:
    """It is in the file of its day, alone, whether files are made as it comes, all at once or day by day."""
    *_, whole = packet_pool
    cut = RawPacket(whole.data[:4] + (60 - 7).to_bytes(2, "big") + whole.data[6:60], "cut.xml", 0, 1)
    process(tmp_path, [[*packet_pool, cut]], open_inputs)
    (path,) = (tmp_path / "archive/LB/21/6/21").glob("*_0664156800_*")
    with fits.open(path) as hdus:
        assert hdus["DATA"].data["data"].tolist() == [cut.data.hex()]
    before = path.read_bytes()
    with PacketStore(tmp_path / "store") as store:
        archive = Archive(tmp_path / "archive", store, open_inputs)
        for make in (
            lambda: archive.rebuild(Touched.everything(store), ["LB"]),
            lambda: archive.build_day("LB", "science", datetime.date(2021, 1, 17)),
        ):
            path.unlink()
            assert path in make().written
            assert len(path.read_bytes()) == len(before)
