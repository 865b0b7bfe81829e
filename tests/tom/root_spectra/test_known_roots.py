"""Root objects that spectra are asked for exist."""

from __future__ import annotations

import uuid
from typing import Any

import psycopg
import pytest

from broker_assets.tom.root_spectra.known_roots import UnknownRootError, require_roots
from broker_assets.tom.versions.curves import find_roots

pytestmark = pytest.mark.database


def test_unknown_ones_are_named(connection: psycopg.Connection[Any]) -> None:
    roots = find_roots(connection, [1, 3]).identifiers
    require_roots(connection, roots)
    require_roots(connection, [])
    strange = uuid.uuid4()
    with pytest.raises(UnknownRootError, match=f"Unknown root object {strange}"):
        require_roots(connection, [*roots, strange])
