"""What is measured of the true sky: significance, positions, and columns that agree with one another."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.simulation.asteroids import draw_asteroids
from broker_assets.simulation.cadence import RUBIN, Fields, Visits, plan_night
from broker_assets.simulation.models import draw_catalogue
from broker_assets.simulation.observing import (
    ARTEFACT,
    ASTEROID,
    OBJECT,
    THRESHOLD,
    Columns,
    Observer,
    concatenate,
    forced_columns,
    limit_columns,
    object_columns,
    source_columns,
    take,
)

DAY = 61000


@pytest.fixture(scope="module")
def night() -> tuple[Observer, Visits]:
    generator = np.random.default_rng(1)
    fields = Fields(RUBIN)
    catalogue = draw_catalogue(RUBIN, 2000, float(DAY), generator)
    asteroids = draw_asteroids(2000, float(DAY), 0, generator)
    return Observer(RUBIN, fields, catalogue, asteroids, 0.5), plan_night(RUBIN, fields, DAY, generator)


def look(night: tuple[Observer, Visits], kind: int, seed: int = 2) -> Columns:
    observer, visits = night
    return observer.look(kind, visits, 0, np.random.default_rng(seed))


@pytest.mark.parametrize("kind", [OBJECT, ASTEROID, ARTEFACT])
def test_measurements_agree_with_one_another(night: tuple[Observer, Visits], kind: int) -> None:
    seen = look(night, kind)
    assert len(seen["row"]) > 0
    assert {len(column) for column in seen.values()} == {len(seen["row"])}
    np.testing.assert_allclose(seen["snr"], seen["flux"] / seen["error"])
    assert (seen["detected"] == (np.abs(seen["snr"]) >= THRESHOLD)).all()
    assert (seen["error"] >= seen["sky"]).all(), "the sky is the least of the noise"
    assert ((seen["ra"] >= 0) & (seen["ra"] < 360) & (np.abs(seen["dec"]) <= 90)).all()
    assert ((seen["reliability"] >= 0) & (seen["reliability"] <= 1)).all()
    _, visits = night
    assert (visits.repeat[seen["visit"]] == 0).all()
    assert (visits.band[seen["visit"]] == seen["band"]).all()


def test_objects_are_seen_once_and_near_where_they_are(night: tuple[Observer, Visits]) -> None:
    observer, visits = night
    seen = look(night, OBJECT)
    assert len(np.unique(seen["row"])) == len(seen["row"])
    field = observer.fields.containing(observer.catalogue.ra, observer.catalogue.dec)
    assert (field[seen["row"]] == visits.field[seen["visit"]]).all()
    apart = np.abs(seen["dec"] - observer.catalogue.dec[seen["row"]])
    assert (apart < 6 * seen["position_error"]).all()


def test_the_same_seed_gives_the_same_artefacts(night: tuple[Observer, Visits]) -> None:
    first, second, other = look(night, ARTEFACT), look(night, ARTEFACT), look(night, ARTEFACT, seed=3)
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert not np.array_equal(first["flux"], other["flux"])


def test_without_visits_nothing_is_seen(night: tuple[Observer, Visits]) -> None:
    observer, visits = night
    for kind in (OBJECT, ASTEROID, ARTEFACT):
        seen = observer.look(kind, visits, 99, np.random.default_rng(1))
        assert {len(column) for column in seen.values()} == {0}


def identified(seen: Columns) -> Columns:
    count = len(seen["row"])
    number = np.arange(1, count + 1, dtype=np.int64)
    return seen | {
        "source_id": number,
        "object_id": np.where(seen["kind"] == ASTEROID, 0, number),
        "asteroid_id": np.where(seen["kind"] == ASTEROID, number, 0),
        "visit_id": seen["visit"],
        "object_ra": seen["ra"],
        "object_dec": seen["dec"],
    }


def test_columns_of_the_schemas(night: tuple[Observer, Visits]) -> None:
    seen = identified(concatenate([look(night, kind) for kind in (OBJECT, ASTEROID, ARTEFACT)]))
    sources = source_columns(seen, RUBIN)
    asteroid = seen["kind"] == ASTEROID
    assert (np.ma.getmaskarray(sources["diaObjectId"]) == asteroid).all(), "asteroids have no diaObject"
    assert (np.ma.getmaskarray(sources["ssObjectId"]) == ~asteroid).all()
    assert (np.isfinite(sources["trailLength"]) == asteroid).all()
    assert (np.isfinite(sources["dipoleLength"]) == sources["isDipole"]).all()
    assert (sources["isNegative"] == (sources["psfFlux"] < 0)).all()
    assert (sources["snr"] >= 0).all()
    assert set(sources["band"]) <= set(RUBIN.bands)
    assert (sources["timeProcessedMjdTai"] > sources["midpointMjdTai"]).all()
    # a limit is five times the noise of the sky
    np.testing.assert_allclose(limit_columns(seen, RUBIN)["diaNoise"], 5 * seen["sky"])
    assert (forced_columns(seen, RUBIN)["diaObjectId"] == seen["object_id"]).all()
    objects = object_columns(seen, {"nDiaSources": np.ones(len(asteroid))})
    assert {"diaObjectId", "ra", "dec", "nDiaSources"} <= objects.keys()


def test_rows_are_taken_and_joined() -> None:
    columns = {"a": np.arange(4), "b": np.array(list("wxyz"))}
    part = take(columns, np.array([3, 1]))
    assert [part["a"].tolist(), part["b"].tolist()] == [[3, 1], ["z", "x"]]
    assert concatenate([part, columns])["a"].tolist() == [3, 1, 0, 1, 2, 3]
