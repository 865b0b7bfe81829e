"""Whether a model can be used: it is read and tried out before it gets an alert.

A model is a folder with `model.onnx` and `classifier.yaml`. Weights in further files are merged into one file; files
outside the folder are refused, since a model could read any file of the machine that way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.classifiers.description import ClassifierError, ColumnInput, Description, StampInput, parse
from broker_assets.classifiers.model import NOT_FINITE, NOT_ONE, OUT_OF_RANGE, Model

MODEL: Final = "model.onnx"
DESCRIPTION: Final = "classifier.yaml"
LARGEST: Final = 512 << 20
"""Bytes of a model with all its weights; every process that scores alerts has it in memory."""
LARGEST_DESCRIPTION: Final = 4 << 20
_TRIED: Final = (1, 2, 33)
"""Numbers of alerts with which a model is tried out."""
_WRONG: Final = {1: NOT_FINITE, 2: OUT_OF_RANGE, 3: NOT_ONE}


@dataclass(frozen=True)
class Checked:
    """A model that can be used."""

    description: Description
    text: str
    """The description as it was written."""
    content: bytes
    """The model in one file."""


def check(folder: Path) -> Checked:
    """Read a model and try it out.

    Parameters
    ----------
    folder : Path
        Folder with `model.onnx` and `classifier.yaml`.

    Raises
    ------
    ClassifierError
        If something is missing, too large or damaged, if description and model do not fit together, if onnxruntime
        refuses the model, or if its scores for invented alerts are not finite, outside 0 to 1, or do not add up.
    """
    for name in (MODEL, DESCRIPTION):
        if not (folder / name).is_file():
            raise ClassifierError(f"{folder} has no {name}: a model is a folder with {MODEL} and {DESCRIPTION}")
    if (folder / DESCRIPTION).stat().st_size > LARGEST_DESCRIPTION:
        raise ClassifierError(f"{DESCRIPTION} has more than {LARGEST_DESCRIPTION} bytes")
    try:
        text = (folder / DESCRIPTION).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ClassifierError(f"{DESCRIPTION} is not UTF-8: {error}") from error
    content = read_model(folder)
    description = parse(text)
    try_out(Model(description, content))
    return Checked(description, text, content)


def read_model(folder: Path) -> bytes:
    """The ONNX file of a folder with all its weights in it.

    Raises
    ------
    ClassifierError
        If it is not an ONNX model, too large, or has weights in a file outside the folder.
    """
    import onnx
    from google.protobuf.message import DecodeError
    from onnx.external_data_helper import load_external_data_for_model

    path = folder / MODEL
    _require_size(path.stat().st_size)
    content = path.read_bytes()
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise ClassifierError(f"{MODEL} is not an ONNX model: {error}") from error
    if not model.graph.node:
        raise ClassifierError(f"{MODEL} is not an ONNX model: it has no operators")
    outside = list(_external(model))
    if not outside:
        return content
    total = path.stat().st_size
    root = folder.resolve()
    for location in sorted(set(outside)):
        file = (folder / location).resolve()
        if not file.is_relative_to(root) or not file.is_file():
            raise ClassifierError(f"{MODEL} has weights in {location!r}, which is not a file of its folder")
        total += file.stat().st_size
        _require_size(total)
    try:
        load_external_data_for_model(model, str(folder))
    except Exception as error:  # the checks of the library differ from version to version
        raise ClassifierError(f"the weights of {MODEL} cannot be read: {error}") from error
    return bytes(model.SerializeToString(deterministic=True))


def _require_size(size: int) -> None:
    if size > LARGEST:
        raise ClassifierError(f"{MODEL} has {size} bytes with its weights; at most {LARGEST} are taken")


def _external(message: Any) -> Iterator[str]:
    """Files that the tensors of a model refer to, anywhere in it: also in sub-graphs, attributes and functions."""
    import onnx

    if isinstance(message, onnx.TensorProto):
        if message.data_location == onnx.TensorProto.EXTERNAL or message.external_data:
            yield next((item.value for item in message.external_data if item.key == "location"), "")
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if not hasattr(value, "ListFields") else (value,):
            if hasattr(part, "ListFields"):
                yield from _external(part)


def try_out(model: Model) -> None:
    """Run a model for invented alerts.

    Raises
    ------
    ClassifierError
        If it fails, or its scores are invalid.
    """
    for number in _TRIED:
        feed = {item.name: _invented(item, number, model) for item in model.description.inputs}
        wrong = model.wrong(model.run(feed))
        if (wrong >= 0).any():
            row = int(np.argmax(wrong >= 0))
            missing = " whose missing values are NaN: give them a fill" if row == 0 else ""
            raise ClassifierError(f"{_WRONG[int(wrong[row])]}, for a made-up alert{missing}")


def _invented(item: ColumnInput | StampInput, number: int, model: Model) -> NDArray[np.floating]:
    """Values of invented alerts: those for missing values, then zeros, then random ones of many magnitudes."""
    random = np.random.default_rng(1)
    if isinstance(item, StampInput):
        images = random.normal(size=(number, len(item.stamps), item.size, item.size))
        images[0] = item.fill
        return images.astype(np.float32)
    values = random.normal(size=(number, len(item.columns))) * 10.0 ** random.uniform(-2, 4, (number, 1))
    values[1:2] = 0.0
    for place, column in enumerate(item.columns):
        values[0, place] = np.nan if column.fill is None else column.fill
        if column.categories:
            values[1:, place] = random.integers(0, len(column.categories), number - 1)
    return values.astype(model.dtype(item.name))
