"""Forms: numbers with their limits, and files with safe names."""

from __future__ import annotations

import pytest

from broker_assets.api.site.forms import BadField, SentForm, attachment, see


def test_fields_are_read_with_their_limits() -> None:
    form = SentForm({"a": " 1.5 ", "n": "7", "t": " x\r\ny ", "box": "on"})
    assert form.number("a", least=0, most=2, what="A") == 1.5
    assert form.whole("n", least=0, most=7, what="N") == 7
    assert form.text("t") == "x\ny"
    assert form.ticked("box")
    assert not form.ticked("other")
    for name in ("t", "n", "missing"):
        with pytest.raises(BadField, match="N: "):
            form.number(name, least=0, most=2, what="N")
    for name in ("a", "missing", "n"):
        with pytest.raises(BadField, match="from 0 to 6"):
            form.whole(name, least=0, most=6, what="N")
    with pytest.raises(BadField):
        SentForm({"x": "nan"}).number("x", least=0, most=1, what="X")


def test_files_have_safe_names_and_addresses_are_quoted() -> None:
    answer = attachment("x", "text/csv", 'a"\r\nSet-Cookie: b/ü.csv')
    assert answer.headers["content-disposition"] == 'attachment; filename="a___Set-Cookie__b__.csv"'
    assert see("/filters/3/", said="a b", tab=None).headers["location"] == "/filters/3/?said=a+b"
