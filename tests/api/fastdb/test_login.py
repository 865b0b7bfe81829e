"""The log-in of FASTDB's client, request by request, and who is kept out."""

from __future__ import annotations

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from cryptography.exceptions import InvalidTag
from fastdb_dialogue import PASSWORD, RefusedError, decrypted, sent

from broker_assets.access import accounts, challenges, guesses
from broker_assets.access.passwords import hash_password
from broker_assets.api.fastdb import login
from broker_assets.database import engine
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.settings.access import AccessSettings

pytestmark = pytest.mark.database


def test_the_dialogue_of_the_client(talk: Callable[..., Any], fastdb_database: str) -> None:
    client = talk("anna")
    assert [path for path, _ in client.sent] == ["/auth/getchallenge", "/auth/respondchallenge"]
    said = client.send("/auth/isauth").json()
    assert said["status"] is True
    assert (said["username"], said["useremail"], said["usergroups"]) == ("anna", "anna@example.org", ["Public"])
    client.sent.clear()
    client.verify_logged_in()
    assert client.sent == [("/auth/isauth", 200)]
    # Another account with the same session, which the client logs out first.
    client.username = "berta"
    client.verify_logged_in()
    assert client.send("/auth/isauth/").json()["username"] == "berta"
    assert [path for path, _ in client.sent][2] == "/auth/logout"
    assert client.send("/auth/logout").json() == {"status": "Logged out"}
    assert client.send("/auth/isauth").json() == {"status": False}
    with engine.connect(fastdb_database) as connection:
        assert accounts.get(connection, "anna").last_login is not None
        of_anna = "SELECT count(*) FROM access.failed_guesses WHERE username = 'anna'"
        assert connection.execute(of_anna).fetchone() == (0,)


def test_an_answer_counts_once_and_only_for_who_asked(talk: Callable[..., Any], fastdb_site: str) -> None:
    first, second = requests.Session(), requests.Session()
    data = first.post(f"{fastdb_site}/auth/getchallenge", json={"username": "berta"}).json()
    second.post(f"{fastdb_site}/auth/getchallenge", json={"username": "berta"})
    right = {"username": "berta", "response": decrypted(data, PASSWORD)}
    answers = [who.post(f"{fastdb_site}/auth/respondchallenge", json=right) for who in (second, first, first)]
    assert [answer.status_code for answer in answers] == [422, 200, 422]
    assert "Authentication failure" in answers[0].text
    # Two at once: one of them.
    again = requests.Session()
    data = again.post(f"{fastdb_site}/auth/getchallenge", json={"username": "berta"}).json()
    right["response"] = decrypted(data, PASSWORD)
    cookies = again.cookies.get_dict()
    with ThreadPoolExecutor(2) as threads:
        ends = list(
            threads.map(
                lambda _: sent(f"{fastdb_site}/auth/respondchallenge", right, cookies=cookies).status_code,
                range(2),
            )
        )
    assert sorted(ends) == [200, 422]
    talk("berta")  # forgets the guesses


def test_names_that_nobody_has_look_like_others(fastdb_site: str, fastdb_database: str) -> None:
    with engine.connect(fastdb_database, autocommit=True) as connection:
        accounts.add(connection, "outside", None)
    answers = {}
    for name in ("anna", "outside", "no-such-name"):
        told = [sent(f"{fastdb_site}/auth/getchallenge", {"username": name}) for _ in range(2)]
        assert {answer.status_code for answer in told} == {200}
        one, two = (answer.json() for answer in told)
        assert one["username"] == name
        # What belongs to the account is the same each time; the challenge is not.
        assert {key: one[key] for key in ("privkey", "salt", "iv")} == {
            key: two[key] for key in ("privkey", "salt", "iv")
        }
        assert one["challenge"] != two["challenge"]
        answers[name] = one
        with pytest.raises(InvalidTag):
            decrypted(one, "another one")
    assert len({answer["privkey"] for answer in answers.values()}) == 3
    for key, size in (("challenge", {256}), ("salt", {16}), ("iv", {16}), ("privkey", set(range(1228, 1238)))):
        assert {len(base64.b64decode(answer[key])) for answer in answers.values()} <= size


