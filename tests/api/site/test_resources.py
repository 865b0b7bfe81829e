"""Public resources: what everybody may see and copy."""

from __future__ import annotations

from typing import Any

import pytest
from site_visitors import number_in

pytestmark = pytest.mark.database


def test_only_public_things_are_listed_and_copied(people: Any) -> None:
    assert people.guest.text("/comres/").count("None yet") == 3
    made = people.ann.done("/watchlists/create/", name="shown", radius="5", lines="1, 2")
    people.ann.done("/watchlists/create/", name="hidden", radius="5", lines="1, 2")
    area = people.ann.done("/watchmaps/create/", name="shown area", region="CIRCLE ICRS 10 20 1", order="7")
    filter_ = people.ann.done("/filters/create/", name="shown filter", text="SELECT ra FROM objects")
    for path in (made, area, filter_):
        people.ann.done(f"{path.partition('?')[0]}share/", audience="public")
    page = people.guest.text("/comres/")
    for name in ("shown", "shown area", "shown filter"):
        assert f">{name}</a>" in page
    assert "hidden" not in page
    assert "Copy</button>" not in page
    assert f'action="/watchlists/{number_in(made)}/copy/"' in people.eve.text("/comres/")
    assert "shown filter" in people.eve.text(people.eve.done(f"{filter_.partition('?')[0]}copy/"))
