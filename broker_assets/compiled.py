"""The compiled functions of the package, compiled before anything needs them.

numba compiles a function when it is first called, which takes one to two minutes for all of them, and keeps the result
on the disk. A container begins with what its image holds, and a fresh checkout with nothing: `python -m
broker_assets.compiled` compiles everything at once, in several processes, for the types in `compiled_types.txt`.
With `--record` it writes that file from what the tests, or a run, have compiled in this checkout.

What is compiled is for one kind of processor. An image that is built on one machine and runs on another is compiled for
the kind that `NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` name.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import pkgutil
import re
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final

import numba
import numpy as np
from numba.core.dispatcher import Dispatcher

import broker_assets

TYPES: Final = Path(__file__).with_name("compiled_types.txt")
"""A line for each function and its types: `module.function(int64[::1], const float64[:, ::1], int64)`."""
_LINE: Final = re.compile(r"([\w.]+)\.(\w+)\((.*)\)")
_TYPE: Final = re.compile(r"(const )?([\w.]+?)(?:\[((?::, )*)::1\])?")


def type_text(kind: Any) -> str:
    """A numba type as written in the file.

    Raises
    ------
    ValueError
        If it is not a number or a contiguous array of numbers or records.

    Examples
    --------
    >>> type_text(numba.float64[:, ::1]), type_text(numba.int8)
    ('float64[:, ::1]', 'int8')
    """
    if isinstance(kind, numba.types.Number | numba.types.Boolean):
        return str(kind)
    if not isinstance(kind, numba.types.Array) or kind.layout != "C":
        raise ValueError(f"{kind} is neither a number nor a contiguous array")
    if isinstance(kind.dtype, numba.types.Record):
        wanted = numba.np.numpy_support.as_dtype(kind.dtype)
        item = next((name for name, dtype in _records().items() if dtype == wanted), None)
        if item is None:
            raise ValueError(f"no module of the package names the record {wanted}")
    else:
        item = str(kind.dtype)
    return f"{'' if kind.mutable else 'const '}{item}[{':, ' * (kind.ndim - 1)}::1]"


def type_of(text: str) -> Any:
    """The numba type of a text from `type_text`.

    Raises
    ------
    ValueError
        If the text is not such a type.

    Examples
    --------
    >>> type_of("const int64[::1]").mutable
    False
    """
    found = _TYPE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is not a type, such as 'const float64[:, ::1]'")
    constant, item, further = found.groups()
    if "." in item:
        module, _, name = item.rpartition(".")
        kind = numba.from_dtype(getattr(importlib.import_module(module), name))
    else:
        kind = getattr(numba.types, "boolean" if item == "bool" else item, None)
        if not isinstance(kind, numba.types.Number | numba.types.Boolean):
            raise ValueError(f"{text!r} is not a type, such as 'const float64[:, ::1]'")
    if further is None:
        return kind
    aligned = not isinstance(kind, numba.types.Record) or kind.aligned
    return numba.types.Array(kind, 1 + further.count(":"), "C", readonly=bool(constant), aligned=aligned)


def listed() -> dict[str, list[tuple[Any, ...]]]:
    """Functions, by their full names, with the types for which they are compiled."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for line in TYPES.read_text().splitlines():
        said = _LINE.fullmatch(line)
        if said is None:
            raise ValueError(f"{TYPES.name}: {line!r} is not a function with types")
        kinds = re.split(r", (?!:)", said[3]) if said[3] else []
        found.setdefault(f"{said[1]}.{said[2]}", []).append(tuple(map(type_of, kinds)))
    return found


def dispatchers() -> dict[str, Dispatcher]:
    """All compiled functions of the package whose code is kept on the disk, by their full names."""
    found = {}
    for info in pkgutil.walk_packages(broker_assets.__path__, "broker_assets."):
        if not info.ispkg and _has_compiled(info.name):
            module = importlib.import_module(info.name)
            for name, value in vars(module).items():
                if isinstance(value, Dispatcher) and value.py_func.__module__ == info.name:
                    found[f"{info.name}.{name}"] = value
    return found


def compile_all(processes: int | None = None) -> Mapping[str, float]:
    """Compile everything that is listed and is not yet on the disk.

    Parameters
    ----------
    processes : int, optional
        How many processes; as many as the machine has processors unless given.

    Returns
    -------
    mapping of str to float
        Seconds by part.
    """
    parts: dict[str, list[str]] = {}
    for name in listed():
        parts.setdefault(_part(name), []).append(name)
    order = sorted(parts, key=lambda part: (-_WEIGHTS.get(part, 0), part))
    with ProcessPoolExecutor(processes or os.cpu_count() or 1, get_context("spawn")) as pool:
        return dict(zip(order, pool.map(compile_some, (parts[part] for part in order)), strict=True))


def compile_some(names: Iterable[str]) -> float:
    """Compile some of the functions that are listed; return the seconds that it took."""
    begun = time.perf_counter()
    types = listed()
    for name in names:
        module, _, function = name.rpartition(".")
        for kinds in types[name]:
            getattr(importlib.import_module(module), function).compile(kinds)
    return time.perf_counter() - begun


def record() -> list[str]:
    """Lines of the file for everything that is on the disk, compiled from the code as it is.

    Types that are values (literals) belong to functions that call each other, and come with their callers.
    """
    lines: list[str] = []
    for name, function in dispatchers().items():
        # Some are compiled when their module is imported, for the types that are given there.
        if not getattr(function, "_can_compile", True):
            continue
        index = getattr(getattr(function, "_cache", None), "_cache_file", None)
        kept = {key[0] for key in index._load_index()} if index is not None else set()
        lines += [
            f"{name}({', '.join(map(type_text, kinds))})"
            for kinds in kept
            if not any(isinstance(kind, numba.types.Literal) for kind in kinds)
        ]
    return sorted(lines)


_WEIGHTS: Final = {"lightcurves.explosions": 9, "lightcurves.bazin": 8, "lightcurves": 7, "packets": 6, "telemetry": 5}
"""The parts that take longest start first."""


def _part(name: str) -> str:
    """What is compiled by one process, so that functions that call one another are compiled once."""
    _, package, module, *_ = name.split(".")
    within = f"{package}.{module}"
    return within if within in _WEIGHTS else package


def _has_compiled(module: str) -> bool:
    spec = importlib.util.find_spec(module)
    return spec is not None and spec.origin is not None and b"njit" in Path(spec.origin).read_bytes()


def _records() -> dict[str, np.dtype[Any]]:
    """Record types that are variables of modules of the package, by full name."""
    return {
        f"{module.__name__}.{name}": value
        for module in list(sys.modules.values())
        if module.__name__.startswith("broker_assets.")
        for name, value in vars(module).items()
        if isinstance(value, np.dtype) and value.names
    }


if __name__ == "__main__":
    if "--record" in sys.argv[1:]:
        TYPES.write_text("".join(f"{line}\n" for line in record()))
        sys.exit()
    for part, seconds in compile_all().items():
        sys.stdout.write(f"{part:<24} {seconds:6.1f} s\n")
