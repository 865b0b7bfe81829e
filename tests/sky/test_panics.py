"""A panic in Rust is recognised, and nothing else is."""

from __future__ import annotations

import pytest

from broker_assets.sky.panics import is_panic

PANIC = type("PanicException", (BaseException,), {})
"""As `pyo3_runtime` has it, which cannot be imported."""


def test_panics() -> None:
    assert is_panic(PANIC("index out of bounds"))


OF_ANOTHER_KIND = type("PanicException", (Exception,), {})


@pytest.mark.parametrize("error", [ValueError(), KeyboardInterrupt(), SystemExit(), MemoryError(), OF_ANOTHER_KIND()])
def test_what_is_none(error: BaseException) -> None:
    assert not is_panic(error)
