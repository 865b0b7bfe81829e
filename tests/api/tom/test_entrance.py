"""Those who are not admitted see what the original shows: a refusal, the log-in page, or JSON."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from broker_assets.access import accounts, tokens
from broker_assets.database import engine

pytestmark = [pytest.mark.database, pytest.mark.shared]


def anonymous(root: Any, method: str, path: str, **options: Any) -> requests.Response:
    return requests.request(method, f"{root.url}/{path}", allow_redirects=False, timeout=30, **options)


@pytest.mark.parametrize("path", ["getalert", "ltcv", "ltcvfeatures", "gethottransients", "adminsummary"])
def test_most_are_forbidden(root: Any, path: str) -> None:
    for method in ("GET", "POST"):
        answer = anonymous(root, method, f"elasticc2/{path}", json={"objectid": 1})
        assert answer.status_code == 403
        assert answer.headers["content-type"].startswith("text/html")
        assert "403 Forbidden" in answer.text


@pytest.mark.parametrize("path", ["classids", "classifiers_json", "classifiers", ""])
def test_pages_send_to_the_log_in(root: Any, path: str) -> None:
    answer = anonymous(root, "GET", f"elasticc2/{path}")
    assert answer.status_code == 302
    assert answer.headers["location"] == f"/accounts/login/?next=/elasticc2/{path}"
    asked = anonymous(root, "GET", f"elasticc2/{path}?limit=3&a=/b")
    assert asked.headers["location"] == f"{answer.headers['location']}%3Flimit%3D3%26a%3D/b"
    # Its clients follow that, and find the form.
    assert "csrfmiddlewaretoken" in requests.get(f"{root.url}/elasticc2/{path}", timeout=30).text
    assert anonymous(root, "POST", f"elasticc2/{path}").status_code == 403


def test_tables_answer_401_and_take_every_kind_of_log_in(root: Any, snapshot_database: str) -> None:
    path = "elasticc2/ppdbdiaobject/1552185/"
    for options in ({}, {"auth": ("root", "wrong")}, {"headers": {"Authorization": "Token nonsense"}}):
        answer = anonymous(root, "GET", path, **options)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Token"
        assert list(answer.json()) == ["detail"]
    assert anonymous(root, "GET", path).json() == {"detail": "Authentication credentials were not provided."}
    with engine.connect(snapshot_database, autocommit=True) as connection:
        connection.execute("TRUNCATE access.failed_guesses")
        token = tokens.create(connection, accounts.get(connection, "anna"), "test", "read")
    assert anonymous(root, "GET", path, auth=("anna", "testing it")).json()["diaobject_id"] == 1552185
    for where in (path, "elasticc2/classids"):
        assert anonymous(root, "GET", where, headers={"Authorization": f"Token {token}"}).status_code == 200
    # A token counts at every address; one that only reads does not upload.
    headers = {"Authorization": f"Token {token}"}
    assert anonymous(root, "POST", "elasticc2/ltcv", json={"objectid": 5}, headers=headers).status_code == 200
    assert anonymous(root, "PUT", "elasticc2/brokermessage/", json=[], headers=headers).status_code == 403


def test_a_session_repeats_its_value(root: Any) -> None:
    cookies = root.session.cookies
    for method in ("POST", "PUT"):
        for headers in ({}, {"X-CSRFToken": "wrong"}):
            answer = requests.request(
                method, f"{root.url}/elasticc2/brokermessage/", json=[], cookies=cookies, headers=headers, timeout=30
            )
            assert answer.status_code == 403
            assert "403 Forbidden" in answer.text
    assert requests.get(f"{root.url}/elasticc2/classids", cookies=cookies, timeout=30).status_code == 200


def test_what_needs_a_right(root: Any, anna: Any, log_in: Any) -> None:
    assert root.get("elasticc2/adminsummary").status_code == 200
    assert anna.get("elasticc2/adminsummary").status_code == 403
    truth = log_in(root.url, "truth")
    assert truth.get("elasticc2/adminsummary").status_code == 200
    body = {"detected_since_mjd": 60660, "cheat_gentypes": [82]}
    assert [found["objectid"] for found in truth.post("elasticc2/gethottransients", json=body).json()["diaobject"]] == [
        416626
    ]
    assert anna.post("elasticc2/gethottransients", json=body).status_code == 403
    assert anna.put("elasticc2/brokermessage/", json=[]).status_code == 403
    assert truth.put("elasticc2/brokermessage/", json=[]).status_code == 403


@pytest.mark.parametrize("path", ["ltcv", "ltcv/"])
def test_every_address_has_both_forms(root: Any, path: str) -> None:
    answer = root.post(f"elasticc2/{path}", json={"objectid": 1552185}, allow_redirects=False)
    assert len(answer.json()["diaobject"][0]["photometry"]["mjd"]) == 32
