"""A running model: one thread, limited time, no memory kept between runs, and scores that are checked before use."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.classifiers.description import ClassifierError, ColumnInput, Description, StampInput
from broker_assets.classifiers.inputs import AlertInputs

STAMP_ROWS: Final = 256
"""Alerts that a model with stamps gets at a time: the inner layers of a network are larger than its input."""
TOLERANCE: Final = 1e-3
"""By how much scores may be outside 0 to 1, or their sum differ from 1: rounding of 32-bit numbers."""
DTYPES: Final[Mapping[str, Any]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
"""Types of inputs and outputs, as onnxruntime names them."""

NO_STAMP: Final = "the stamps that it needs are not all at hand"
NOT_FINITE: Final = "a score is not finite"
OUT_OF_RANGE: Final = "a score is outside 0 to 1"
NOT_ONE: Final = "the scores do not add up to 1"


@dataclass(frozen=True)
class Scores:
    """Scores of the alerts of a batch."""

    values: NDArray[np.float32]
    """(n, classes) from 0 to 1; meaningless for alerts that failed."""
    failed: NDArray[np.int64]
    """(n,) −1 where there are scores, else the place of the reason in `reasons`."""
    reasons: tuple[str, ...] = ()
    """Why alerts have no scores."""
    overtime: bool = False
    """Whether the model was stopped because its time was over."""


class TookTooLong(ClassifierError):
    """The time of a model was over before it had scored its alerts."""


class Model:
    """A model that can be run.

    Parameters
    ----------
    description : Description
        Its inputs and outputs.
    content : bytes
        The ONNX file, complete.

    Raises
    ------
    ClassifierError
        If onnxruntime refuses it, or it does not have the inputs and outputs of the description.
    """

    def __init__(self, description: Description, content: bytes) -> None:
        import onnxruntime  # takes a third of a second, which processes without models need not spend

        self.description = description
        self._run_options = onnxruntime.RunOptions
        options = onnxruntime.SessionOptions()
        # The stream has its own threads; a pool per model would take processor time from everything else.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        # Otherwise the process would keep the memory for the largest batch.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise ClassifierError(f"onnxruntime refuses the model: {_line(error)}") from error
        self._dtypes = self._checked()

    def dtype(self, name: str) -> Any:
        """Type of the numbers of an input."""
        return self._dtypes[name]

    def scores(self, inputs: AlertInputs, *, seconds: float = math.inf) -> Scores:
        """Run the model for all alerts of a batch.

        Parameters
        ----------
        inputs : AlertInputs
            The alerts.
        seconds : float
            Time that it may take for all of them; then it is stopped, and the alerts that it has not scored have no
            scores.

        Returns
        -------
        Scores
            A model that fails gives none; its message is the reason.
        """
        classes = len(self.description.classes)
        values = np.zeros((len(inputs), classes), np.float32)
        failed = np.full(len(inputs), -1)
        if not len(inputs):
            return Scores(values, failed)
        reasons = [NO_STAMP, NOT_FINITE, OUT_OF_RANGE, NOT_ONE]
        matrices = {
            item.name: inputs.matrix(item, self._dtypes[item.name])
            for item in self.description.inputs
            if isinstance(item, ColumnInput)
        }
        step = STAMP_ROWS if self.description.stamps else len(inputs)
        end = time.monotonic() + seconds
        for start in range(0, len(inputs), step):
            rows = slice(start, min(start + step, len(inputs)))
            feed: dict[str, NDArray[Any]] = {name: matrix[rows] for name, matrix in matrices.items()}
            present = np.ones(rows.stop - rows.start, bool)
            for item in self.description.stamps:
                feed[item.name], those = inputs.images(item, rows)
                present &= those
            try:
                found = self.run(feed, seconds=end - time.monotonic())
            except TookTooLong:
                reasons.append(f"the model did not end within {seconds:g} s (BROKER_CLASSIFIERS__SECONDS)")
                failed[start:] = len(reasons) - 1
                return Scores(values, failed, tuple(reasons), overtime=True)
            except ClassifierError as error:
                reasons.append(str(error))
                failed[rows] = len(reasons) - 1
                continue
            failed[rows] = np.where(present, self.wrong(found), reasons.index(NO_STAMP))
            with np.errstate(invalid="ignore"):
                values[rows] = np.clip(np.concatenate(found, axis=1), 0.0, 1.0)
        return Scores(values, failed, tuple(reasons))

    def run(self, feed: Mapping[str, NDArray[Any]], *, seconds: float = math.inf) -> list[NDArray[np.floating]]:
        """Outputs of the model, in the order of the description.

        Parameters
        ----------
        feed : mapping of str to array
            Its inputs.
        seconds : float
            Time after which it is stopped.

        Raises
        ------
        TookTooLong
            If it was stopped.
        ClassifierError
            If it fails, or an output does not have a row per alert and a column per class.

        Notes
        -----
        onnxruntime checks between two operators, and in each iteration of a loop, whether to stop. An operator that has
        begun is completed: its work depends on the sizes of its inputs.
        """
        rows = len(next(iter(feed.values())))
        names = [item.name for item in self.description.outputs]
        if seconds <= 0:
            raise TookTooLong("no time is left")
        options = self._run_options()
        over = threading.Event()

        def end() -> None:
            over.set()
            options.terminate = True

        timer = threading.Timer(seconds, end) if math.isfinite(seconds) else None
        if timer is not None:
            timer.daemon = True
            timer.start()
        try:
            found: list[NDArray[Any]] = self._session.run(names, dict(feed), options)
        except Exception as error:
            if over.is_set():
                raise TookTooLong(f"the model did not end within {seconds:.3g} s") from error
            raise ClassifierError(f"the model fails: {_line(error)}") from error
        finally:
            if timer is not None:
                timer.cancel()
        for item, output in zip(self.description.outputs, found, strict=True):
            if not isinstance(output, np.ndarray) or output.shape != (rows, len(item.classes)):
                shape = getattr(output, "shape", type(output).__name__)
                raise ClassifierError(
                    f"output {item.name!r} of {rows} alerts is {shape}, not {(rows, len(item.classes))}"
                )
        return found

    def wrong(self, outputs: list[NDArray[np.floating]]) -> NDArray[np.int64]:
        """What is wrong with the scores of each row: −1 for nothing, 1 not finite, 2 out of range, 3 not adding up.

        Parameters
        ----------
        outputs : list of (n, k) float array
            Scores by row and class, for each output.

        Returns
        -------
        (n,) int64 array
        """
        wrong = np.full(len(outputs[0]), -1)
        for item, scores in zip(self.description.outputs, outputs, strict=True):
            with np.errstate(invalid="ignore"):
                outside = ((scores < -TOLERANCE) | (scores > 1.0 + TOLERANCE)).any(axis=1)
                sums = np.abs(scores.sum(axis=1, dtype=np.float64) - 1.0) > TOLERANCE
            if item.sum_to_one:
                wrong = np.where(sums & (wrong < 0), 3, wrong)
            wrong = np.where(outside, 2, wrong)
            wrong = np.where(~np.isfinite(scores).all(axis=1), 1, wrong)
        return wrong

    def _checked(self) -> dict[str, Any]:
        """Types of the inputs, after comparing inputs and outputs with the description."""
        inputs = {item.name: item for item in self._session.get_inputs()}
        outputs = {item.name: item for item in self._session.get_outputs()}
        said = {item.name: item for item in self.description.inputs}
        if unknown := sorted(inputs.keys() ^ said.keys()):
            raise ClassifierError(
                f"the model has the inputs {_names(inputs)}, the description {_names(said)}: {unknown[0]!r} is in only "
                "one of them"
            )
        dtypes = {}
        for name, item in said.items():
            dtypes[name] = _dtype(f"input {name!r}", inputs[name].type)
            _require_shape(f"input {name!r}", inputs[name].shape, _shape(item))
            if isinstance(item, StampInput) and dtypes[name] != np.float32:
                raise ClassifierError(f"input {name!r} has 64-bit numbers; stamps have 32 bits")
        for output in self.description.outputs:
            if output.name not in outputs:
                raise ClassifierError(f"the model has the outputs {_names(outputs)}, and none {output.name!r}")
            found = outputs[output.name]
            _dtype(f"output {output.name!r}", found.type)
            _require_shape(f"output {output.name!r}", found.shape, (len(output.classes),))
        return dtypes


def _shape(item: ColumnInput | StampInput) -> tuple[int, ...]:
    """Shape of an input, without the alerts."""
    if isinstance(item, ColumnInput):
        return (len(item.columns),)
    return len(item.stamps), item.size, item.size


def _dtype(what: str, kind: str) -> Any:
    if kind not in DTYPES:
        hint = "; export the model without ZipMap" if kind.startswith("seq") else ""
        raise ClassifierError(f"{what} is {kind}; inputs and scores are tensor(float) or tensor(double){hint}")
    return DTYPES[kind]


def _require_shape(what: str, shape: list[Any], wanted: tuple[int, ...]) -> None:
    """Require that the first axis is variable, and that the others, if the model gives them, are as described."""
    if shape and isinstance(shape[0], int):
        raise ClassifierError(f"{what} is for {shape[0]} alerts; export the model with a variable first axis")
    if shape and (
        len(shape) != 1 + len(wanted)
        or any(isinstance(axis, int) and axis != size for axis, size in zip(shape[1:], wanted, strict=True))
    ):
        raise ClassifierError(
            f"{what} has the shape {shape} in the model, and {['alerts', *wanted]} in the description"
        )


def _names(items: Mapping[str, Any]) -> str:
    return ", ".join(sorted(items)) or "none"


def _line(error: Exception) -> str:
    """The message of an error of onnxruntime, without error codes and source lines."""
    text = " ".join(str(error).split())
    return text.rpartition(" : ")[2][:300] if " : " in text else text[:300]
