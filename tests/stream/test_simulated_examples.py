"""Examples from a simulated survey: the same numbers as alerts of the stream have, with their true classes."""

from __future__ import annotations

import numpy as np
import pytest

from broker_assets.classifiers.default import CLASSES, INPUT, examples_version
from broker_assets.classifiers.description import ColumnInput
from broker_assets.lightcurves.object_features import ObjectFeatures
from broker_assets.simulation import Survey
from broker_assets.stream.simulated_examples import ARTEFACT, ExampleSurvey, simulated_examples

SMALL = ExampleSurvey(seed=3, objects=120, history=4, nights=6, share=0.5, alerts_per_object=2)


def test_examples_are_alerts_of_the_survey() -> None:
    wanted = ColumnInput.model_validate(
        {"name": "x", "columns": ["source.psfflux", "object.ndiasources", {"column": "features.jump1", "fill": -1}]}
    )
    found = simulated_examples(SMALL, wanted, ObjectFeatures())
    survey = Survey(seed=3, objects=120, history=4, nights=6, cutouts="none", asteroids=0)
    alerts = {alert.diasourceid: alert for alert in survey.alerts()}
    truth = survey.truth()
    kinds = dict(zip(truth["diaobjectid"].to_pylist(), truth["class"].to_pylist(), strict=True))
    assert 20 < len(found) < 0.7 * len(alerts)
    for row in found.to_pylist():
        assert alerts[row["diasourceid"]].diaobjectid == row["diaobjectid"]
        assert row["class"] == kinds.get(row["diaobjectid"], ARTEFACT)
        assert row["object.ndiasources"] >= 1
    assert np.isfinite(found["source.psfflux"].to_numpy()).all()
    objects = found["diaobjectid"].to_numpy()
    assert np.unique(objects, return_counts=True)[1].max() == 2


def test_equal_surveys_give_equal_examples() -> None:
    made = [simulated_examples(SMALL, INPUT, ObjectFeatures()) for _ in range(2)]
    assert examples_version(made[0]) == examples_version(made[1])
    known = {kind for _, kinds in CLASSES.values() for kind in kinds}
    assert set(made[0]["class"].to_pylist()) <= known
    other = ExampleSurvey(seed=4, objects=120, history=4, nights=6, share=0.5, alerts_per_object=2)
    assert other.version != SMALL.version
    assert examples_version(simulated_examples(other, INPUT, ObjectFeatures())) != examples_version(made[0])


def test_columns_have_no_missing_values_but_declared_ones() -> None:
    found = simulated_examples(SMALL, INPUT, ObjectFeatures())
    for column in INPUT.columns:
        assert np.isfinite(found[column.column].to_numpy()).all(), column.column


def test_a_survey_without_alerts_is_refused() -> None:
    nothing = ExampleSurvey(seed=3, objects=1, history=0, nights=1, share=0.0)
    with pytest.raises(ValueError, match=r"simulated survey has no alerts: .* 1 objects"):
        simulated_examples(nothing, INPUT, ObjectFeatures())
