"""Forests as operators of ONNX give what scikit-learn gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from sklearn.ensemble import RandomForestRegressor
from tiny_classifiers import graph

from broker_assets.classifiers.trees import Tree, forest_node, not_above


def run(trees: list[Tree], targets: int, rows: Any) -> Any:
    import onnxruntime

    made = graph([forest_node(trees, targets, "x", "y")], {"x": ["n", rows.shape[1]]}, {"y": ["n", targets]}, {})
    made.opset_import.append(helper.make_opsetid("ai.onnx.ml", 1))
    return onnxruntime.InferenceSession(made.SerializeToString()).run(None, {"x": rows})[0]


@pytest.mark.parametrize("targets", [1, 3])
def test_sums_are_those_of_the_forest(targets: int) -> None:
    random = np.random.default_rng(targets)
    rows = random.normal(size=(400, 5)).astype(np.float32)
    wanted = random.normal(size=(400, targets))[:, slice(None) if targets > 1 else 0]
    forest = RandomForestRegressor(7, random_state=1).fit(rows, wanted)
    trees = [Tree.of(item.tree_, item.tree_.value[:, :, 0].reshape(-1, targets) / 7.0) for item in forest.estimators_]
    found = run(trees, targets, rows)
    np.testing.assert_allclose(found, forest.predict(rows).reshape(-1, targets), rtol=1e-4, atol=1e-5)
    for item, tree in zip(forest.estimators_, trees, strict=True):
        path = np.asarray(item.decision_path(rows).sum(axis=1)).ravel() - 1
        np.testing.assert_array_equal(tree.depth()[item.apply(rows)], path)


def test_a_tree_without_branches() -> None:
    leaf = np.array([-1])
    tree = Tree(np.zeros(1, np.int64), np.zeros(1), leaf, leaf, np.array([[0.25]]))
    assert tree.depth().tolist() == [0]
    assert run([tree, tree], 1, np.zeros((3, 2), np.float32)).ravel().tolist() == [0.5] * 3


@given(st.floats(-(2.0**100), 2.0**100), st.floats(-(2.0**100), 2.0**100, width=32))
def test_thresholds_of_32_bits_compare_like_those_of_64(threshold: float, value: float) -> None:
    assert (np.float32(value) <= not_above(np.array([threshold]))[0]) == (value <= threshold)
