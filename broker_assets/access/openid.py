"""Log-in at an OpenID Connect provider: the code flow with PKCE, state and nonce (OpenID Connect Core 1.0, RFC 7636).

The provider's metadata (endpoints, keys) are read at the first log-in, and its keys again when a signature uses an
unknown one. The identity of the person is taken from the signed ID token alone.
"""

from __future__ import annotations

import re
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from broker_assets.access.identities import Person
from broker_assets.http import HttpClient, HttpError
from broker_assets.settings.access import OpenIdSettings
from broker_assets.web_guard import is_loopback

ALGORITHMS: Final = ("RS256", "ES256", "PS256", "EdDSA")
"""Signatures that are accepted: only those by a key pair, never by a shared secret, and never none at all."""
LEEWAY: Final = 60
"""Seconds by which clocks may differ."""
_LARGEST: Final = 1024**2


class OpenIdError(PermissionError):
    """The provider is unavailable, or its answer cannot be trusted; the message contains no secret."""


@dataclass(frozen=True)
class Begun:
    """A log-in that has begun: where the browser is sent, and what is compared when it returns."""

    url: str
    state: str
    nonce: str
    verifier: str


class Provider:
    """One provider.

    Parameters
    ----------
    settings : OpenIdSettings
        The provider's address, and our name and secret there.
    redirect : str
        Address on this platform to which the provider sends browsers back.

    Raises
    ------
    OpenIdError
        If the provider's address is neither HTTPS nor on this machine.
    """

    def __init__(self, settings: OpenIdSettings, redirect: str) -> None:
        self.issuer = (settings.issuer or "").rstrip("/")
        _check_address(self.issuer)
        self._settings, self._redirect = settings, redirect
        self._lock = threading.Lock()
        self._metadata: dict[str, Any] | None = None
        self._keys: KeySet | None = None

    def begin(self) -> Begun:
        """Begin a log-in.

        Raises
        ------
        OpenIdError
            If the provider does not answer.
        """
        nonce, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(48)
        with self._session() as session:
            url, state = session.create_authorization_url(
                self._endpoint("authorization_endpoint"), code_verifier=verifier, nonce=nonce
            )
        return Begun(url, state, nonce, verifier)

    def finish(self, code: str, *, nonce: str, verifier: str) -> Person:
        """Complete a log-in; return who logged in.

        Parameters
        ----------
        code : str
            The code that the browser brought.
        nonce, verifier : str
            Those of `Begun`.

        Raises
        ------
        OpenIdError
            If the provider refuses the code, or its ID token was not issued by it, for us, just now and for this
            log-in.
        """
        with self._session() as session:
            try:
                token = session.fetch_token(
                    self._endpoint("token_endpoint"), code=code, code_verifier=verifier,
                    timeout=self._settings.seconds, allow_redirects=False,
                )  # fmt: skip
            except Exception as error:  # noqa: BLE001 - what the library raises is not one family
                # The text of the error may contain the code.
                raise OpenIdError(f"the provider did not accept the log-in ({type(error).__name__})") from None
        statement = token.get("id_token") if isinstance(token, dict) else None
        if not isinstance(statement, str) or len(statement) > _LARGEST:
            raise OpenIdError("the provider did not say who logged in")
        claims = self._claims(statement)
        self._check(claims, nonce)
        confirmed = claims.get("email_verified") is True and isinstance(claims.get("email"), str)
        name = claims.get(self._settings.username_claim)
        return Person(
            self.issuer, claims["sub"], name if isinstance(name, str) else "", claims["email"] if confirmed else ""
        )

    def _session(self) -> OAuth2Session:
        secret = self._settings.client_secret
        return OAuth2Session(
            self._settings.client_id,
            secret.get_secret_value() if secret is not None else None,
            token_endpoint_auth_method="client_secret_basic" if secret is not None else "none",
            scope=self._settings.scopes,
            redirect_uri=self._redirect,
            code_challenge_method="S256",
        )

    def _claims(self, statement: str) -> dict[str, Any]:
        for again in (False, True):
            try:
                token = jwt.decode(statement, self._key_set(again=again), algorithms=list(ALGORITHMS))
            except (JoseError, ValueError, TypeError, KeyError):
                continue
            return dict(token.claims)
        raise OpenIdError("the provider's ID token is not signed by one of its keys")

    def _check(self, claims: dict[str, Any], nonce: str) -> None:
        now, client = time.time(), self._settings.client_id
        audience = claims.get("aud")
        several = audience if isinstance(audience, list) else [audience]
        subject, ends, made = claims.get("sub"), claims.get("exp"), claims.get("iat")
        wrong = {
            "issuer": str(claims.get("iss", "")).rstrip("/") != self.issuer,
            "audience": client not in several or (len(several) > 1 and claims.get("azp") != client),
            "authorised party": claims.get("azp", client) != client,
            "end": not isinstance(ends, int | float) or ends < now - LEEWAY,
            "time": not isinstance(made, int | float) or made > now + LEEWAY,
            "nonce": not isinstance(claims.get("nonce"), str) or not secrets.compare_digest(claims["nonce"], nonce),
            "subject": not isinstance(subject, str) or not re.fullmatch(r"[\x20-\x7e]{1,255}", subject),
        }
        bad = [name for name, is_wrong in wrong.items() if is_wrong]
        if bad:
            raise OpenIdError(f"the provider's statement has a wrong {bad[0]}")

    def _endpoint(self, name: str) -> str:
        with self._lock:
            if self._metadata is None:
                found = self._get(f"{self.issuer}/.well-known/openid-configuration")
                if str(found.get("issuer", "")).rstrip("/") != self.issuer:
                    raise OpenIdError("the provider's configuration is that of another issuer")
                self._metadata = found
            address = str(self._metadata.get(name, ""))
        _check_address(address)
        return address

    def _key_set(self, *, again: bool) -> KeySet:
        address = self._endpoint("jwks_uri")
        with self._lock:
            if self._keys is None or again:
                self._keys = KeySet.import_key_set(self._get(address))  # type: ignore[arg-type]
            return self._keys

    def _get(self, address: str) -> dict[str, Any]:
        try:
            with HttpClient(timeout=self._settings.seconds, largest=_LARGEST) as client:
                answer = client.get(address)
            found = answer.json() if answer.ok else None
        except (HttpError, ValueError) as error:
            raise OpenIdError(f"the provider is unavailable: {error}") from None
        if not isinstance(found, dict):
            raise OpenIdError("the provider is unavailable: its answer is not the expected document")
        return found


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise OpenIdError(f"{address or 'the address of the provider'} is not an address of HTTPS")
