"""`broker-assets telemetry process` on files, offline."""

from __future__ import annotations

import os
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
    assert again.stderr == "0 files written, 2 unchanged, 0 removed, 0 problems\n"
    none = run(site, "-t", str(folder / "tm"), "-e", "L0", "-F", "nope*")
    assert none.stderr.splitlines()[0] == "--filter matches none of 1 files"


def test_start_from_the_store(site: dict[str, Any]) -> None:
    """The start level is the first that is made; names are those of the level before."""
    folder = site["folder"]
    run(site, "-t", str(folder / "tm"), "-e", "LB")
    assert not (folder / "fits/L0").exists()
    result = run(site, "-b", "L0", "-e", "L0", "-F", "*_0664243200_*")
    assert "--filter matches none of 1 files" in result.output
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


def test_clean_does_not_remove_what_is_needed(site: dict[str, Any]) -> None:
    """An archive without a packet store is its only copy, and inputs may lie in it."""
    folder = site["folder"]
    run(site, "-t", str(folder / "tm"), "-e", "L0")
    before = {path: path.read_bytes() for path in (folder / "fits").rglob("*.fits")}
    (folder / "packets").rename(folder / "elsewhere")
    (folder / "fits/list").write_text("")
    level_b = next(path for path in before if "_LB_" in path.name)
    (folder / "list").write_text(f"{level_b}\n")
    for options in (
        ("-b", "L0"), ("-b", "LB"), ("-b", "L1"), (str(level_b),), ("-t", str(folder / "fits/LB")),
        ("-t", str(folder / "tm"), "--store", str(folder / "fits")),
        ("-b", "L0", "-i", str(folder / "list")), ("-b", "L0", "-i", str(folder / "fits/list")),
    ):  # fmt: skip
        result = run(site, *options, "-e", "L1", "--clean", "--yes")
        assert result.exit_code == 2, options
        assert "it would remove" in " ".join(result.output.replace("│", " ").split()), options
        assert {path: path.read_bytes() for path in (folder / "fits").rglob("*.fits")} == before
    (folder / "list").write_text(f"{folder / 'tm/a.PktTmRaw.xml'}\n")
    result = run(site, "-b", "LB", "-e", "LB", "-i", str(folder / "list"), "--clean", "--yes")
    assert (result.exit_code, len(list((folder / "fits").rglob("*.fits")))) == (0, 1), result.output
    shutil.rmtree(folder / "packets")
    (folder / "elsewhere").rename(folder / "packets")
    result = run(site, "-b", "L0", "-e", "L0", "--clean", "--yes")
    assert (result.exit_code, len(list((folder / "fits").rglob("*.fits")))) == (0, 1), result.output


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
    for words in (
        ("--update-rid-lut", "http://127.0.0.1:9/"),
        ("--update_rid_lut=http://127.0.0.1:9/",),
        ("--update_rid_lut", "--rid-lut-url", "http://127.0.0.1:9/"),
    ):
        result = run(site, *options, *words)
        assert result.exit_code == 0, result.output
        assert "1 rows in" in result.output
    assert table.read_text().splitlines()[1].startswith("1,77,")
    assert run(site, "--update_rid_lut", *options).exit_code == 0


def test_underscores_as_the_original_writes_them(site: dict[str, Any]) -> None:
    """`--end_level` is `--end-level`; what contradicts is said."""
    folder = site["folder"]
    result = run(site, "--tm_dir", str(folder / "tm"), "--end_level", "LB", "--continue_on_error", "--idl_disabled")
    assert result.exit_code == 0, result.output
    assert "1 files written" in result.output


