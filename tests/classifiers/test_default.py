"""The default classifier: the model is what scikit-learn fitted, and the same examples give the same bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from broker_assets.classifiers import default
from broker_assets.classifiers.checking import try_out
from broker_assets.classifiers.default import ANOMALY, CLASSES, COLUMNS, NotEnoughExamples, derived, forests, train
from broker_assets.classifiers.model import Model


def examples(number: int = 600, seed: int = 1) -> pa.Table:
    """Alerts whose class shows in two of the columns."""
    random = np.random.default_rng(seed)
    kinds = [kind for _, known in CLASSES.values() for kind in known]
    kind = random.integers(0, len(kinds), number)
    columns: dict[str, Any] = {name: random.normal(size=number) * 100.0 for name in COLUMNS}
    columns["features.jump1"] = kind + random.normal(size=number) * 0.3
    columns["object.r_psffluxmax"] = 1000.0 * kind + 1.0
    return pa.table(
        {
            "diaobjectid": np.arange(number) // 2,
            "diasourceid": np.arange(number),
            "class": np.array(kinds)[kind],
            **columns,
        }
    )


@pytest.fixture(scope="module")
def trained() -> Any:
    return train(examples())


def test_equal_examples_give_equal_bytes(trained: Any) -> None:
    again = train(examples())
    assert (again.checked.content, again.checked.text) == (trained.checked.content, trained.checked.text)
    other = train(examples(seed=2))
    assert other.checked.description.version != trained.checked.description.version
    assert train(examples(), seed=2).checked.content != trained.checked.content


def test_the_model_is_what_was_fitted(trained: Any) -> None:
    model = Model(trained.checked.description, trained.checked.content)
    try_out(model)
    table = examples(400, seed=5)
    rows = np.column_stack([table[name].to_numpy() for name in COLUMNS])
    probabilities, anomaly = model.run({"columns": rows})
    used = examples()
    own = np.column_stack([used[name].to_numpy() for name in COLUMNS])
    kinds = {kind: place for place, (_, known) in enumerate(CLASSES.values()) for kind in known}
    truth = np.array([kinds[name] for name in used["class"].to_pylist()])
    out = default.held_out(used["diaobjectid"].to_numpy(), 1)
    forest, isolation = forests(derived(own[~out]), truth[~out], 1)
    np.testing.assert_allclose(probabilities, forest.predict_proba(derived(rows)), atol=1e-5)
    np.testing.assert_allclose(anomaly[:, 0], -isolation.score_samples(derived(rows)), atol=1e-5)
    expected = forest.predict_proba(derived(own[out]))
    assert trained.metrics["logarithmic loss"] == pytest.approx(log_loss(truth[out], expected, labels=range(6)))
    assert trained.metrics["accuracy"] == pytest.approx((expected.argmax(axis=1) == truth[out]).mean())
    assert trained.confusion.sum() == trained.held_out == out.sum()
    assert sum(trained.counts.values()) == (~out).sum()


def test_it_learns_and_says_what_it_is(trained: Any) -> None:
    assert trained.metrics["accuracy"] > 0.7
    description = trained.checked.description
    assert description.classes == (*CLASSES, ANOMALY)
    assert "not for science" in " ".join(description.description.split())
    assert len(trained.checked.content) < 3_000_000


def test_alerts_of_an_object_are_held_out_together() -> None:
    objects = np.random.default_rng(1).integers(0, 300, 2000)
    out = default.held_out(objects, 7)
    assert 0.15 < out.mean() < 0.35
    assert not set(objects[out]) & set(objects[~out])


def test_too_few_examples_of_a_class_are_named() -> None:
    table = examples()
    few = table.filter(pa.compute.not_equal(table["class"], "flare star"))
    with pytest.raises(NotEnoughExamples, match="'flare star'"):
        train(few)
