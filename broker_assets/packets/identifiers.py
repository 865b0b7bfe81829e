"""Object names and identifiers: ZTF names as integers and back, identifiers for points that have none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

ZTF_ID_BASE: Final = 1 << 62
"""Bit set in the identifier of every ZTF object, so that none collides with a Rubin or ELAsTiCC identifier."""

_LETTERS: Final = 7
_NAME_LENGTH: Final = 12
_CODES: Final = 26**_LETTERS
_LETTER_WEIGHTS: Final = 26 ** np.arange(_LETTERS - 1, -1, -1, dtype=np.int64)


def ztf_object_id(names: Sequence[str] | pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
    """ZTF object names as int64, reversibly.

    The code is `year · 26⁷ + letters in base 26`, with bit 62 set.

    Parameters
    ----------
    names : sequence of str or Arrow string array
        Names as "ZTF18abcdefg": two digits of the year, seven lower-case letters.

    Returns
    -------
    (n,) int64 array

    Raises
    ------
    ValueError
        If a name is not of this form; the message names the first such one and its row.

    Examples
    --------
    >>> ztf_object_id(["ZTF00aaaaaaa", "ZTF18abcdefg"]) - (1 << 62)
    array([           0, 144585434064])
    >>> ztf_object_name(ztf_object_id(["ZTF18abcdefg"]))
    array(['ZTF18abcdefg'], dtype='<U12')
    """
    values = names.to_pylist() if isinstance(names, pa.Array | pa.ChunkedArray) else list(names)
    text = np.array([_as_bytes(value) for value in values], dtype=f"S{_NAME_LENGTH + 1}")
    symbols = text.view(np.uint8).reshape(len(text), _NAME_LENGTH + 1).astype(np.int64)
    prefix = (symbols[:, :3] == np.frombuffer(b"ZTF", np.uint8)).all(axis=1)
    digits = symbols[:, 3:5] - ord("0")
    letters = symbols[:, 5:_NAME_LENGTH] - ord("a")
    valid = (
        prefix
        & ((digits >= 0) & (digits <= 9)).all(axis=1)
        & ((letters >= 0) & (letters < 26)).all(axis=1)
        & (symbols[:, _NAME_LENGTH] == 0)
    )
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        raise ValueError(f"not a ZTF object name: {values[row]!r} (row {row}); expected ZTF, two digits, seven letters")
    return ZTF_ID_BASE | ((digits[:, 0] * 10 + digits[:, 1]) * _CODES + letters @ _LETTER_WEIGHTS)


def ztf_object_name(identifiers: ArrayLike) -> NDArray[np.str_]:
    """Names of ZTF objects from the identifiers of `ztf_object_id`.

    Parameters
    ----------
    identifiers : (n,) array_like of int64

    Returns
    -------
    (n,) array of str, 12 characters each

    Raises
    ------
    ValueError
        If an identifier is not one of a ZTF object; the message names the first such one and its row.
    """
    values = np.atleast_1d(np.asarray(identifiers, dtype=np.int64))
    valid = is_ztf_object_id(values)
    if not valid.all():
        row = int(np.flatnonzero(~valid)[0])
        raise ValueError(f"not the identifier of a ZTF object: {values[row]} (row {row})")
    year, letters = np.divmod(values ^ ZTF_ID_BASE, _CODES)
    symbols = np.empty((len(values), _NAME_LENGTH), dtype=np.uint32)
    symbols[:, :3] = np.frombuffer(b"ZTF", np.uint8)
    symbols[:, 3], symbols[:, 4] = year // 10 + ord("0"), year % 10 + ord("0")
    symbols[:, 5:] = letters[:, None] // _LETTER_WEIGHTS % 26 + ord("a")
    return symbols.view(f"<U{_NAME_LENGTH}").reshape(len(values))


def is_ztf_object_id(identifiers: ArrayLike) -> NDArray[np.bool_]:
    """Whether each identifier is one that `ztf_object_id` makes.

    Examples
    --------
    >>> is_ztf_object_id([0, 4611686018427387904])
    array([False,  True])
    """
    values = np.asarray(identifiers, dtype=np.int64)
    return (values >= ZTF_ID_BASE) & (values < ZTF_ID_BASE + 100 * _CODES)


def point_id(*fields: NDArray[Any]) -> NDArray[np.int64]:
    """Deterministic positive identifiers for points that the survey does not number.

    The fields that define a point are mixed bit by bit (the finaliser of SplitMix64, Steele et al. 2014, which is a
    bijection for one field), so that the same point always has the same identifier, whichever packet contains it.
    Two different points of one light curve share an identifier with probability 2⁻⁶³.

    Parameters
    ----------
    *fields : (n,) int64 or float64 arrays
        Defining values; floats count by their bits.

    Returns
    -------
    (n,) int64 array, not negative

    Examples
    --------
    >>> point_id(np.array([1, 2]), np.array([60000.5, 60000.5]))
    array([ 817985247325872007, 1155639364686166691])
    """
    state = np.zeros(len(fields[0]), dtype=np.uint64)
    with np.errstate(over="ignore"):
        for values in fields:
            state = state + np.ascontiguousarray(values).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
            state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            state = state ^ (state >> np.uint64(31))
    return (state >> np.uint64(1)).astype(np.int64)


def _as_bytes(value: object) -> bytes:
    """Bytes of a name, truncated such that a name that is too long is still recognised as too long."""
    if not isinstance(value, str):
        return b""
    return value[: _NAME_LENGTH + 1].encode("ascii", "replace")
