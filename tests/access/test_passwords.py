"""Passwords and the hashes of others."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker_assets.access.passwords import BadPassword, hash_password, is_correct, is_known, is_outdated, new_password


def _django(password: str, iterations: int = 1000) -> str:
    key = hashlib.pbkdf2_hmac("sha256", password.encode(), b"salt", iterations)
    return f"pbkdf2_sha256${iterations}$salt${base64.b64encode(key).decode()}"


def test_a_password_is_recognised_and_no_other() -> None:
    hashed = hash_password("correct horse")
    assert is_correct("correct horse", hashed)
    assert not is_correct("correct horsf", hashed)
    assert "correct horse" not in hashed
    assert not is_outdated(hashed)
    assert is_known(hashed)
    assert hash_password("correct horse") != hashed


def test_a_hash_of_django_is_compared_and_outdated() -> None:
    hashed = _django("correct horse")
    assert is_known(hashed)
    assert is_correct("correct horse", hashed)
    assert not is_correct("correct horsf", hashed)
    assert is_outdated(hashed)


@pytest.mark.parametrize(
    ("password", "why"), [("123456789", "at least 10"), ("x" * 1025, "at most"), ("ADMIN-2026", "name")]
)
def test_a_password_that_cannot_be(password: str, why: str) -> None:
    with pytest.raises(BadPassword, match=why):
        hash_password(password, "admin-2026")


def test_drawn_passwords_differ_and_are_long() -> None:
    assert len({new_password() for _ in range(100)}) == 100
    assert len(new_password()) >= 20


def test_nobody_and_an_empty_hash_have_no_password() -> None:
    assert not is_correct("", None)
    assert not is_correct("", "")
    assert not is_correct("x" * 2000, hash_password("correct horse"))


@settings(max_examples=50)
@given(
    st.one_of(
        st.text(max_size=80),
        *(
            st.text(max_size=40).map(f"{form}{{}}".format)
            for form in ("pbkdf2_sha256$", "$argon2id$v=19$m=65536,t=3,p=4$")
        ),
    )
)
@example("$argon2id$v=19$m=65536,t=3,p=4$ä$b")
def test_any_text_as_a_hash_is_refused_without_an_error(text: str) -> None:
    assert not is_correct("correct horse", text)


def test_a_hash_that_would_keep_the_server_busy_is_not_known() -> None:
    assert not is_known("pbkdf2_sha256$99999999999$salt$" + "A" * 44)
    known = hash_password("correct horse")
    assert is_known(known)
    assert not is_known(re.sub(r"m=\d+", "m=4194304", known))
    assert not is_known(re.sub(r"t=\d+", "t=1000", known))
