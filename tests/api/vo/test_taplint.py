"""The validator of the community finds no error: `stilts taplint` (Debian package `stilts`)."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from debian_programs import needed_program
from interface_server import small_server

from broker_assets.database.engine import connect

pytestmark = [pytest.mark.database, pytest.mark.slow]


@pytest.fixture(scope="module")
def stilts() -> str:
    """Its command."""
    return needed_program("stilts")


def test_taplint_reports_no_error(stilts: str, module_database_url: str, tmp_path: Path) -> None:
    with small_server(module_database_url, tmp_path) as server:
        with connect(module_database_url, autocommit=True) as connection:
            connection.execute(
                "INSERT INTO product_file (path, name, level, family, kind, version, day, rows, starts, ends, digest,"
                " size, incomplete, code_version) VALUES ('L1/a', 'a', 'L1', 'quicklook', 'ql-lightcurve', 1,"
                " '2023-11-01', 5, '2023-11-01T00:00:00.000', '2023-11-02T00:00:00.000', 'x', 5120, false, '1')"
            )
        # Each table costs a query; some are enough to see that types and names agree.
        found = subprocess.run(
            [stilts, "taplint", f"tapurl={server.url}/api/vo/tap", "maxtable=15", "report=EWSF"],
            capture_output=True, text=True, timeout=250,
        )  # fmt: skip
    bad = [line for line in found.stdout.splitlines() if re.match("[EW]-", line)]
    assert not bad, "\n".join(bad)
    assert re.search(r"Totals: Errors: 0; Warnings: 0", found.stdout), found.stdout + found.stderr
