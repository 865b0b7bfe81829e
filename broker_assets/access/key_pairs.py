"""Key pairs whose passphrase is the password of the account, for log-in by a challenge (`challenges`).

A pair is used only with the password for which it was made: the hash of that password is stored with it, so that an old
pair can never remain in use after a password has changed. An account that has a password but no pair gets one when it
logs in by that password.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import psycopg
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker_assets.access import changes

Connection = psycopg.Connection[Any]

ROUNDS: Final = 100_000
"""Iterations of PBKDF2 (SHA-256); clients have this number built in."""
BITS: Final = 2048
"""Size of the RSA keys."""
PADDING: Final = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
"""Padding of texts that are encrypted for the owner of a pair."""
_EXPONENT: Final = 65_537
_BYTES: Final = 16
"""Length of a salt, of an initialisation vector, and of the AES-GCM authentication tag at the end of a ciphertext."""
_LENGTHS: Final = (1216, 1216, 1217, 1217, 1217, 1218, 1218, 1219)
"""Lengths of private keys in bytes, each as often as it occurs."""


@dataclass(frozen=True)
class KeyPair:
    """A key pair, as it is stored and given to clients."""

    public: str
    """PEM."""
    private: str
    """PKCS #8 in DER, encrypted with AES-GCM, with the authentication tag at the end; base64, like the following
    attributes."""
    salt: str
    iv: str


def make_pair(password: str) -> KeyPair:
    """Make a new pair for a password, which takes a tenth of a second.

    Examples
    --------
    >>> pair = make_pair("sufficiently long")
    >>> encrypt(pair, b"said")[:4] != b"said"
    True
    """
    key = rsa.generate_private_key(_EXPONENT, BITS)
    plain = key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    salt, iv = secrets.token_bytes(_BYTES), secrets.token_bytes(_BYTES)
    sealed = AESGCM(hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ROUNDS, 32)).encrypt(iv, plain, None)
    return KeyPair(public.decode(), _text(sealed), _text(salt), _text(iv))


def pair_of_nobody(seed: str) -> KeyPair:
    """Make what looks like the pair of an account but cannot be opened with any password.

    Parameters
    ----------
    seed : str
        A secret that only this server can derive from the name: the same name must always get the same pair.

    Examples
    --------
    >>> pair_of_nobody("a").private == pair_of_nobody("a").private, pair_of_nobody("a").iv == pair_of_nobody("b").iv
    (True, False)
    """
    content = hashlib.shake_256(seed.encode()).digest(2 * _BYTES + 1 + max(_LENGTHS) + _BYTES)
    salt, iv, length = content[:_BYTES], content[_BYTES : 2 * _BYTES], _LENGTHS[content[2 * _BYTES] % len(_LENGTHS)]
    sealed = content[2 * _BYTES + 1 :][: length + _BYTES]
    return KeyPair(_nobodys_key(), _text(sealed), _text(salt), _text(iv))


def encrypt(pair: KeyPair, said: bytes) -> bytes:
    """Encrypt something so that only the owner of a pair can read it."""
    key = serialization.load_pem_public_key(pair.public.encode())
    assert isinstance(key, rsa.RSAPublicKey)  # noqa: S101 - what was stored
    return key.encrypt(said, PADDING)


def keep(connection: Connection, userid: int, hashed: str, pair: KeyPair) -> None:
    """Store the pair of an account, in the transaction that stores the hash of its password."""
    connection.execute(
        "INSERT INTO access.key_pairs (userid, passwordsha256, publickey, privatekey, salt, iv)"
        " VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (userid) DO UPDATE SET"
        " passwordsha256 = excluded.passwordsha256, publickey = excluded.publickey, privatekey = excluded.privatekey,"
        " salt = excluded.salt, iv = excluded.iv, date_created = now()",
        (userid, _stamp(hashed), pair.public, pair.private, pair.salt, pair.iv),
    )


def keep_missing(connection: Connection, userid: int, hashed: str, password: str) -> None:
    """Make the pair of an account that has none for its password, which has just been given correctly."""
    if find(connection, userid, hashed) is not None:
        return
    pair = make_pair(password)
    with connection.transaction():
        # The second of two simultaneous log-ins finds the pair of the first; a password set since then needs another
        # pair.
        row = connection.execute(
            "SELECT password FROM access.users WHERE userid = %s FOR NO KEY UPDATE", (userid,)
        ).fetchone()
        if row is None or row[0] != hashed or find(connection, userid, hashed) is not None:
            return
        keep(connection, userid, hashed, pair)
        changes.record(connection, userid, "key pair made", _name(connection, userid))


def find(connection: Connection, userid: int, hashed: str) -> KeyPair | None:
    """Return the pair of an account for the password with this hash; None if it has none."""
    row = connection.execute(
        "SELECT publickey, privatekey, salt, iv FROM access.key_pairs WHERE userid = %s AND passwordsha256 = %s",
        (userid, _stamp(hashed)),
    ).fetchone()
    return None if row is None else KeyPair(*row)


def _name(connection: Connection, userid: int) -> str:
    row = connection.execute("SELECT username FROM access.users WHERE userid = %s", (userid,)).fetchone()
    return "" if row is None else str(row[0])


@cache
def _nobodys_key() -> str:
    """Return a public key whose private key was thrown away; made when first needed, since that takes time."""
    return make_pair(secrets.token_urlsafe()).public


def _stamp(hashed: str) -> str:
    return hashlib.sha256(hashed.encode()).hexdigest()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
