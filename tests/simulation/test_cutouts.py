"""Cutouts as astropy reads them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.wcs import WCS

from broker_assets.simulation.cutouts import SIDE, CutoutSize, CutoutWriter


def write(size: CutoutSize, *, dipole: bool = False) -> list[tuple[bytes, bytes, bytes]]:
    files = CutoutWriter(size, 0.2).write(
        ra=np.array([10.0, 359.999]),
        dec=np.array([-30.0, 1e-7]),
        x=np.array([2000.25, 77.5]),
        y=np.array([100.75, 3500.0]),
        flux=np.array([5e4, 3e4]),
        template_flux=np.array([1e4, 0.0]),
        noise=np.array([100.0, 100.0]),
        fwhm=np.array([4.0, 5.0]),
        dipole=np.array([dipole, dipole]),
        generator=np.random.default_rng(1),
    )
    assert files is not None
    return files


@pytest.mark.parametrize(("size", "bytes_"), [("small", (8640, 8640, 8640)), ("real", (34560, 69120, 34560))])
def test_sizes_are_those_of_rubin(size: CutoutSize, bytes_: tuple[int, int, int]) -> None:
    for files in write(size):
        assert tuple(map(len, files)) == bytes_


@pytest.mark.parametrize("size", ["small", "real"])
def test_files_are_valid_fits_with_the_source_where_the_header_says(size: CutoutSize) -> None:
    for (science, template, difference), ra, dec in zip(write(size), (10.0, 359.999), (-30.0, 1e-7), strict=True):
        images = []
        for content in (science, template, difference):
            with fits.open(io.BytesIO(content)) as units_:
                units_.verify("exception")
                assert units_[0].data.shape == (SIDE, SIDE)
                images.append(units_[0].data.astype(float))
                header = units_[0].header
                if size == "real":
                    assert [unit.name for unit in units_] == ["PRIMARY", "UNCERT", "PSFIMAGE"]
                    assert units_[2].data.sum() == pytest.approx(1.0, abs=1e-3)
        assert np.allclose(images[0], images[1] + images[2], rtol=1e-4, atol=1.0)
        row, column = np.unravel_index(np.argmax(images[2]), images[2].shape)
        separation = WCS(header).pixel_to_world(column, row).separation(SkyCoord(ra, dec, unit="deg"))
        assert separation < 0.3 * units.arcsec
        assert images[2].sum() > 2e4


def test_dipoles_have_two_lobes() -> None:
    for _, _, difference in write("small", dipole=True):
        image = fits.getdata(io.BytesIO(difference)).astype(float)
        assert image.max() > 500
        assert image.min() < -500


def test_no_cutouts_where_none_are_wanted() -> None:
    with pytest.raises(AssertionError):
        write("none")