def test_wrong_passwords_lock_the_account_as_at_the_page(
    talk: Callable[..., Any], fastdb_site: str, fastdb_database: str
) -> None:
    with engine.connect(fastdb_database, autocommit=True) as connection:
        accounts.add(connection, "clara", PASSWORD)
        with pytest.raises(accounts.WrongPassword):
            accounts.log_in(connection, "clara", "wrong wrong", "192.0.2.1")
        for _ in range(guesses.BY_ACCOUNT - 2):
            guesses.remember(connection, "clara", "192.0.2.1")
        # One that could not open its key, and never answered.
        sent(f"{fastdb_site}/auth/getchallenge", {"username": "clara"})
        connection.execute("UPDATE access.login_challenges SET date_expires = now() WHERE username = 'clara'")
        refused = sent(f"{fastdb_site}/auth/getchallenge", {"username": "Clara"})
        assert refused.status_code == 422
        assert "oo many wrong passwords" in refused.text
        with pytest.raises(guesses.TooManyGuesses):
            accounts.log_in(connection, "clara", PASSWORD, "192.0.2.1")
        guesses.forget(connection, "clara")
        connection.execute(
            "INSERT INTO access.login_challenges SELECT 'x' || n, 'clara', NULL, '', '192.0.2.7',"
            " now() + interval '1 minute' FROM generate_series(1, %s) AS n",
            (challenges.MOST_WAITING,),
        )
        with pytest.raises(RefusedError, match="oo many wrong"):
            talk("clara")
        connection.execute("DELETE FROM access.login_challenges")
        talk("clara")
        accounts.update(connection, "clara", active=False)
        with pytest.raises(InvalidTag):
            talk("clara")


def test_a_pair_is_made_at_the_next_log_in_and_ends_with_its_password(
    talk: Callable[..., Any], fastdb_database: str
) -> None:
    with engine.connect(fastdb_database, autocommit=True) as connection:
        accounts.add_with_hash(connection, "dora", hash_password(PASSWORD))
        with pytest.raises(InvalidTag):
            talk("dora")
        accounts.log_in(connection, "dora", PASSWORD, "192.0.2.1")
        talk("dora")
        accounts.update(connection, "dora", password="another one")
        with pytest.raises(InvalidTag):
            talk("dora")
        session = talk("dora", "another one")
        # Wherever a password is changed: a pair for another one counts no more.
        connection.execute("UPDATE access.users SET password = %s WHERE username = 'dora'", (hash_password(PASSWORD),))
        with pytest.raises(InvalidTag):
            talk("dora", "another one")
        assert session.send("/auth/isauth").json()["status"] is True
        made = connection.execute("SELECT count(*) FROM access.changes WHERE action = 'key pair made'").fetchone()
        assert made == (1,)


def test_bad_requests_are_422(fastdb_site: str) -> None:
    for path in ("getchallenge", "respondchallenge"):
        for body in (None, {}, {"username": 7, "response": "x"}, {"username": "", "response": "x"}, ["anna"], "anna"):
            assert sent(f"{fastdb_site}/auth/{path}", body).status_code == 422, body
        form = sent(f"{fastdb_site}/auth/{path}", data='{"username": "anna"}')
        assert form.status_code == 422
    assert requests.get(f"{fastdb_site}/auth/isauth", timeout=60).status_code == 422
    assert sent(f"{fastdb_site}/no/such/function", {}).status_code == 422


def test_it_can_be_switched_off(fastdb_database: str, serve: Any, tmp_path: Any) -> None:
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url=fastdb_database),  # type: ignore[arg-type]
        streams=[],
        access=AccessSettings(challenge_login=False),
    )
    with serve(settings) as url:
        for path in ("getchallenge", "respondchallenge"):
            answer = sent(f"{url}/fastdb/auth/{path}", {"username": "anna", "response": "x"})
            assert (answer.status_code, answer.text) == (422, login.OFF)
