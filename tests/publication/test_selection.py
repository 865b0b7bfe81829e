"""Which files are due."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.publication.names import ProductName
from broker_assets.publication.selection import (
    Candidate,
    Rules,
    files_below,
    named,
    read_blacklist,
    select,
    version_wanted,
    wanted,
)
from broker_assets.settings import PublicationSettings, PublicationTarget

NOW = datetime.datetime(2021, 3, 1, tzinfo=datetime.UTC)
HOUR = datetime.timedelta(hours=1)


def candidate(name: str, age: datetime.timedelta = 1000 * HOUR) -> Candidate:
    return Candidate(Path(name), NOW - age, name)


def chosen(candidates: list[Candidate], rules: Rules) -> Any:
    found, passed = named(candidates, rules)
    return select(found, rules, NOW, passed_over=passed)


def test_levels_products_and_versions() -> None:
    names = {
        "day": "solo_L1_stix-ql-lightcurve_20210116_V02U.fits",
        "next": "solo_L1_stix-ql-lightcurve_20210116_V03.fits",
        "raw": "solo_LB_stix-21-6-30_0664070400_V02.fits",
        "hk": "solo_L0_stix-hk-maxi_0660096000_V02U.fits",
        "other": "solo_L0_stix-tc-verify-1-1_0660096000_V02.fits",
        "picture": "solo_LL03_stix-ql-lightcurve_20210116T000000-20210116T235959_V02C.svg",
    }

    def taken(**rules: Any) -> set[str]:
        return {key for key, name in names.items() if wanted(ProductName.parse(name), replace(Rules(), **rules))}

    assert taken() == {"day", "next", "hk", "picture"}
    assert taken(levels=frozenset({"*"}), products=frozenset({"*"})) == set(names)
    assert taken(products=frozenset({"ql-lightcurve"})) == {"day", "next", "picture"}
    assert taken(versions=frozenset({"3"})) == {"next"}
    # Where the original compares "02U" with a number and never finds it.
    assert taken(versions=frozenset({"02"})) == {"day", "hk", "picture"}
    assert taken(versions=frozenset({"V02U"})) == {"day", "hk"}


@given(st.integers(0, 99), st.booleans(), st.integers(0, 99))
def test_a_version_is_a_number(version: int, incomplete: bool, asked: int) -> None:
    name = ProductName("L1", "ql", "spectra", "20210116", version, "U" if incomplete else "")
    for text in (f"{asked}", f"{asked:02d}", f"v{asked:02d}"):
        assert version_wanted(name, [text]) == (asked == version)
    assert version_wanted(name, [f"{asked:02d}U"]) == (asked == version and incomplete)


def test_files_wait_by_the_time_they_were_made() -> None:
    young = candidate("solo_L1_stix-ql-lightcurve_20210116_V02U.fits", 23 * HOUR)
    old = candidate("solo_L1_stix-ql-lightcurve_20210115_V02U.fits", 24 * HOUR)
    quick = candidate("solo_LL03_stix-ql-lightcurve_20210116T000000-20210116T235959_V02C.svg", HOUR)
    rules = replace(Rules(), waiting=24 * HOUR, waiting_low_latency=HOUR)
    found = chosen([young, old, quick], rules)
    assert [item.path.name for _, item in found.due] == [old.path.name, quick.path.name]
    assert [item.path.name for _, item in found.waiting] == [young.path.name]


def test_the_order_does_not_depend_on_the_listing_and_a_batch_is_its_begin() -> None:
    names = [f"solo_L1_stix-ql-lightcurve_202101{day:02d}_V02U.fits" for day in range(1, 10)]
    ages = [(7 * i) % 10 for i in range(9)]
    files = [candidate(name, (2000 + age) * HOUR) for name, age in zip(names, ages, strict=True)]
    rules = replace(Rules(), batch_size=4)
    for listing in (files, files[::-1], files[4:] + files[:4]):
        found = chosen(listing, rules)
        assert [item.key for _, item in found.due] == names[:4]
        assert [item.key for _, item in found.left] == names[4:]
        by_age = chosen(listing, replace(rules, order="made"))
        times = [item.made_at for _, item in [*by_age.due, *by_age.left]]
        assert times == sorted(times)
    assert chosen(files, replace(rules, batch_size=0)).due == []


def test_of_twins_the_newer_is_taken() -> None:
    growing = candidate("solo_L1_stix-ql-lightcurve_20210116_V02U.fits", 900 * HOUR)
    complete = candidate("solo_L1_stix-ql-lightcurve_20210116_V02.fits", 1000 * HOUR)
    for listing in ([growing, complete], [complete, growing]):
        found = chosen(listing, Rules())
        assert [item.key for _, item in found.due] == [growing.key]
        assert found.passed_over == 1


def test_temporary_and_foreign_files_are_not_seen(tmp_path: Path) -> None:
    for name in (".solo_L1_stix-ql-lightcurve_20210116_V02U.fits.x.part", "notes.txt", "solo_strange.fits"):
        (tmp_path / name).write_text("")
    (tmp_path / "L1").mkdir()
    (tmp_path / "L1" / "solo_L1_stix-ql-lightcurve_20210116_V02U.fits").write_text("")
    found, passed = named(files_below(tmp_path), Rules())
    assert [item.key for _, item in found] == ["L1/solo_L1_stix-ql-lightcurve_20210116_V02U.fits"]
    assert passed == 1


def test_rules_follow_the_settings(tmp_path: Path) -> None:
    blacklist = tmp_path / "black.txt"
    blacklist.write_text("# not these\nsolo_L1_stix-ql-lightcurve_20210116_V02.fits\n\n")
    settings = PublicationSettings(blacklist=blacklist, tolerated_row_loss=0.5)
    target = PublicationTarget(name="x", url="/x", levels=["L0"], waiting_hours=2, batch_size=7)
    rules = Rules.of(target, settings)
    assert rules.levels == {"L0"}
    assert rules.waiting == 2 * HOUR
    assert (rules.batch_size, rules.tolerated_row_loss) == (7, 0.5)
    assert rules.blacklisted(ProductName.parse("solo_L1_stix-ql-lightcurve_20210116_V02U.fits"))
    assert read_blacklist(blacklist) == rules.blacklist
    for content in (
        b"\xef\xbb\xbfsolo_L1_stix-ql-lightcurve_20210116_V02.fits\r\n",
        b"archive/L1/solo_L1_stix-ql-lightcurve_20210116_V02.fits\n",
        b'"solo_L1_stix-ql-lightcurve_20210116_V02.fits"\n',
        b"C:\\archive\\solo_L1_stix-ql-lightcurve_20210116_V02.fits\n",
    ):
        blacklist.write_bytes(content)
        assert read_blacklist(blacklist) == rules.blacklist
    blacklist.write_bytes("solo_L1_stix-ql-lightcurve_20210116_V02.fits".encode("utf-16"))
    with pytest.raises(OSError, match="is not UTF-8 text"):
        read_blacklist(blacklist)
    with pytest.raises(OSError, match="gone"):
        Rules.of(target, PublicationSettings(blacklist=tmp_path / "gone"))
