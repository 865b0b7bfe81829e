"""Names of topics are Lasair's, and prefixes of owners keep them apart."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.delivery.names import private_prefix, reader_name, reduced, topic_name

TEXT = st.text(max_size=300)


def test_the_name_of_the_contract() -> None:
    assert topic_name("7", "My filter #1", 1, public=True) == "lasair_7Myfilter1"
    long = "a" * 70 + "b" * 70
    assert reduced(long) == "a" * 64 + "b" * 64


@given(TEXT, TEXT, st.booleans(), st.booleans())
def test_kafka_takes_every_name(owner: str, name: str, public: bool, taken: bool) -> None:
    topic = topic_name(owner[:30], name, 2**40, public=public, taken=taken)
    assert re.fullmatch(r"[A-Za-z0-9._-]+", topic)
    assert len(topic) <= 249 or not public


@given(TEXT, TEXT)
def test_no_owner_reads_the_topics_of_another_by_prefix(one: str, other: str) -> None:
    if one != other:
        assert not topic_name(other, "name", 1, public=False).startswith(private_prefix(one))
        assert reader_name(one) != reader_name(other)


def test_a_name_without_usable_characters_has_the_number() -> None:
    assert topic_name("ann", "???", 5, public=True) == "lasair_ann-5"
