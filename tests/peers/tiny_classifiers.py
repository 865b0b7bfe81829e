"""Small models in the ONNX format: with columns, with stamps, and models that must be refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import yaml
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

COLUMNS = ("features.ngsources", "features.nposdiasources", "object.ndiasources", "source.psfflux")
CLASSES = {"bright": "brighter than others", "faint": "fainter", "red": "neither"}


def weights(columns: int, classes: int, seed: int = 1) -> NDArray[np.float32]:
    """Weights of a linear model whose inputs have a size of about a hundred."""
    return (np.random.default_rng(seed).normal(size=(columns, classes)) / 100.0).astype(np.float32)


def graph(
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Sequence[int | str]],
    outputs: dict[str, Sequence[int | str]],
    constants: dict[str, NDArray[Any]],
    kind: int = TensorProto.FLOAT,
) -> onnx.ModelProto:
    """A model of some operators."""
    made = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def linear(columns: int = len(COLUMNS), classes: int = len(CLASSES), seed: int = 1) -> onnx.ModelProto:
    """Softmax of a linear function of the squashed inputs."""
    return graph(
        [
            helper.make_node("Tanh", ["x"], ["squashed"]),
            helper.make_node("MatMul", ["squashed", "w"], ["sums"]),
            helper.make_node("Softmax", ["sums"], ["p"], axis=1),
        ],
        {"x": ["alerts", columns]},
        {"p": ["alerts", classes]},
        {"w": weights(columns, classes, seed) * 100.0},
    )


def of_stamps(kinds: int = 2, size: int = 6) -> onnx.ModelProto:
    """The share of positive pixels in the difference, and its complement; one column is read as well."""
    return graph(
        [
            helper.make_node("Sigmoid", ["stamps"], ["positive"]),
            helper.make_node("ReduceMean", ["positive"], ["mean"], axes=[1, 2, 3], keepdims=0),
            helper.make_node("Unsqueeze", ["mean", "axis"], ["column"]),
            helper.make_node("Mul", ["x", "zero"], ["nothing"]),
            helper.make_node("Add", ["column", "nothing"], ["first"]),
            helper.make_node("Sub", ["one", "first"], ["second"]),
            helper.make_node("Concat", ["first", "second"], ["p"], axis=1),
        ],
        {"stamps": ["alerts", kinds, size, size], "x": ["alerts", 1]},
        {"p": ["alerts", 2]},
        {
            "axis": np.array([1], np.int64),
            "zero": np.array([0.0], np.float32),
            "one": np.array([1.0], np.float32),
        },
    )


def fragile(rows: int = 100_000) -> onnx.ModelProto:
    """A model of one column that fails if one of its values, cut to an integer, is not less than `rows`."""
    return graph(
        [
            helper.make_node("Cast", ["x"], ["place"], to=TensorProto.INT64),
            helper.make_node("Gather", ["table", "place"], ["p"]),
        ],
        {"x": ["alerts", 1]},
        {"p": ["alerts", 1]},
        {"table": np.full(rows, 0.5, np.float32)},
    )


def looping() -> onnx.ModelProto:
    """A model of one column that makes as many rounds of a loop as the largest of its values says."""
    boolean, number = TensorProto.BOOL, TensorProto.FLOAT
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["goes"]), helper.make_node("Mul", ["value", "one"], ["next"])],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", boolean, []),
            helper.make_tensor_value_info("value", number, None),
        ],
        [helper.make_tensor_value_info("goes", boolean, []), helper.make_tensor_value_info("next", number, None)],
        [numpy_helper.from_array(np.array([1.0], np.float32), "one")],
    )
    return graph(
        [
            helper.make_node("ReduceMax", ["x"], ["largest"], keepdims=0),
            helper.make_node("Cast", ["largest"], ["rounds"], to=TensorProto.INT64),
            helper.make_node("Mul", ["x", "zero"], ["start"]),
            helper.make_node("Loop", ["rounds", "true", "start"], ["p"], body=body),
        ],
        {"x": ["alerts", 1]},
        {"p": ["alerts", 1]},
        {"true": np.array(True), "zero": np.array([0.0], np.float32)},
    )


def description(**changes: Any) -> dict[str, Any]:
    """The description of `linear`."""
    return {
        "name": "tiny",
        "version": "1",
        "description": "A model for tests.",
        "inputs": [{"name": "x", "columns": [{"column": name, "fill": -1} for name in COLUMNS]}],
        "outputs": [{"name": "p", "classes": CLASSES, "sum_to_one": True}],
        **changes,
    }


def stamp_description(**changes: Any) -> dict[str, Any]:
    """The description of `of_stamps`."""
    return {
        "name": "stamps",
        "version": "7",
        "inputs": [
            {"name": "stamps", "stamps": ["science", "difference"], "size": 6, "normalisation": "maximum"},
            {"name": "x", "columns": [{"column": "features.ebv", "fill": 0}]},
        ],
        "outputs": [{"name": "p", "classes": {"real": "of the sky", "bogus": "not"}, "sum_to_one": True}],
        **changes,
    }


def write_model(folder: Path, model: onnx.ModelProto | bytes, about: dict[str, Any]) -> Path:
    """A folder as users bring it."""
    folder.mkdir(parents=True, exist_ok=True)
    content = model if isinstance(model, bytes) else model.SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(content)
    (folder / "classifier.yaml").write_text(yaml.safe_dump(about, allow_unicode=True, sort_keys=False))
    return folder


def tiny(folder: Path, seed: int = 1, **changes: Any) -> Path:
    """A folder with `linear` and its description."""
    return write_model(folder, linear(seed=seed), description(**changes))


def stamped(folder: Path, **changes: Any) -> Path:
    """A folder with `of_stamps` and its description."""
    return write_model(folder, of_stamps(), stamp_description(**changes))
