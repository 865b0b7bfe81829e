"""Forests of decision trees as ONNX operators: a sum of the values of leaves over the trees.

`TreeEnsembleRegressor` (operators of ONNX-ML, version 1) is the same for all kinds of forests; the values are
probabilities of classes, or path lengths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Tree:
    """A binary tree as arrays by node; node 0 is the root."""

    feature: NDArray[np.int64]
    """Column that is compared; ignored in leaves."""
    threshold: NDArray[np.float64]
    """Values that are not larger go to the left."""
    left: NDArray[np.int64]
    """Node on the left; −1 in leaves."""
    right: NDArray[np.int64]
    values: NDArray[np.float64]
    """(nodes, targets) what a leaf adds to the sums."""

    @classmethod
    def of(cls, fitted: Any, values: NDArray[np.float64], columns: NDArray[np.int64] | None = None) -> Tree:
        """From the attribute `tree_` of scikit-learn.

        Parameters
        ----------
        fitted : sklearn.tree._tree.Tree
            The tree.
        values : (nodes, targets) float64 array
            What leaves add.
        columns : (n,) int64 array, optional
            Columns that the tree was given; default: all.
        """
        feature = np.maximum(np.asarray(fitted.feature, np.int64), 0)
        return cls(
            feature if columns is None else columns[feature],
            np.asarray(fitted.threshold, np.float64),
            np.asarray(fitted.children_left, np.int64),
            np.asarray(fitted.children_right, np.int64),
            values,
        )

    def depth(self) -> NDArray[np.int64]:
        """(nodes,) steps from the root to each node."""
        depth = np.zeros(len(self.left), np.int64)
        level = np.zeros(1, np.int64)
        while len(level):
            level = level[self.left[level] >= 0]
            children = np.concatenate([self.left[level], self.right[level]])
            depth[children] = np.tile(depth[level], 2) + 1
            level = children
        return depth


def not_above(thresholds: NDArray[np.float64]) -> NDArray[np.float32]:
    """The largest 32-bit numbers that are not above 64-bit ones; comparisons of 32-bit values with either agree.

    Examples
    --------
    >>> float(not_above(np.array([0.1]))[0]) <= 0.1
    True
    """
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded).astype(np.float32)


def forest_node(trees: Iterable[Tree], targets: int, source: str, result: str) -> onnx.NodeProto:
    """An operator that sums the values of the leaves of a forest.

    Parameters
    ----------
    trees : iterable of Tree
        The forest.
    targets : int
        Sums per row.
    source, result : str
        Names of the input, (rows, columns) of 32-bit numbers, and of the output, (rows, targets).
    """
    from onnx import helper

    nodes: dict[str, list[NDArray[Any]]] = {}
    leaves: dict[str, list[NDArray[Any]]] = {}
    for number, tree in enumerate(trees):
        count = len(tree.left)
        leaf = tree.left < 0
        for name, values in (
            ("treeids", np.full(count, number)),
            ("nodeids", np.arange(count)),
            ("featureids", np.where(leaf, 0, tree.feature)),
            ("values", np.where(leaf, np.float32(0), not_above(tree.threshold))),
            ("truenodeids", np.where(leaf, 0, tree.left)),
            ("falsenodeids", np.where(leaf, 0, tree.right)),
            ("leaf", leaf),
        ):
            nodes.setdefault(name, []).append(values)
        rows = np.repeat(np.flatnonzero(leaf), targets)
        for name, values in (
            ("treeids", np.full(len(rows), number)),
            ("nodeids", rows),
            ("ids", np.tile(np.arange(targets), int(leaf.sum()))),
            ("weights", tree.values[leaf].ravel()),
        ):
            leaves.setdefault(name, []).append(values)
    together = {name: np.concatenate(parts) for name, parts in nodes.items()}
    modes = np.where(together.pop("leaf"), "LEAF", "BRANCH_LEQ")
    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        [result],
        domain="ai.onnx.ml",
        n_targets=targets,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_modes=modes.tolist(),
        **{f"nodes_{name}": values.tolist() for name, values in together.items()},
        **{f"target_{name}": np.concatenate(parts).tolist() for name, parts in leaves.items()},
    )
