"""Passwords: hashed with argon2id, and compared with hashes.

Accounts that were taken over from Django have PBKDF2 hashes until their first log-in, which writes a new one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from functools import cache
from typing import Final

import argon2

SHORTEST: Final = 10
"""Minimum number of characters of a password."""
LONGEST: Final = 1024
"""Maximum number of characters of a password: hashing takes longer for more."""
_MOST_ITERATIONS: Final = 5_000_000
"""Maximum number of PBKDF2 iterations in a hash that is taken over: more would only cost the server time."""
_MOST_MEMORY: Final = 1 << 20
"""Of argon2, KiB; its default is a sixteenth of this."""
_MOST_PASSES: Final = 64
"""Of argon2 over that memory; its default is 3."""

_HASHER: Final = argon2.PasswordHasher()
"""Parameters are those of the library, which follow RFC 9106, section 4, second recommended option."""


@cache
def _of_nobody() -> str:
    """Return a hash to compare with where there is no account; made when first needed, since that takes time."""
    return _HASHER.hash(secrets.token_urlsafe())


class BadPassword(ValueError):
    """A password that an account cannot have; the message says why."""


def new_password() -> str:
    """A random password of 120 bits."""
    return secrets.token_urlsafe(15)


def hash_password(password: str, username: str = "") -> str:
    """The hash of a new password.

    Parameters
    ----------
    password : str
        At least ten characters, and not the name of the account.
    username : str
        Name of the account.

    Raises
    ------
    BadPassword
        If the password is too short, too long, or the name.

    Examples
    --------
    >>> hash_password("short")
    Traceback (most recent call last):
        ...
    broker_assets.access.passwords.BadPassword: a password has at least 10 characters
    >>> hash_password("sufficiently long").startswith("$argon2id$")
    True
    """
    if len(password) < SHORTEST:
        raise BadPassword(f"a password has at least {SHORTEST} characters")
    if len(password) > LONGEST:
        raise BadPassword(f"a password has at most {LONGEST} characters")
    if username and password.casefold() == username.casefold():
        raise BadPassword("the password must not be the name of the account")
    return _HASHER.hash(password)


def is_correct(password: str, hashed: str | None) -> bool:
    """Whether a password is that of a hash; takes as long for an account that does not exist (None, or an empty hash).

    Examples
    --------
    >>> is_correct("sufficiently long", hash_password("sufficiently long"))
    True
    >>> is_correct("sufficiently long", None)
    False
    """
    nobody = _of_nobody()  # the first call takes longer, whether or not the account exists
    if len(password) > LONGEST:
        return False
    if hashed and hashed.startswith("pbkdf2_sha256$"):
        return _is_correct_pbkdf2(password, hashed)
    comparable = bool(hashed) and str(hashed).isascii()
    try:
        _HASHER.verify(hashed if hashed and comparable else nobody, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False
    return comparable


def is_outdated(hashed: str) -> bool:
    """Whether a password should be hashed again at the next log-in: another method, or weaker parameters."""
    try:
        return _HASHER.check_needs_rehash(hashed)
    except argon2.exceptions.InvalidHashError:
        return True


def is_known(hashed: str) -> bool:
    """Whether a hash that is taken over from elsewhere can be compared with.

    Examples
    --------
    >>> is_known("pbkdf2_sha256$600000$salt$" + "A" * 43 + "=")
    True
    >>> is_known("md5$salt$abc")
    False
    """
    if hashed.startswith("$argon2id$"):
        try:
            given = argon2.extract_parameters(hashed)
        except argon2.exceptions.InvalidHashError:
            return False
        return hashed.isascii() and given.memory_cost <= _MOST_MEMORY and given.time_cost <= _MOST_PASSES
    return _pbkdf2_parts(hashed) is not None


def _pbkdf2_parts(hashed: str) -> tuple[int, bytes, bytes] | None:
    """Iterations, salt and key of a hash as Django writes it: `pbkdf2_sha256$iterations$salt$base64`."""
    parts = hashed.split("$")
    if len(parts) != 4 or parts[0] != "pbkdf2_sha256" or not parts[1].isascii() or not parts[1].isdigit():
        return None
    try:
        key = base64.b64decode(parts[3], validate=True)
    except (binascii.Error, ValueError):
        return None
    iterations = int(parts[1])
    return (iterations, parts[2].encode(), key) if key and 0 < iterations <= _MOST_ITERATIONS else None


def _is_correct_pbkdf2(password: str, hashed: str) -> bool:
    parts = _pbkdf2_parts(hashed)
    if parts is None:
        return False
    iterations, salt, key = parts
    return hmac.compare_digest(hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations, len(key)), key)
