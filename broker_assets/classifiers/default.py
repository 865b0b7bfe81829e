"""The default classifier: its inputs, its training, and its conversion to a model in the ONNX format.

A random forest classifies light curves, an isolation forest measures how unlike all others they are. Both
are trained on a simulated survey, whose objects are as simple as their formulas. The classifier demonstrates the way
from examples to scores of alerts; its scores are not for science.

Ratios of the columns are computed in the model itself, so that all of it is in one file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import yaml
from numpy.typing import NDArray

from broker_assets.classifiers.checking import Checked
from broker_assets.classifiers.description import ColumnInput, parse
from broker_assets.classifiers.trees import Tree, forest_node

NAME: Final = "light_curve"
TRAINING_VERSION: Final = "1"
"""Increased whenever the same examples give another model."""

CLASSES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "SN Ia": ("thermonuclear supernova", ("SN Ia",)),
    "SN core collapse": ("supernova of type II, Ib or Ic", ("SN II", "SN Ibc")),
    "periodic variable": ("pulsating star or eclipsing binary", ("RR Lyrae", "eclipsing binary")),
    "AGN": ("active galactic nucleus, as a damped random walk", ("AGN",)),
    "flare star": ("star with flares", ("flare star",)),
    "artefact": ("residual of an image subtraction", ("dipole", "artefact")),
}
"""Classes with their meaning and the kinds of objects in the simulated survey that belong to them."""
ANOMALY: Final = "anomaly"

_BANDS: Final = ("g", "r", "i", "z")
_FLUXES: Final = tuple(f"object.{band}_psfflux{what}" for band in _BANDS for what in ("mean", "sigma", "min", "max"))
_NEWEST: Final = tuple(f"features.{band}_psfflux" for band in _BANDS)
_COUNTS: Final = tuple(f"features.{name}" for name in ("nposdiasources", "nsourcesgood", "ngsources", "nrsources"))
COLUMNS: Final[Mapping[str, float]] = {
    **dict.fromkeys((*_FLUXES, *_NEWEST, *_COUNTS), 0.0),
    "object.ndiasources": 1.0,
    "object.r_sciencefluxmean": 0.0,
    "object.g_sciencefluxmean": 0.0,
    "source.psfflux": 0.0,
    "source.templateflux": 0.0,
    "source.snr": 0.0,
    "source.reliability": 0.5,
    "source.extendedness": 0.5,
    "features.firstdiasourcemjdtai": 0.0,
    "features.lastdiasourcemjdtai": 0.0,
    "features.medianr": 0.5,
    "features.jump1": -1.0,
    "features.jump2": -1.0,
    "features.latestpaircolourmag": -9.0,
    "features.latestpaircolourtemp": -1.0,
    "features.bbbriserate": -1.0,
    "features.bbbtemp": -1.0,
}
"""Input columns, and the value that replaces a missing one."""

INPUT: Final = ColumnInput.model_validate(
    {"name": "columns", "columns": [{"column": name, "fill": fill} for name, fill in COLUMNS.items()]}
)

_PLAIN: Final = tuple(
    name
    for name in COLUMNS
    if name not in {*_FLUXES, *_NEWEST, "features.firstdiasourcemjdtai", "features.lastdiasourcemjdtai"}
    and "flux" not in name
)
"""Columns that trees compare directly: those that do not depend on the distance of the object."""

_RATIOS: Final[tuple[tuple[Mapping[str, float], Mapping[str, float]], ...]] = (
    ({"features.nposdiasources": 1.0}, {"object.ndiasources": 1.0}),
    ({"features.lastdiasourcemjdtai": 1.0, "features.firstdiasourcemjdtai": -1.0}, {}),
    ({"source.psfflux": 1.0}, {"source.templateflux": 1.0}),
    ({"object.r_psffluxmean": 1.0}, {"object.r_sciencefluxmean": 1.0}),
    ({"object.g_psffluxmean": 1.0}, {"object.g_sciencefluxmean": 1.0}),
    *(({f"object.{band}_psffluxsigma": 1.0}, {f"object.{band}_psffluxmean": 1.0}) for band in _BANDS),
    *(({f"object.{band}_psffluxmin": 1.0}, {f"object.{band}_psffluxmax": 1.0}) for band in _BANDS),
    *(({f"features.{band}_psfflux": 1.0}, {f"object.{band}_psffluxmax": 1.0}) for band in _BANDS),
    *(
        ({f"object.{one}_psffluxmax": 1.0}, {f"object.{other}_psffluxmax": 1.0})
        for one, other in (("g", "r"), ("r", "i"), ("i", "z"))
    ),
)
"""Ratios of weighted sums of columns, each as weight by column; 1 is added to the absolute value of the denominator."""

TREES: Final = 60
DEPTH: Final = 10
LEAF: Final = 5
"""Random forest: number and depth of the trees, and least number of examples in a leaf."""
ANOMALY_TREES: Final = 60
ANOMALY_SAMPLE: Final = 256
"""Isolation forest: number of trees, and of examples for each (Liu, Ting & Zhou 2008, ICDM, p. 413)."""
HELD_OUT: Final = 0.25
"""Share of the objects that are held out from training."""


class NotEnoughExamples(ValueError):
    """There are too few examples of a class; the message names the class."""


@dataclass(frozen=True)
class Trained:
    """A trained classifier."""

    checked: Checked
    """Model and description, ready for the store."""
    confusion: NDArray[np.int64]
    """(classes, classes) number of held-out examples by true class (rows) and class with the highest score."""
    metrics: dict[str, float]
    """Metrics of the held-out examples: accuracy, mean recall over classes, logarithmic loss."""
    counts: dict[str, int]
    """Number of training examples, by class."""
    held_out: int
    """Number of held-out examples."""


def train(examples: pa.Table, *, seed: int = 1) -> Trained:
    """Train the default classifier.

    Parameters
    ----------
    examples : pyarrow.Table
        `diaobjectid`, `class` as the simulator calls it, and `COLUMNS`.
    seed : int
        Seed of the forests and of what is held out.

    Returns
    -------
    Trained
        Equal for equal examples, seed and versions of the libraries.

    Raises
    ------
    NotEnoughExamples
        If a class has fewer than ten training examples, or no held-out one.

    Notes
    -----
    All alerts of an object are held out or none: others of the same light curve would give the answer away.
    """
    rows = np.column_stack([examples[name].to_numpy() for name in COLUMNS]).astype(np.float64)
    inputs = derived(rows)
    kinds = {kind: place for place, (_, known) in enumerate(CLASSES.values()) for kind in known}
    truth = pc.index_in(examples["class"], pa.array(list(kinds))).to_numpy()
    truth = np.array(list(kinds.values()))[truth]
    out = held_out(examples["diaobjectid"].to_numpy(), seed)
    for place, name in enumerate(CLASSES):
        if (truth[~out] == place).sum() < 10 or not (truth[out] == place).any():
            raise NotEnoughExamples(f"too few examples of {name!r}: {(truth == place).sum()}; simulate more objects")
    forest, isolation = forests(inputs[~out], truth[~out], seed)
    content = _model(_class_trees(forest), _isolation_trees(isolation))
    text = _description(content, len(examples), examples)
    probabilities = forest.predict_proba(inputs[out])
    confusion = np.zeros((len(CLASSES), len(CLASSES)), np.int64)
    np.add.at(confusion, (truth[out], probabilities.argmax(axis=1)), 1)
    recall = np.diag(confusion) / confusion.sum(axis=1)
    chosen = probabilities[np.arange(out.sum()), truth[out]]
    metrics = {
        "accuracy": float(np.diag(confusion).sum() / confusion.sum()),
        "mean recall": float(recall.mean()),
        "logarithmic loss": float(-np.log(np.maximum(chosen, 1e-15)).mean()),
    }
    counts = {name: int((truth[~out] == place).sum()) for place, name in enumerate(CLASSES)}
    return Trained(Checked(parse(text), text, content), confusion, metrics, counts, int(out.sum()))


def forests(inputs: NDArray[np.float32], truth: NDArray[np.int64], seed: int) -> tuple[Any, Any]:
    """The two forests of scikit-learn, fitted.

    Parameters
    ----------
    inputs : (n, m) float32 array
        See `derived`.
    truth : (n,) int64 array
        Place of the true class in `CLASSES`.
    seed : int
        Seed of both.
    """
    from sklearn.ensemble import IsolationForest, RandomForestClassifier

    forest = RandomForestClassifier(
        TREES, max_depth=DEPTH, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed, n_jobs=1
    )
    isolation = IsolationForest(n_estimators=ANOMALY_TREES, max_samples=ANOMALY_SAMPLE, random_state=seed, n_jobs=1)
    return forest.fit(inputs, truth), isolation.fit(inputs)


def derived(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    """The inputs of the trees: some columns as they are, and ratios of sums of columns.

    Parameters
    ----------
    rows : (n, columns) float64 array
        In the order of `COLUMNS`, without missing values.

    Returns
    -------
    (n, m) float32 array
    """
    plain, above, below = _selections()
    return np.concatenate([rows @ plain, (rows @ above) / (np.abs(rows @ below) + 1.0)], axis=1).astype(np.float32)


def _selections() -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Matrices that select plain columns, numerators and denominators."""
    places = {name: place for place, name in enumerate(COLUMNS)}
    plain = np.zeros((len(COLUMNS), len(_PLAIN)))
    for place, name in enumerate(_PLAIN):
        plain[places[name], place] = 1.0
    above, below = np.zeros((len(COLUMNS), len(_RATIOS))), np.zeros((len(COLUMNS), len(_RATIOS)))
    for place, (numerator, denominator) in enumerate(_RATIOS):
        for matrix, sums in ((above, numerator), (below, denominator)):
            for name, factor in sums.items():
                matrix[places[name], place] = factor
    return plain, above, below