def test_a_command_line_of_the_original(site: dict[str, Any]) -> None:
    """All of its options, as it writes them."""
    folder = site["folder"]
    (folder / "soop").mkdir()
    (folder / "rid.csv").write_text("_id,unique_id,start_utc,duration,type,description\n1,77,2000-01-01,1,x,y\n")
    words = (
        f"-t {folder}/tm -p {folder}/soop -r {folder}/rid.csv --update_rid_lut --idl_disabled --idl_batchsize 10"
        f" --continue_on_error -o {folder}/out --log_level INFO -b TM -e L0 -F *PktTmRaw*"
    )
    result = run(site, *words.split())
    assert result.exit_code == 0, result.output
    assert len((folder / "out").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--idb-version", "2.99.1"), "database version 2.99.1 is missing"),
        (("--soop-dir", "nowhere"), "nowhere: there is no folder of planning files"),
        (("-r", "other.csv"), "has no column unique_id, but a, b"),
        (("-r", "nowhere.csv"), "nowhere.csv: No such file"),
        (("--processing-version", "L1/ql-nothing=3"), "L1 has no kind ql-nothing; known: cal-energy"),
        (("--processing-version", "LB/packets=3"), "LB has no kind packets"),
        (("--processing-version", "L1/ql-lightcurve=²"), "is not LEVEL/KIND=N"),
        (("-i", "nowhere.txt"), "nowhere.txt cannot be read"),
        (("-i", "other.csv", "-F", "("), "--filter: not a regular expression"),
        (("--aspect-command", "'idl"), "--aspect-command: not the line of a command"),
        (("--store", "other.csv"), "other.csv is not a folder"),
        (("-r", "twice.csv"), "twice.csv has two columns unique_id"),
    ],
)
def test_unusable_options(
    site: dict[str, Any], options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 before anything is written, with what is wrong."""
    monkeypatch.chdir(site["folder"])
    Path("other.csv").write_text("a,b\n1,2\n")
    Path("twice.csv").write_text("unique_id,unique_id\n1,2\n")
    result = run(site, "-t", "tm", *options)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.output.replace("│", " ").split())
    assert not (site["folder"] / "fits").exists()


def test_versions_of_default_products(site: dict[str, Any]) -> None:
    assert (
        run(site, "-t", str(site["folder"] / "tm"), "-e", "L0", "--processing-version", "L0/events-1-33=3").exit_code
        == 0
    )


def test_a_folder_that_also_holds_other_files(site: dict[str, Any]) -> None:
    """They are passed over, unless their name says that they are telemetry or they are named themselves."""
    folder = site["folder"]
    (folder / "tm/PktTcReport.xml").write_text("<R><PktTcReportResponse/></R>")
    (folder / "tm/plan.xml").write_text("<plan/>")
    (folder / "tm/solo_L1_stix-hk-mini_20210117_V02.fits").write_bytes(b"SIMPLE  =                    T")
    result = run(site, "-t", str(folder / "tm"), "-e", "LB")
    assert result.exit_code == 0, result.output
    assert (folder / "log").read_text().count("is skipped") == 3
    assert run(site, str(folder / "tm/plan.xml"), "-e", "LB").exit_code == 1
    (folder / "tm/solo_LB_stix-3-25-1_0664156800_V02.fits").write_bytes(b"SIMPLE  =                    T")
    assert run(site, "-t", str(folder / "tm"), "-e", "LB").exit_code == 1


def test_names_in_capitals_and_a_folder_without_telemetry(site: dict[str, Any]) -> None:
    folder = site["folder"]
    (folder / "tm/a.PktTmRaw.xml").rename(folder / "tm/A.PKTTMRAW.XML")
    assert "2 files written" in run(site, "-t", str(folder / "tm"), "-e", "L0").output
    (folder / "empty").mkdir()
    result = run(site, "-t", str(folder / "empty"), "-e", "L0")
    assert f"no file in {folder}/empty is named like telemetry: *.xml" in " ".join(result.output.split())


def test_a_line_that_names_no_file_costs_no_other(site: dict[str, Any]) -> None:
    """Nor does a pipe between the files of a folder, which would be waited for."""
    folder = site["folder"]
    os.mkfifo(folder / "tm/0.PktTmRaw.xml")
    (folder / "list").write_bytes(b"a\0b\n\xff\n" + str(folder / "tm/a.PktTmRaw.xml").encode() + b"\n")
    for options in (("-i", str(folder / "list")), ("-t", str(folder / "tm"))):
        result = run(site, *options, "-e", "LB")
        assert result.exit_code == 1
    assert "3 packets, 3 new" in (folder / "log").read_text()
    assert "is a pipe, socket or device" in (folder / "log").read_text()


def test_a_list_that_names_what_the_store_does_not_have(site: dict[str, Any]) -> None:
    """Each such name is an error, at every start level; the others are rebuilt."""
    folder = site["folder"]
    run(site, "-t", str(folder / "tm"), "-e", "L0")
    for level, own in (
        ("L0", "solo_LB_stix-3-25-1_0664156800_V02.fits"),
        ("L1", "solo_L0_stix-hk-mini_0664156800_V02U.fits"),
    ):
        others = (
            "solo_LB_stix-3-25-1_0700000000_V02.fits",
            "solo_L0_stix-ql-lightcurve_0664156800_V02U.fits",
            "some.txt",
        )
        (folder / "list").write_text("".join(f"/elsewhere/{name}\n" for name in (own, *others)))
        result = run(site, "-b", level, "-e", level, "-i", str(folder / "list"))
        assert result.exit_code == 1
        log = (folder / "log").read_text()
        assert [name for name in (own, *others) if f"{name}: the packet store has no packets of it" in log] == [*others]
        (folder / "log").unlink()
    (folder / "list").write_text("\n")
    assert "lists no files" in run(site, "-b", "L0", "-e", "L0", "-i", str(folder / "list")).output


def test_telemetry_files_in_a_list_at_start_level_lb(site: dict[str, Any]) -> None:
    """As the original takes them: what they touch is made, the second time as well."""
    folder = site["folder"]
    (folder / "list").write_text(f"{folder}/tm/a.PktTmRaw.xml\n")
    for done in ("2 files written, 0 unchanged", "0 files written, 2 unchanged"):
        result = run(site, "-b", "LB", "-e", "L0", "-i", str(folder / "list"))
        assert result.exit_code == 0, result.output
        assert done in result.output
    (folder / "tm/a.PktTmRaw.xml").write_text("<none/>")
    damaged = run(site, "-b", "LB", "-e", "L0", "-i", str(folder / "list"))
    assert damaged.exit_code == 1
    assert "has no packets" not in (folder / "log").read_text()


@pytest.mark.parametrize("name", ["two\nlines", "é ünï €", "\u2028\x85\x1c", "\udcff", "%41'\"&; --x"])
def test_names_of_any_letters(site: dict[str, Any], name: str) -> None:
    """Products name the file in ASCII; the second time it is the same file, and lists of names find it."""
    folder = site["folder"]
    path = (folder / "tm/a.PktTmRaw.xml").rename(folder / f"tm/{name}.PktTmRaw.xml")
    if "\n" in name:
        words = ("-t", str(folder / "tm"))
    else:
        (folder / "list").write_text(f"{path}\n", errors="surrogateescape")
        words = ("-i", str(folder / "list"))
    result = run(site, *words, "-e", "L0")
    assert result.exit_code == 0, result.output
    assert "2 files written" in result.output
    assert "3 packets, 3 new, 0 bad" in (folder / "log").read_text()
    with fits.open(next((folder / "fits/LB").rglob("*.fits"))) as hdus:
        hdus.verify("exception")
        found = hdus[0].header["RAW_FILE"]
        assert set(hdus["CONTROL"].data["raw_file"]) == {found}
    assert found.isascii()
    assert found.isprintable()
    assert "0 files written, 2 unchanged" in run(site, *words, "-e", "L0").output
