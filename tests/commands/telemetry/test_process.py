"""`broker-assets telemetry process` on files, offline."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.packets.encoding import PacketHeader, encode, to_xml


@pytest.fixture
def site(tmp_path: Path, open_database: InstrumentDatabase) -> dict[str, Any]:
    """A folder with telemetry of three reports, the open database and a small configuration."""
    packets = [
        encode(open_database, (3, 25, 1), {"NIX00020": 1, "NIXD0025": 2000 + i}, PacketHeader(664156800 + 64 * i, 0, i))
        for i in range(3)
    ]
    (tmp_path / "tm").mkdir()
    (tmp_path / "tm/a.PktTmRaw.xml").write_bytes(b"".join(to_xml(packets)))
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf/VERSION.TXT").write_text("v0.0.1\n")
    return {
        "folder": tmp_path,
        "options": [
            *("--fits-dir", str(tmp_path / "fits"), "--idb", str(open_database.path)),
            *("--configuration", str(tmp_path / "conf"), "--log-file", str(tmp_path / "log")),
        ],
    }


def run(site: dict[str, Any], *options: str, answer: str | None = None) -> Any:
    """The command with the options of the site and more."""
    return CliRunner().invoke(app, ["process", *site["options"], *options], input=answer)


def test_telemetry_to_products(site: dict[str, Any]) -> None:
    """Files are listed in order of level; the second time none is written."""
    folder = site["folder"]
    result = run(site, "-t", str(folder / "tm"), "-e", "L0", "-o", str(folder / "out"))
    assert result.exit_code == 0, result.output
    written = [Path(line).name for line in (folder / "out").read_text().splitlines()]
    assert written == ["solo_LB_stix-3-25-1_0664156800_V02.fits", "solo_L0_stix-hk-mini_0664156800_V02U.fits"]
    assert "3 packets, 3 new, 0 bad" in (folder / "log").read_text()
    again = run(site, str(folder / "tm/a.PktTmRaw.xml"), "-e", "L0")
    assert "0 files written" in again.output


def test_start_from_the_store(site: dict[str, Any]) -> None:
    """The start level is the first that is made; names are those of the level before."""
    folder = site["folder"]
    run(site, "-t", str(folder / "tm"), "-e", "LB")
    assert not (folder / "fits/L0").exists()
    result = run(site, "-b", "L0", "-e", "L0", "-F", "*_0664243200_*")
    assert "0 files written" in result.output
    result = run(site, "-b", "L0", "-e", "L0", "-F", "*-3-25-1_0664156800_*")
    assert "1 files written" in result.output
    (folder / "list").write_text("/somewhere/solo_LB_stix-3-25-1_0664156800_V02.fits\n")
    level0 = folder / "fits/L0/3/25/1/solo_L0_stix-hk-mini_0664156800_V02U.fits"
    level0.unlink()
    assert run(site, "-b", "L1", "-e", "L1", "-F", "*").exit_code == 0  # no file of level L0 to start from
    assert run(site, "-b", "L1", "-e", "L1").exit_code == 1  # no kernels
    assert run(site, "-b", "L0", "-e", "L0", "-i", str(folder / "list"), "-F", "3-25-[12]_").exit_code == 0
    assert level0.is_file()
    (folder / "fits/LB/3/25/1/solo_LB_stix-3-25-1_0664156800_V02.fits").unlink()
    assert "1 files written" in run(site, "-b", "LB", "-e", "LB").output


def test_archive_without_its_packet_store(site: dict[str, Any]) -> None:
    """Its LB files are read into a new store; what follows is what the telemetry files gave, byte for byte."""
    folder = site["folder"]
    run(site, "-t", str(folder / "tm"), "-e", "L0")
    before = {path: undated(path) for path in (folder / "fits").rglob("*.fits")}
    shutil.rmtree(folder / "packets")
    for path in before:
        if "LB" not in path.name:
            path.unlink()
    result = run(site, "-b", "L0", "-e", "L0")
    assert result.exit_code == 0, result.output
    assert "1 files written" in result.output
    assert "0 files written, 2 unchanged" in run(site, "-b", "LB", "-e", "L0").output
    assert {path: undated(path) for path in (folder / "fits").rglob("*.fits")} == before
    # The same with the files of another archive.
    elsewhere = ["--fits-dir", str(folder / "other"), "--store", str(folder / "other store")]
    result = run(site, *elsewhere, "-t", str(folder / "fits/LB"), "-e", "L0")
    assert "2 files written" in result.output
    assert sorted(undated(path) for path in (folder / "other").rglob("*.fits")) == sorted(before.values())


def undated(path: Path) -> str:
    """The tables of a file and the cards of its primary header that say anything of its content."""
    with fits.open(path) as hdus:
        cards = [card for card in hdus[0].header.cards if card.keyword not in ("DATE", "CHECKSUM")]
        tables = [hdu.data.tobytes() for hdu in hdus[1:]]
    return repr([(card.keyword, card.value) for card in cards] + tables)


def test_damage_is_told(site: dict[str, Any]) -> None:
    """Exit code 1, everything that is usable is made, each loss with its reason."""
    folder = site["folder"]
    (folder / "tm/b.PktTmRaw.xml").write_text("<no telemetry/>")
    result = run(site, "-t", str(folder / "tm"), "-e", "L0")
    assert result.exit_code == 1
    assert "2 files written" in result.output
    assert "b.PktTmRaw.xml" in (folder / "log").read_text()


def test_clean_asks(site: dict[str, Any]) -> None:
    """No leaves the archive as it is; yes empties it."""
    folder = site["folder"]
    (folder / "fits").mkdir()
    (folder / "fits/old").write_text("")
    run(site, "-t", str(folder / "tm"), "-e", "LB", "--clean", answer="n\n")
    assert (folder / "fits/old").exists()
    run(site, "-t", str(folder / "tm"), "-e", "LB", "--clean", answer="y\n")
    assert not (folder / "fits/old").exists()
    assert (folder / "fits/LB").is_dir()


def test_wrong_options(site: dict[str, Any]) -> None:
    """Exit code 2 with what is wrong."""
    assert "is before" in run(site, "x", "-b", "L1", "-e", "LB").output
    assert run(site).exit_code == 2
    assert run(site, "x", "--spice-dir", str(site["folder"] / "nowhere")).exit_code == 2
    assert run(site, "x", "--log-level", "LOUD").exit_code == 2


def test_request_table_is_updated(site: dict[str, Any]) -> None:
    """Rows of the service are added to the table, which an unreachable service leaves as it is."""
    folder = site["folder"]
    table = folder / "rid.csv"
    table.write_text("_id,unique_id,start_utc,scaling_factor\n1,77,2000-01-01T00:00:00,25\n")
    options = ("-t", str(folder / "tm"), "-e", "LB", "-r", str(table))
    assert run(site, *options, "--update-rid-lut", "http://127.0.0.1:9/").exit_code == 0
    assert table.read_text().splitlines()[1].startswith("1,77,")


def test_underscores_as_the_original_writes_them(site: dict[str, Any]) -> None:
    """`--end_level` is `--end-level`; what contradicts is said."""
    folder = site["folder"]
    result = run(site, "--tm_dir", str(folder / "tm"), "--end_level", "LB", "--continue_on_error", "--idl_disabled")
    assert result.exit_code == 0, result.output
    assert "1 files written" in result.output
