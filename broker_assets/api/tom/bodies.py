"""Bodies of requests: JSON whatever the content type, even with GET; and the options that they may contain."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Annotated, Any, Final

import numpy as np
from fastapi import Depends, Request
from numpy.typing import NDArray

from broker_assets.api.parameters import decoded
from broker_assets.api.tom.answers import TomError
from broker_assets.numerals import real as real_number
from broker_assets.numerals import whole
from broker_assets.settings.tom import TomSettings

_EXACT: Final = 2.0**53
"""Floats from here on do not have every integer."""


async def _body(request: Request) -> bytes:
    settings: TomSettings = request.app.state.tom
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > settings.largest_body:
            raise TomError(f"the request is larger than {settings.largest_body} bytes: send it in parts", 413)
    return bytes(body)


Body = Annotated[bytes, Depends(_body)]
"""The bytes of a body."""


def parsed(body: bytes, where: str) -> Any:
    """Read JSON.

    Parameters
    ----------
    body : bytes
        The body.
    where : str
        Beginning of error messages.

    Raises
    ------
    TomError
        If it is not JSON.
    """
    try:
        return decoded(body)
    except (ValueError, RecursionError) as error:
        raise TomError(f"{where}{error}") from None


def numbers(given: Any, where: str, name: str) -> NDArray[np.int64]:
    """Identifiers, int64: one number or a list of numbers; empty for null.

    Raises
    ------
    TomError
        If one is not a 64-bit integer.
    """
    several = given if isinstance(given, list) else [given]
    return np.array([integer(item, where, name) for item in several if item is not None], np.int64)


def integer(given: Any, where: str, name: str) -> int:
    """An integer, or a text of decimal digits or a float that is one.

    Raises
    ------
    TomError
        If it is not one, or does not fit 64 bits.
    """
    try:
        if isinstance(given, bool) or (isinstance(given, float) and not given.is_integer()):
            raise TypeError
        number = whole(given) if isinstance(given, str) else int(given)
    except (TypeError, ValueError, OverflowError):
        if isinstance(given, str):
            raise TomError(f"{where}invalid literal for int() with base 10: {given[:100]!r}") from None
        raise TomError(f"{where}{name} must be an integer") from None
    if not -(2**63) <= number < 2**63:
        raise TomError(f"{where}{name} does not fit 64 bits")
    if isinstance(given, float) and abs(given) >= _EXACT:
        raise TomError(f"{where}{name} {given} is a float, which may be the identifier of another: send an integer")
    return number


def real(given: Any, where: str, name: str) -> float | None:
    """A finite number, or a text that is one; None for None.

    Raises
    ------
    TomError
        If it is not one.
    """
    if given is None:
        return None
    try:
        number = real_number(given) if isinstance(given, str) else float(given)
    except (TypeError, ValueError, OverflowError):
        raise TomError(f"{where}{name} must be a number") from None
    if isinstance(given, bool) or not np.isfinite(number):
        raise TomError(f"{where}{name} must be a finite number")
    return number


def choice(options: Mapping[str, Any], name: str, allowed: Collection[str], default: str, where: str) -> str:
    """One of some words.

    Raises
    ------
    TomError
        If it is another one.
    """
    given = options.get(name, default)
    if given not in allowed:
        raise TomError(f"{where}{name} must be one of {', '.join(allowed)}")
    return str(given)
