"""Signatures, and the change of the secret."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.access.signing import BadKey, BadSignature, Signer

SECRET = "a secret of at least 32 characters"
SIGNER = Signer(SECRET)


@given(st.text(), st.text())
def test_a_signature_is_that_of_its_text_and_purpose(text: str, other: str) -> None:
    signature = SIGNER.sign("cutout", text)
    assert SIGNER.is_signed("cutout", text, signature)
    assert SIGNER.is_signed("cutout", other, signature) == (other == text)
    assert not SIGNER.is_signed("link", text, signature)
    assert not SIGNER.is_signed("cutout", text, other)


def test_an_earlier_secret_is_recognised_for_a_time_and_signs_no_more() -> None:
    now = datetime.datetime.now(datetime.UTC)
    signature, sealed = SIGNER.sign("cutout", "7"), SIGNER.seal("state", {"a": 1}, 60)
    for hours, known in ((1, True), (-1, False)):
        later = Signer("b" * 32, [(SECRET, now + datetime.timedelta(hours=hours))])
        assert later.is_signed("cutout", "7", signature) is known
        assert not SIGNER.is_signed("cutout", "7", later.sign("cutout", "7"))
    assert Signer("b" * 32, [(SECRET, now + datetime.timedelta(hours=1))]).open("state", sealed) == {"a": 1}


def test_a_sealed_document_is_opened_for_its_purpose_and_in_its_time() -> None:
    sealed = SIGNER.seal("state", {"next": "/é"}, 60)
    assert SIGNER.open("state", sealed) == {"next": "/é"}
    body, _, signature = sealed.partition(".")
    for bad in ("", ".", body, f"{body}.", f"{body[:-1]}x.{signature}", f".{signature}", "é.é", sealed * 100):
        with pytest.raises(BadSignature):
            SIGNER.open("state", bad)
    with pytest.raises(BadSignature):
        SIGNER.open("another", sealed)
    with pytest.raises(BadSignature, match="expired"):
        SIGNER.open("state", SIGNER.seal("state", {}, -1))


def test_a_short_secret_is_refused_without_being_shown() -> None:
    with pytest.raises(BadKey) as found:
        Signer("short secret")
    assert "short secret" not in str(found.value)
    assert Signer.of_this_process().sign("a", "b") != Signer.of_this_process().sign("a", "b")
