"""A filter over all objects, and where it loses one."""

from __future__ import annotations

from typing import Any

import pytest
from stored_filters import add_object

pytestmark = pytest.mark.database


def test_rows_of_all_objects_and_clauses_of_one(people: Any) -> None:
    add_object(people.connection, 7, ndiasources=5)
    add_object(people.connection, 8, ndiasources=2)
    text = "SELECT diaObjectId, nDiaSources FROM objects WHERE nDiaSources > 3 AND ra > 5"
    path = people.ann.done("/filters/create/", name="run", text=text).partition("?")[0]
    page = people.ann.text(f"{path}run/")
    assert 'href="/objects/7/"' in page
    assert 'href="/objects/8/"' not in page
    assert people.ann.text(f"{path}run/?form=csv").splitlines() == ["diaObjectId,nDiaSources", "7,5"]
    explained = people.ann.text(f"{path}explain/?object=8")
    assert explained.count("✗ no") == 1
    assert "objects.nDiaSources = 2" in explained
    assert "There is no object 99" in people.ann.text(f"{path}explain/?object=99")
    for wrong in ("x", "9" * 30, ""):
        assert people.ann.get(f"{path}explain/?object={wrong}").status_code == 422
