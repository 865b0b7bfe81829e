"""Black-body fits: simulated explosions are found again, and SciPy's MINPACK ends where the compiled routine does."""

from __future__ import annotations

import numpy as np
import pytest
from feature_formulas import BANDS, WAVELENGTH, Point, black_body
from feature_formulas import explosions as plain
from random_light_curves import points_of

from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.explosions import explosions
from broker_assets.lightcurves.photometry import EXTINCTION

START = 61000.0


def _bazin(random: np.random.Generator, noise: float = 0.01) -> tuple[list[Point], dict[str, float]]:
    """An explosion with its true parameters."""
    truth = {
        "bbbtemp": random.uniform(5, 12), "bbbriserate": random.uniform(0.15, 0.5),
        "bbbfallrate": random.uniform(0.02, 0.08),
    }  # fmt: skip
    rise, fall = truth["bbbriserate"], truth["bbbfallrate"]
    times = np.sort(random.uniform(0, 40, 40))
    bands = random.integers(0, 6, 40)
    since = times - 8.0
    wavelength = np.array([WAVELENGTH[BANDS[band]] for band in bands])
    flux = 200 * black_body(wavelength, truth["bbbtemp"]) * np.exp(-fall * since) / (1 + np.exp(-rise * since))
    flux *= random.normal(1.0, noise, 40)
    peak = -np.log(fall / (rise - fall)) / rise
    truth["bbbpeakmjd"] = START + 8.0 + peak
    return [Point(START + float(t), float(f), BANDS[b]) for t, f, b in zip(times, flux, bands, strict=True)], truth


def _curves(objects: list[list[Point]], forced: list[list[Point]] | None = None) -> LightCurves:
    every = np.ones(len(objects), bool)
    before = points_of(forced) if forced else None
    return LightCurves.of(points_of(objects), before, ebv=np.full(len(objects), 0.1), explosive=every)


def test_parameters_are_found_again() -> None:
    random = np.random.default_rng(3)
    cases = [_bazin(random, noise=1e-4) for _ in range(50)]
    dimmed = dict(zip(BANDS, 10 ** (-0.04 * EXTINCTION), strict=True))
    reddened = [[point._replace(flux=point.flux * dimmed[point.band]) for point in points] for points, _ in cases]
    found = explosions(_curves(reddened), np.full(50, 35.0))
    for name in ("bbbtemp", "bbbriserate", "bbbfallrate"):
        np.testing.assert_allclose(found[name], [truth[name] for _, truth in cases], rtol=0.02)
    np.testing.assert_allclose(found["bbbpeakmjd"], [truth["bbbpeakmjd"] for _, truth in cases], atol=0.1)
    np.testing.assert_allclose(found["bbbpeakabsmag"], 31.4 - 2.5 * np.log10(found["bbbpeakflux"]) - 35.0)


def test_fits_end_where_those_of_minpack_end() -> None:
    random = np.random.default_rng(8)
    objects = [_bazin(random, noise=0.1)[0] for _ in range(60)]
    objects += [[p._replace(flux=float(flux)) for p, flux in zip(points, random.normal(0, 100, 40), strict=True)]
                for points in objects[:20]]  # fmt: skip
    objects += [[p for p in points if p.mjd < START + 9] for points in objects[:40]]
    objects += [points[:4] for points in objects[:3]]
    forced = [
        [Point(START - day, float(random.normal(0, 5)), BANDS[random.integers(0, 6)]) for day in range(8, 0, -1)]
        for _ in objects
    ]
    found = explosions(_curves(objects, forced), np.full(len(objects), np.nan))
    expected = [plain(points, before, 0.1, None) for points, before in zip(objects, forced, strict=True)]
    models = np.array([row["bbbtemp"] is not None for row in expected])
    assert models.sum() > 60
    assert (~models).sum() > 20
    same = np.isfinite(found["bbbtemp"]) == models
    assert same.mean() > 0.97  # a fit that ends at a threshold may fall on either side
    for name in ("bbbtemp", "bbbriserate", "bbbfallrate"):
        values = np.array([np.nan if row[name] is None else row[name] for row in expected])
        close = np.isclose(found[name], values, rtol=1e-3, equal_nan=True)
        assert close[same].mean() > 0.95, name


@pytest.mark.parametrize("points", [Points.none(1), points_of([_bazin(np.random.default_rng(1))[0][:4]])])
def test_few_points_are_not_fitted(points: Points) -> None:
    found = explosions(LightCurves.of(points, explosive=np.ones(1, bool)), np.zeros(1))
    assert all(np.isnan(values).all() for values in found.values())


def test_only_what_may_explode_is_fitted_and_hostile_fluxes_end() -> None:
    points, _ = _bazin(np.random.default_rng(1))
    curves = _curves([points, [p._replace(flux=1e300) for p in points], [p._replace(flux=0.0) for p in points]])
    found = explosions(curves, np.zeros(3))
    assert np.isfinite(found["bbbtemp"]).tolist() == [True, False, False]
    assert np.isnan(explosions(curves.with_(explosive=np.zeros(3, bool)), np.zeros(3))["bbbtemp"]).all()
