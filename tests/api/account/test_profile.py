"""The page of the own account."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from visitors import PASSWORD

from broker_assets.access import accounts, guesses, tokens

pytestmark = pytest.mark.database


def test_whoever_is_not_logged_in_is_sent_to_the_form(pages: Any) -> None:
    answer = pages.anybody().get("/profile/", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/accounts/login/?next=%2Fprofile%2F")
    assert pages.anybody().post("/profile/delete/", {"name": "ann"}).headers["location"].startswith("/accounts/login/")


def test_a_token_is_shown_once_and_works_until_it_is_revoked(pages: Any, connection: Any) -> None:
    ann = pages.user("ann")
    made = ann.post("/profile/tokens/", {"name": "night <b>ly", "scope": "write", "days": "30"})
    (token,) = re.findall(r'<code id="new-token">([0-9a-f]{40})</code>', made.text)
    assert "<b>" not in made.text
    page = ann.get("/profile/").text
    assert token not in page
    assert "night &lt;b&gt;ly" in page
    bearer = tokens.bearer(connection, token)
    assert bearer is not None
    assert (bearer.user.username, bearer.scope) == ("ann", "write")
    (stored,) = (one for one in tokens.of_user(connection, bearer.user) if one.name == "night <b>ly")
    assert stored.date_expires is not None
    assert round((stored.date_expires - stored.date_created).total_seconds() / 86_400) == 30
    assert pages.user("bob").post("/profile/tokens/revoke/", {"name": "night <b>ly"}).status_code == 404
    assert ann.post("/profile/tokens/revoke/", {"name": "night <b>ly"}).status_code == 303
    assert tokens.bearer(connection, token) is None


@pytest.mark.parametrize(
    "form",
    [
        {"name": ""},
        {"name": "x" * 101},
        {"name": "a\nb"},
        {"name": "a", "scope": "administrator"},
        {"name": "a", "days": "0"},
        {"name": "a", "days": "1e9"},
        {"name": "a\x00b"},
    ],
)
def test_a_token_that_cannot_be_is_refused_with_the_reason(pages: Any, connection: Any, form: dict[str, str]) -> None:
    answer = pages.user("bob").post("/profile/tokens/", form)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert tokens.of_user(connection, accounts.get(connection, "bob")) == []


def test_a_token_that_ends_soon_is_pointed_out(pages: Any, connection: Any) -> None:
    tokens.create(connection, accounts.get(connection, "ann"), "ends soon", days=5)
    assert "The token ends soon ends on" in pages.user("ann").get("/profile/").text


def test_a_new_password_ends_all_other_sessions(pages: Any, connection: Any) -> None:
    accounts.add(connection, "dora", PASSWORD)
    here, elsewhere = pages.user("dora"), pages.user("dora")
    new = "battery staple"
    for form, reason in (
        ({"current": "wrong horse", "new": new, "repeated": new}, "current password is wrong"),
        ({"current": PASSWORD, "new": new, "repeated": "else"}, "differ"),
        ({"current": PASSWORD, "new": "short", "repeated": "short"}, "at least 10"),
    ):
        answer = here.post("/profile/password/", form)
        assert answer.status_code == 400
        assert reason in answer.text
    old = here.client.cookies["sessionid"]
    assert here.post("/profile/password/", {"current": PASSWORD, "new": new, "repeated": new}).status_code == 303
    assert here.client.cookies["sessionid"] != old
    assert "is changed" in here.get("/profile/?said=password").text
    assert elsewhere.get("/profile/", follow_redirects=False).status_code == 303
    assert here.post("/profile/sessions/").status_code == 303
    assert here.get("/profile/", follow_redirects=False).status_code == 303


def test_guesses_of_the_password_are_counted_here_too(pages: Any, connection: Any) -> None:
    accounts.add(connection, "emma", PASSWORD)
    emma = pages.user("emma")
    for _ in range(guesses.BY_ACCOUNT - 1):
        guesses.remember(connection, "emma", "192.0.2.1")
    emma.post("/profile/email/", {"current": "wrong horse", "email": "thief@example.org"})
    answer = emma.post("/profile/email/", {"current": PASSWORD, "email": "thief@example.org"})
    assert answer.status_code == 400
    assert "Too many wrong passwords" in answer.text
    assert accounts.get(connection, "emma").email == ""


def test_the_address_is_changed_with_the_password(pages: Any, connection: Any) -> None:
    ann = pages.user("ann")
    assert ann.post("/profile/email/", {"current": PASSWORD, "email": "no address"}).status_code == 400
    assert ann.post("/profile/email/", {"current": PASSWORD, "email": "new@example.org"}).status_code == 303
    assert accounts.get(connection, "ann").email == "new@example.org"


def test_the_export_has_what_is_the_users(pages: Any) -> None:
    answer: httpx.Response = pages.user("ann").get("/profile/export/")
    assert answer.headers["content-disposition"].startswith('attachment; filename="ann-')
    document = json.loads(answer.text)
    assert document["account"]["username"] == "ann"
    assert "bob" not in answer.text


def test_a_user_deletes_the_account(pages: Any, connection: Any) -> None:
    accounts.add(connection, "carl", PASSWORD)
    carl = pages.user("carl")
    assert "Write the name" in carl.post("/profile/delete/", {"name": "Carl", "current": PASSWORD}).text
    assert carl.post("/profile/delete/", {"name": "carl", "current": "wrong horse"}).status_code == 400
    assert carl.post("/profile/delete/", {"name": "carl", "current": PASSWORD}).status_code == 303
    with pytest.raises(accounts.UnknownAccount):
        accounts.get(connection, "carl")
    assert carl.get("/profile/", follow_redirects=False).status_code == 303


def test_a_guest_sees_the_page_and_changes_nothing(pages: Any, connection: Any) -> None:
    guest = pages.user("guest")
    page = guest.get("/profile/").text
    assert "Guests have no tokens" in page
    assert 'action="/profile/delete/"' not in page
    for path in ("tokens/", "password/", "email/", "delete/", "sessions/", "tokens/revoke/"):
        form = {"name": "guest", "current": PASSWORD, "new": "battery staple", "repeated": "battery staple"}
        assert guest.post(f"/profile/{path}", form).status_code == 403
    assert accounts.log_in(connection, "guest", PASSWORD, "::1").is_guest


def test_quotas_and_use_are_there(pages: Any) -> None:
    page = pages.user("ann").get("/profile/").text
    for text in ("Requests in the last hour", "Tokens", "Watchlists", "Cones", "Rows of an answer", "10,000"):
        assert text in page
