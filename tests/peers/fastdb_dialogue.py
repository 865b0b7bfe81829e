"""A client that behaves like FASTDB's client, request by request, in an independent implementation."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import requests
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

PASSWORD = "testing it"


class RefusedError(RuntimeError):
    """The client's reaction to 409 and 422, which end it at once."""


class FastdbClient:
    """The dialogue of `fastdb_client.py`: it asks who is logged in before each call; only 200 is success."""

    def __init__(self, url: str, username: str, password: str = PASSWORD) -> None:
        self.url, self.username, self.password = url, username, password
        self.session: requests.Session | None = None
        self.sent: list[tuple[str, int]] = []
        self.verify_logged_in()

    def send(self, path: str, body: Any = None) -> requests.Response:
        """One request; the client would send all but 200, 409 and 422 again for 25 s."""
        assert self.session is not None
        answer = self.session.post(f"{self.url}{path}", data=None, json=body)
        self.sent.append((path, answer.status_code))
        if answer.status_code in (409, 422):
            raise RefusedError(answer.text)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer

    def verify_logged_in(self) -> None:
        """Log in unless it is."""
        if self.session is not None:
            data = self.send("/auth/isauth").json()
            if data["status"] and data["username"] == self.username:
                return
            if data["status"]:
                assert self.send("/auth/logout").json()["status"] == "Logged out"
        self.session = requests.session()
        data = self.send("/auth/getchallenge", {"username": self.username}).json()
        opened = decrypted(data, self.password)
        data = self.send("/auth/respondchallenge", {"username": self.username, "response": opened}).json()
        assert data["status"] == "ok"
        assert data["username"] == self.username

    def raw(self, path: str, body: Any = None) -> requests.Response:
        """A call, as `post` with `return_format='raw'`."""
        self.verify_logged_in()
        return self.send(("" if path.startswith("/") else "/") + path, body)

    def post(self, path: str, body: Any = None) -> Any:
        """A call."""
        answer = self.raw(path, body)
        assert answer.headers["Content-Type"][:16] == "application/json"
        return answer.json()


def sent(url: str, body: Any = None, **options: Any) -> requests.Response:
    """A request outside a session."""
    return requests.post(url, json=body, timeout=60, **options)


def decrypted(data: dict[str, str], password: str) -> str:
    """Decrypt a challenge with the password.

    The authentication tag of AES-GCM is the last 16 bytes of the encrypted key, which is split here as in the client.
    """
    challenge, sealed, salt, iv = (base64.b64decode(data[name]) for name in ("challenge", "privkey", "salt", "iv"))
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 100_000, 32)
    opener = Cipher(algorithms.AES(key), modes.GCM(iv, sealed[-16:])).decryptor()
    private = serialization.load_der_private_key(opener.update(sealed[:-16]) + opener.finalize(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    return private.decrypt(challenge, padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)).decode()
