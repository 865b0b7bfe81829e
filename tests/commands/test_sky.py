"""The offline commands `match` and `moc build`, run as a user runs them."""

from __future__ import annotations

import csv
import gzip
import io
import re
from pathlib import Path

import pytest
import typer
from mocpy import MOC
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.commands.sky import match, moc_app
from broker_assets.sky.areas import moc_bytes, read_moc
from broker_assets.sky.regions import cone_area

matching = typer.Typer()
matching.command()(match)
runner = CliRunner()


@pytest.fixture
def positions(tmp_path: Path) -> Path:
    path = tmp_path / "positions.csv"
    path.write_text("id,ra,dec\na,10.0,20.0\nb,0.0001,0.0\nc,200,-45\n")
    return path


def rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_watchlist(tmp_path: Path, positions: Path) -> None:
    watchlist = tmp_path / "list.csv"
    watchlist.write_text("# mine\n10.0, 20.001, near\n359.9999, 0.0, wrap, 5\n")
    result = runner.invoke(matching, [str(positions), "--watchlist", str(watchlist)])
    assert result.exit_code == 0
    assert rows(result.stdout) == [
        ["id", "row", "name", "separation"],
        ["a", "0", "near", "3.600000"],
        ["b", "1", "wrap", "0.720000"],
    ]
    assert (
        len(rows(runner.invoke(matching, [str(positions), "--watchlist", str(watchlist), "--radius", "1"]).stdout)) == 2
    )


def test_area(tmp_path: Path, positions: Path) -> None:
    area = tmp_path / "area.fits"
    area.write_bytes(moc_bytes(MOC.from_str("0/8-11")))
    result = runner.invoke(matching, [str(positions), "--area", str(area)])
    assert rows(result.stdout) == [["id"], ["c"]]
    region = tmp_path / "area.reg"
    region.write_text("icrs\ncircle(10d, 20d, 1d)\n")
    assert rows(runner.invoke(matching, [str(positions), "--area", str(region)]).stdout) == [["id"], ["a"]]
    region.write_text("circel(10d, 20d, 1d)\n")
    refused = runner.invoke(matching, [str(positions), "--area", str(region)])
    assert (refused.exit_code, "circel" in refused.stderr) == (2, True)


@pytest.mark.shared
def test_sky_map(tmp_path: Path, shared_folder: Path) -> None:
    positions = tmp_path / "positions.csv"
    positions.write_text("id,ra,dec\nx,194,-19\n")
    sky_map = shared_folder / "data/lasair/tests/unit/common/src/skymapdata/map.fits"
    result = runner.invoke(matching, [str(positions), "--sky-map", str(sky_map)])
    [header, [identifier, contour, density, distance]] = rows(result.stdout)
    assert header == ["id", "contour", "probability_density", "distance"]
    assert identifier == "x"
    assert float(contour) == pytest.approx(66.307, abs=1e-3)
    assert float(density) == pytest.approx(85.0601, abs=1e-4)
    assert float(distance) == pytest.approx(34.7838, abs=1e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ra,dec\n1,2\n", "no column id"),
        ("", "no column id"),
        ("id,ra,dec\nx,1,95\n", "line 2"),
        ("id,ra,dec\nx,1\n", "line 2: 2 column(s), and dec is column 3"),
        ("id,ra,dec\nx,1000,1\n", "1 bad line(s): line 2: ra 1000.0, dec 1.0 is not a position in degrees"),
        ("id,ra,dec\nx,nan,1\ny,1_0,1\nz,1,١\nw,1e400,1\n", "4 bad line(s): line 2: 'nan' is not a decimal number"),
        ("id,ra,dec,RA\nx,1,2,3\n", "two columns ra"),
        ("id,ra,dec\n" + "x" * 200_000 + ",1,2\n", "line 2: not CSV: field larger than"),
        (b"id,ra,dec\n\xe9,1,2\n", "not UTF-8 text at byte 10"),
        ("id,ra,dec\nx,1,2\n".encode("utf-16"), "not UTF-8 text at byte 0"),
        (gzip.compress(b"id,ra,dec\nx,1,2\n", mtime=0), "not compressed"),
    ],
)
def test_bad_positions_end_with_a_message(tmp_path: Path, text: str | bytes, message: str) -> None:
    path, area = tmp_path / "positions.csv", tmp_path / "area.fits"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    area.write_bytes(moc_bytes(MOC.from_str("0/4")))
    result = runner.invoke(matching, [str(path), "--area", str(area)])
    assert result.exit_code == 2
    assert f"{path}: " in result.stderr
    assert message in result.stderr


