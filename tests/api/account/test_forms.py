"""Who may send a form, and what is taken of it."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.api.account.forms import text


@pytest.mark.parametrize("value", [None, 7, ["a"], {"a": 1}, "x" * 20, "a\x00b"])
def test_what_is_not_a_text_is_empty(value: Any) -> None:
    assert text({"name": value}, "name", 10) == ""
    assert text({"name": "abc"}, "name", 10) == "abc"


@pytest.mark.database
def test_the_value_against_forgery_is_that_of_the_session(pages: Any) -> None:
    ann, bob = pages.user("ann"), pages.user("bob")
    for value in ("", "x", bob.client.cookies["csrftoken"]):
        answer = ann.client.post("/profile/sessions/", data={"csrfmiddlewaretoken": value}, follow_redirects=False)
        assert answer.status_code == 403
    header = {"X-CSRFToken": ann.client.cookies["csrftoken"]}
    assert ann.client.post("/profile/sessions/", headers=header, follow_redirects=False).status_code == 303
