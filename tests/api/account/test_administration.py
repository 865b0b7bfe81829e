"""Pages of administrators."""

from __future__ import annotations

from typing import Any

import pytest
from visitors import PASSWORD

from broker_assets.access import accounts, changes, groups

pytestmark = pytest.mark.database
PAGES = ("/admin/", "/admin/groups/", "/admin/changes/", "/admin/accounts/ann/")
FORMS = (
    "/admin/",
    "/admin/groups/",
    "/admin/groups/1/remove/",
    "/admin/accounts/ann/",
    "/admin/accounts/ann/link/",
    "/admin/accounts/ann/remove/",
)


@pytest.mark.parametrize("name", ["ann", "oper", "guest"])
def test_nobody_else_sees_or_changes_anything(pages: Any, connection: Any, name: str) -> None:
    someone = pages.user(name)
    assert {someone.get(path).status_code for path in PAGES} == {403}
    form = {"username": "evil", "name": "ann", "email": "evil@example.org", "role_administrator": "1"}
    assert {someone.post(path, form).status_code for path in FORMS} == {403}
    assert {pages.anybody().get(path, follow_redirects=False).status_code for path in PAGES} == {303}
    assert accounts.get(connection, "ann").roles == frozenset()


def test_a_form_of_another_site_changes_nothing(pages: Any, connection: Any) -> None:
    admin = pages.user("admin")
    for path in FORMS:
        answer = admin.client.post(path, data={"name": "ann", "role_administrator": "1", "csrfmiddlewaretoken": "x"})
        assert answer.status_code == 403
    assert accounts.get(connection, "ann").roles == frozenset()


def test_an_account_is_made_with_a_link(pages: Any, connection: Any) -> None:
    admin = pages.user("admin")
    assert admin.post("/admin/", {"username": "hans", "email": ""}).status_code == 400
    assert admin.post("/admin/", {"username": "ANN", "email": "a@example.org"}).status_code == 400
    assert admin.post("/admin/", {"username": "hans", "email": "hans@example.org"}).status_code == 303
    assert [str(message["To"]) for message in pages.mailbox.messages] == ["hans@example.org"]
    page = admin.get("/admin/").text
    assert "hans@example.org" in page
    assert "hans" not in admin.get("/admin/?name=ann").text.split("<caption>")[1]
    assert admin.post("/admin/accounts/hans/link/").status_code == 200
    assert len(pages.mailbox.messages) == 2


def test_roles_and_groups_are_changed_and_recorded(pages: Any, connection: Any) -> None:
    accounts.add(connection, "ida", PASSWORD)
    admin = pages.user("admin")
    assert admin.post("/admin/groups/", {"name": "AGN <x>"}).status_code == 400
    assert admin.post("/admin/groups/", {"name": "AGN"}).status_code == 303
    assert admin.post("/admin/groups/", {"name": "agn"}).status_code == 400
    (group,) = (group for group in groups.every(connection) if group.name == "AGN")
    form = {"active": "1", "email": "", "role_operator": "1", f"group_{group.groupid}": "1"}
    assert admin.post("/admin/accounts/ida/", form).status_code == 303
    ida = accounts.get(connection, "ida")
    assert ida.roles == {"operator"}
    assert set(accounts.groups_of(connection, ida.userid)) == {"AGN", "Public"}
    assert admin.post("/admin/accounts/ida/", {"email": ""}).status_code == 303
    assert not accounts.get(connection, "ida").active
    assert accounts.groups_of(connection, ida.userid) == ["Public"]
    assert admin.post(f"/admin/groups/{group.groupid}/remove/").status_code == 303
    (everybody,) = groups.every(connection)
    assert admin.post(f"/admin/groups/{everybody.groupid}/remove/").status_code == 400
    assert admin.post("/admin/accounts/ida/remove/", {"name": "no"}).status_code == 400
    assert admin.post("/admin/accounts/ida/remove/", {"name": "ida"}).status_code == 303
    assert admin.get("/admin/accounts/ida/").status_code == 404
    done = [change.action for change in changes.newest(connection, who="admin")]
    assert done[:4] == ["user removed", "group removed", "groups changed", "user changed"]


def test_the_last_administrator_cannot_leave(pages: Any, connection: Any) -> None:
    admin = pages.user("admin")
    answer = admin.post("/admin/accounts/admin/", {"active": "1", "email": ""})
    assert answer.status_code == 400
    assert "last administrator" in answer.text
    assert "last administrator" in admin.post("/admin/accounts/admin/remove/", {"name": "admin"}).text


def test_the_record_is_filtered_and_has_pages(pages: Any, connection: Any) -> None:
    for number in range(120):
        changes.record(connection, None, "tried", f"thing {number} <script>")
    admin = pages.user("admin")
    page = admin.get("/admin/changes/?action=tried").text
    assert page.count("<td>tried</td>") == 100
    assert "<script>" not in page
    onward = page.split('href="?')[1].split('"')[0].replace("&amp;", "&")
    assert admin.get(f"/admin/changes/?{onward}").text.count("<td>tried</td>") == 20
    assert admin.get("/admin/changes/?action=tried&subject=THING%2099").text.count("<td>tried</td>") == 1
    for query in ("who=nobody", "since=2999-01-01", "before=1", "action='--"):
        assert "No change is like this" in admin.get(f"/admin/changes/?{query}").text
    assert "is not a day" in admin.get("/admin/changes/?since=x&before=99999999999999999999").text
