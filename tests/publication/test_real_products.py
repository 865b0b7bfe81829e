"""Everything that our archive makes of real telemetry can be delivered and copied."""

from __future__ import annotations

import datetime
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from broker_assets.publication.content import read
from broker_assets.publication.mirror import sync
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.targets import Target
from broker_assets.resources.ephemeris_cards import ephemeris_refresh, request_reason
from broker_assets.telemetry.inputs.kernels import Kernels

pytestmark = [pytest.mark.shared, pytest.mark.database, pytest.mark.slow]


@pytest.fixture(scope="module")
def real_archive(shared_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive that the command makes of the built telemetry files."""
    data = shared_folder / "data" / "stix"
    folder = tmp_path_factory.mktemp("real")
    (folder / "idb" / "v2.26.34").mkdir(parents=True)
    shutil.copy(data / "idb/v2.26.34_variants/idb_7dbe7b7d.sqlite", folder / "idb/v2.26.34/idb.sqlite")
    inputs = data / "run_inputs"
    command = [sys.executable, "-m", "broker_assets.cli", "telemetry", "process", "-t", data / "tm_xml_built"]
    command += ["-f", folder / "products", "--store", folder / "packets", "--idb", folder / "idb", "-e", "L2"]
    command += ["--configuration", data / "stix_conf", "-s", inputs / "kernels", "-p", inputs / "soop"]
    command += ["-r", inputs / "rid_lut.csv"]
    # Exit code 1: some of the real packets are incomplete.
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=240)
    assert "files written" in done.stderr, done.stderr
    return folder / "products"


def test_every_file_is_delivered_with_valid_checksums(
    real_archive: Path, shared_folder: Path, connection: Any, tmp_path: Path
) -> None:
    far, copy = tmp_path / "far", tmp_path / "copy"
    far.mkdir()
    copy.mkdir()
    inputs = shared_folder / "data" / "stix" / "run_inputs"
    files = files_below(real_archive)
    assert len(files) > 80
    everything = Rules(
        levels=frozenset("*"),
        products=frozenset("*"),
        waiting=datetime.timedelta(0),
        waiting_low_latency=datetime.timedelta(0),
        supplements=99,
    )
    report = publish(
        connection,
        files,
        Target("ESA SOAR", str(far)),
        everything,
        refresh=ephemeris_refresh(Kernels.of_folder(inputs / "kernels")),
        reason=request_reason(inputs / "rid_lut.csv"),
    )
    assert report.passed_over == 0
    assert report.of("error", "held", "blacklisted") == []
    at_target = report.of("published", "supplement")
    assert {path.name for path in far.iterdir()} == {outcome.delivered_name for outcome in at_target}
    refreshed = 0
    for outcome in at_target:
        source, path = real_archive / outcome.path, far / str(outcome.delivered_name)
        if path.suffix == ".svg":
            assert path.read_bytes() == source.read_bytes()
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with fits.open(path, checksum=True) as parts:
                parts.verify("exception")
                header = parts[0].header
        assert header["FILENAME"] == path.name
        facts = read(source.read_bytes(), "fits").facts
        assert read(path.read_bytes(), "fits").facts == facts
        if "_L1_" in source.name and "_V02U" in source.name:
            refreshed += "updated ephemeris header" in "".join(header["HISTORY"])
            before = fits.getheader(source)
            # The kernels are those of the making.
            assert [header[key] for key in ("DSUN_OBS", "HGLN_OBS")] == [before[k] for k in ("DSUN_OBS", "HGLN_OBS")]
    assert refreshed > 3
    assert publish(connection, files, Target("ESA SOAR", str(far)), everything).outcomes == []
    mirrored = sync(connection, real_archive, Target("copy", str(copy)))
    assert len(mirrored.copied) == len(files)
    assert sync(connection, real_archive, Target("copy", str(copy))).unchanged == len(files)
