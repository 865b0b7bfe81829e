"""Columns of a catalogue in standard units, and sources where they are at an epoch."""

from __future__ import annotations

from collections.abc import Callable

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time

from broker_assets.context.catalogue import Sources


def test_what_a_catalogue_does_not_give_is_unknown(sources: Callable[..., Sources]) -> None:
    found = sources({"ra": 10.0, "dec": 20.0, "magnitude": 12.5}, {"ra": 11.0, "dec": -20.0})
    assert np.isnan(found.redshift).all()
    assert found.table()["magnitude"].to_pylist() == [12.5, None]
    assert Sources.of(found.table()).table().equals(found.table())


@pytest.mark.parametrize(
    ("row", "says"),
    [({"ra": 10.0, "dec": 91.0}, "not on the sky"), ({"ra": float("nan"), "dec": 1.0}, "not on the sky")],
)
def test_a_position_that_is_none_is_refused(sources: Callable[..., Sources], row: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        sources({"ra": 1.0, "dec": 2.0}, row)


def test_a_catalogue_without_positions_is_refused() -> None:
    with pytest.raises(ValueError, match="dec is absent"):
        Sources.of(pa.table({"identifier": ["a"], "ra": [1.0]}))


def test_barnards_star_moves(sources: Callable[..., Sources]) -> None:
    """Gaia DR3 4472832130942575872 at 2016.0 and, by SIMBAD's position, at 2000.0."""
    barnard = {
        "ra": 269.44850252543836,
        "dec": 4.739420051112412,
        "epoch": 2016.0,
        "pmra": -801.551,
        "pmdec": 10362.394,
    }
    found = sources(barnard, {"ra": 10.0, "dec": 5.0}).at(2000.0)
    assert found.ra[0] == pytest.approx(269.452076959, abs=1 / 3600 / 10)
    assert found.dec[0] == pytest.approx(4.693364967, abs=1 / 3600 / 10)
    assert (found.ra[1], found.dec[1]) == (10.0, 5.0)


def test_proper_motion_is_a_straight_line_in_space(sources: Callable[..., Sources]) -> None:
    """As astropy moves stars, at the poles and around right ascension 0, too; others stay where they are, exactly."""
    generator = np.random.default_rng(5)
    dec = np.concatenate(
        [[90.0, -90.0, 89.9999, -89.999, 0.0, 0.0], np.degrees(np.arcsin(generator.uniform(-1, 1, 60)))]
    )
    ra = np.concatenate([[10.0, 20.0, 200.0, 359.9999, 0.0, 360.0 - 1e-9], generator.uniform(0, 360, 60)])
    motion = generator.uniform(-11_000, 11_000, (2, len(ra)))
    epoch = generator.choice([1991.25, 2000.0, 2016.0], len(ra))
    stars = [
        {"ra": a, "dec": d, "epoch": t, "pmra": e, "pmdec": n}
        for a, d, t, e, n in zip(ra.tolist(), dec.tolist(), epoch.tolist(), *motion.tolist(), strict=True)
    ]
    still = {"ra": 123.456, "dec": -89.99, "epoch": None, "pmra": 9000.0, "pmdec": 9000.0}
    found = sources(*stars, still).at(2035.5)
    expected = SkyCoord(
        ra * u.deg, dec * u.deg, pm_ra_cosdec=motion[0] * u.mas / u.yr, pm_dec=motion[1] * u.mas / u.yr,
        distance=np.full(len(ra), 10.0) * u.pc, obstime=Time(epoch, format="jyear", scale="tcb"),
    ).apply_space_motion(new_obstime=Time(2035.5, format="jyear", scale="tcb"))  # fmt: skip
    places = SkyCoord(found.ra[:-1] * u.deg, found.dec[:-1] * u.deg)
    assert places.separation(expected).arcsec.max() < 1e-3
    assert ((found.ra >= 0.0) & (found.ra < 360.0)).all()
    assert (found.ra[-1], found.dec[-1]) == (123.456, -89.99)