def held_out(objects: NDArray[np.int64], seed: int) -> NDArray[np.bool_]:
    """Which examples are held out: those of randomly chosen objects.

    Parameters
    ----------
    objects : (n,) int64 array
        Object of each example.
    seed : int
        Seed of the choice.

    Returns
    -------
    (n,) bool array
    """
    known, place = np.unique(objects, return_inverse=True)
    chosen: NDArray[np.bool_] = np.random.default_rng(seed).random(len(known)) < HELD_OUT
    return chosen[place]


def _class_trees(forest: Any) -> list[Tree]:
    """Trees whose sums are the probabilities of the classes."""
    trees = []
    for fitted in forest.estimators_:
        counts = fitted.tree_.value[:, 0, :]
        shares = counts / counts.sum(axis=1, keepdims=True) / len(forest.estimators_)
        trees.append(Tree.of(fitted.tree_, shares))
    return trees


def _isolation_trees(isolation: Any) -> list[Tree]:
    """Trees whose sum is the mean length of the path that isolates a row, over that among `ANOMALY_SAMPLE` examples."""
    trees = []
    for fitted, columns in zip(isolation.estimators_, isolation.estimators_features_, strict=True):
        tree = Tree.of(fitted.tree_, np.zeros((fitted.tree_.node_count, 1)), np.asarray(columns, np.int64))
        lengths = tree.depth() + average_path(fitted.tree_.n_node_samples)
        share = lengths / (len(isolation.estimators_) * average_path(np.array([isolation.max_samples_]))[0])
        trees.append(Tree(tree.feature, tree.threshold, tree.left, tree.right, share[:, None]))
    return trees


