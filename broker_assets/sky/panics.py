"""Panics of libraries in Rust (mocpy, cdshealpix), which reach Python past `except Exception`."""

from __future__ import annotations


def is_panic(error: BaseException) -> bool:
    """Whether an exception is a panic: an assumption inside a library that its input has broken.

    `pyo3_runtime.PanicException` derives from `BaseException` and cannot be imported.

    Examples
    --------
    >>> is_panic(ValueError())
    False
    """
    return type(error).__name__ == "PanicException" and not isinstance(error, Exception)
