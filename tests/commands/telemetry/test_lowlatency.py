"""`broker-assets telemetry lowlatency` on folders of requests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lowlatency_packets import flags
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.packets.encoding import PacketHeader, encode, to_xml
from broker_assets.telemetry.products.levels.lowlatency import only_one

START = 664156800


@pytest.fixture
def site(tmp_path: Path, open_database: InstrumentDatabase) -> dict[str, Any]:
    """Folders, and the options that name them."""
    (tmp_path / "requests").mkdir()
    conf = tmp_path / "conf/detector"
    conf.mkdir(parents=True)
    (tmp_path / "conf/VERSION.TXT").write_text("v0.0.1\n")
    (conf / "science_echan_index.csv").write_text(
        "index, start_date, end_date, sci_chan_file\n0, 2000-01-01T00:00:00, none, channels.csv\n"
    )
    rows = [f"{i},{i},{4 * i},{4 * i},{4 * i + 4 if i < 31 else 'maxADC'},4,1,0" for i in range(32)]
    (conf / "channels.csv").write_text("\n" * 21 + "Channel Number,,,Elower,Eupper\n\n\n" + "\n".join(rows) + "\n")
    return {
        "requests": tmp_path / "requests",
        "output": tmp_path / "output",
        "options": [
            "lowlatency",
            *("--requests", str(tmp_path / "requests"), "--output", str(tmp_path / "output")),
            *("--idb", str(open_database.path), "--configuration", str(tmp_path / "conf")),
        ],
    }


@pytest.fixture
def add(site: dict[str, Any]) -> Callable[..., Path]:
    """A function that adds a request with telemetry files."""

    def make(name: str, *files: list[bytes]) -> Path:
        folder: Path = site["requests"] / name / "telemetry"
        folder.mkdir(parents=True)
        for number, packets in enumerate(files):
            (folder / f"{number}.PktTmRaw.xml").write_bytes(b"".join(to_xml(packets)))
        return folder.parent

    return make


def tree(folder: Path) -> set[str]:
    """Files below a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_requests_become_products_once(
    site: dict[str, Any], add: Callable[..., Path], open_database: InstrumentDatabase
) -> None:
    """What can be made lies in products, what cannot in failed with its reason; neither is done again."""
    add("request_20210117_000000", [flags(open_database, START + 100), flags(open_database, START - 20, 10)])
    add("request_20210117_000100_two", [flags(open_database, START)], [flags(open_database, START)])
    add("request_20210117_000200", [encode(open_database, (17, 2, None), {}, PacketHeader(START))])
    add("request_20210117_000300", [flags(open_database, START)[:30], flags(open_database, START + 1000)])
    (site["requests"] / "other_folder").mkdir()
    result = CliRunner().invoke(app, site["options"])
    assert result.exit_code == 1, result.output
    output = site["output"]
    products = {path.split("_V")[0] for path in tree(output / "products")}
    # Two files of the first request: its packets lie on both sides of an on-board midnight.
    assert products == {
        "request_20210117_000000/solo_LL01_stix-ql-flareflag_0664156780-0664156800",
        "request_20210117_000000/solo_LL01_stix-ql-flareflag_0664156800-0664156912",
        "request_20210117_000300/solo_LL01_stix-ql-flareflag_0664157800-0664157812",
    }
    failed = output / "failed"
    assert "has 2 XML files" in (failed / "request_20210117_000100_two/reason.txt").read_text()
    assert "gives no light curve and no flare flag" in (failed / "request_20210117_000200/reason.txt").read_text()
    assert list((output / "temporary").iterdir()) == []
    log = (output / "logs/lldp_processing.log").read_text()
    assert "request_20210117_000100_two failed" in log
    assert "request_20210117_000300: 0.PktTmRaw.xml" in log  # the cut packet
    before = tree(output)
    again = CliRunner().invoke(app, site["options"])
    assert (again.exit_code, again.output) == (0, "")
    assert tree(output) == before


def test_what_a_killed_process_left_is_made_anew(
    site: dict[str, Any], add: Callable[..., Path], open_database: InstrumentDatabase
) -> None:
    """A folder in temporary does not block its request."""
    add("request_20210117_000000", [flags(open_database, START)])
    left = site["output"] / "temporary/request_20210117_000000"
    left.mkdir(parents=True)
    (left / "half.fits").write_text("half")
    result = CliRunner().invoke(app, site["options"])
    assert result.exit_code == 0, result.output
    (name,) = tree(site["output"] / "products")
    assert name.startswith("request_20210117_000000/solo_LL01_stix-ql-flareflag_0664156800-0664156812_V")


def test_one_process_per_output(site: dict[str, Any]) -> None:
    """A second one ends at once."""
    with only_one(site["output"]):
        result = CliRunner().invoke(app, site["options"])
    assert result.exit_code == 2
    assert "another process is using" in result.output


@pytest.mark.parametrize("option", ["--requests", "--idb", "--configuration"])
def test_wrong_folders(site: dict[str, Any], option: str) -> None:
    """A folder that is not there ends the command before anything is looked at."""
    options = list(site["options"])
    options[options.index(option) + 1] = "/nowhere/at/all"
    result = CliRunner().invoke(app, options)
    assert result.exit_code == 2
    assert not (site["output"] / "products").exists()


@pytest.mark.slow
def test_watching(site: dict[str, Any], add: Callable[..., Path], open_database: InstrumentDatabase) -> None:
    """The command goes on until it is asked to end, and takes what comes; folders come from the environment too."""
    environment = {
        **os.environ,
        "instr_input_requests": str(site["requests"]),
        "instr_output": str(site["output"]),
    }
    options = [site["options"][0], *site["options"][5:], "--watch", "--seconds", "0.2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "broker_assets.cli", "telemetry", *options], env=environment, stdout=subprocess.PIPE
    )
    try:
        _wait((site["output"] / ".lock").exists, process)
        # A folder that moves in is whole when it is seen.
        add("made_elsewhere", [flags(open_database, START)]).rename(site["requests"] / "request_20210117_000000")
        _wait((site["output"] / "products/request_20210117_000000").exists, process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def _wait(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, f"the command ended with code {process.returncode}"
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_minute_is_the_version(
    site: dict[str, Any], add: Callable[..., Path], open_database: InstrumentDatabase
) -> None:
    """The version of a product is the minute that its request was worked on."""
    add("request_20210117_000000", [flags(open_database, START)])
    before = np.datetime64("now", "m")
    CliRunner().invoke(app, site["options"])
    (name,) = tree(site["output"] / "products")
    stamp = name.split("_V")[1].removesuffix(".fits")
    made = np.datetime64(f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[8:10]}:{stamp[10:]}")
    assert before <= made <= np.datetime64("now", "m")
