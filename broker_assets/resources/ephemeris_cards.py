"""What the publisher needs from telemetry: reasons of requests, and ephemeris cards from the latest kernels.

`publication` does not depend on telemetry; the functions created here are passed to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from broker_assets.telemetry.inputs.kernels import Kernels


def ephemeris_refresh(kernels: Kernels | None) -> Callable[[Any], Sequence[tuple[str, Any, str]]] | None:
    """A function that returns updated ephemeris cards for a header of level L1 and above.

    That function returns no cards if the header has no time or the kernels do not cover it: the original cards are
    better than empty ones.
    """
    if kernels is None:
        return None

    def refresh(header: Any) -> Sequence[tuple[str, Any, str]]:
        from broker_assets.telemetry.inputs.ephemeris import keywords

        try:
            average, start = (np.datetime64(header[key], "us") for key in ("DATE-AVG", "DATE-BEG"))
        except (KeyError, ValueError):
            return []
        cards = keywords(kernels, average, start)
        return [] if any(keyword == "SPICE_ER" for keyword, _, _ in cards) else cards

    return refresh


def request_reason(table: Path | None) -> Callable[[int], str] | None:
    """A function that returns the reason why data were requested.

    Raises
    ------
    OSError
        If the table cannot be read.
    """
    if table is None:
        return None
    from broker_assets.telemetry.inputs.requests import RequestTable

    return RequestTable.read(table).reason
