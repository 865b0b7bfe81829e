"""`broker-assets publish`, without Dagster."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, invoke

pytestmark = pytest.mark.database

Command = Callable[..., Done]
DAY = "solo_L1_stix-ql-lightcurve_20210116_V02.fits"


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Command:
    """Run `broker-assets publish …` against the database of the test."""

    def run(*arguments: str, **environment: str) -> Done:
        given = {"BROKER_HOME": str(tmp_path / "home"), "BROKER_DATABASE__URL": database_url, **environment}
        return invoke("publish", *arguments, folder=tmp_path, columns=200, **given)

    return run


@pytest.fixture
def far(tmp_path: Path) -> Path:
    folder = tmp_path / "far"
    folder.mkdir()
    return folder


def test_run_status_agree_history(command: Command, archive: Path, far: Path, products: Any, tmp_path: Path) -> None:
    products.put(archive, products.DAY)
    for number in (1, 2, 3):
        products.put(archive, products.request(number), value=number)
    table = tmp_path / "requests.csv"
    table.write_text("_id,unique_id,subject,purpose,comment\n1,2,flare,,\n")
    black = tmp_path / "black.txt"
    black.write_text(products.request(3) + "\n")
    base = ("run", "-t", str(far), "--name", "soar", "-f", str(archive))
    options = ("-r", str(table), "--blacklist-files", str(black), "--supplement-report", "supplements.csv", "-o", "log")
    tried = command(*base, "--dry-run")
    assert tried.returncode == 0, tried.stderr
    assert not list(far.iterdir())
    done = command(*base, *options)
    assert done.returncode == 0, done.stderr
    assert "1 blacklisted, 2 published, 1 supplement" in done.stdout
    assert len(list(far.iterdir())) == 3
    report = (tmp_path / "supplements.csv").read_text().splitlines()
    assert report[1].endswith("\tBSD request id: '2' reason: 'flare'")
    (log,) = (tmp_path / "log").glob("pub_*.log")
    assert "blacklisted" in log.read_text()
    assert "nothing new" in command(*base, *options).stdout

    products.put(archive, products.DAY, rows=10)
    held = command(*base, *options, "--json")
    assert held.returncode == 0
    assert [outcome["status"] for outcome in json.loads(held.stdout)["outcomes"]] == ["held"]
    status = command("status")
    assert status.returncode == 1
    assert DAY in status.stdout
    assert "looks worse" in status.stdout
    assert command("agree", "nothing", "--why", "x").returncode == 1
    agreed = command("agree", products.DAY, "--why", "as on board", "--who", "Ada")
    assert agreed.returncode == 0, agreed.stderr
    assert command(*base, *options).returncode == 0
    assert command("status").returncode == 0
    lines = [json.loads(line) for line in command("history", "20210116_", "--json").stdout.splitlines()]
    (last, first) = [line for line in lines if line["name"] == DAY]
    assert (last["agreed_by"], last["agreed_why"], last["status"]) == ("Ada", "as on board", "published")
    assert [receipt["name"] for receipt in last["receipts"]] == [DAY]
    assert first["sha256"] != last["sha256"]
    assert "Ada: as on board" in command("history", DAY).stdout


def test_targets_of_the_settings_verify_and_sync(
    command: Command, archive: Path, far: Path, products: Any, sftp_server: Any
) -> None:
    products.put(archive / "L1", products.DAY)
    targets = [
        {"name": "soar", "url": str(far), "waiting_hours": 0},
        {
            "name": "copy",
            "url": sftp_server.url("archive"),
            "mirror": True,
            "options": {"username": "archive", "host_key_policy": "auto_add"},
            "secrets": {"password": sftp_server.options["password"]},
        },
    ]
    settings = {
        "BROKER_PUBLICATION__TARGETS": json.dumps(targets),
        "BROKER_TELEMETRY__FOLDER": str(archive.parent),
    }
    done = command("run", **settings)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in far.iterdir()] == [DAY]
    synced = command("sync", **settings)
    assert synced.returncode == 0, synced.stderr
    assert (sftp_server.folder / "archive" / "L1" / products.DAY).is_file()
    assert "1 unchanged" in command("sync", **settings).stdout
    assert command("verify", **settings).returncode == 0
    (far / DAY).unlink()
    lost = command("verify", "--repair", **settings)
    assert lost.returncode == 1
    assert f"missing {DAY}" in lost.stdout
    assert command("run", **settings).returncode == 0
    assert (far / DAY).is_file()
    unknown = command("run", "-T", "elsewhere", **settings)
    assert unknown.returncode == 1
    assert "known: soar" in unknown.stderr


def test_what_is_missing_is_said_in_words(
    command: Command, archive: Path, products: Any, postgres: Any, new_database: Any, tmp_path: Path
) -> None:
    nothing = command("run")
    assert nothing.returncode == 1
    assert "no archive is configured" in nothing.stderr
    products.put(archive, products.DAY)
    away = command("run", "-t", str(tmp_path / "not mounted"), "-f", str(archive))
    assert away.returncode == 1
    assert "is unavailable: the folder does not exist" in " ".join(away.stdout.split())
    assert command("run", "-t", "x", "-f", "nowhere").returncode == 1
    assert command("run", "-t", "x", "-f", str(archive), "-w", "soon").returncode == 2
    (tmp_path / "far").mkdir()
    with new_database() as name:
        empty = {"BROKER_DATABASE__URL": postgres.url(name)}
        line = ("run", "-t", "far", "--name", "soar", "-f", str(archive))
        bare = command(*line, **empty)
        assert bare.returncode == 1
        assert "--prepare" in bare.stderr
        assert command(*line, "--prepare", **empty).returncode == 0
        assert [path.name for path in (tmp_path / "far").iterdir()] == [DAY]


def test_a_command_line_of_the_original(
    command: Command, archive: Path, far: Path, products: Any, tmp_path: Path
) -> None:
    """Its options as it writes them; what its history says is delivered is not delivered again."""
    products.put(archive, products.DAY)
    products.put(archive, products.request(1), value=1)
    table = tmp_path / "requests.csv"
    table.write_text("_id,unique_id,subject,purpose,comment\n1,1,flare,,\n")
    (tmp_path / "black.txt").write_text("")
    with contextlib.closing(sqlite3.connect(tmp_path / "published.sqlite")) as connection:
        connection.execute("CREATE TABLE published (name TEXT UNIQUE, result INTEGER)")
        connection.execute("INSERT INTO published VALUES (?, 10)", (DAY,))
        connection.commit()
    words = (
        f"run -t {far} -T localhost -s {far} -r {table} --update_rid_lut --sort_files --blacklist_files black.txt"
        f" --supplement_report supplements.csv -d published.sqlite -w 0s -n 20000 -v * -l L0,L1 -p ql,hk,sci"
        f" -f {archive} -o log --log_level INFO"
    ).split()
    done = command(*words)
    assert done.returncode == 0, done.stderr
    assert "1 files were delivered before" in done.stderr
    assert "1 published" in done.stdout
    assert [path.name for path in far.glob("*.fits")] == [products.request(1)]
    (tmp_path / "none.txt").write_text("no history")
    wrong = command(*words, "-d", "none.txt")
    assert wrong.returncode == 1
    assert "none.txt is not a history of the original publisher" in wrong.stderr
    assert command(*words, "-T", "a b").returncode == 2
    orbit = command(*words, "-S", "none.txt")
    assert orbit.returncode == 1
    assert "none.txt" in orbit.stderr
    for option in (("-v", "two"), ("-l", ","), ("-p", "")):
        assert command(*words, *option).returncode == 2
    nothing = command(*words, "-v", "2,7", "-l", "L1,l0", "-p", "ql,lightcurve", "-d", "misspelt.sqlite", "--dry-run")
    assert nothing.returncode == 0, nothing.stderr
    assert "there is no misspelt.sqlite" in nothing.stderr
    for warning in (
        "no file is of level l0; there are L1",
        "no file is of product lightcurve",
        "no file is of version 7",
    ):
        assert warning in nothing.stderr
    assert nothing.stderr.count("warning: no file") == 3
