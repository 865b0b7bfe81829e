"""The plugin of TOM Toolkit, in an environment of its own, against a real server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from interface_server import InterfaceServer, small_server

from broker_assets.database.engine import connect

pytestmark = [pytest.mark.database, pytest.mark.slow]
ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "tomtoolkit-broker-assets"


@pytest.fixture(scope="module")
def tom_python(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The Python of an environment with `tomtoolkit`, which is never one of ours: it is under the GPL."""
    given = os.environ.get("BROKER_TEST_TOMTOOLKIT")
    if given:
        return given
    if not os.environ.get("BROKER_TEST_FULL"):
        pytest.skip("needs tomtoolkit: BROKER_TEST_TOMTOOLKIT names the Python of an environment that has it, or"
                    " BROKER_TEST_FULL=1 makes one")  # fmt: skip
    folder = tmp_path_factory.mktemp("tom")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    # From a copy: the build leaves its folder where the sources are.
    sources = shutil.copytree(PLUGIN, folder / "sources")
    made = subprocess.run([python, "-m", "pip", "install", "--quiet", str(sources)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"tomtoolkit cannot be installed here: {made.stderr[-300:]}")
    return str(python)


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterfaceServer]:
    with small_server(module_database_url, tmp_path_factory.mktemp("home")) as running:
        with connect(module_database_url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO filters (filterid, owner, name, public, version) OVERRIDING SYSTEM VALUE"
                " VALUES (1, 'ann', 'f', true, 1)"
            )
            connection.execute(
                'INSERT INTO filter_matches (diaobjectid, diasourceid, night, ingestid, filterid, version, rows, "row")'
                " SELECT n, n * 100 + m, '2026-01-02', 1, 1, 1, 1, '{}' FROM unnest('{5, 3}'::int[]) AS n,"
                " generate_series(1, 2) AS m"
            )
        yield running


def test_a_tom_finds_targets_and_their_photometry(tom_python: str, server: InterfaceServer) -> None:
    found = subprocess.run(
        [tom_python, PLUGIN / "tests" / "tom_of_the_plugin.py", server.url, server.token],
        capture_output=True, text=True, timeout=250, env={"PATH": os.environ["PATH"], "PYTHONPATH": str(PLUGIN)},
    )  # fmt: skip
    assert found.returncode == 0, found.stderr[-3000:]
    said: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    assert said["cone"] == ["1", "2", "3"]
    assert (said["name"], said["nothing"], sorted(said["filter"])) == (["2"], [], ["3", "5"])
    assert said["refused forms"] == [False] * 4
    assert (said["points"], said["target"]) == ([5, 5], ["1", 150.1])
    assert (said["brightness"], said["unit"]) == (26.3973, "mag")
    assert said["time"].startswith("2023-02-25T11:59:23")  # 37 s before noon of TAI
    assert said["value"]["psfFlux_nJy"] == 100.25
    assert "no filter 77" in said["error"]


def test_nothing_of_ours_imports_it() -> None:
    for path in (ROOT / "broker_assets").rglob("*.py"):
        assert "tom_broker_assets" not in path.read_text(), path
    assert "tomtoolkit" not in (ROOT / "pyproject.toml").read_text()
