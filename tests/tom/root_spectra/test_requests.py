"""A request is there once for each root object, requester and kind."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from broker_assets.tom.root_spectra.requests import Request, request_root_spectra
from broker_assets.tom.versions.curves import find_roots

pytestmark = pytest.mark.database


def test_requests_are_replaced(connection: psycopg.Connection[Any]) -> None:
    root = find_roots(connection, [1]).identifiers[0]
    user = uuid.uuid4()
    assert request_root_spectra(connection, user, "me", [Request(root, -3, 1, 2), Request(root, 7, 3, 4, True)]) == 2
    assert request_root_spectra(connection, user, "me", [Request(root, 4, 1, 2)]) == 1
    assert request_root_spectra(connection, user, "you", [Request(root, 1, 1, 2)]) == 1
    assert request_root_spectra(connection, user, "me", []) == 0
    rows = connection.execute("SELECT wantspec_id, priority, is_host FROM wantedspectra ORDER BY 1").fetchall()
    assert rows == [(f"{root} ; me", 4, False), (f"{root} ; me ; host", 5, True), (f"{root} ; you", 1, False)]
    with pytest.raises(ValueError, match="given twice"):
        request_root_spectra(connection, user, "me", [Request(root, 1, 1, 2), Request(root, 2, 1, 2)])
