"""Publication and mirrors as jobs."""

from __future__ import annotations

import pytest
from published_site import Site, site

__all__ = ["site"]


pytestmark = pytest.mark.database


DAY = "2021-01-16"


LIGHTCURVE = "L1/2021/01/16/QL/solo_L1_stix-ql-lightcurve_20210116_V02U.fits"
OTHER = "L1/2021/01/17/QL/solo_L1_stix-ql-lightcurve_20210117_V02U.fits"


def test_job_and_asset_tell_the_same(site: Site) -> None:
    site.make(LIGHTCURVE)
    site.run()
    assert site.materialise().success
    (_, by_job), (_, by_asset) = site.told()
    assert by_job == by_asset


def test_copies_of_the_archive_follow(site: Site) -> None:
    site.add_target("mirror", mirror=True)
    site.make(LIGHTCURVE)
    site.run()
    assert site.delivered("mirror") == {LIGHTCURVE}
    site.make(LIGHTCURVE, rows=70)
    site.run()
    ours = (site.publisher.folder / LIGHTCURVE).read_bytes()
    assert (site.folder / "mirror" / LIGHTCURVE).read_bytes() == ours
    (site.folder / "mirror" / LIGHTCURVE).unlink()
    site.run()
    assert site.delivered("mirror") == set(), "nothing is new"
    site.run("sync_mirrors")
    assert site.delivered("mirror") == {LIGHTCURVE}
    # What is gone here goes there only where the settings say so.
    site.make(OTHER)
    site.run("sync_mirrors")
    assert site.delivered("mirror") == {LIGHTCURVE, OTHER}
    (site.publisher.folder / OTHER).unlink()
    site.run("sync_mirrors")
    assert site.delivered("mirror") == {LIGHTCURVE, OTHER}
    site.targets[-1].mirror_removes = True
    site.run("sync_mirrors")
    assert site.delivered("mirror") == {LIGHTCURVE}