def average_path(samples: NDArray[Any]) -> NDArray[np.float64]:
    """Mean length of the path of an unsuccessful search in a binary tree of n values (Liu et al. 2008, eq. 1).

    Examples
    --------
    >>> average_path(np.array([1, 2, 256])).round(3).tolist()
    [0.0, 1.0, 10.245]
    """
    number = np.asarray(samples, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        many = 2.0 * (np.log(number - 1.0) + np.euler_gamma) - 2.0 * (number - 1.0) / number
    return np.where(number <= 1, 0.0, np.where(number == 2, 1.0, many))


def _model(classes: list[Tree], isolation: list[Tree]) -> bytes:
    """The ONNX file."""
    from onnx import TensorProto, helper, numpy_helper

    plain, above, below = _selections()
    constants: dict[str, NDArray[Any]] = {
        "plain": plain, "above": above, "below": below, "one": np.ones(1), "minus": np.array([-1.0], np.float32),
        "two": np.array([2.0], np.float32),
    }  # fmt: skip
    nodes = [
        helper.make_node("MatMul", ["columns", "plain"], ["as_they_are"]),
        helper.make_node("MatMul", ["columns", "above"], ["numerators"]),
        helper.make_node("MatMul", ["columns", "below"], ["sums"]),
        helper.make_node("Abs", ["sums"], ["absolute"]),
        helper.make_node("Add", ["absolute", "one"], ["denominators"]),
        helper.make_node("Div", ["numerators", "denominators"], ["ratios"]),
        helper.make_node("Concat", ["as_they_are", "ratios"], ["wide"], axis=1),
        helper.make_node("Cast", ["wide"], ["derived"], to=TensorProto.FLOAT),
        forest_node(classes, len(CLASSES), "derived", "probabilities"),
        forest_node(isolation, 1, "derived", "path"),
        # A path as long as for random values gives 1/2, a path of length 0 gives 1.
        helper.make_node("Mul", ["path", "minus"], ["exponent"]),
        helper.make_node("Pow", ["two", "exponent"], [ANOMALY]),
    ]
    graph = helper.make_graph(
        nodes,
        NAME,
        [helper.make_tensor_value_info("columns", TensorProto.DOUBLE, ["alerts", len(COLUMNS)])],
        [
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["alerts", len(CLASSES)]),
            helper.make_tensor_value_info(ANOMALY, TensorProto.FLOAT, ["alerts", 1]),
        ],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 1)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="broker_assets")
    return bytes(made.SerializeToString(deterministic=True))


def _description(content: bytes, number: int, examples: pa.Table) -> str:
    """The YAML next to the model; its version is derived from the model."""
    about = {
        "name": NAME,
        "version": hashlib.sha256(content).hexdigest()[:12],
        "description": f"Trained by broker_assets (version {TRAINING_VERSION}) on {number} alerts of a simulated "
        f"survey ({examples_version(examples)}). It shows the path from examples to scores; its scores are not for "
        "science.",
        "inputs": [INPUT.model_dump(mode="json", exclude_defaults=True)],
        "outputs": [
            {
                "name": "probabilities",
                "classes": {name: meaning for name, (meaning, _) in CLASSES.items()},
                "sum_to_one": True,
            },
            {"name": ANOMALY, "classes": {ANOMALY: "how unlike all examples: 1/2 is as random values, 1 most unlike"}},
        ],
    }
    return yaml.safe_dump(about, sort_keys=False, allow_unicode=True)


def examples_version(examples: pa.Table) -> str:
    """Hash of the content of examples.

    Examples
    --------
    >>> examples_version(pa.table({"a": [1]})) == examples_version(pa.table({"a": [2]}))
    False
    """
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, examples.schema.remove_metadata()) as writer:
        writer.write_table(examples.replace_schema_metadata(None).combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()[:16]
