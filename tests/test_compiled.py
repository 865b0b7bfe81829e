"""Every compiled function is compiled ahead of time, for types that it accepts."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from pathlib import Path

import numba
import pytest
from hypothesis import given
from hypothesis import strategies as st

import broker_assets
from broker_assets import compiled
from broker_assets.database.point_sums import ENTRY

NUMBERS = [numba.int8, numba.uint8, numba.int32, numba.int64, numba.uint64, numba.float32, numba.float64]
ARRAYS = st.builds(
    lambda item, dimensions, constant: numba.types.Array(item, dimensions, "C", readonly=constant),
    st.sampled_from([*NUMBERS, numba.boolean]),
    st.integers(1, 4),
    st.booleans(),
)
RECORDS = st.builds(
    lambda constant: numba.types.Array(numba.from_dtype(ENTRY), 1, "C", readonly=constant, aligned=False), st.booleans()
)


@given(st.sampled_from([*NUMBERS, numba.boolean]) | ARRAYS | RECORDS)
def test_a_type_that_is_written_is_read_again(kind: numba.types.Type) -> None:
    assert compiled.type_of(compiled.type_text(kind)) == kind


@pytest.mark.parametrize("kind", [numba.types.unicode_type, numba.float64[:], numba.types.UniTuple(numba.int64, 2)])
def test_other_types_are_refused(kind: numba.types.Type) -> None:
    with pytest.raises(ValueError, match="neither a number nor a contiguous array"):
        compiled.type_text(kind)


@pytest.mark.parametrize("text", ["", "int64[:]", "const", "float64[::1", "int64 [::1]"])
def test_what_is_no_type_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a type"):
        compiled.type_of(text)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_is_listed_compiles() -> None:
    """In a fresh checkout this compiles everything; `make test` has done so before."""
    lines = compiled.TYPES.read_text().splitlines()
    assert lines == sorted(set(lines))
    compiled.compile_some(compiled.listed())
    assert set(lines) <= set(compiled.record())


def test_every_function_that_python_calls_is_listed() -> None:
    functions = compiled.dispatchers()
    without_types = {name for name, function in functions.items() if getattr(function, "_can_compile", True)}
    assert called_from_python(functions) & without_types <= set(compiled.listed())


def called_from_python(functions: Iterable[str]) -> set[str]:
    """Compiled functions whose names stand in code that is not compiled itself."""
    root = Path(broker_assets.__path__[0])
    found = set()
    for path in root.rglob("*.py"):
        module = ".".join((root.name, *path.relative_to(root).with_suffix("").parts))
        tree = ast.parse(path.read_text())
        named = {name.rpartition(".")[2]: name for name in functions if name.rpartition(".")[0] == module}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                named |= {item.asname or item.name: f"{node.module}.{item.name}" for item in node.names}
        pending: list[ast.AST] = [tree]
        while pending:
            node = pending.pop()
            if isinstance(node, ast.FunctionDef) and any("njit" in ast.unparse(item) for item in node.decorator_list):
                continue
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                module_name, _, last = name.rpartition(".")
                found |= {named.get(name, ""), f"{named.get(module_name, '')}.{last}"}
            pending += ast.iter_child_nodes(node)
    return found & set(functions)
