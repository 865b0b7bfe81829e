"""The code flow against a true provider, and statements that must not be believed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider

from broker_assets.access.openid import OpenIdError, Provider
from broker_assets.settings.access import OpenIdSettings

BACK = "http://127.0.0.1:1/back/"


@pytest.fixture(scope="module")
def running() -> Iterator[OpenIdProvider]:
    with openid_provider() as found:
        yield found


@pytest.fixture
def peer(running: OpenIdProvider) -> OpenIdProvider:
    running.claims, running.signs_with = {}, "its key"
    running.person = {"sub": "4711", "preferred_username": "zoe", "email": "zoe@example.org", "email_verified": True}
    return running


def provider(peer: OpenIdProvider, **changes: Any) -> Provider:
    return Provider(OpenIdSettings(issuer=peer.issuer, client_id=CLIENT, client_secret=SECRET, **changes), BACK)  # type: ignore[arg-type]


def log_in(ours: Provider, **changes: str) -> Any:
    begun = ours.begin()
    back = requests.get(begun.url, allow_redirects=False, timeout=10).headers["Location"]
    found = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
    assert found["state"] == begun.state
    return ours.finish(found["code"], **({"nonce": begun.nonce, "verifier": begun.verifier} | changes))


def test_who_logged_in(peer: OpenIdProvider) -> None:
    ours = provider(peer)
    person = log_in(ours)
    assert (person.issuer, person.subject, person.name) == (peer.issuer, "4711", "zoe")
    assert person.email == "zoe@example.org"
    peer.rotate()
    assert log_in(ours).subject == "4711"
    peer.person["email_verified"] = False
    assert log_in(ours).email == ""


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": time.time() - 3600},
        {"exp": None},
        {"iat": time.time() + 3600},
        {"sub": ""},
        {"sub": None},
        {"sub": 7},
        {"sub": "a\nb"},
    ],
)
def test_statements_that_are_not_for_us_and_now(peer: OpenIdProvider, claims: dict[str, Any]) -> None:
    peer.claims = claims
    with pytest.raises(OpenIdError, match="wrong"):
        log_in(provider(peer))


@pytest.mark.parametrize("key", ["another key", "nothing", "its public key as a secret"])
def test_statements_that_the_provider_did_not_sign(peer: OpenIdProvider, key: str) -> None:
    peer.signs_with = key
    with pytest.raises(OpenIdError, match="not signed"):
        log_in(provider(peer))


def test_a_code_is_worth_nothing_without_its_verifier_and_twice(peer: OpenIdProvider) -> None:
    with pytest.raises(OpenIdError) as found:
        log_in(provider(peer), verifier="v" * 64)
    assert peer.refused[-1] == "invalid_grant: PKCE"
    assert "v" * 64 not in str(found.value)
    with pytest.raises(OpenIdError, match="nonce"):
        log_in(provider(peer), nonce="another")
    with pytest.raises(OpenIdError):
        provider(peer).finish("guessed", nonce="n", verifier="v" * 64)


def test_a_provider_without_encryption_or_of_another_name_is_refused(peer: OpenIdProvider) -> None:
    for issuer in ("http://login.example.org", "ftp://127.0.0.1", ""):
        with pytest.raises(OpenIdError, match="HTTPS"):
            Provider(OpenIdSettings(issuer=issuer), BACK)
    with pytest.raises(OpenIdError, match="another issuer"):
        Provider(OpenIdSettings(issuer=f"{peer.issuer}/realm"), BACK).begin()
    with pytest.raises(OpenIdError, match="unavailable"):
        Provider(OpenIdSettings(issuer="http://127.0.0.1:1"), BACK).begin()
