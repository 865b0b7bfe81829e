"""What the reverse proxy is answered."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.access import accounts, requests, tokens

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    ("name", "rights"), [("admin", "write"), ("oper", "write"), ("ann", "read"), ("guest", "read")]
)
def test_operators_write_and_others_read(pages: Any, connection: Any, name: str, rights: str) -> None:
    answer = pages.user(name).get("/auth/check")
    assert (answer.status_code, answer.headers["x-broker-rights"]) == (204, rights)
    assert answer.headers["x-broker-user"] == name
    user = accounts.get(connection, name)
    for scope in ("read", "write"):
        token = tokens.issue(connection, user, "proxy", scope, most=9)  # type: ignore[arg-type]
        answer = pages.anybody().get("/auth/check", headers={"Authorization": f"Token {token}"})
        assert answer.headers["x-broker-rights"] == (rights if scope == "write" else "read")
    assert requests.made(connection, user.userid) == 0


def test_nobody_else_is_let_in(pages: Any, connection: Any) -> None:
    someone = pages.anybody()
    for headers in (
        {},
        {"Cookie": "sessionid=x"},
        {"Authorization": "Token " + "0" * 40},
        {"X-Broker-Rights": "write"},
    ):
        answer = someone.get("/auth/check", headers=headers)
        assert answer.status_code == 401
        assert "x-broker-rights" not in answer.headers
    bob = pages.user("bob")
    accounts.update(connection, "bob", active=False)
    assert bob.get("/auth/check").status_code == 401
    accounts.update(connection, "bob", active=True)
