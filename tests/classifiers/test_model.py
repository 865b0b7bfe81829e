"""Models as they run: equal scores whatever the batch, and a reason where there are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pytest
from onnx import TensorProto, helper
from tiny_classifiers import COLUMNS, description, fragile, graph, linear, of_stamps, stamp_description, weights

from broker_assets.classifiers import model as module
from broker_assets.classifiers.description import ClassifierError, Description
from broker_assets.classifiers.inputs import AlertInputs
from broker_assets.classifiers.model import NO_STAMP, NOT_FINITE, NOT_ONE, OUT_OF_RANGE, Model


def loaded(made: onnx.ModelProto, about: dict[str, Any]) -> Model:
    return Model(Description.model_validate(about), made.SerializeToString())


def alerts(number: int, seed: int = 1, stamps: Any = None) -> AlertInputs:
    """Alerts with values of all columns."""
    random = np.random.default_rng(seed)
    packets = np.arange(number) * 2
    tables: dict[str, dict[str, Any]] = {}
    for name in COLUMNS:
        table, _, column = name.partition(".")
        tables.setdefault(table, {"packet": pa.array(packets)})[column] = pa.array(random.normal(size=number))
    return AlertInputs(packets, {name: pa.table(columns) for name, columns in tables.items()}, stamps)


def test_scores_are_those_of_the_formula_and_do_not_depend_on_the_batch() -> None:
    model, inputs = loaded(linear(), description()), alerts(500)
    found = model.scores(inputs)
    assert (found.failed == -1).all()
    squashed = np.tanh(inputs.matrix(model.description.inputs[0], np.dtype("f4"))) @ (weights(4, 3) * 100.0)  # type: ignore[arg-type]
    expected = np.exp(squashed) / np.exp(squashed).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-6)
    for start, number in ((0, 1), (3, 2), (100, 37), (77, 400)):
        part = AlertInputs(inputs.packets[start : start + number], inputs.tables)
        np.testing.assert_array_equal(model.scores(part).values, found.values[start : start + number])


def test_no_alerts_no_scores() -> None:
    assert loaded(linear(), description()).scores(alerts(0)).values.shape == (0, 3)


def test_stamps_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def stamps(packets: Any, kinds: Any, size: int) -> Any:
        asked.append(len(packets))
        pixels = np.random.default_rng(3).normal(size=(40, len(kinds), size, size)).astype(np.float32)[packets // 2]
        pixels[packets == 12] = np.nan
        return pixels

    model, inputs = loaded(of_stamps(), stamp_description()), alerts(40, stamps=stamps)
    found = model.scores(inputs)
    assert found.reasons[found.failed[6]] == NO_STAMP
    assert (found.failed >= 0).sum() == 1
    monkeypatch.setattr(module, "STAMP_ROWS", 7)
    again = model.scores(inputs)
    np.testing.assert_array_equal(again.values, found.values)
    np.testing.assert_array_equal(again.failed, found.failed)
    assert asked == [40, 7, 7, 7, 7, 7, 5]


@pytest.mark.parametrize(
    ("operator", "attributes", "reason"),
    [("Log", {}, NOT_FINITE), ("Identity", {}, OUT_OF_RANGE), ("Sigmoid", {}, NOT_ONE)],
)
def test_scores_that_are_not_scores(operator: str, attributes: dict[str, Any], reason: str) -> None:
    made = graph([helper.make_node(operator, ["x"], ["p"])], {"x": ["n", 4]}, {"p": ["n", 4]}, {})
    about = description(outputs=[{"name": "p", "classes": dict.fromkeys("abcd", "x"), "sum_to_one": True}])
    found = loaded(made, about).scores(alerts(20))
    assert {found.reasons[place] for place in found.failed if place >= 0} >= {reason}


def test_a_model_that_fails_on_a_batch_gives_no_scores_and_its_reason() -> None:
    about = description(
        inputs=[{"name": "x", "columns": ["features.ngsources"]}], outputs=[{"name": "p", "classes": {"a": "b"}}]
    )
    model, inputs = loaded(fragile(rows=3), about), alerts(20)
    few = pa.table({"packet": pa.array(inputs.packets), "ngsources": np.full(20, 2.0)})
    assert (model.scores(AlertInputs(inputs.packets, {"features": few})).failed == -1).all()
    many = pa.table({"packet": pa.array(inputs.packets), "ngsources": np.arange(20.0)})
    found = model.scores(AlertInputs(inputs.packets, {"features": many}))
    assert (found.failed >= 0).all()
    assert "the model fails" in found.reasons[found.failed[0]]


@pytest.mark.parametrize(
    ("made", "about", "message"),
    [
        (linear(3), description(), "input 'x' has the shape"),
        (linear(classes=2), description(), "output 'p' has the shape"),
        (linear(), description(inputs=[{"name": "y", "columns": list(COLUMNS)}]), "'x' is in only one of them"),
        (linear(), description(outputs=[{"name": "q", "classes": {"a": "b"}}]), "none 'q'"),
        (
            graph([helper.make_node("Softmax", ["x"], ["p"])], {"x": [1, 4]}, {"p": [1, 4]}, {}),
            description(outputs=[{"name": "p", "classes": dict.fromkeys("abcd", "x")}]),
            "is for 1 alerts; export the model with a variable first axis",
        ),
        (
            graph(
                [helper.make_node("Identity", ["x"], ["p"])], {"x": ["n", 4]}, {"p": ["n", 4]}, {}, TensorProto.INT64
            ),
            description(outputs=[{"name": "p", "classes": dict.fromkeys("abcd", "x")}]),
            "input 'x' is tensor(int64)",
        ),
        (
            graph([helper.make_node("Warp", ["x"], ["p"], domain="mine")], {"x": ["n", 4]}, {"p": ["n", 4]}, {}),
            description(outputs=[{"name": "p", "classes": dict.fromkeys("abcd", "x")}]),
            "onnxruntime refuses the model",
        ),
        (of_stamps(size=7), stamp_description(), "input 'stamps' has the shape"),
    ],
)  # fmt: skip
def test_models_that_do_not_fit_their_description(made: onnx.ModelProto, about: dict[str, Any], message: str) -> None:
    with pytest.raises(ClassifierError) as error:
        loaded(made, about)
    assert message in str(error.value)
