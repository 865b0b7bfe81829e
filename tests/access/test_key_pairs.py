"""Pairs of keys whose passphrase is the password."""

from __future__ import annotations

import base64
import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker_assets.access import accounts, key_pairs
from broker_assets.access.passwords import hash_password
from broker_assets.database import engine

PASSWORD = "sufficiently long"


def test_the_password_opens_the_key() -> None:
    pair = key_pairs.make_pair(PASSWORD)
    sealed, salt, iv = (base64.b64decode(part) for part in (pair.private, pair.salt, pair.iv))
    key = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), salt, key_pairs.ROUNDS, 32)
    private = serialization.load_der_private_key(AESGCM(key).decrypt(iv, sealed, None), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == key_pairs.BITS
    assert private.decrypt(key_pairs.encrypt(pair, b"said"), key_pairs.PADDING) == b"said"


@pytest.mark.database
def test_log_ins_at_once_make_one_pair(connection: psycopg.Connection[Any], module_database_url: str) -> None:
    user = accounts.add_with_hash(connection, "eva", hash_password(PASSWORD))

    def log_in(_: int) -> None:
        with engine.connect(module_database_url, autocommit=True) as own:
            accounts.log_in(own, "eva", PASSWORD, "192.0.2.1")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(log_in, range(2)))
    assert connection.execute("SELECT userid FROM access.key_pairs").fetchall() == [(user.userid,)]
    assert connection.execute("SELECT count(*) FROM access.changes WHERE action = 'key pair made'").fetchone() == (1,)
    # A password that was changed meanwhile gets no pair of the old one.
    accounts.update(connection, "eva", password="another one")
    before = connection.execute("SELECT publickey FROM access.key_pairs").fetchall()
    key_pairs.keep_missing(connection, user.userid, "the old hash", PASSWORD)
    assert connection.execute("SELECT publickey FROM access.key_pairs").fetchall() == before
    accounts.remove(connection, "eva")
    assert connection.execute("SELECT FROM access.key_pairs").fetchone() is None
