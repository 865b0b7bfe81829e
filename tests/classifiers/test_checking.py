"""What is refused before it sees an alert."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx.external_data_helper import convert_model_to_external_data
from tiny_classifiers import description, graph, linear, stamped, tiny, write_model

from broker_assets.classifiers import checking
from broker_assets.classifiers.checking import check
from broker_assets.classifiers.description import ClassifierError


def test_good_models(tmp_path: Path) -> None:
    found = check(tiny(tmp_path / "a"))
    assert found.description.name == "tiny"
    assert found.content == (tmp_path / "a" / "model.onnx").read_bytes()
    assert check(stamped(tmp_path / "b")).description.stamps


def _external(folder: Path, location: str) -> Path:
    """A model whose weights are in a file, named by any path."""
    made = linear()
    convert_model_to_external_data(made, location="weights.bin", size_threshold=0, convert_attribute=True)
    folder.mkdir(parents=True)
    onnx.save(made, str(folder / "model.onnx"))
    text = (folder / "model.onnx").read_bytes()
    kept = onnx.load_model_from_string(text)
    for tensor in kept.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    return write_model(folder, kept, description())


def test_weights_in_files_of_the_folder_are_taken_into_one_file(tmp_path: Path) -> None:
    found = check(_external(tmp_path / "a", "weights.bin"))
    assert b"weights.bin" not in found.content
    other = check(tiny(tmp_path / "b"))
    assert onnx.load_model_from_string(found.content).graph.node == (
        onnx.load_model_from_string(other.content).graph.node
    )


@pytest.mark.parametrize("location", ["/etc/passwd", "../weights.bin", "absent.bin", "link.bin", ""])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(1000))
    folder = _external(tmp_path / "a", location)
    (folder / "link.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(ClassifierError, match="is not a file of its folder"):
        check(folder)


def test_weights_in_subgraphs_are_found(tmp_path: Path) -> None:
    tensor = onnx.numpy_helper.from_array(np.ones(4, np.float32), "w")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    made = linear()
    made.graph.node.append(helper.make_node("Constant", [], ["unused"], value=tensor))
    with pytest.raises(ClassifierError, match="'/etc/passwd', which is not a file"):
        check(write_model(tmp_path, made, description()))


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "no operators"), (b"\x80\x04pickle" * 9, "not an ONNX model"), (b"not a model at all", "not an ONNX model")],
)
def test_what_is_not_a_model(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(ClassifierError, match=message):
        check(write_model(tmp_path, content, description()))


def test_files_that_are_missing_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny(tmp_path / "a")
    monkeypatch.setattr(checking, "LARGEST", 10)
    with pytest.raises(ClassifierError, match="at most 10 are taken"):
        check(folder)
    (folder / "classifier.yaml").write_bytes(b"\xff")
    with pytest.raises(ClassifierError, match="not UTF-8"):
        check(folder)
    (folder / "classifier.yaml").unlink()
    with pytest.raises(ClassifierError, match=r"no classifier\.yaml"):
        check(folder)


def test_missing_values_that_the_model_cannot_take(tmp_path: Path) -> None:
    about = description(inputs=[{"name": "x", "columns": ["features.jump1"] * 4}])
    with pytest.raises(ClassifierError, match="missing values are NaN: give them a fill"):
        check(write_model(tmp_path, linear(), about))


@pytest.mark.parametrize(
    ("operator", "message"),
    [("Identity", "outside 0 to 1"), ("Sigmoid", "do not add up to 1"), ("Log", "not finite")],
)
def test_scores_that_are_not_scores(tmp_path: Path, operator: str, message: str) -> None:
    made = graph([helper.make_node(operator, ["x"], ["p"])], {"x": ["n", 4]}, {"p": ["n", 4]}, {})
    about: dict[str, Any] = description(
        inputs=[{"name": "x", "columns": [{"column": "features.jump1", "fill": -1}] * 4}],
        outputs=[{"name": "p", "classes": dict.fromkeys("abcd", "x"), "sum_to_one": True}],
    )
    with pytest.raises(ClassifierError, match=message):
        check(write_model(tmp_path, made, about))
