"""`broker-assets areas` as a user calls it, on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from mocpy import MOC

from broker_assets.settings import load_settings
from broker_assets.sky.areas import moc_bytes, read_moc
from broker_assets.sky.regions import cone_area, polygon_area

pytestmark = pytest.mark.database


def document(command: Any, *arguments: Any) -> Any:
    """What a command says with --json."""
    done = command(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def stored(command: Any, which: Any) -> MOC:
    """The MOC that `show --out` writes."""
    assert command("areas", "show", which, "--out", "written.fits").exit_code == 0
    return read_moc(Path("written.fits").read_bytes())


def test_add_show_list_update_remove(command: Any, tmp_path: Path) -> None:
    (tmp_path / "area.fits").write_bytes(moc_bytes(MOC.from_str("3/1-4")))
    added = command("areas", "add", "area.fits", "--name", "Field", "--description", "deep", "--public")
    assert added.exit_code == 0, added.output
    assert "Area 1 (Field) of ann: 214.859 deg²; public" in added.stdout
    assert "`broker-assets areas show 1`" in added.stdout
    shown = command("areas", "show", "field").stdout
    for text in ("deep", "order 3, ", "waits for the running platform", "214.859 deg²"):
        assert text in shown
    [listed] = document(command, "areas", "list")
    assert (listed["id"], listed["kind"], listed["state"], listed["hits"]) == (1, "area", "waiting", 0)
    assert "Field" in command("areas", "list").stdout

    changed = command(
        "areas", "update", 1, "--cone", "10,20,1", "--order", 9, "--name", "Cone", "--private", "--expire", "2999-01-31"
    )
    assert changed.exit_code == 0, changed.output
    assert stored(command, "cone") == cone_area(10.0, 20.0, 1.0, order=9)
    now = document(command, "areas", "show", 1)
    assert (now["name"], now["public"], now["order"], now["expires"]) == ("Cone", False, 9, "2999-01-31T00:00:00Z")
    assert now["revision"] > listed["revision"]
    assert document(command, "areas", "update", 1, "--inactive")["state"] == "inactive"
    assert document(command, "areas", "update", 1, "--active", "--expire", "never")["expires"] is None

    assert command("areas", "remove", 1, stdin="n\n").exit_code == 1
    assert len(document(command, "areas", "list")) == 1
    assert command("areas", "remove", 1, "--yes").exit_code == 0
    assert "no area yet" in command("areas", "list").stdout


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'{"3": [1, 2, 3, 4]}', MOC.from_str("3/1-4")),
        (b"3/1-4", MOC.from_str("3/1-4")),
        (b"CIRCLE ICRS 10 20 1", cone_area(10.0, 20.0, 1.0, order=7)),
        (b"icrs\ncircle(10d,20d,1d)\n", cone_area(10.0, 20.0, 1.0, order=7)),
    ],
    ids=["JSON", "text", "STC-S", "DS9"],
)
def test_every_form_of_file(command: Any, content: bytes, expected: MOC, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_MOCS__REGION_ORDER", "7")
    load_settings.cache_clear()
    done = command("areas", "add", "-", "--name", "x", stdin=content)
    assert done.exit_code == 0, done.output
    assert stored(command, "x") == expected


def test_a_polygon(command: Any) -> None:
    done = command("areas", "add", "--polygon", "10,-5, 12,-5, 12,-3", "--name", "x", "--order", 8)
    assert done.exit_code == 0, done.output
    assert stored(command, 1) == polygon_area([10.0, 12.0, 12.0], [-5.0, -5.0, -3.0], order=8)


def test_the_same_area_again_leaves_it_as_it_is(command: Any) -> None:
    command("areas", "add", "--cone", "10,20,1", "--name", "x", "--order", 8)
    before = document(command, "areas", "show", 1)
    assert command("areas", "update", 1, "--cone", "10,20,1", "--order", 8).exit_code == 0
    assert document(command, "areas", "show", 1) == before


def test_what_cannot_be_taken_is_said_in_one_line(command: Any, tmp_path: Path) -> None:
    (tmp_path / "area.fits").write_bytes(moc_bytes(MOC.from_str("3/1-4")))
    (tmp_path / "cut.fits").write_bytes(moc_bytes(MOC.from_str("3/1-4"))[:3000])
    (tmp_path / "some.reg").write_text("icrs\ncircle(10d,20d,1d)\ncircel(10d,20d,1d)\n")
    (tmp_path / "deep.txt").write_text("15/1")
    command("areas", "add", "area.fits", "--name", "mine")
    command("areas", "add", "area.fits", "--name", "theirs", "--owner", "bob")
    for arguments, code, reason in (
        (("add", "--name", "x"), 2, "exactly one of a file, --cone and --polygon"),
        (("add", "area.fits", "--cone", "1,2,3", "--name", "x"), 2, "exactly one of"),
        (("add", "none.fits", "--name", "x"), 1, "none.fits: No such file"),
        (("add", "cut.fits", "--name", "x"), 1, "cut.fits: the FITS file has no second HDU"),
        (("add", "deep.txt", "--name", "x"), 1, "deep.txt: the MOC has order 15, more than 14"),
        (("add", "some.reg", "--name", "x"), 1, 'unable to parse line "circel(10d,20d,1d)"'),
        (("add", "--cone", "1,2", "--name", "x"), 2, "three numbers"),
        (("add", "--cone", "1,x,2", "--name", "x"), 2, "numbers in degrees"),
        (("add", "--cone", "1,95,2", "--name", "x"), 1, "outside [-90, 90]"),
        (("add", "--polygon", "1,2,3,4,5", "--name", "x"), 2, "three or more corners"),
        (("add", "--polygon", "1,2,3,4,1,2", "--name", "x"), 1, "three different corners"),
        (("add", "area.fits", "--name", "Mine"), 1, "ann already has an area named 'Mine'"),
        (("update", "1"), 2, "no change is given"),
        (("update", "2", "--inactive"), 1, "belongs to bob; add --owner bob"),
        (("show", "nothing"), 1, "ann has no area named 'nothing'; `broker-assets areas list` shows all"),
        (("remove", "7", "--yes"), 1, "there is no area 7"),
    ):
        done = command("areas", *arguments)
        assert done.exit_code == code, (arguments, done.output)
        assert reason in " ".join(done.stderr.split()), (arguments, done.stderr)
        assert code == 2 or len(done.stderr.splitlines()) == 1
    assert [entry["name"] for entry in document(command, "areas", "list")] == ["mine", "theirs"]