@pytest.mark.parametrize("name", ["two\nlines", "a\u2028b", "a\x85b", "é, “x”"])
def test_identifiers_of_any_letters(tmp_path: Path, name: str) -> None:
    path, area = tmp_path / "positions.csv", tmp_path / "area.fits"
    path.write_text(f'id,ra,dec\n"{name}",10,20\n')
    area.write_bytes(moc_bytes(MOC.from_str("0/0-11")))
    written = rows(runner.invoke(matching, [str(path), "--area", str(area)]).stdout)
    assert written[1][0] in (name, name.replace("\u2028", "\\u2028").replace("\x85", "\\u0085"))


@pytest.mark.parametrize("option", [("--radius", "0"), ("--radius", "400"), ("--level", "-1"), ("--level", "101")])
def test_numbers_out_of_range_are_refused(positions: Path, option: tuple[str, str]) -> None:
    result = runner.invoke(matching, [str(positions), "--watchlist", str(positions), *option])
    assert (result.exit_code, option[0] in result.stderr) == (2, True)


def test_missing_file_and_no_choice(tmp_path: Path, positions: Path) -> None:
    result = runner.invoke(matching, [str(positions), "--area", str(tmp_path / "none.fits")])
    assert (result.exit_code, "No such file" in result.stderr) == (2, True)
    assert "exactly one" in runner.invoke(matching, [str(positions)]).stderr


def test_moc_build(tmp_path: Path) -> None:
    watchlist, out = tmp_path / "list.csv", tmp_path / "out.fits"
    watchlist.write_text("10, 20, a, 100\nbad line\n30, 40\n")
    result = runner.invoke(moc_app, ["build", str(watchlist), "--out", str(out)])
    assert result.exit_code == 0
    assert "line 2 ignored" in result.stderr
    assert read_moc(out.read_bytes()).max_order == 13
    region, made = tmp_path / "field.reg", tmp_path / "field.fits"
    region.write_text("CIRCLE ICRS 10 20 1")
    result = runner.invoke(moc_app, ["build", str(region), "--area", "--order", "9", "--out", str(made)])
    assert (result.exit_code, read_moc(made.read_bytes())) == (0, cone_area(10.0, 20.0, 1.0, order=9))
    assert "area, order 9, 3." in result.stderr
    strict = runner.invoke(moc_app, ["build", str(watchlist), "--out", str(out), "--strict"])
    assert strict.exit_code == 2


def test_the_commands_that_the_help_shows_run_as_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("quasars.csv").write_text("10.68,41.27,M31,30\n")
    Path("field.reg").write_text("icrs; circle(10d,20d,1d)")
    shown = runner.invoke(app, ["moc", "build", "--help"]).stdout
    examples = re.findall(r"broker-assets (moc build \S+ (?:--area )?--out \S+\.fits)", " ".join(shown.split()))
    assert len(examples) == 2
    for example in examples:
        result = runner.invoke(app, example.split())
        assert result.exit_code == 0, result.output
        assert not read_moc(Path(example.split()[-1]).read_bytes()).empty()


def test_moc_build_refuses_more_cells_than_it_may_make(tmp_path: Path) -> None:
    watchlist, region, out = tmp_path / "list.csv", tmp_path / "field.stcs", tmp_path / "out.fits"
    watchlist.write_text("10, 20, a, 360\n" * 50)
    region.write_text("CIRCLE ICRS 10 20 30")
    for given in ([str(watchlist)], [str(region), "--area"]):
        result = runner.invoke(moc_app, ["build", *given, "--order", "29", "--out", str(out)])
        assert (result.exit_code, out.exists()) == (2, False)
        assert "choose a lower order" in result.stderr
