"""`broker-assets reprocess`; that it rebuilds what the stream made is shown in `test_cli`."""

from __future__ import annotations

import pytest

from broker_assets.commands.reprocess import parse_nights


@pytest.mark.parametrize("text", ["2025-13-01", "x", "2025-10-02..2025-10-01", ""])
def test_wrong_nights_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"night|ends before"):
        parse_nights(text)
