"""Products as assets: what changes makes exactly what follows from it again."""

from __future__ import annotations

import datetime

import pytest
from dagster import AssetKey
from telemetry_platform import BEFORE, DAY, Mission, complete, mission, settled

from broker_assets.assets.telemetry.products import CHECK
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.telemetry import inputs
from broker_assets.settings import Settings
from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.archive.input_versions import INPUTS

__all__ = ["complete", "mission", "settled"]

pytestmark = pytest.mark.database


def names(mission: Mission, level: str) -> set[str]:
    return {path.rsplit("/", 1)[-1] for path in mission.tree() if path.startswith(f"{level}/")}


def test_received_packets_become_products(mission: Mission, packet_pool: list[RawPacket]) -> None:
    """Each asset and day once, in order of levels; nothing is left to do."""
    mission.folders.write_kernels(100)
    assert mission.evaluate() == set()
    mission.receive(packet_pool)
    made = mission.settle()
    families = ("quicklook", "housekeeping", "science", "auxiliary")
    assert {(f"{level}_{family}", DAY) for level in ("l0", "l1") for family in families} <= made
    assert ("l1_quicklook", BEFORE) in made
    assert not [asset for asset, _ in made if asset.startswith("lb_")]
    assert {name.split("_")[2] for name in names(mission, "L1")} >= {
        "stix-ql-lightcurve",
        "stix-ql-spectra",
        "stix-hk-mini",
        "stix-sci-xray-cpd",
        "stix-events-1-33",
    }
    before = mission.tree()
    mission.receive(packet_pool, "again")
    assert mission.settle() == set()
    assert mission.tree() == before
    assert mission.stale() == set()


@pytest.mark.slow
def test_dagster_and_provenance_tell_of_files(complete: Mission) -> None:
    said = complete.metadata("l1_quicklook")
    assert said["files"] == len(said["file list"].records) >= 1
    assert said["problems"] == 0
    assert said["dagster/row_count"] > 50
    assert said["light curve"].startswith("![plot](data:image/png;base64,")

    paths = {row[0] for row in complete.query("SELECT path FROM product_file WHERE superseded_at IS NULL")}
    assert paths == set(complete.tree())
    parents = (
        "SELECT count(*) FROM product_file_input AS used WHERE kind = 'parent' AND name LIKE 'solo_L%' AND NOT EXISTS"
    )
    assert complete.query(f"{parents} (SELECT 1 FROM product_file WHERE product_file.name = used.name)") == [(0,)]
    used = complete.query(
        "SELECT input_asset, input_data_version FROM artefact_input"
        f" WHERE asset = 'l1_quicklook' AND \"partition\" = '{DAY}' ORDER BY 1"
    )
    assert [name for name, _ in used] == [
        "instrument_database",
        "l0_quicklook",
        "lb_quicklook",
        "observation_plan",
        "spice_kernels",
    ]
    for name, version in used:
        event = complete.materialisations(name)
        tags = {
            record.partition_key: (record.asset_materialization.tags or {})["dagster/data_version"]
            for record in reversed(event)
            if record.asset_materialization is not None
        }
        assert tags[DAY] == version, name


