"""A forgotten password, activation and registration, with a real mail server."""

from __future__ import annotations

import re
from typing import Any

import pytest
from visitors import PASSWORD

from broker_assets.access import accounts, mailed_links
from broker_assets.ownership.removal import owns_something

pytestmark = pytest.mark.database
NEW = {"new": "battery staple", "repeated": "battery staple"}


def path_in(message: Any) -> str:
    """The path of the link in a message."""
    (found,) = re.findall(r"https://broker\.example\.org(/\S+)", message.get_content())
    return str(found)


def test_a_forgotten_password_is_set_by_a_link(pages: Any, connection: Any) -> None:
    someone = pages.anybody()
    assert "Forgotten password" in someone.get("/password_reset/").text
    answers = [someone.post("/password_reset/", {"account": given}) for given in ("bob", "nobody@example.org", "")]
    assert {answer.status_code for answer in answers} == {200}
    assert len({re.sub(r'value="\w+"', "", answer.text) for answer in answers}) == 1
    (message,) = pages.mailbox.messages
    assert (message["To"], message["Subject"]) == ("bob@example.org", "[broker-assets] a new password")
    path = path_in(message)
    assert someone.get(path).status_code == 200
    assert someone.get(path).status_code == 200  # looking at it does not use it
    assert "differ" in someone.post(path, NEW | {"repeated": "else"}).text
    assert someone.post(path, NEW).status_code == 303
    assert someone.post(path, NEW).status_code == 404
    assert accounts.log_in(connection, "bob", NEW["new"], "::1").username == "bob"
    accounts.update(connection, "bob", password=PASSWORD)


def test_the_address_in_a_message_is_not_that_of_the_request(pages: Any, connection: Any) -> None:
    someone = pages.anybody()
    someone.get("/password_reset/")
    for name in ("Host", "X-Forwarded-Host", "Forwarded"):
        someone.post("/password_reset/", {"account": "bob"}, headers={name: "evil.example"})
    assert pages.mailbox.messages
    assert all("evil" not in message.as_string() for message in pages.mailbox.messages)


def test_requests_are_throttled(pages: Any, connection: Any) -> None:
    someone = pages.anybody()
    someone.get("/password_reset/")
    for _ in range(mailed_links.BY_ADDRESS):
        assert someone.post("/password_reset/", {"account": "bob"}).status_code == 200
    assert len(pages.mailbox.messages) == mailed_links.BY_ACCOUNT
    assert someone.post("/password_reset/", {"account": "bob"}).status_code == 429


@pytest.mark.parametrize("secret", ["x" * 43, "..%2f..", "%00", "é" * 43, "x' OR true --"])
def test_a_guessed_link_is_a_page_that_says_so(pages: Any, connection: Any, secret: str) -> None:
    someone = pages.anybody()
    for kind in ("password_reset", "activate"):
        assert someone.get(f"/{kind}/{secret}/").status_code == 404
        assert someone.post(f"/{kind}/{secret}/", NEW).status_code == 404


def test_a_form_of_another_site_is_refused(pages: Any, connection: Any) -> None:
    someone = pages.anybody()
    for path in ("/password_reset/", "/password_reset/abc/", "/activate/abc/", "/register/"):
        assert someone.client.post(path, data={"account": "bob"}).status_code == 403


def test_registering_and_activating(pages: Any, connection: Any) -> None:
    someone = pages.anybody()
    someone.get("/register/")
    form = {"username": "frida", "email": "frida@example.org", "password": PASSWORD}
    for wrong in ({"username": "system"}, {"username": "ann"}, {"email": ""}, {"email": "x"}, {"password": "short"}):
        assert someone.post("/register/", form | wrong).status_code == 400
    assert someone.post("/register/", form).status_code == 200
    (message,) = pages.mailbox.messages
    assert not accounts.get(connection, "frida").active
    assert someone.log_in("frida").status_code == 200  # the form again
    path = path_in(message)
    assert "Activate" in someone.get(path).text
    assert someone.post(path).status_code == 303
    assert someone.log_in("frida").status_code == 302
    assert someone.post(path).status_code == 404


def test_an_address_that_is_known_is_not_shown_to_be(pages: Any, connection: Any) -> None:
    someone = pages.anybody()
    someone.get("/register/")
    answers = [
        someone.post("/register/", {"username": f"new{number}", "email": email, "password": PASSWORD})
        for number, email in enumerate(("bob@example.org", "fresh@example.org"))
    ]
    assert len({re.sub(r'value="\w+"', "", answer.text) for answer in answers}) == 1
    assert {str(message["To"]) for message in pages.mailbox.messages} == {"bob@example.org", "fresh@example.org"}
    assert [accounts.get(connection, "new1").username] == ["new1"]
    with pytest.raises(accounts.UnknownAccount):
        accounts.get(connection, "new0")


def test_a_name_that_owns_something_cannot_be_registered(pages: Any, connection: Any) -> None:
    connection.execute("INSERT INTO watchlists (owner, name, radius) VALUES ('Gerd', 'mine', 5)")
    assert owns_something(connection, "gerd")
    someone = pages.anybody()
    someone.get("/register/")
    answer = someone.post("/register/", {"username": "gerd", "email": "gerd@example.org", "password": PASSWORD})
    assert answer.status_code == 400
    assert "exists" in answer.text


def test_no_registration_unless_the_settings_say_so(pages: Any) -> None:
    pages.app.state.access.registration = False
    try:
        assert pages.anybody().get("/register/").status_code == 403
    finally:
        pages.app.state.access.registration = True
