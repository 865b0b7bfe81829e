"""Objects that brokers have not reported are refused."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.tom.spectra.known_objects import UnknownObjectError, require_known

pytestmark = pytest.mark.database


def test_the_first_unknown_object_is_named(desk: Any) -> None:
    require_known(desk.connection, [1, 5, 1])
    require_known(desk.connection, [])
    with pytest.raises(UnknownObjectError, match=r"^Unknown objectid 77$"):
        require_known(desk.connection, [1, 99, 77])
