"""A small but real OpenID Connect provider: discovery, keys, the code flow with PKCE, tokens signed with RS256."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey
from loopback import LoopbackServer, QuietHandler

CLIENT, SECRET = "broker", "secret of the broker"


@dataclass
class OpenIdProvider:
    """State of the provider; tests change its answers."""

    issuer: str = ""
    keys: list[RSAKey] = field(default_factory=list)
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "4711", "preferred_username": "zoe"})
    """Who logs in at once."""
    claims: dict[str, Any] = field(default_factory=dict)
    """Claims that differ from what they should be."""
    signs_with: str = "its key"
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def rotate(self) -> None:
        """Sign with a new key from now on."""
        self.keys = [RSAKey.generate_key(2048, {"kid": secrets.token_hex(4), "use": "sig", "alg": "RS256"})]

    def authorize(self, query: dict[str, str]) -> str:
        """Where the browser goes."""
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"].split()
        code = secrets.token_urlsafe(16)
        self.codes[code] = query
        return f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state'], 'iss': self.issuer})}"

    def token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Answer of the token endpoint."""
        asked = self.codes.pop(form.get("code", ""), None)
        wanted = base64.b64encode(f"{CLIENT}:{SECRET.replace(' ', '+')}".encode()).decode()
        plain = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization not in (f"Basic {wanted}", f"Basic {plain}"):
            return self._refuse("invalid_client")
        if asked is None or form.get("redirect_uri") != asked["redirect_uri"]:
            return self._refuse("invalid_grant")
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != asked["code_challenge"]:
            return self._refuse("invalid_grant: PKCE")
        now = int(time.time())
        said = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": asked["nonce"]}
        return 200, {
            "access_token": secrets.token_hex(8),
            "token_type": "Bearer",
            "id_token": self._signed(said | self.person | self.claims),
        }

    def _signed(self, claims: dict[str, Any]) -> str:
        claims = {name: value for name, value in claims.items() if value is not None}
        key = self.keys[0]
        if self.signs_with in ("nothing", "its public key as a secret"):
            secret = key.as_pem(private=False) if self.signs_with != "nothing" else None
            return _by_hand({"alg": "HS256" if secret else "none", "kid": key.kid}, claims, secret)
        if self.signs_with == "another key":
            key = RSAKey.generate_key(2048, {"kid": str(key.kid)})
        return jwt.encode({"alg": "RS256", "kid": self.keys[0].kid}, claims, key)

    def _refuse(self, reason: str) -> tuple[int, dict[str, Any]]:
        self.refused.append(reason)
        return 400, {"error": reason.partition(":")[0]}


def _by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes | None) -> str:
    """A token that no library would make."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.digest(secret, b".".join(parts), hashlib.sha256) if secret is not None else b""
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()


@contextmanager
def openid_provider() -> Iterator[OpenIdProvider]:
    """One on loopback."""
    provider = OpenIdProvider()
    provider.rotate()

    class Handler(QuietHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if parts.path == "/authorize":
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                self.send_response(302)
                self.send_header("Location", provider.authorize(query))
                self.send_header("Content-Length", "0")
                self.end_headers()
            elif parts.path == "/keys":
                self._answer(200, {"keys": [key.as_dict(private=False) for key in provider.keys]})
            else:
                names = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
                pages = {name: f"{provider.issuer}/{path}" for name, path in names.items()}
                self._answer(200, {"issuer": provider.issuer, **pages})

        def do_POST(self) -> None:
            sent = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            form = {name: values[0] for name, values in sent.items()}
            self._answer(*provider.token(form, self.headers.get("Authorization", "")))

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with LoopbackServer(Handler) as server:
        provider.issuer = server.url
        yield provider
