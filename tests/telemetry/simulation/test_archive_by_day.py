"""Files made by level, family and day are those that are made all at once."""

from __future__ import annotations

import datetime
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from broker_assets.telemetry.archive.days import FAMILIES
from broker_assets.telemetry.archive.product_archive import LEVELS, Archive
from broker_assets.telemetry.archive.units import Touched
from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.inputs.requests import RequestTable
from broker_assets.telemetry.inputs.soop import Planning
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.storing import receive
from broker_assets.telemetry.simulation import Mission

FIRST = datetime.date(2024, 5, 11)
DAYS = [FIRST + datetime.timedelta(days=number) for number in (-1, 0, 1, 2)]


@pytest.fixture(scope="module")
def inputs(mission: Mission) -> Inputs:
    return Inputs(
        InstrumentDatabases(mission.databases),
        InstrumentConfiguration(mission.configuration),
        Kernels.of_folder(mission.kernels),
        RequestTable.read(mission.requests),
        Planning.of_folder(mission.planning),
    )


@pytest.fixture(scope="module")
def store(mission: Mission, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PacketStore]:
    with PacketStore(tmp_path_factory.mktemp("store")) as opened:
        for path in mission.files:
            receive(path, opened, inputs.databases)
        yield opened


@pytest.fixture(scope="module")
def whole(store: PacketStore, inputs: Inputs, tmp_path_factory: pytest.TempPathFactory) -> Archive:
    archive = Archive(tmp_path_factory.mktemp("whole"), store, inputs)
    assert archive.rebuild(Touched.everything(store)).problems == []
    return archive


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("solo_*")}


@pytest.mark.slow
def test_day_by_day_gives_the_same_files(whole: Archive, store: PacketStore, inputs: Inputs, tmp_path: Path) -> None:
    """In any order of levels, families and days; each file belongs to one of them."""
    archive = Archive(tmp_path, store, inputs)
    parts = [(level, family, day) for level in LEVELS for family in FAMILIES for day in DAYS]
    random.Random(5).shuffle(parts)
    found = {}
    for level, family, day in parts:
        outcome = archive.build_day(level, family, day)
        assert outcome.problems == []
        for file in outcome.files:
            assert file.path not in found
            assert (file.family, file.day) == (family, day)
            assert level == (file.level if file.level in LEVELS else "L2")
            assert (tmp_path / file.path).stat().st_size == file.size
            found[file.path] = file
    assert found == {file.path: file for file in whole.outcome.files}
    assert tree(tmp_path) == tree(whole.folder) == {str(path) for path in found}
    again = archive.build_day("L1", "quicklook", FIRST)
    assert again.written == []
    assert len(again.unchanged) == len(again.files) > 3


@pytest.mark.slow
def test_a_raised_version_concerns_its_files_only(store: PacketStore, inputs: Inputs, tmp_path: Path) -> None:
    """A new file of this kind and level beside the old one; what is made from it names it."""
    archive = Archive(tmp_path, store, inputs)
    for level in LEVELS:
        archive.build_day(level, "quicklook", FIRST)
    before = {path: path.read_bytes() for path in tmp_path.rglob("solo_*")}
    raised = Archive(tmp_path, store, replace(inputs, versions={"L1/ql-lightcurve": 3}))
    assert raised.build_day("L0", "quicklook", FIRST).written == []
    outcome = raised.build_day("L1", "quicklook", FIRST)
    assert [path.name for path in outcome.written] == ["solo_L1_stix-ql-lightcurve_20240511_V03U.fits"]
    assert outcome.removed == []
    assert all(path.read_bytes() == content for path, content in before.items())
    header = fits.getheader(outcome.written[0])
    assert (header["VERSION"], header["FILENAME"]) == ("03", outcome.written[0].name)
    assert header["PARENT"].split(";")[0].endswith("_V02.fits")
    (picture,) = raised.build_day("L2", "quicklook", FIRST).files
    assert picture.parents == ("solo_L1_stix-ql-lightcurve_20240511_V03.fits",)


def test_unknown_level_or_family(whole: Archive) -> None:
    with pytest.raises(ValueError, match="L7"):
        whole.build_day("L7", "quicklook", FIRST)
    with pytest.raises(ValueError, match="weather"):
        whole.build_day("L1", "weather", FIRST)
