"""The page of tables and columns."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.database


def test_every_column_has_an_anchor_and_nothing_private_is_named(site: Any) -> None:
    text = site.client.get("/schema/").text
    assert text.count("<h1") == 1
    for anchor in ("objects", "objects.diaobjectid", "diasources.midpointmjdtai", "sherlock_classifications.z"):
        assert text.count(f'id="{anchor}"') == 1
    assert 'href="#objects.diaobjectid">diaObjectId</a> <span class="filters">F</span>' in text
    assert "in filters" not in text.split('id="diasources"')[1].split("</h2>")[0]
    for hidden in ("ingest_batch", "quarantine", "deliveries", "users", "tokens"):
        assert f'id="{hidden}"' not in text
