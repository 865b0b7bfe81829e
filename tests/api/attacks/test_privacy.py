"""What belongs to another account is neither seen nor changed, by whatever path."""

from __future__ import annotations

from typing import Any

import pytest
from attacked_things import SECRET
from every_route import every_route, filled, read_paths

pytestmark = pytest.mark.database


ASKED = {"q": SECRET, "owner": "victim", "watchlist": "1"}


@pytest.mark.parametrize(("name", "query"), [("", {}), ("mallory", {}), ("mallory", ASKED)])
def test_no_page_and_no_answer_shows_what_is_private(ground: Any, name: str, query: dict[str, str]) -> None:
    someone = ground.user(name) if name else ground.anybody()
    seen = 0
    for path in read_paths(ground.app):
        address = filled(path, ground.values)
        answer = someone.get(address, params=query, follow_redirects=False)
        shown = answer.text.replace(ground.values["topic"], "") if SECRET in address else answer.text
        repeats_question = query and ("search" in path or path == "/sql/")
        shown = shown.replace(SECRET, "", 3) if repeats_question else shown
        assert SECRET not in shown, f"{address} shows {name or 'everybody'} what is private"
        assert answer.status_code < 500 or path in ("/health", "/ready"), address
        seen += answer.status_code == 200
    assert seen > 10


def test_the_owner_sees_it(ground: Any) -> None:
    """The test above looks for the right things."""
    victim = ground.user("victim")
    for path in (
        "/profile/",
        "/profile/export/",
        "/filters/{number}/",
        "/watchlists/{number}/",
        "/annotators/{topic}/",
        "/targets/",
        "/targets/{number}/",
        "/targets/lists/{number}/",
        "/targets/observations/{number}/",
        "/spectra/files/{number}/",
        "/calendar/?month=2026-12",
    ):
        assert SECRET in victim.get(filled(path, ground.values), follow_redirects=False).text, path


def test_no_form_of_another_account_changes_anything(ground: Any) -> None:
    before = ground.state()
    mallory = ground.user("mallory")
    form = {"name": "stolen", "public": "on", "owner": "mallory", "groups": "Public", "radius": "5", "how": "replace"}
    form |= {
        "lines": "10,20,a",
        "topic": ground.values["topic"],
        "description": "x",
        "kind": "email",
        "target": "m@x.org",
    }
    for method, path in every_route(ground.app):
        if method in ("GET", "HEAD") or path.startswith(("/profile/", "/accounts/")) or path.endswith("/create/"):
            continue  # their own things: what they do is tested elsewhere
        if path in ("/filters/try/", "/filters/{number}/copy/", "/annotators/ask/"):
            continue
        address = filled(path, ground.values)
        if path.startswith("/api/v1"):
            answer = mallory.client.request(
                method, address, json=form, headers={"X-CSRFToken": mallory.client.cookies["csrftoken"]}
            )
        elif method == "POST":
            answer = mallory.post(address, form)
        else:
            continue
        assert SECRET not in answer.text.replace(f"of_{SECRET}", ""), address
        assert answer.status_code < 500, address
    assert ground.state() == before


@pytest.mark.parametrize(
    "tables", ["objects, watchlist:{number}", "objects, area:{number}", "objects, annotator:{topic}"]
)
def test_no_query_reads_it(ground: Any, tables: str) -> None:
    asked = {"selected": "objects.diaObjectId", "conditions": "", "tables": tables.format(**ground.values)}
    answer = ground.program().post("/api/query/", data=asked)
    assert answer.status_code == 400
    assert "neither public nor yours" in answer.text
    asked["tables"] = tables.format(**ground.public)
    assert ground.program().post("/api/query/", data=asked).status_code == 200


def test_tokens_of_others_are_not_guessed_by_name_or_number(ground: Any) -> None:
    mallory = ground.user("mallory")
    for name in (f"token {SECRET}", "1", "' OR true --"):
        assert mallory.post("/profile/tokens/revoke/", {"name": name}).status_code == 404