def test_day_without_kernels_waits_for_them(
    mission: Mission, packet_pool: list[RawPacket], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor tells of a day a tick here; a mission has thousands."""
    monkeypatch.setattr(inputs, "MOST_DAYS", 1)
    mission.evaluate()
    mission.receive(packet_pool)
    made = mission.settle()
    assert {asset[:2] for asset, _ in made} == {"l0"}
    assert mission.watch() == "0 versions were new"
    mission.folders.write_kernels(100)
    assert "1 versions were new, more follow" in mission.watch()
    first = mission.settle()
    assert {day for _, day in first} == {DAY}, "the newest first"
    assert mission.watch() == "no file has changed"
    later = first | mission.settle()
    assert ("l1_quicklook", BEFORE) in later
    assert {asset[:2] for asset, _ in later} == {"l1", "l2"}
    assert {(f"l1_{family}", DAY) for family in ("quicklook", "housekeeping", "science", "auxiliary")} <= later
    assert names(mission, "L1")


@pytest.mark.slow
def test_better_kernels_remake_exactly_their_days(complete: Mission) -> None:
    """A clock that is late since the second day: nothing of the first is made again, nor anything of L0."""
    before = complete.tree()
    complete.folders.write_kernels(101, late=0.4, since=datetime.datetime(2021, 1, 17, 6))
    assert "new" in complete.watch()
    assert {record.partition_key for record in complete.materialisations("spice_kernels")[:1]} == {DAY}
    stale = complete.stale()
    made = complete.settle()
    assert {(f"l1_{family}", DAY) for family in ("quicklook", "housekeeping", "science", "auxiliary")} <= made
    assert {asset[:2] for asset, _ in made} <= {"l1", "l2"}
    assert {day for _, day in made} == {DAY}
    assert {name for name in stale if "_LB_" in name or "_L0_" in name} == set()
    changed = {path for path in before if complete.tree().get(path) != before[path]}
    assert {path.rsplit("/", 1)[-1] for path in changed} <= stale
    assert complete.stale() == set()
    assert "no file" in complete.watch()


@pytest.mark.slow
def test_new_plan_and_new_request_remake_their_day(complete: Mission) -> None:
    complete.folders.write_plan(1, {"one": ("2021-01-17T10:00:00", "2021-01-17T20:00:00")})
    assert "1 versions were new" in complete.watch()
    assert {day for _, day in complete.settle()} == {DAY}
    assert complete.stale() == set()

    complete.folders.write_requests([(1234567, "a large flare")])
    complete.watch()
    made = complete.settle()
    assert {asset for asset, _ in made} <= {"l0_science", "l1_science"}
    assert ("l0_science", DAY) in made
    assert complete.stale() == set()


def test_bump_remakes_one_kind_and_what_follows(complete: Mission) -> None:
    """New files beside the old ones; not a byte of any other file changes."""
    before = complete.tree()
    old = {name for name in names(complete, "L1") if "ql-lightcurve" in name}
    complete.deploy(L1_ql_lightcurve=3)
    stale = complete.stale()
    assert {name for name in stale if "_L1_" in name} == old
    followers = {name for name in stale if "_LL03_" in name}
    assert stale == old | followers
    assert len(followers) == 2, "the picture of each day"
    asked = complete.evaluate()
    assert asked == {("l1_quicklook", BEFORE), ("l1_quicklook", DAY)}
    for asset, day in asked:
        complete.make(asset, day=day)
    followed = complete.settle()
    assert {asset for asset, _ in followed} <= {"l2_quicklook"}
    after = complete.tree()
    assert {path: after[path] for path in before} == before
    added = {path.rsplit("/", 1)[-1] for path in after.keys() - before.keys()}
    assert {name for name in added if "_L1_" in name} == {name.replace("_V02", "_V03") for name in old}
    assert complete.stale() == set()
    current = complete.query("SELECT name FROM product_file WHERE superseded_at IS NULL AND version = 3")
    assert {name for (name,) in current if "_L1_" in name} == {name.replace("_V02", "_V03") for name in old}


@pytest.mark.slow
def test_levelb_and_inputs_by_hand_change_nothing(complete: Mission) -> None:
    before = complete.tree()
    path = next(path for path in before if path.startswith("LB/") and "21-6-30" in path)
    (complete.telemetry.folders.products / path).unlink()
    result = (
        complete.make("lb_quicklook", day=DAY) if "664156800" in path else complete.make("lb_quicklook", day=BEFORE)
    )
    assert result.success
    assert set(complete.tree()) == set(before)
    assert complete.settle() == set()
    result = complete.make(*INPUTS, day=DAY)
    made = {event.asset_key for event in result.get_asset_materialization_events()}
    assert made == set(map(AssetKey, INPUTS))
    assert complete.settle() == set()


@pytest.mark.slow
def test_product_that_cannot_be_made_is_a_warning(
    mission: Mission, packet_pool: list[RawPacket], broken_lightcurve: RawPacket
) -> None:
    mission.folders.write_kernels(100)
    mission.evaluate()
    mission.receive([*packet_pool, broken_lightcurve])
    mission.settle()
    result = mission.make("l0_quicklook", day=DAY)
    assert result.success
    evaluation = next(item for item in result.get_asset_check_evaluations() if item.check_name == CHECK)
    assert not evaluation.passed
    assert evaluation.severity.value == "WARN"
    assert "its energies differ in their number of samples" in str(evaluation.description)
    assert mission.metadata("l0_quicklook")["problems"] == 1
    assert mission.metadata("l0_quicklook")["not made"]


def test_sensor_tells_nothing_without_settings(mission: Mission) -> None:
    mission.telemetry = Telemetry.of(Settings(home=mission.settings.home))
    assert "not configured" in mission.watch()
