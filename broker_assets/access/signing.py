"""Signatures of the platform: it recognises what it has given out when it comes back, without storing it.

One secret signs; earlier ones are still recognised until their last day, so that a change of the secret breaks no
address in use. Each purpose has a key of its own, derived from the secret: a signature for one purpose is not valid for
another.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

SHORTEST: Final = 32
"""Minimum number of characters of a secret."""


IMAGES: Final = "cutout"
"""Purpose of the signatures of images; the text is the source and the kind, `4711_science`."""


class BadKey(ValueError):
    """A secret cannot be used; the message says why without repeating it."""


class BadSignature(ValueError):
    """The document was not sealed here for this purpose, or it has expired."""


class Signer:
    """Makes and verifies signatures.

    Parameters
    ----------
    secret : str
        At least 32 characters.
    earlier : sequence of (str, datetime)
        Secrets that signed before, each with the time until which its signatures are recognised.

    Raises
    ------
    BadKey
        If a secret is too short.

    Examples
    --------
    >>> signer = Signer("a secret of at least 32 characters")
    >>> signature = signer.sign("cutout", "4711_science")
    >>> signer.is_signed("cutout", "4711_science", signature), signer.is_signed("cutout", "4712_science", signature)
    (True, False)
    >>> later = Signer("another secret of 32 characters or more", [("a secret of at least 32 characters",
    ...     datetime.datetime(2100, 1, 1, tzinfo=datetime.UTC))])
    >>> later.is_signed("cutout", "4711_science", signature)
    True
    """

    def __init__(self, secret: str, earlier: Sequence[tuple[str, datetime.datetime]] = ()) -> None:
        if any(len(one) < SHORTEST for one in (secret, *(one for one, _ in earlier))):
            raise BadKey(f"a signing key has at least {SHORTEST} characters; make one with `openssl rand -hex 32`")
        self._secret = secret.encode()
        self._earlier = [(one.encode(), until.timestamp()) for one, until in earlier]

    @classmethod
    def of_this_process(cls) -> Signer:
        """Make a signer with a random secret: its signatures are recognised until the process ends."""
        return cls(secrets.token_hex(32))

    def sign(self, purpose: str, text: str) -> str:
        """Return the signature of a text: 43 characters that need no quoting in a URL."""
        return _encoded(_mac(self._secret, purpose, text))

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether a signature is that of the text, by the secret or an earlier one that is still recognised."""
        try:
            given = _decoded(signature)
        except BadSignature:
            return False
        now = time.time()
        valid = [self._secret, *(secret for secret, until in self._earlier if now < until)]
        found = [hmac.compare_digest(given, _mac(secret, purpose, text)) for secret in valid]
        return any(found)

    def seal(self, purpose: str, document: Mapping[str, Any], seconds: float) -> str:
        """Turn a document into a text that only this platform can write, but anybody can read.

        Parameters
        ----------
        purpose : str
            What it is for.
        document : mapping
            A JSON object.
        seconds : float
            Time after which it is no longer recognised.
        """
        body = _encoded(json.dumps([time.time() + seconds, dict(document)], separators=(",", ":")).encode())
        return f"{body}.{self.sign(purpose, body)}"

    def open(self, purpose: str, sealed: str) -> dict[str, Any]:
        """Return the document of a text that `seal` made.

        Raises
        ------
        BadSignature
            If it was not sealed here for this purpose, or it has expired.
        """
        body, _, signature = sealed.partition(".")
        if len(sealed) > 4096 or not self.is_signed(purpose, body, signature):
            raise BadSignature("it was not issued here")
        until, document = json.loads(_decoded(body))
        if time.time() > until:
            raise BadSignature("it has expired")
        return dict(document)


def _mac(secret: bytes, purpose: str, text: str) -> bytes:
    return hmac.digest(hmac.digest(secret, purpose.encode(), hashlib.sha256), text.encode(), hashlib.sha256)


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadSignature("it is not base64") from None
