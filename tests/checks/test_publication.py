"""Checks of what was delivered."""

from __future__ import annotations

import pytest
from published_site import Site, site

from broker_assets.checks.publication import receipts_hold

__all__ = ["site"]

pytestmark = pytest.mark.database


LIGHTCURVE = "L1/2021/01/16/QL/solo_L1_stix-ql-lightcurve_20210116_V02U.fits"


DELIVERED = "solo_L1_stix-ql-lightcurve_20210116_V02.fits"


def test_receipts_are_read_back(site: Site) -> None:
    assert receipts_hold(site.database, site.publisher, seed="1").passed
    site.make(LIGHTCURVE)
    site.run()
    found = receipts_hold(site.database, site.publisher, seed="1")
    assert found.passed
    assert found.metadata["files read back"] == 1
    far = site.folder / "soar" / DELIVERED
    content = far.read_bytes()
    far.write_bytes(content[:-1] + b"x")
    found = receipts_hold(site.database, site.publisher, seed="1")
    assert (found.passed, found.severity.value) == (False, "ERROR")
    assert f"{DELIVERED} at soar differs from what was delivered" in found.description
    far.unlink()
    assert "is no longer at soar" in receipts_hold(site.database, site.publisher, seed="1").description
    (site.folder / "soar").rmdir()
    found = receipts_hold(site.database, site.publisher, seed="1")
    assert (found.passed, found.severity.value) == (False, "WARN")
    assert "the folder does not exist" in found.description
