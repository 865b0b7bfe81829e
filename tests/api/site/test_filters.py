"""Filters: the list, the page of one, sharing, settings, copies, removal; each for those who may."""

from __future__ import annotations

from typing import Any

import pytest
from queued_messages import add_sink
from site_visitors import number_in
from stored_filters import add_batch, add_run

from broker_assets.access.changes import newest
from broker_assets.filters.store import pause

pytestmark = pytest.mark.database
TEXT = "SELECT diaObjectId, ra FROM objects WHERE nDiaSources > 3"
PAGES = ("", "?tab=versions", "?tab=yield", "?tab=deliveries", "update/", "delete/", "run/", "explain/?object=7")
ACTIONS = (
    "update/", "settings/", "share/", "pause/", "activate/", "try/", "copy/", "delete/", "sinks/", "sinks/1/remove/",
    "dead/",
)  # fmt: skip


@pytest.fixture(scope="module")
def number(people: Any) -> int:
    """A private filter of ann that has passed something."""
    found = number_in(people.ann.done("/filters/create/", name="Bright", description="<u>all</u>", text=TEXT))
    add_run(people.connection, add_batch(people.connection), found, 12)
    return found


def test_an_empty_page_says_what_to_do(people: Any, number: int) -> None:
    assert "You have no filter yet" in people.eve.text("/filters/")
    assert "No filter is public yet" in people.guest.text("/filters/")
    page = people.ann.text("/filters/")
    assert "‖ inactive" in page
    assert "2025-11-20" in page


def test_the_page_has_definition_and_yield(people: Any, number: int) -> None:
    page = people.ann.text(f"/filters/{number}/")
    assert "nDiaSources &gt; 3" in page
    assert "<u>all" not in page
    assert "<svg" in page
    assert "2025-11-20: 12" in page
    assert "Activate</button>" in page
    assert "style=" not in page
    people.ann.done(f"/filters/{number}/update/", text=TEXT.replace("3", "4"))
    versions = people.ann.text(f"/filters/{number}/?tab=versions")
    assert '<span class="removed">-SELECT diaObjectId, ra FROM objects WHERE nDiaSources &gt; 3</span>' in versions
    assert "Version 2" in versions
    assert "nDiaSources &gt; 3" in people.ann.text(f"/filters/{number}/?v=1")
    assert people.ann.get(f"/filters/{number}/?v=9").status_code == 404


def test_another_users_private_filter_does_not_exist(people: Any, number: int) -> None:
    for visitor in (people.bob, people.guest):
        for path in PAGES:
            answer = visitor.get(f"/filters/{number}/{path}")
            assert answer.status_code == 404 or (
                visitor is people.guest and answer.headers["location"].startswith("/accounts/login/")
            ), path
        assert "Bright" not in visitor.text("/filters/")
    for path in ACTIONS:
        assert people.bob.send(f"/filters/{number}/{path}", text=TEXT, name="x", kind="email").status_code == 404, path
    for path in (*(f"{number}/{action}" for action in ACTIONS), "create/", "check/", "try/"):
        assert people.guest.send(f"/filters/{path}").status_code == 401, path
        assert people.ann.send(f"/filters/{path}", forged=True).status_code == 403, path


def test_what_is_shared_may_be_read_and_copied_but_not_changed(people: Any, number: int) -> None:
    path = f"/filters/{number}/"
    people.ann.done(f"{path}share/", audience="group", group="AGN")
    assert people.bob.get(path).status_code == 200
    assert people.eve.get(path).status_code == 404
    assert people.bob.get(f"{path}?tab=deliveries").status_code == 403
    for action in ("update/", "settings/", "share/", "pause/", "activate/", "delete/", "sinks/", "dead/"):
        answer = people.bob.send(path + action, text=TEXT, name="stolen", kind="email")
        assert answer.status_code == 403, action
    people.ann.done(f"{path}share/", audience="public")
    assert people.guest.get(path).status_code == 200
    assert people.guest.get(f"{path}run/").status_code == 302
    copied = people.eve.done(f"{path}copy/")
    assert "Filter Bright" in people.eve.text(copied)
    assert "yours" in people.eve.text(copied)
    add_sink(people.connection, number, kind="kafka", target="lasair_open", public=True)
    answer = people.ann.send(f"{path}share/", audience="owner")
    assert answer.status_code == 422
    assert "remove that destination first" in answer.text
    people.connection.execute("DELETE FROM filter_sinks WHERE filterid = %s", (number,))
    people.ann.done(f"{path}share/", audience="owner")
    assert people.guest.get(path).status_code == 404


def test_a_filter_that_names_another_users_private_list_shows_nothing_of_it(people: Any) -> None:
    made = people.ann.done("/watchlists/create/", name="secret", radius="5", lines="1, 2")
    text = f"selected: objects.ra\ntables: objects, watchlist:{number_in(made)}"
    assert people.bob.send("/filters/create/", name="spy", text=text).status_code == 422
    number = number_in(people.ann.done("/filters/create/", name="with a list", text=text))
    people.ann.done(f"/filters/{number}/share/", audience="public")
    assert people.bob.get(f"/filters/{number}/").status_code == 200
    for path in ("run/", "explain/?object=7"):
        answer = people.bob.get(f"/filters/{number}/{path}")
        assert answer.status_code == 403
    for path in ("copy/", "try/"):
        assert people.bob.send(f"/filters/{number}/{path}").status_code == 422


def test_settings_pause_and_removal(people: Any) -> None:
    path = people.ann.done("/filters/create/", name="changing", text=TEXT).partition("?")[0]
    people.ann.done(f"{path}settings/", name="changed", description="d", quota="500", alerts="on")
    page = people.ann.text(path)
    assert "500 matches a night" in page
    assert "<dd>alerts</dd>" in page
    for fields in ({"name": "BRIGHT"}, {"name": "changed", "quota": "100000000"}, {"name": ""}):
        assert people.ann.send(f"{path}settings/", **fields).status_code == 422
    people.connection.execute("UPDATE filters SET active = true WHERE name = 'changed'")
    assert "Pause</button>" in people.ann.text(path)
    people.ann.done(f"{path}pause/")
    assert "Activate</button>" in people.ann.text(path)
    people.connection.execute("UPDATE filters SET active = true WHERE name = 'changed'")
    pause(people.connection, number_in(path), "it <floods>")
    assert "it &lt;floods&gt;" in people.ann.text(path)
    assert "Remove filter changed" in people.ann.text(f"{path}delete/")
    people.ann.done(f"{path}delete/")
    assert people.ann.get(path).status_code == 404
    noted = [(one.username, one.action) for one in newest(people.connection) if one.subject == str(number_in(path))]
    assert [action for _, action in noted] == ["filter removed", "filter paused", "filter changed", "filter made"]
    assert {username for username, _ in noted} == {"ann"}
